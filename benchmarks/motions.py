"""Made-up motions of the default body, and how far a fit is off: what the benchmarks share."""

import math

import torch
from torch import Tensor

from fitting.data.bodies import JOINT_NAMES
from fitting.rotations import axis_angle_to_matrix, matrix_to_axis_angle

FPS = 30.0
ACTION_SECONDS = 6.0
LEAVES = ("left_foot", "right_foot", "head", "left_hand", "right_hand")
"""Joints of SMPL that carry no other: keypoints at the joints say nothing of their rotation."""

X, Y, Z = range(3)
_ARMS_DOWN = [("left_shoulder", Z, -70, 0, 0, 0), ("right_shoulder", Z, 70, 0, 0, 0)]
_ACTIONS = {
    "walk": [
        *_ARMS_DOWN,
        *[(f"{side}_hip", X, 0, 30, 0.95, phase) for side, phase in (("left", 0), ("right", 0.5))],
        *[(f"{side}_knee", X, 32, 28, 0.95, phase) for side, phase in (("left", 0.25), ("right", 0.75))],
        *[(f"{side}_shoulder", Y, 0, 25, 0.95, phase) for side, phase in (("left", 0), ("right", 0))],
        ("left_elbow", Y, -25, 10, 0.95, 0),
        ("right_elbow", Y, 25, 10, 0.95, 0),
        ("spine2", Y, 0, 6, 0.95, 0.5),
    ],
    "raise arms": [
        ("left_shoulder", Z, 0, 70, 0.4, 0),
        ("right_shoulder", Z, 0, -70, 0.4, 0),
        ("left_elbow", Y, -20, 15, 0.4, 0),
        ("right_elbow", Y, 20, -15, 0.4, 0),
    ],
    "squat": [
        *_ARMS_DOWN,
        *[(f"{side}_hip", X, -45, 45, 0.45, 0) for side in ("left", "right")],
        *[(f"{side}_knee", X, 58, -55, 0.45, 0) for side in ("left", "right")],
        *[(f"{side}_ankle", X, -12, 12, 0.45, 0) for side in ("left", "right")],
        ("spine1", X, 8, -8, 0.45, 0),
    ],
    "reach and turn": [
        ("left_shoulder", Y, -40, 30, 0.33, 0),
        ("right_shoulder", Y, 40, 30, 0.33, 0.3),
        ("left_elbow", Y, -55, 45, 0.4, 0),
        ("right_elbow", Y, 55, 45, 0.4, 0.2),
        *[(joint, Y, 0, 14, 0.27, 0.1) for joint in ("spine1", "spine2", "spine3")],
        *[(joint, X, 8, 8, 0.33, 0) for joint in ("spine1", "spine2")],
    ],
    "kick": [*_ARMS_DOWN, ("right_hip", X, -40, 40, 0.5, 0.25), ("right_knee", X, 25, 20, 0.5, 0.5)],
}
"""For each action: joint, axis, mean and amplitude in degrees, frequency in Hz, phase in turns. One follows the other."""

_WANDER = {"hip": 5, "knee": 2, "ankle": 5, "spine": 3, "neck": 8, "head": 8, "collar": 4, "shoulder": 6, "elbow": 3, "wrist": 8}
"""Standard deviation in degrees of slow random turns, which make every motion a little different; forearms twist by 20."""


