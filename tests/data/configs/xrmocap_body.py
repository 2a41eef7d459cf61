"""A config in the shape of XRMoCap's, with all that such configs use."""

type = "SMPLify"

verbose = True
info_level = "stage"
logger = None
n_epochs = 2
hooks = [dict(type="SMPLifyVerboseHook")]
ignore_keypoints = ("left_foot", "right_foot")

folder = "no_such_folder"
body_model = dict(
    type="SMPL",
    gender="female",
    num_betas=10,
    keypoint_convention="smpl_45",
    model_path=folder + "/smpl",
    batch_size=1,
    logger=logger,
)

optimizer = dict(type="LBFGS", max_iter=5, lr=1.0, line_search_fn="strong_wolfe")

points = dict(type="KeypointMSELoss", sigma=100, reduction="sum")
handlers = [
    dict(handler_key="keypoints3d_mse", type="Keypoint3dMSEHandler", mse_loss=dict(**points, loss_weight=10.0), logger=logger),
    dict(
        handler_key="shape_prior",
        type="BetasPriorHandler",
        prior_loss=dict(type="ShapePriorLoss", loss_weight=5e-3, reduction="mean"),
        logger=logger,
    ),
    dict(
        handler_key="joint_prior",
        type="BodyPosePriorHandler",
        prior_loss=dict(type="JointPriorLoss", loss_weight=20.0, reduction="sum", smooth_spine=True, use_full_body=True),
        logger=logger,
    ),
    dict(
        handler_key="pose_prior",
        type="BodyPosePriorHandler",
        prior_loss=dict(type="MaxMixturePriorLoss", prior_folder=folder, num_gaussians=2**3, loss_weight=4.78**2, reduction="sum"),
        logger=logger,
    ),
    dict(
        handler_key="keypoints3d_limb_len",
        type="Keypoint3dLimbLenHandler",
        loss=dict(type="LimbLengthLoss", convention="smpl", loss_weight=1.0, reduction="mean"),
        logger=logger,
    ),
]

frozen = dict(fit_global_orient=False, fit_transl=False, fit_body_pose=False)
off = dict(joint_prior_weight=0.0, pose_prior_weight=0.0)
stages = [
    dict(n_iter=3, ftol=1e-4, **frozen, **off, keypoints3d_mse_weight=0.0, keypoints3d_limb_len_weight=1.0, shape_prior_weight=5e-3),
    {**off, "n_iter": 3 * 2, "fit_betas": False, "keypoints3d_limb_len_weight": 0.0, "shape_prior_weight": 0.0, "body_weight": 2.0},
]
del folder, points, frozen, off
