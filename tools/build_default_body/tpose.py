"""Brings bodies from MakeHuman's A-pose into the T-pose of the SMPL family, bone by bone."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from . import dual_quaternions
from .makehuman import Floats, Integers, Rig

COLLAR_UP = np.deg2rad(8)
THIGH_OUT, SHIN_OUT = np.deg2rad(3), np.deg2rad(0.5)
FOOT_OUT = np.deg2rad(5)
FOREARM_TWIST = {"lowerarm01": 0.35, "lowerarm02": 0.8}
"""Share of the twist between elbow and wrist that each bone of the forearm takes."""

KNUCKLE_RISE, KNUCKLE_DROP, FINGER_SPREAD = 0.12, 0.03, 0.75  # what is left of a finger's rise and spread, and how far it droops
PHALANX_DROP = 0.05
FINGERS = (2, 3, 4, 5)
SIDES = (("L", 1.0), ("R", -1.0))


@dataclass(frozen=True, eq=False)
class BonePositions:
    """Heads and tails (N, B, 3) of the bones of N bodies, metres."""

    rig: Rig
    heads: Floats
    tails: Floats

    def head(self, bone: str) -> Floats:
        """(N, 3) metres."""
        return self.heads[:, self.rig.index[bone]]

    def span(self, first: str, last: str) -> Floats:
        """(N, 3) from the head of a bone to that of another, metres."""
        return self.head(last) - self.head(first)

    def length(self, bone: str) -> Floats:
        """(N, 3) from the head of a bone to its tail, metres."""
        return self.tails[:, self.rig.index[bone]] - self.head(bone)


def to_t_pose(rig: Rig, bodies: Floats, base_vertices: Integers) -> tuple[Floats, Floats]:
    """Bodies in the T-pose.

    Args:
        rig: The rig.
        bodies: (N, 19158, 3) in the A-pose, metres.
        base_vertices: (V,) the vertices to give back.

    Returns:
        (N, V, 3) vertices and (N, B, 3) heads of the bones, metres.
    """
    heads = np.stack([rig.head_weights @ body for body in bodies])
    tails = np.stack([rig.tail_weights @ body for body in bodies])
    rotations = t_pose_rotations(BonePositions(rig, heads, tails))
    posed_heads = _follow(rig, heads, rotations)
    translations = posed_heads - _turn(rotations, heads)
    vertices = dual_quaternions.skin(bodies[:, base_vertices], rig.skin_weights[base_vertices], rotations, translations)
    return vertices, posed_heads


def t_pose_rotations(bones: BonePositions) -> Floats:
    """(N, B, 3, 3) global rotation of each bone from the A-pose to the T-pose; a bone without its own takes its parent's."""
    own: dict[str, Floats] = {}
    for side, sign in SIDES:
        own |= {f"{bone}.{side}": rotation for bone, rotation in (_arm(bones, side, sign) | _leg(bones, side, sign)).items()}
    rotations = np.empty((*bones.heads.shape, 3))
    for i, (name, parent) in enumerate(zip(bones.rig.names, bones.rig.parents, strict=True)):
        rotations[:, i] = own.get(name, rotations[:, parent] if parent >= 0 else np.eye(3))
    return rotations


def _arm(bones: BonePositions, side: str, sign: float) -> dict[str, Floats]:
    """Arm along the x axis, palm down, thumb forward."""
    outward = np.array([sign, 0, 0])
    collar = _about([0, 0, sign], COLLAR_UP)
    upper_arm = rotation_between(_turn(collar, bones.span(f"upperarm01.{side}", f"lowerarm01.{side}")), outward) @ collar
    forearm = rotation_between(_turn(upper_arm, bones.span(f"lowerarm01.{side}", f"wrist.{side}")), outward) @ upper_arm
    hand = _hand(bones, side, outward)
    twist = Rotation.from_matrix(hand @ np.swapaxes(forearm, -1, -2)).as_rotvec() @ outward
    rotations = {"clavicle": collar, "shoulder01": collar, "upperarm01": upper_arm, "upperarm02": upper_arm, "wrist": hand}
    rotations |= {bone: _about(outward, share * twist) @ forearm for bone, share in FOREARM_TWIST.items()}
    rotations |= {f"metacarpal{i}": hand for i in (1, 2, 3, 4)}
    for finger in FINGERS:
        rotations |= _finger(bones, side, finger, hand)
    return rotations  # the thumb follows the hand


