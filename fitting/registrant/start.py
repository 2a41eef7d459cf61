"""Where a fit begins: heading, place and limb directions of each frame, read off the keypoints in closed form."""

from typing import Any

import torch
from torch import Tensor

from ..body import BodyModel
from ..data.conventions import conversion_matrix
from ..rotations import fit_rotation, matrix_to_axis_angle, swing

TORSO = ("pelvis", "left_hip", "right_hip", "spine_1", "spine_2", "spine_3", "neck", "left_shoulder", "right_shoulder")
LIMBS = (
    ("left_hip", "left_knee", "left_ankle"),
    ("right_hip", "right_knee", "right_ankle"),
    ("left_shoulder", "left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow", "right_wrist"),
)
UPRIGHT_WEIGHT = 1e-4
"""Square metres: far below the spread of a torso, so that upright decides only what the keypoints leave open."""


def pose_from_keypoints(body: BodyModel, keypoints: Tensor, confidence: Tensor, convention: Any) -> dict[str, Tensor]:
    """Pose parameters to start from.

    The root is the rotation that best explains the torso (any heading, any number of turns); thighs, shins and arms
    are swung to the directions that were observed. A frame without a torso takes the root of the nearest one with it.

    Args:
        body: The body, in its mean shape.
        keypoints: (F, K, 3) metres.
        confidence: (F, K) confidence, 0 where not observed.
        convention: Convention of the keypoints.

    Returns:
        `global_orient` (F, 3), `transl` (F, 3), `body_pose` (F, 3 (J - 1)).
    """
    names = body.convention.names
    matrix = torch.as_tensor(conversion_matrix(convention, body.convention, approximate=True)).to(keypoints)
    points = matrix @ keypoints
    used = (matrix != 0)[None]
    seen = torch.where(used, confidence[:, None], torch.inf).min(-1).values.nan_to_num(posinf=0.0)
    rest = body().joints[0]

    index = {name: names.index(name) for name in {*TORSO, *(name for limb in LIMBS for name in limb)}}
    root, place = _root(rest, points, seen, [index[name] for name in TORSO])
    rotations = torch.eye(3, dtype=points.dtype, device=points.device).repeat(len(points), body.n_joints, 1, 1)
    rotations[:, 0] = root
    for limb in LIMBS:
        world = root
        for start, end in zip(limb[:-1], limb[1:], strict=True):
            joint, child = index[start], index[end]
            wanted = (world.mT @ (points[:, child] - points[:, joint])[..., None])[..., 0]
            observed = (seen[:, joint] > 0) & (seen[:, child] > 0) & (wanted.norm(dim=-1) > 1e-3)
            bone = torch.nn.functional.normalize(rest[child] - rest[joint], dim=-1).expand_as(wanted)
            turn = swing(bone, torch.nn.functional.normalize(wanted, dim=-1))
            rotations[:, joint] = torch.where(observed[:, None, None], turn, rotations[:, joint])
            world = world @ rotations[:, joint]
    axis_angle = matrix_to_axis_angle(rotations)
    return {
        "global_orient": axis_angle[:, 0],
        "transl": place - rest[0],
        "body_pose": axis_angle[:, 1:].flatten(1),
    }


def _root(rest: Tensor, points: Tensor, seen: Tensor, torso: list[int]) -> tuple[Tensor, Tensor]:
    """(F, 3, 3) rotation of the root and (F, 3) place of the pelvis."""
    weights = seen[:, torso]
    total = weights.sum(1, keepdim=True).clamp_min(1e-6)
    share = weights / total
    target, source = points[:, torso], rest[torso].expand(len(points), -1, -1)
    target_centre, source_centre = (share[..., None] * target).sum(1), (share[..., None] * source).sum(1)
    # One more pair of points, straight up: it decides where the torso alone cannot, as for the line between two hips.
    up = points.new_tensor([0.0, 1.0, 0.0]).expand(len(points), 1, 3)
    rotation = fit_rotation(
        torch.cat([source - source_centre[:, None], up], 1),
        torch.cat([target - target_centre[:, None], up], 1),
        torch.cat([share, share.new_full((len(points), 1), UPRIGHT_WEIGHT)], 1),
    )
    place = target_centre + (rotation @ (rest[0] - source_centre)[..., None])[..., 0]
    nearest = _nearest_known((weights > 0).sum(1) >= 2)
    return rotation[nearest], place[nearest]


def _nearest_known(known: Tensor) -> Tensor:
    """(F,) for each frame the nearest one that is known, the earlier of two; itself where none is."""
    frames = torch.arange(len(known), device=known.device)
    index = torch.nonzero(known)[:, 0]
    if not len(index):
        return frames
    after = torch.searchsorted(index, frames).clamp_max(len(index) - 1)
    before = (after - 1).clamp_min(0)
    before, after = index[before], index[after]
    return torch.where((frames - before).abs() <= (after - frames).abs(), before, after)
