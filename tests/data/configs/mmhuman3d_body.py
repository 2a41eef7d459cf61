"""A config in the shape of mmhuman3d's, with all that such configs use."""

type = "SMPLify"
verbose = True
num_epochs = 3
img_res = 224
camera = dict(type="PerspectiveCameras", focal_length=5000.0)

body_model = dict(
    type="GenderedSMPL",
    num_betas=10,
    keypoint_src="smpl_45",
    keypoint_dst="smpl",
    keypoint_approximate=True,
    model_path="no_such_folder/smpl",
    batch_size=1,
)

stages = [
    dict(
        num_iter=4,
        fit_global_orient=False,
        fit_transl=False,
        fit_body_pose=False,
        fit_betas=True,
        keypoints3d_weight=0.0,
        pose_reg_weight=0.0,
        smooth_loss_weight=0.0,
        limb_length_weight=1.0,
        shape_prior_weight=5e-3,
    ),
    dict(
        num_iter=6,
        fit_body_pose=False,
        fit_betas=False,
        keypoints3d_weight=1.0,
        pose_reg_weight=0.0,
        smooth_loss_weight=0.0,
        limb_length_weight=0.0,
        shape_prior_weight=0.0,
        joint_weights=dict(body_weight=5.0, use_shoulder_hip_only=True),
    ),
    dict(num_iter=8, ftol=1e-5, fit_betas=False, limb_length_weight=0.0, joint_weights=dict(body_weight=2.0)),
]

optimizer = dict(type="Adam", lr=1e-2, betas=(0.9, 0.999))

keypoints2d_loss = dict(type="KeypointMSELoss", loss_weight=1, reduction="sum", sigma=100)
keypoints3d_loss = dict(type="KeypointMSELoss", loss_weight=10, reduction="sum", sigma=100)
shape_prior_loss = dict(type="ShapePriorLoss", loss_weight=5e-3, reduction="sum")
limb_length_loss = dict(type="LimbLengthLoss", limb_convention="smpl", loss_weight=1.0, reduction="sum")
pose_reg_loss = dict(type="PoseRegLoss", loss_weight=0.001, reduction="mean")
smooth_loss = dict(type="SmoothJointLoss", loss_weight=1.0, reduction="mean", loss_func="L2")
joint_prior_loss = None

ignore_keypoints = ["left_hip_extra"]
