"""The joints of SMPL, SMPL-H and SMPL-X: their names, as `smplx` and AMASS users know them, and their parents."""

from collections.abc import Mapping

_BODY = {
    "pelvis": "", "left_hip": "pelvis", "right_hip": "pelvis", "spine1": "pelvis", "left_knee": "left_hip", "right_knee": "right_hip",
    "spine2": "spine1", "left_ankle": "left_knee", "right_ankle": "right_knee", "spine3": "spine2", "left_foot": "left_ankle",
    "right_foot": "right_ankle", "neck": "spine3", "left_collar": "spine3", "right_collar": "spine3", "head": "neck",
    "left_shoulder": "left_collar", "right_shoulder": "right_collar", "left_elbow": "left_shoulder", "right_elbow": "right_shoulder",
    "left_wrist": "left_elbow", "right_wrist": "right_elbow",
}  # fmt: skip
"""Each joint with its parent; those that all three share."""

_FACE = {"jaw": "head", "left_eye_smplhf": "head", "right_eye_smplhf": "head"}

_FINGERS = {
    f"{side}_{finger}{i}": f"{side}_{finger}{i - 1}" if i > 1 else f"{side}_wrist"
    for side in ("left", "right")
    for finger in ("index", "middle", "pinky", "ring", "thumb")
    for i in (1, 2, 3)
}

_PARENT_OF: Mapping[str, Mapping[str, str]] = {
    "smpl": {**_BODY, "left_hand": "left_wrist", "right_hand": "right_wrist"},
    "smplh": {**_BODY, **_FINGERS},
    "smplx": {**_BODY, **_FACE, **_FINGERS},
}

JOINT_NAMES: Mapping[str, tuple[str, ...]] = {model_type: tuple(parents) for model_type, parents in _PARENT_OF.items()}
"""The joints of each type of model, in order."""

PARENTS: Mapping[str, tuple[int, ...]] = {
    model_type: tuple(JOINT_NAMES[model_type].index(parent) if parent else -1 for parent in parents.values())
    for model_type, parents in _PARENT_OF.items()
}
"""Index of the parent of each joint, -1 for the root."""

KEYPOINT_CONVENTIONS: Mapping[str, str] = {"smpl": "smpl_45", "smplh": "smplh", "smplx": "smplx"}
"""The convention of the keypoints of each type of model: its joints, then points on its surface."""
