"""Fits to 2D keypoints: of several cameras with noise and gaps, and of a single one whose distance is roughly known."""

import math

import numpy as np
import pytest
import torch

from fitting.data.cameras import Camera
from fitting.handlers import DepthPriorInput, MultiviewKeypoint2dMSEInput
from fitting.registrant import SMPLify

N_FRAMES = 20
NOISE = 2.0
"""Pixels; a keypoint term of weight 1 / NOISE^2 counts in standard deviations, as the priors do."""

TOES = slice(27, 33)
OPTIMIZER = {"type": "LBFGS", "max_iter": 20, "lr": 1.0, "line_search_fn": "strong_wolfe", "history_size": 20, "scaled": True}
HANDLERS = [
    {
        "type": "MultiviewKeypoint2dMSEHandler",
        "keypoint_approximate": True,
        "mse_loss": {"type": "KeypointMSELoss", "loss_weight": 1 / NOISE**2, "reduction": "sum", "sigma": 20.0, "robust_on": "error"},
    },
    {
        "type": "BetasPriorHandler",
        "handler_key": "shape_prior",
        "prior_loss": {"type": "ShapePriorLoss", "loss_weight": 0.03, "reduction": "sum"},
    },
    {
        "type": "BodyPosePriorHandler",
        "handler_key": "joint_prior",
        "prior_loss": {"type": "JointPriorLoss", "reduction": "sum", "use_full_body": False},
    },
    {
        "type": "BodyPosePriorHandler",
        "handler_key": "pose_prior",
        "prior_loss": {"type": "MaxMixturePriorLoss", "loss_weight": 0.02, "reduction": "sum"},
    },
    {
        "type": "BodyPosePriorHandler",
        "handler_key": "smooth_joint",
        "prior_loss": {"type": "SmoothJointLoss", "loss_weight": 0.1, "reduction": "sum", "loss_func": "L2"},
    },
    {
        "type": "BodyPosePriorHandler",
        "handler_key": "pose_reg",
        "prior_loss": {"type": "PoseRegLoss", "loss_weight": 0.02, "reduction": "sum"},
    },
    {
        "type": "BodyPosePriorHandler",
        "handler_key": "toe_reg",
        "prior_loss": {"type": "PoseRegLoss", "loss_weight": 25.0, "reduction": "sum", "joints": [9, 10]},
    },
    {
        "type": "JointMotionHandler",
        "prior_loss": {"type": "JointAccelerationLoss", "loss_weight": 1e3, "reduction": "sum", "sigma": 0.02},
    },
    {"type": "DepthPriorHandler", "prior_loss": {"type": "DepthPriorLoss", "reduction": "sum"}},
]
STAGES = [{"n_iter": 10, "ftol": 1e-2, "joint_motion_weight": 0}, {"n_iter": 30, "ftol": 5e-4}]


def cameras_around(n_views, middle):
    angles = 0.3 + 2 * np.pi * np.arange(n_views) / n_views
    return [
        Camera.look_at(
            [middle[0] + 4.5 * math.sin(angle), 1.6, middle[2] + 4.5 * math.cos(angle)],
            middle,
            1100,
            (1920, 1080),
            (-0.1, 0.05, 0.001, 0, 0),
        )
        for angle in angles
    ]


@pytest.fixture(scope="module")
def fit(body):
    """Fits one shape and a pose for each frame, from a start of its own; what `more` says counts in each stage."""

    def run(*inputs, **more):
        stages = [{**stage, **more} for stage in STAGES]
        smplify = SMPLify(body, stages, OPTIMIZER, HANDLERS, use_one_betas_per_video=True, device="cpu", grad_clip=None, start="torso")
        return smplify(list(inputs), return_joints=True)

    return run