def _hand(bones: BonePositions, side: str, outward: Floats) -> Floats:
    """(N, 3, 3) rotation that lays the palm down: middle finger outward, index finger in front."""
    along = bones.span(f"wrist.{side}", f"finger3-1.{side}")
    across = bones.span(f"finger5-1.{side}", f"finger2-1.{side}")
    return _frame(outward, np.array([0.0, 0, 1])) @ np.swapaxes(_frame(along, across), -1, -2)


def _finger(bones: BonePositions, side: str, finger: int, hand: Floats) -> dict[str, Floats]:
    """Straightens a finger: the first phalanx near the plane of the palm, the others in line with it."""
    first, *others = (f"finger{finger}-{i}" for i in (1, 2, 3))
    direction = _unit(_turn(hand, bones.length(f"{first}.{side}")))
    goal = direction * [1, KNUCKLE_RISE, FINGER_SPREAD] - [0, KNUCKLE_DROP, 0]
    rotations = {first: rotation_between(direction, goal) @ hand}
    rotation = rotations[first]
    direction = _turn(rotation, bones.length(f"{first}.{side}"))
    for bone in others:
        segment = bones.length(f"{bone}.{side}")
        rotation = rotation_between(_turn(rotation, segment), _unit(direction) - [0, PHALANX_DROP, 0]) @ rotation
        direction = _turn(rotation, segment)
        rotations[bone] = rotation
    return rotations


def _leg(bones: BonePositions, side: str, sign: float) -> dict[str, Floats]:
    """Leg nearly upright in the frontal plane, its slope in the sagittal plane kept; foot turned about the vertical only."""
    thigh_span = bones.span(f"upperleg01.{side}", f"lowerleg01.{side}")
    thigh = rotation_between(thigh_span, _tilted(thigh_span, sign * THIGH_OUT))
    shin_span = bones.span(f"lowerleg01.{side}", f"foot.{side}")
    shin = rotation_between(_turn(thigh, shin_span), _tilted(shin_span, sign * SHIN_OUT)) @ thigh
    toes = (bones.head(f"toe2-1.{side}") + bones.head(f"toe3-1.{side}")) / 2 - bones.head(f"foot.{side}")
    yaw = np.arctan2(sign * toes[:, 0], toes[:, 2])
    foot = _about([0, sign, 0], FOOT_OUT - yaw)
    return {"upperleg01": thigh, "upperleg02": thigh, "lowerleg01": shin, "lowerleg02": shin, "foot": foot}


def _tilted(span: Floats, angle: float) -> Floats:
    """A span that hangs at an angle in the frontal plane, with the same length there and the same depth."""
    length = np.hypot(span[:, 0], span[:, 1])
    return np.stack([length * np.sin(angle), -length * np.cos(angle), span[:, 2]], axis=-1)


def _follow(rig: Rig, heads: Floats, rotations: Floats) -> Floats:
    """(N, B, 3) heads of the bones after each has turned with its parent."""
    posed = heads.copy()
    for i, parent in enumerate(rig.parents):
        if parent >= 0:
            posed[:, i] = posed[:, parent] + _turn(rotations[:, parent], heads[:, i] - heads[:, parent])
    return posed


def rotation_between(start: Floats, end: Floats) -> Floats:
    """(..., 3, 3) the smallest rotation from one direction (..., 3) to another that is not opposite."""
    start, end = np.broadcast_arrays(_unit(start), _unit(end))
    axis = np.cross(start, end)
    cross = np.cross(axis[..., None, :], np.eye(3)).swapaxes(-1, -2)
    cosine = np.sum(start * end, axis=-1)[..., None, None]
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + cosine))


def _about(axis: Iterable[float] | Floats, angle: Floats | float) -> Floats:
    """(..., 3, 3) rotations about a unit axis by angles (...) in radians."""
    return np.asarray(Rotation.from_rotvec(np.multiply.outer(angle, np.asarray(axis, float))).as_matrix())


def _frame(along: Floats, across: Floats) -> Floats:
    """(..., 3, 3) right-handed axes as columns: the first along, the plane of the first and the third holds across."""
    x = _unit(along)
    y = _unit(np.cross(x, across))
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def _turn(rotation: Floats, vectors: Floats) -> Floats:
    return np.asarray((rotation @ vectors[..., None])[..., 0])


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
