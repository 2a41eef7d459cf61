"""Where a fit begins: heading, place and limb directions of each frame, read off the keypoints in closed form."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..body import Body
from ..handlers.conversion import KeypointConversion
from ..rotations import axis_angle_to_matrix, fit_rotation, rotation_log, swing

TORSO = ("pelvis", "left_hip", "right_hip", "spine_1", "spine_2", "spine_3", "neck", "left_shoulder", "right_shoulder")
LIMBS = {
    ("left_hip", "left_knee", "left_ankle"): (-1.0, 60.0),
    ("right_hip", "right_knee", "right_ankle"): (-1.0, 60.0),
    ("left_shoulder", "left_elbow", "left_wrist"): (1.0, 180.0),
    ("right_shoulder", "right_elbow", "right_wrist"): (1.0, 180.0),
}
"""Each limb; where it bends to in the T-pose (a knee to the back, -z, an elbow to the front, +z); and how far, in degrees, it can twist."""
STRAIGHT = 0.2
"""Sine of the bend of a knee or elbow below which its direction says little about the twist of the thigh or the upper arm."""
UPRIGHT_WEIGHT = 1e-4
"""Square metres: far below the spread of a torso, so that upright decides only what the keypoints leave open."""


def pose_from_keypoints(
    body: Body, keypoints: Tensor, confidence: Tensor, convention: Any, betas: Tensor | None = None
) -> dict[str, Tensor]:
    """Pose parameters to start from.

    The root is the rotation that best explains the torso (any heading, any number of turns); thighs, shins and arms
    are swung to the directions that were observed, and twisted so that knees and elbows bend the way they can: from
    the mirror image no fit finds back. A frame without a torso or a limb takes that of the nearest one with it.

    Args:
        body: The body.
        keypoints: (F, K, 3) metres.
        confidence: (F, K) confidence, 0 where not observed.
        convention: Convention of the keypoints.
        betas: (1, S) its shape; the mean shape by default.

    Returns:
        `global_orient` (F, 3), `transl` (F, 3), `body_pose` (F, 3 N).
    """
    names = body.convention.names
    convert = KeypointConversion(convention, body.convention, approximate=True, like=keypoints)
    points, seen = convert(keypoints), convert.confidence(confidence)
    rest = (body() if betas is None else body(betas=betas)).joints[0]

    index = {name: names.index(name) for name in {*TORSO, *(name for limb in LIMBS for name in limb)}}
    root, place = _root(rest, points, seen, [index[name] for name in TORSO])
    n_body = body.parameter_shapes()["body_pose"] // 3
    rotations = torch.eye(3, dtype=points.dtype, device=points.device).repeat(len(points), 1 + n_body, 1, 1)
    rotations[:, 0] = root
    joints, hinges, tips = ([index[limb[place]] for limb in LIMBS] for place in range(3))
    bone, bone_seen = _directions(points, seen, joints, hinges)  # (F, L, 3) and (F, L): all limbs at once
    shin, shin_seen = _directions(points, seen, hinges, tips)
    rest_bone, rest_shin = normalize(rest[hinges] - rest[joints], dim=-1), normalize(rest[tips] - rest[hinges], dim=-1)
    bone, shin = _in_frame(root[:, None], bone), _in_frame(root[:, None], shin)
    turn = swing(rest_bone.expand_as(bone), bone)
    bend = rest_bone.new_tensor([[0.0, 0.0, bend] for bend, _ in LIMBS.values()]).expand_as(bone)
    twist = rest_bone.new_tensor([math.radians(twist) for _, twist in LIMBS.values()])
    turn = torch.where(shin_seen[..., None, None], _twisted(turn, bone, shin, bend, twist), turn)
    rotations[:, joints] = _filled(turn, bone_seen)
    shin = _in_frame(rotations[:, joints], shin)
    rotations[:, hinges] = _filled(swing(rest_shin.expand_as(shin), shin), shin_seen)
    axis_angle = rotation_log(rotations.permute(2, 3, 0, 1)).permute(1, 2, 0)
    return {
        "global_orient": axis_angle[:, 0],
        "transl": place - rest[0],
        "body_pose": axis_angle[:, 1:].flatten(1),
    }


def _directions(points: Tensor, seen: Tensor, start: list[int], end: list[int]) -> tuple[Tensor, Tensor]:
    """(F, L, 3) unit vectors from points to others, and (F, L) whether both were observed apart from each other."""
    vectors = points[:, end] - points[:, start]
    known = (seen[:, start] > 0) & (seen[:, end] > 0) & (vectors.norm(dim=-1) > 1e-3)
    return normalize(vectors, dim=-1), known


def _in_frame(rotation: Tensor, vectors: Tensor) -> Tensor:
    """(..., 3) vectors as seen in the (..., 3, 3) frames."""
    return (rotation.mT @ vectors[..., None])[..., 0]


def _twisted(turn: Tensor, bone: Tensor, shin: Tensor, bend: Tensor, limit: Tensor) -> Tensor:
    """(F, L, 3, 3) rotations like `turn`, twisted about the bone so that each limb bends to where the shin or forearm is.

    Args:
        turn: (F, L, 3, 3) rotations that take the bones from the T-pose to where they are.
        bone: (F, L, 3) their directions after the turn.
        shin: (F, L, 3) directions of the next bones.
        bend: (F, L, 3) where the limbs bend to in the T-pose.
        limit: (L,) largest twist, radians.
    """

    def across(vectors: Tensor) -> Tensor:
        return vectors - (vectors * bone).sum(-1, keepdim=True) * bone

    bends_to = normalize(across((turn @ bend[..., None])[..., 0]), dim=-1)
    # A straight limb has no bend to go by: the less it is bent, the more its neighbours in time and the untwisted turn count.
    wanted = across(_smoothed(across(shin))) + STRAIGHT * bends_to
    angle = torch.atan2((bone * torch.linalg.cross(bends_to, wanted)).sum(-1), (bends_to * wanted).sum(-1))
    # A bend that no twist within the limit explains is a joint that seems overstretched, not a limb turned round.
    angle = torch.where(angle.abs() > limit + math.radians(45), 0.0, torch.minimum(torch.maximum(angle, -limit), limit))
    return axis_angle_to_matrix(bone * angle[..., None]) @ turn


def _smoothed(vectors: Tensor) -> Tensor:
    """(F, L, 3) vectors averaged with those of two frames on either side."""
    padded = torch.cat([vectors[:1], vectors[:1], vectors, vectors[-1:], vectors[-1:]])
    return padded.unfold(0, 5, 1) @ vectors.new_tensor([0.1, 0.2, 0.4, 0.2, 0.1])


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


def _filled(rotations: Tensor, known: Tensor) -> Tensor:
    """(F, L, 3, 3) rotations with those that are not known taken from the nearest frame; no rotation where no frame knows one.

    A limb that starts in the T-pose in one frame would stay far from its other keypoints, which then count as outliers.
    """
    if bool(known.all()):
        return rotations
    nearest = torch.stack([_nearest_known(of_limb) for of_limb in known.unbind(1)], 1)
    limbs = torch.arange(known.shape[1], device=known.device)
    eye = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    return torch.where(known[nearest, limbs][..., None, None], rotations[nearest, limbs], eye)


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
