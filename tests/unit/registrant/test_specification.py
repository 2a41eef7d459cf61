"""The page that this project was asked for, "SMPLify" of XRMoCap's documentation: each of its scripts runs, with the import line changed.

The scripts are written anew; names, arguments and values are those of the page. Data and folders that the page takes for granted are
not there: the default body and its prior take their place.
"""

import logging
from typing import Literal

import pytest
import torch

import fitting
from fitting import (
    BaseHandler,
    BaseInput,
    Config,
    Keypoint3dLimbLenInput,
    Keypoint3dMSEInput,
    build_handler,
    build_registrant,
    convert_keypoints,
)

CONFIG = """
type = 'SMPLify'

verbose = True
info_level = 'step'
logger = None
n_epochs = 1
use_one_betas_per_video = True
ignore_keypoints = ['neck_openpose', 'right_hip_openpose', 'left_hip_openpose', 'right_hip_extra', 'left_hip_extra']

body_model = dict(
    type='SMPL',
    gender='neutral',
    num_betas=10,
    keypoint_convention='smpl_45',
    model_path='xrmocap_data/body_models/smpl',
    batch_size=1,
    logger=logger)

optimizer = dict(type='LBFGS', max_iter=20, lr=1.0, line_search_fn='strong_wolfe')

handlers = [
    dict(
        handler_key='keypoints3d_mse',
        type='Keypoint3dMSEHandler',
        mse_loss=dict(type='KeypointMSELoss', loss_weight=10.0, reduction='sum', sigma=100),
        logger=logger),
    dict(
        handler_key='shape_prior',
        type='BetasPriorHandler',
        prior_loss=dict(type='ShapePriorLoss', loss_weight=5e-3, reduction='mean'),
        logger=logger),
    dict(
        handler_key='joint_prior',
        type='BodyPosePriorHandler',
        prior_loss=dict(
            type='JointPriorLoss',
            loss_weight=20.0,
            reduction='sum',
            smooth_spine=True,
            smooth_spine_loss_weight=20,
            use_full_body=True),
        logger=logger),
    dict(
        handler_key='pose_prior',
        type='BodyPosePriorHandler',
        prior_loss=dict(
            type='MaxMixturePriorLoss',
            prior_folder='xrmocap_data/body_models',
            num_gaussians=8,
            loss_weight=4.78**2,
            reduction='sum'),
        logger=logger),
    dict(
        handler_key='keypoints3d_limb_len',
        type='Keypoint3dLimbLenHandler',
        loss=dict(type='LimbLengthLoss', convention='smpl', loss_weight=1.0, reduction='mean'),
        logger=logger),
]

stages = [
    # shape from limb lengths
    dict(
        n_iter=10,
        ftol=1e-4,
        fit_global_orient=False,
        fit_transl=False,
        fit_body_pose=False,
        fit_betas=True,
        keypoints3d_mse_weight=0.0,
        keypoints3d_limb_len_weight=1.0,
        shape_prior_weight=5e-3,
        joint_prior_weight=0.0,
        pose_prior_weight=0.0),
    # pose
    dict(
        n_iter=30,
        ftol=1e-4,
        fit_global_orient=True,
        fit_transl=True,
        fit_body_pose=True,
        fit_betas=False,
        keypoints3d_mse_weight=10.0,
        keypoints3d_mse_reduction='sum',
        keypoints3d_limb_len_weight=0.0,
        shape_prior_weight=0.0,
        joint_prior_weight=1e-4,
        pose_prior_weight=1e-4,
        body_weight=1.0,
        use_shoulder_hip_only=False),
]
"""
N_FRAMES = 3
Reduction = Literal["mean", "sum", "none"]


@pytest.fixture
def device():
    return torch.device("cpu")


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The config of the page as a file of its own, read as its script does; on the CPU, as a test machine may have no more."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smplify.py").write_text(CONFIG)
    return dict(Config.fromfile("smplify.py")) | {"device": "cpu"}


