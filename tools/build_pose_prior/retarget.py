"""Rotations of a motion-capture skeleton, given to the joints of SMPL."""

from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from fitting.data.bodies import JOINT_NAMES, PARENTS, load_default_body
from tools.build_default_body.tpose import rotation_between

from .asf_amc import Floats

_LIMB_BONES = {
    "hip": "femur", "knee": "tibia", "ankle": "foot", "shoulder": "humerus", "elbow": "radius", "wrist": "hand",
}  # fmt: skip
_SIDES = {"left": "l", "right": "r"}
CMU_BONES = (
    {"pelvis": "root", "spine1": "lowerback", "spine2": "upperback", "spine3": "thorax", "neck": "upperneck", "head": "head"}
    | {f"{side}_{joint}": letter + bone for side, letter in _SIDES.items() for joint, bone in _LIMB_BONES.items()}
    | {f"{side}_foot": f"{letter}toes" for side, letter in _SIDES.items()}
    | {f"{side}_collar": f"{letter}clavicle" for side, letter in _SIDES.items()}
)
"""Bone of CMU's skeletons that gives each joint its rotation. The wrist takes the hand's, and so the twist of the forearm too."""

_NEXT_JOINT = {"hip": "knee", "knee": "ankle", "ankle": "foot", "shoulder": "elbow", "elbow": "wrist", "wrist": "hand"}


def to_smpl(rotations: Mapping[str, Floats], directions: Mapping[str, Floats]) -> Floats:
    """(F, 24, 3) SMPL pose, axis-angle in radians.

    A limb that points elsewhere at rest than the limb of SMPL (CMU's legs are spread by 20 degrees) is first brought to its
    direction, so that the limbs of both point the same way in every frame.

    Args:
        rotations: (F, 3, 3) rotation of each bone from its rest pose, in the world, by the names of `CMU_BONES`.
        directions: (3,) direction of each bone at rest.
    """
    rest = dict(zip(JOINT_NAMES["smpl"], load_default_body().joints_template.astype(float), strict=True))
    world: list[Floats] = []
    for joint, parent in zip(JOINT_NAMES["smpl"], PARENTS["smpl"], strict=True):
        if joint not in CMU_BONES:
            world.append(world[parent])  # the hands stay straight
            continue
        rotation, bone = rotations[CMU_BONES[joint]], CMU_BONES[joint]
        side, _, part = joint.partition("_")
        if part in _NEXT_JOINT:
            rotation = rotation @ rotation_between(rest[f"{side}_{_NEXT_JOINT[part]}"] - rest[joint], directions[bone])
        world.append(rotation)
    local = [
        rotation if parent < 0 else world[parent].swapaxes(-1, -2) @ rotation
        for rotation, parent in zip(world, PARENTS["smpl"], strict=True)
    ]
    return np.stack([Rotation.from_matrix(rotation).as_rotvec() for rotation in local], axis=1)
