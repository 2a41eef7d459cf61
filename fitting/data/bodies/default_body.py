"""The default body: free of licence fees and conditions (CC0), in the form of SMPL.

The file stores the left half and the middle of a mirror-symmetric mesh, quantised to 16 bits; `tools/build_default_body`
makes it from MakeHuman's CC0 assets.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BodyError, did_you_mean
from ..files import read_npz
from .body_data import BodyData

DEFAULT_BODY_PATH = Path(__file__).parents[2] / "assets" / "default_body.npz"
GENDERS = ("neutral", "male", "female")

_SMPLX_JOINTS = (
    *("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle", "spine3"),
    *("left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "jaw", "left_eye_smplhf", "right_eye_smplhf"),
    *(f"{side}_{finger}{i}" for side in ("left", "right") for finger in ("index", "middle", "pinky", "ring", "thumb") for i in (1, 2, 3)),
)  # fmt: skip
SMPL_JOINTS = (*_SMPLX_JOINTS[:22], "left_hand", "right_hand")
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)

_KEYPOINT_NAMES = {
    "nose": "nose", "reye": "right_eye", "leye": "left_eye", "rear": "right_ear", "lear": "left_ear",
    "LBigToe": "left_bigtoe", "LSmallToe": "left_smalltoe", "LHeel": "left_heel",
    "RBigToe": "right_bigtoe", "RSmallToe": "right_smalltoe", "RHeel": "right_heel",
    "lthumb": "left_thumb", "lindex": "left_index", "lmiddle": "left_middle", "lring": "left_ring", "lpinky": "left_pinky",
    "rthumb": "right_thumb", "rindex": "right_index", "rmiddle": "right_middle", "rring": "right_ring", "rpinky": "right_pinky",
}  # fmt: skip
"""Names in the file (those of the `smplx` package, in its order) and in the convention "human_data"."""


def load_default_body(gender: str = "neutral") -> BodyData:
    """The default body in the form of SMPL: 24 joints, 16 shape values.

    Raises:
        BodyError: Unknown gender.
    """
    if gender not in GENDERS:
        raise BodyError(f"There is no default body of gender {gender!r}.", did_you_mean(gender, GENDERS))
    file = read_npz(DEFAULT_BODY_PATH, BodyError)
    half, mirror = file["half"].astype(np.int64), file["mirror"].astype(np.int64)
    weights = _smpl_weights(file, half, mirror)
    quads = file["quads"].astype(np.int64)
    file_joints = [str(name) for name in file["joint_names"]]
    regressor = np.zeros((len(file_joints), len(weights)), np.float32)
    regressor[file["jr_row"], file["jr_col"]] = file["jr_val"]
    vertex_of = {str(name): int(index) for name, index in zip(file["kp_names"], file["kp_idx"], strict=True)}
    return BodyData(
        model_type="smpl",
        gender=gender,
        name="default",
        joint_names=SMPL_JOINTS,
        parents=np.array(SMPL_PARENTS, np.int64),
        v_template=_unfold(file[f"{gender}_v"] * file[f"{gender}_vs"], half, mirror),
        shapedirs=_unfold(file[f"{gender}_s"] * file[f"{gender}_ss"], half, mirror),
        joint_regressor=regressor[[file_joints.index(name) for name in SMPL_JOINTS]],
        weights=weights,
        faces=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]),
        quads=quads,
        uv=(file["uv"] / np.float32(65535)).astype(np.float32),
        uv_quads=file["uv_quads"].astype(np.int64),
        keypoint_vertices={name: vertex_of[key] for key, name in _KEYPOINT_NAMES.items()},
        convention="smpl_45",
    )


def _unfold(half_values: NDArray[np.float32], half: NDArray[np.int64], mirror: NDArray[np.int64]) -> NDArray[np.float32]:
    """(V, 3, ...) from the left half: the right half is its image, with x turned round."""
    n_vertices = 2 * len(half) - int((half == mirror).sum())
    mirrored = half_values.copy()
    mirrored[:, 0] *= -1
    values = np.empty((n_vertices, *half_values.shape[1:]), np.float32)
    values[mirror] = mirrored
    values[half] = half_values  # last, so that the middle keeps its own values
    return values


def _smpl_weights(file: dict[str, NDArray[Any]], half: NDArray[np.int64], mirror: NDArray[np.int64]) -> NDArray[np.float32]:
    """(V, 24) skinning weights: the file's 55 joints of SMPL-X, with face and fingers merged into head and hands."""
    half_weights = np.zeros((len(half), len(_SMPLX_JOINTS)), np.float32)
    np.put_along_axis(half_weights, file["w_idx"].astype(np.int64), (file["w_val"] / np.float32(65535)).astype(np.float32), axis=1)
    half_weights /= half_weights.sum(1, keepdims=True)
    swapped = [_SMPLX_JOINTS.index(_other_side(name)) for name in _SMPLX_JOINTS]
    weights = np.empty((2 * len(half) - int((half == mirror).sum()), len(_SMPLX_JOINTS)), np.float32)
    weights[mirror] = half_weights[:, swapped]
    weights[half] = half_weights
    merged = np.zeros((len(weights), len(SMPL_JOINTS)), np.float32)
    for column, name in enumerate(_SMPLX_JOINTS):
        merged[:, SMPL_JOINTS.index(_smpl_joint(name))] += weights[:, column]
    return merged


def _smpl_joint(smplx_joint: str) -> str:
    if smplx_joint in SMPL_JOINTS:
        return smplx_joint
    if smplx_joint == "jaw" or "eye" in smplx_joint:
        return "head"
    return f"{smplx_joint.split('_', 1)[0]}_hand"


def _other_side(name: str) -> str:
    swap = {"left": "right", "right": "left"}
    side, _, rest = name.partition("_")
    return f"{swap[side]}_{rest}" if side in swap else name