@pytest.fixture
def keypoints3d(random_poses, keypoints_of):
    """Keypoints of one person as XRMoCap holds them: (F, 1, 24, 4), with confidence in the last column."""
    points = keypoints_of(random_poses(N_FRAMES))[:, None, :24]
    confidence = torch.ones(*points.shape[:3], 1)
    return fitting.Keypoints(torch.cat([points, confidence], -1).numpy(), convention="smpl")


@pytest.fixture
def inputs(keypoints3d, device):
    """What the script "Prepare the input and run" makes of keypoints."""
    keypoints_smpl = convert_keypoints(keypoints=keypoints3d, dst="smpl")
    kps3d = torch.from_numpy(keypoints_smpl.get_keypoints()[:, 0, :, :3]).to(dtype=torch.float32, device=device)
    kps3d_conf = torch.from_numpy(keypoints_smpl.get_mask()[:, 0, :]).to(dtype=torch.float32, device=device)
    kp3d_mse_input = build_handler(
        dict(
            type=Keypoint3dMSEInput,
            keypoints3d=kps3d,
            keypoints3d_conf=kps3d_conf,
            keypoints3d_convention="smpl",
            handler_key="keypoints3d_mse",
        )
    )
    kp3d_llen_input = build_handler(
        dict(
            type=Keypoint3dLimbLenInput,
            keypoints3d=kps3d,
            keypoints3d_conf=kps3d_conf,
            keypoints3d_convention="smpl",
            handler_key="keypoints3d_limb_len",
        )
    )
    return [kp3d_mse_input, kp3d_llen_input]


def test_build_and_run(config, inputs, caplog):
    with caplog.at_level(logging.INFO):
        smplify = build_registrant(config)
        smplify_output = smplify(input_list=inputs)
    shapes = {name: tuple(value.shape) for name, value in smplify_output.items()}
    assert shapes == {"global_orient": (N_FRAMES, 3), "transl": (N_FRAMES, 3), "body_pose": (N_FRAMES, 69), "betas": (1, 10)}
    fitted = smplify.evaluate(inputs, smplify_output)["keypoints3d_mse"]
    assert fitted < 0.01 * smplify.evaluate(inputs, {})["keypoints3d_mse"]
    assert sum("total_loss" in message for message in caplog.messages) > 10, "verbose, at every step"


def test_building_leaves_the_config_as_it_was(config):
    before = repr(config)
    build_registrant(config)
    assert repr(config) == before


class SmoothJointLoss(torch.nn.Module):
    """Tutorial, (a): a loss of the body's parameters alone."""

    def __init__(
        self, reduction: Reduction = "mean", loss_weight: float = 1.0, degree: bool = False, loss_func: Literal["L1", "L2"] = "L1"
    ):
        super().__init__()
        self.reduction, self.loss_weight, self.degree, self.loss_func = reduction, loss_weight, degree, loss_func

    def forward(self, body_pose, loss_weight_override=None, reduction_override=None):
        weight = self.loss_weight if loss_weight_override is None else loss_weight_override
        change = (body_pose[1:] - body_pose[:-1]) * (torch.pi / 180 if self.degree else 1)
        loss = weight * (change.abs() if self.loss_func == "L1" else change.square())
        reduction = reduction_override or self.reduction
        return {"mean": torch.mean, "sum": torch.sum, "none": lambda value: value}[reduction](loss)


@pytest.mark.parametrize("optimizer", [dict(type="LBFGS", max_iter=5, line_search_fn="strong_wolfe"), dict(type="Adam", lr=1e-2)])
@pytest.mark.parametrize("loss_func", ["L1", "L2"])
def test_tutorial_a(config, inputs, optimizer, loss_func):
    """With a heavy weight the poses of all frames become one."""
    handler = dict(
        handler_key="smooth_joint",
        type="BodyPosePriorHandler",
        prior_loss=dict(type=SmoothJointLoss, loss_weight=1.0, reduction="mean", loss_func=loss_func),
        logger=None,
    )
    stage = {**config["stages"][1], "smooth_joint_weight": 1e4, "n_iter": 20, "ftol": 0}
    changed = {
        **config,
        "optimizer": optimizer,
        "handlers": [*config["handlers"], handler],
        "stages": [stage],
        "verbose": False,
        "grad_clip": None,
    }
    start = {"body_pose": 0.2 * torch.randn(N_FRAMES, 69, generator=torch.Generator().manual_seed(0))}
    output = build_registrant(changed)(inputs, start)
    assert output["body_pose"].diff(dim=0).abs().mean() < 0.5 * start["body_pose"].diff(dim=0).abs().mean()


