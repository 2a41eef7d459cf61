import copy

import pytest
import torch

from fitting.handlers import Keypoint3dLimbLenInput, Keypoint3dMSEInput
from fitting.registrant import SMPLify

HANDLERS = [
    {
        "type": "Keypoint3dMSEHandler",
        "handler_key": "keypoints3d_mse",
        "mse_loss": {"type": "KeypointMSELoss", "loss_weight": 100.0, "reduction": "sum", "sigma": 1.0, "robust_on": "error"},
    },
    {"type": "Keypoint3dLimbLenHandler", "handler_key": "keypoints3d_limb_len", "loss": {"type": "LimbLengthLoss", "convention": "smpl"}},
    {"type": "BetasPriorHandler", "handler_key": "shape_prior", "prior_loss": {"type": "ShapePriorLoss", "loss_weight": 1e-3}},
    {"type": "BodyPosePriorHandler", "handler_key": "pose_reg", "prior_loss": {"type": "PoseRegLoss", "loss_weight": 1e-3}},
]
LBFGS = {"type": "LBFGS", "lr": 1.0, "max_iter": 10, "line_search_fn": "strong_wolfe", "scaled": True}
STILL = {"type": "SGD", "lr": 0.0}
"""An optimizer that moves nothing: what it reports are the terms at the start."""


@pytest.fixture
def make(body):
    """Builds a SMPLify of the default body; by default one short stage of everything."""

    def build(**options):
        defaults = {
            "handlers": HANDLERS,
            "stages": [{"n_iter": 1}],
            "optimizer": LBFGS,
            "grad_clip": None,
            "device": "cpu",
            "start": "zeros",
        }
        return SMPLify(body, **copy.deepcopy({**defaults, **options}))

    return build


@pytest.fixture
def target(random_poses, keypoints_of):
    """(4, 45, 3) keypoints of unrelated poses."""
    return keypoints_of(random_poses(4))


@pytest.fixture
def observed():
    """Gives the inputs of both keypoint handlers for (F, 24, 3) joints."""

    def inputs(joints, confidence=None):
        return [input_class(joints[:, :24], "smpl", confidence) for input_class in (Keypoint3dMSEInput, Keypoint3dLimbLenInput)]

    return inputs


@pytest.fixture
def nothing_moves(make):
    """Runs stages without moving anything; gives the terms that each stage reported."""

    def run(inputs, init_param_dict=None, **options):
        reports = []
        smplify = make(optimizer=STILL, **options)
        smplify(inputs, init_param_dict, on_progress=reports.append)
        return [report.terms for report in reports]

    return run


@pytest.fixture(scope="session")
def somewhere():
    """Parameters away from zero, for the given number of frames."""

    def make_parameters(n_frames, seed=0):
        generator = torch.Generator().manual_seed(seed)
        widths = {"global_orient": 3, "transl": 3, "body_pose": 69, "betas": 10}
        return {name: 0.2 * torch.randn(n_frames, width, generator=generator) for name, width in widths.items()}

    return make_parameters
