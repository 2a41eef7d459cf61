"""The joints of the SMPL family and the bones of MakeHuman's rig that they stand for."""

from collections.abc import Iterable, Mapping

import numpy as np

from .makehuman import Floats, Rig

SIDES = {"left": "L", "right": "R"}
FINGERS = {"index": 2, "middle": 3, "pinky": 5, "ring": 4, "thumb": 1}
"""Fingers in the order of SMPL-X, with MakeHuman's numbers."""

PHALANGES = (1, 2, 3)

SMPLX_JOINTS = (
    *("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle", "spine3"),
    *("left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "jaw", "left_eye", "right_eye"),
    *(f"{side}_{finger}{i}" for side in SIDES for finger in FINGERS for i in PHALANGES),
)  # fmt: skip
"""The 55 joints that skin the body."""

JOINTS = (*SMPLX_JOINTS, "left_hand", "right_hand")
"""The 57 joints that have a place: SMPL also has one for each hand."""

_CENTRAL_BONES = {
    "pelvis": ("root", "pelvis", "spine05"),
    "spine1": ("spine04", "spine03"),
    "spine2": ("spine02",),
    "spine3": ("spine01", "breast"),
    "neck": ("neck01", "neck02", "neck03"),
    "head": ("head",),
    "jaw": ("jaw",),
}
_SIDED_BONES = {
    "hip": ("upperleg01", "upperleg02"),
    "knee": ("lowerleg01", "lowerleg02"),
    "ankle": ("foot",),
    "foot": tuple(f"toe{i}-{j}" for i in (1, 2, 3, 4, 5) for j in PHALANGES),
    "collar": ("clavicle", "shoulder01"),
    "shoulder": ("upperarm01", "upperarm02"),
    "elbow": ("lowerarm01", "lowerarm02"),
    "wrist": ("wrist", *(f"metacarpal{i}" for i in (1, 2, 3, 4))),
    "eye": ("eye",),
} | {f"{finger}{i}": (f"finger{number}-{i}",) for finger, number in FINGERS.items() for i in PHALANGES}
"""Bones whose skin each joint moves; a bone that is not listed moves with its parent."""

_CENTRAL_PLACES = {
    "pelvis": "spine05", "spine1": "spine04", "spine2": "spine02", "spine3": "spine01", "neck": "neck01", "head": "head", "jaw": "jaw",
}  # fmt: skip
_SIDED_PLACES = {
    "hip": ("upperleg01",),
    "knee": ("lowerleg01",),
    "ankle": ("foot",),
    "foot": ("toe1-1", "toe2-1", "toe3-1"),
    "collar": ("clavicle", "shoulder01"),
    "shoulder": ("upperarm01",),
    "elbow": ("lowerarm01",),
    "wrist": ("wrist",),
    "hand": ("finger2-1", "finger3-1", "finger4-1"),
    "eye": ("eye",),
} | {f"{finger}{i}": (f"finger{number}-{i}",) for finger, number in FINGERS.items() for i in PHALANGES}
"""Bones whose heads, on average, are the place of each joint."""


def other_side(name: str) -> str:
    """The name on the other side: "left_hip" for "right_hip"; the same for "head"."""
    swap = {"left": "right", "right": "left"}
    side, _, rest = name.partition("_")
    return f"{swap[side]}_{rest}" if side in swap else name


def mirrored_columns(names: Iterable[str]) -> list[int]:
    """The index of the other side of each name."""
    names = list(names)
    return [names.index(other_side(name)) for name in names]


def joint_of_bone(rig: Rig) -> dict[str, str]:
    """The joint of `SMPLX_JOINTS` that moves the skin of each bone."""
    known = dict(_both_sides(_SIDED_BONES))
    known |= {bone: joint for joint, bones in _CENTRAL_BONES.items() for bone in bones}
    known |= {f"breast.{letter}": "spine3" for letter in SIDES.values()} | {f"pelvis.{letter}": "pelvis" for letter in SIDES.values()}
    joints: dict[str, str] = {}
    for name, parent in zip(rig.names, rig.parents, strict=True):
        joints[name] = known[name] if name in known else joints[rig.names[parent]]
    return joints


def joint_positions(rig: Rig, bone_heads: Floats) -> Floats:
    """(N, 57, 3) places of `JOINTS` from the heads of the bones (N, B, 3), metres."""
    bones: dict[str, list[str]] = {joint: [bone] for joint, bone in _CENTRAL_PLACES.items()}
    for bone, joint in _both_sides(_SIDED_PLACES):
        bones.setdefault(joint, []).append(bone)
    return np.stack([bone_heads[:, [rig.index[bone] for bone in bones[joint]]].mean(axis=1) for joint in JOINTS], axis=1)


def _both_sides(bones_of: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """Bone and joint, for the left and for the right."""
    return [
        (f"{bone}.{letter}", f"{side}_{joint}") for side, letter in SIDES.items() for joint, bones in bones_of.items() for bone in bones
    ]