def observed(joints, cameras, seed=0, n_outliers=0):
    """What the cameras see of (F, 24, 3) joints: noise, one in ten missing, and the last camera off for a while."""
    rng = np.random.default_rng(seed)
    pixels = np.stack([camera.project(joints.numpy()) for camera in cameras], 1) + rng.normal(size=(N_FRAMES, len(cameras), 24, 2)) * NOISE
    confidence = np.where(rng.random(pixels.shape[:3]) < 0.05, 0.0, 1.0)
    pixels[rng.random(pixels.shape[:3]) < 0.05] = np.nan
    pixels[5:10, -1] = np.nan
    outliers = rng.integers(0, pixels.shape[:3], (n_outliers, 3))
    pixels[tuple(outliers.T)] += rng.normal(size=(n_outliers, 2)) * 200
    pixels, confidence = (torch.tensor(array, dtype=torch.float32) for array in (pixels, confidence))
    return MultiviewKeypoint2dMSEInput(cameras, pixels, "smpl", confidence)


@pytest.mark.parametrize(("seed", "n_outliers", "limit"), [(0, 0, 0.008), (1, 80, 0.009)], ids=["noise", "noise and outliers"])
def test_four_views(fit, turning, keypoints_of, seed, n_outliers, limit):
    """A person who turns round, 4.5 m from four cameras: 2 px are 8 mm there, and 80 keypoints are one in 24."""
    truth = turning(N_FRAMES, seed=seed)
    truth["body_pose"][:, TOES] = 0
    joints = keypoints_of(truth)[:, :24]
    cameras = cameras_around(4, joints[:, 0].mean(0).tolist())
    output = fit(observed(joints, cameras, seed, n_outliers))
    errors = (output["joints"][:, :24] - joints).norm(dim=-1)
    assert errors.mean() < limit
    assert errors.mean(1).max() < 2 * limit


def test_two_views(fit, turning, keypoints_of):
    truth = turning(N_FRAMES // 2)
    truth["body_pose"][:, TOES] = 0
    joints = keypoints_of(truth)[:, :24]
    cameras = cameras_around(5, joints[:, 0].mean(0).tolist())[:2]
    pixels = torch.tensor(np.stack([camera.project(joints.numpy()) for camera in cameras], 1), dtype=torch.float32)
    output = fit(MultiviewKeypoint2dMSEInput(cameras, pixels, "smpl"), n_iter=6)
    assert (output["joints"][:, :24] - joints).norm(dim=-1).mean() < 0.005


@pytest.mark.parametrize("offset", [-0.1, 0.1])
def test_one_view_with_a_depth_prior(fit, turning, keypoints_of, offset):
    """The prior is off by 10 cm and sure to 2 cm: pixels are explained at that distance, in a pose that a person can take."""
    truth = turning(N_FRAMES // 2, turns=0.1)
    truth["body_pose"][:, TOES] = 0
    joints = keypoints_of(truth)[:, :24]
    camera = Camera.look_at([0.8, 1.6, 4.5], [0.3, 1.0, 0], 1100, (1920, 1080), (-0.1, 0.05, 0.001, 0, 0))
    pixels = torch.tensor(camera.project(joints.numpy()), dtype=torch.float32)
    depth = torch.tensor(camera.depth(joints[:, 0].numpy()), dtype=torch.float32) + offset
    output = fit(
        MultiviewKeypoint2dMSEInput(camera, pixels, "smpl"), DepthPriorInput(camera, depth, sigma=0.02), pose_prior_weight=0.2, n_iter=8
    )
    found = output["joints"][:, :24].double()
    assert np.linalg.norm(camera.project(found.numpy()) - pixels.numpy(), axis=-1).mean() < 1.0
    assert np.abs(camera.depth(found[:, 0].numpy()) - depth.numpy()).max() < 0.02
    about_the_pelvis = (found - found[:, :1]) - (joints - joints[:, :1])
    assert about_the_pelvis.norm(dim=-1).mean() < 0.1
    knees, elbows = output["body_pose"][:, [9, 12]], output["body_pose"][:, [52, 55]] * torch.tensor([-1.0, 1.0])
    assert min(knees.min(), elbows.min()) > -0.15
