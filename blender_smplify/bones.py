"""The bones of a body as plain arrays: the part that each belongs to, where it points, and about which axis it bends."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .core import JOINT_NAMES, POSE_PARTS, BodyData

Floats = NDArray[np.float64]

AXIS_ALIGNED, ANATOMICAL = "axis_aligned", "anatomical"
BONE_FORMS = (AXIS_ALIGNED, ANATOMICAL)
"""Rest bones without rotation, as the model has them; or along the limbs, as animators and other programs like them."""
BODY, HANDS, FACE = "Body", "Hands", "Face"
LEAF_LENGTH = 0.1
"""Longest bone that has no further joint, metres."""
SHORTEST = 0.01
"""Shortest bone, metres: Blender removes those without a length."""
FACE_LENGTH = 0.05
"""Jaw and eyes point along the line of sight, metres."""
FORWARD, BACK, UP, DOWN = np.array([[0.0, 0, 1], [0, 0, -1], [0, 1, 0], [0, -1, 0]])
BENDS_TOWARDS = (
    (("hip", "knee"), BACK),
    (("ankle", "foot", "jaw", "eye"), UP),
    (("wrist", "hand", "index", "middle", "pinky", "ring", "thumb"), DOWN),
)
"""Where bones bend in the T-pose when they turn about their own x axis, by words in their names; the others bend forward."""


def side_of(name: str) -> str:
    """The side of the body that the name of a joint or a keypoint speaks of: "left", "right" or "middle"."""
    return next((side for side in ("left", "right") if side in name.lower()), "middle")


def kinds(model_type: str) -> dict[str, str]:
    """`BODY`, `HANDS` or `FACE` for each of the J joints of a type of model, by their names, in order."""
    of_joints = [_kind(part) for part, n_joints in POSE_PARTS[model_type] for _ in range(n_joints)]
    return dict(zip(JOINT_NAMES[model_type], of_joints, strict=True))


def _kind(part: str) -> str:
    return BODY if part in ("global_orient", "body_pose") else HANDS if part.endswith("_hand_pose") else FACE


def limbs(body: BodyData, joints: ArrayLike) -> Floats:
    """(J, 3) from each joint to the next one, metres: to the middle of several; the last of a limb goes on as the limb does.

    Args:
        body: Tells which joint follows which.
        joints: (J, 3) in the T-pose, metres.
    """
    heads, of_kind = np.asarray(joints, float), list(kinds(body.model_type).values())
    ahead = np.zeros_like(heads)
    for joint, parent in enumerate(body.parents):
        children = [child for child in np.flatnonzero(body.parents == joint) if of_kind[child] != FACE]
        children = [child for child in children if side_of(body.joint_names[child]) == "middle"] or children
        if of_kind[joint] == FACE:
            ahead[joint] = FACE_LENGTH * FORWARD
        elif children:
            ahead[joint] = heads[children].mean(0) - heads[joint]
        elif parent >= 0:
            ahead[joint] = heads[joint] - heads[parent]
            ahead[joint] *= min(1, LEAF_LENGTH / max(float(np.linalg.norm(ahead[joint])), SHORTEST))
        if np.linalg.norm(ahead[joint]) < SHORTEST:
            ahead[joint] = SHORTEST * UP
    return ahead


def bend_directions(body: BodyData) -> Floats:
    """(J, 3) unit vectors: where each bone bends, which its z axis comes near to."""
    return np.stack([next((towards for words, towards in BENDS_TOWARDS if _has(name, words)), FORWARD) for name in body.joint_names])


def _has(name: str, words: tuple[str, ...]) -> bool:
    return any(word in name for word in words)
