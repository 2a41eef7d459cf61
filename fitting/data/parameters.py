"""The parameters of the bodies of the SMPL family, by the names of the `smplx` package."""

POSE_PARTS = {
    "smpl": (("global_orient", 1), ("body_pose", 23)),
    "smplh": (("global_orient", 1), ("body_pose", 21), ("left_hand_pose", 15), ("right_hand_pose", 15)),
    "smplx": (
        *(("global_orient", 1), ("body_pose", 21), ("jaw_pose", 1), ("leye_pose", 1), ("reye_pose", 1)),
        *(("left_hand_pose", 15), ("right_hand_pose", 15)),
    ),
}
"""For each type of model the parts of its full pose, in order, with the number of joints that each of them turns."""

HAND_POSES = ("left_hand_pose", "right_hand_pose")

MODEL_TYPES = {"SMPLify": "smpl", "SMPLifyH": "smplh", "SMPLifyX": "smplx"}
"""The type of model that each registrant fits."""

_SMPL = ("global_orient", "transl", "body_pose", "betas")
PARAMETERS = {
    "SMPLify": _SMPL,
    "SMPLifyH": (*_SMPL, *HAND_POSES),
    "SMPLifyX": (*_SMPL, *HAND_POSES, "expression", "jaw_pose", "leye_pose", "reye_pose"),
}
"""What each registrant can fit."""


def n_joints_of(model_type: str) -> int:
    """Number of joints J of a type of model."""
    return sum(n_joints for _, n_joints in POSE_PARTS[model_type])