class LimbLengthLoss(torch.nn.Module):
    """Tutorial, (b): a loss between the body and a target."""

    def __init__(self, convention: str, reduction: Reduction = "mean", loss_weight: float = 1.0, eps: float = 1e-4):
        super().__init__()
        self.convention, self.reduction, self.loss_weight, self.eps = convention, reduction, loss_weight, eps
        self.limbs = torch.tensor(fitting.get_convention(convention).limbs())

    def forward(self, pred, target, pred_conf=None, target_conf=None, loss_weight_override=None, reduction_override=None):
        pred, target = ((points[:, self.limbs[:, 1]] - points[:, self.limbs[:, 0]]).norm(dim=-1) for points in (pred, target))
        loss = (self.loss_weight if loss_weight_override is None else loss_weight_override) * (pred - target).square()
        reduction = reduction_override or self.reduction
        return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()


class MyLimbLenInput(BaseInput):
    def __init__(self, keypoints3d, keypoints3d_convention="human_data", keypoints3d_conf=None, handler_key="my_limb_len"):
        super().__init__(handler_key=handler_key)
        self.keypoints3d, self.keypoints3d_conf = keypoints3d, keypoints3d_conf
        self.keypoints3d_convention = keypoints3d_convention

    def get_batch_size(self) -> int:
        return self.keypoints3d.shape[0]


class MyLimbLenHandler(BaseHandler):
    def __init__(self, loss, handler_key="my_limb_len", device="cuda", logger=None):
        super().__init__(handler_key=handler_key, device=device, logger=logger)
        # Another handler would fail here on a machine without the device that its own default names.
        self.ones = torch.ones(1, device=device)
        self.loss = fitting.build_loss(loss)

    def requires_input(self) -> bool:
        return True

    def requires_verts(self) -> bool:
        return False

    def get_loss_weight(self) -> float:
        return self.loss.loss_weight

    def __call__(
        self, related_input, model_joints, model_joints_convention, loss_weight_override=None, reduction_override=None, **kwargs
    ) -> torch.Tensor:
        assert model_joints_convention == "smpl_45"
        assert {"betas", "body_pose", "global_orient", "transl", "model_vertices", "model_joints_weights"} <= set(kwargs)
        return self.loss(
            pred=model_joints[:, :24],
            target=related_input.keypoints3d,
            loss_weight_override=loss_weight_override,
            reduction_override=reduction_override,
        )


@pytest.mark.parametrize("optimizer", [dict(type="LBFGS", max_iter=10, line_search_fn="strong_wolfe"), dict(type="Adam", lr=0.05)])
def test_tutorial_b(config, body, optimizer):
    """The shape follows the limb lengths, by classes of the user's own throughout."""
    with torch.no_grad():
        target = body(betas=torch.full((1, 10), 0.8)).joints[:, :24].expand(N_FRAMES, -1, -1)
    handlers = [dict(type=MyLimbLenHandler, loss=dict(type=LimbLengthLoss, convention="smpl", reduction="sum"))]
    stage = dict(fit_global_orient=False, fit_transl=False, fit_body_pose=False, fit_betas=True, n_iter=60, ftol=0, my_limb_len_weight=10.0)
    registrant = build_registrant({**config, "optimizer": optimizer, "handlers": handlers, "stages": [stage], "verbose": False})
    mine = [MyLimbLenInput(target, "smpl")]
    start = registrant.evaluate(mine, {})["my_limb_len"]
    output = registrant(mine)
    assert registrant.evaluate(mine, output)["my_limb_len"] < 0.01 * start