def actions(n_frames: int, turns: float, seed: int = 0) -> dict[str, Tensor]:
    """Parameters of a SMPL body that walks, raises its arms, squats, reaches and kicks, while it turns round.

    Args:
        n_frames: Number of frames F at 30 per second.
        turns: Whole turns of the root.
        seed: Of the shape, the phases and the random turns.
    """
    generator = torch.Generator().manual_seed(seed)
    names = JOINT_NAMES["smpl"]
    seconds = torch.arange(n_frames) / FPS
    pose = torch.zeros(n_frames, len(names), 3)
    place = (seconds / ACTION_SECONDS) % len(_ACTIONS)
    weights = torch.stack([_fade(place, number, len(_ACTIONS)) for number in range(len(_ACTIONS))])
    weights = weights / weights.sum(0)
    for weight, action in zip(weights, _ACTIONS.values(), strict=True):
        for joint, axis, mean, amplitude, frequency, phase in action:
            wave = mean + amplitude * torch.sin(2 * math.pi * (frequency * seconds + phase))
            pose[:, names.index(joint), axis] += weight * torch.deg2rad(wave)
    for part, degrees in _WANDER.items():
        for index, name in enumerate(names):
            if part in name:
                pose[:, index] += math.radians(degrees) * wander(n_frames, 3, generator)
    for side in ("left", "right"):
        pose[:, names.index(f"{side}_elbow"), X] += math.radians(20) * wander(n_frames, 1, generator)[:, 0]
        pose[:, names.index(f"{side}_knee"), X].clamp_(min=0.05)
    pose[:, names.index("left_elbow"), Y].clamp_(max=-0.05)
    pose[:, names.index("right_elbow"), Y].clamp_(min=0.05)
    heading = 2 * math.pi * turns * torch.arange(n_frames) / max(n_frames, 1)
    upright = axis_angle_to_matrix(torch.deg2rad(4.0 * wander(n_frames, 3, generator)))
    root = axis_angle_to_matrix(torch.stack([0 * heading, heading, 0 * heading], -1)) @ upright
    way = torch.stack([torch.sin(heading / 2), 0.9 + 0 * heading, torch.cos(heading / 2)], -1)
    return {
        "betas": 0.9 * torch.randn(1, 10, generator=generator),
        "global_orient": matrix_to_axis_angle(root),
        "transl": 1.5 * way + 0.03 * wander(n_frames, 3, generator),
        "body_pose": pose[:, 1:].flatten(1),
    }


def wander(n_frames: int, width: int, generator: torch.Generator, seconds: float = 1.5) -> Tensor:
    """(F, width) smooth random values of unit variance, which change over some seconds."""
    reach = int(2 * seconds * FPS)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / (0.3 * seconds * FPS)) ** 2)
    noise = torch.randn(width, 1, n_frames + 2 * reach, generator=generator)
    smooth = torch.nn.functional.conv1d(noise, kernel[None, None] / kernel.square().sum().sqrt())
    return smooth[:, 0].mT


def errors(found: dict[str, Tensor], truth: dict[str, Tensor], found_joints: Tensor, true_joints: Tensor) -> dict[str, float]:
    """How far a fit is off.

    Args:
        found: `global_orient` (F, 3) and `body_pose` (F, 69) of the fit.
        truth: The same of the truth.
        found_joints: (F, 24, 3) joints of the fit, metres.
        true_joints: (F, 24, 3) joints of the truth.

    Returns:
        `mpjpe` mean distance of joints in mm; `rotation` mean angle in degrees between the local rotations of the joints that carry
        others; `acceleration` mean distance of accelerations in mm per squared frame, not a number below three frames.
    """
    angle = angles(*(torch.cat([values["global_orient"], values["body_pose"]], 1) for values in (found, truth)))
    inner = [index for index, name in enumerate(JOINT_NAMES["smpl"]) if name not in LEAVES]
    difference = 1000 * (found_joints - true_joints)
    return {
        "mpjpe": difference.norm(dim=-1).mean().item(),
        "rotation": angle[:, inner].mean().item(),
        "acceleration": difference.diff(n=2, dim=0).norm(dim=-1).mean().item() if len(difference) > 2 else math.nan,
    }


def angles(found: Tensor, expected: Tensor) -> Tensor:
    """(F, J) degrees between the local rotations of two poses (F, 3 J)."""
    a, b = (axis_angle_to_matrix(pose.unflatten(1, (-1, 3))) for pose in (found, expected))
    return torch.rad2deg(matrix_to_axis_angle(a.mT @ b).norm(dim=-1))


def turns_between_frames(pose: Tensor) -> Tensor:
    """(F - 1, J) degrees by which each joint of a pose (F, 3 J) turns from one frame to the next."""
    return angles(pose[:-1], pose[1:])


def _fade(place: Tensor, number: int, count: int) -> Tensor:
    """(F,) weight of an action: 1 in its middle, faded to the next one."""
    distance = ((place - number - 0.5 + count / 2) % count - count / 2).abs()
    ramp = ((0.75 - distance) / 0.5).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)
