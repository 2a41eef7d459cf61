"""The default body: free of licence fees and conditions (CC0), in the forms of SMPL, SMPL-H and SMPL-X.

The file stores the left half and the middle of a mirror-symmetric mesh, quantised to 16 bits; `tools/build_default_body`
makes it from MakeHuman's CC0 assets.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BodyError, did_you_mean
from ..conventions import get_convention
from ..files import read_npz
from .body_data import BodyData
from .skeletons import JOINT_NAMES, KEYPOINT_CONVENTIONS, PARENTS

DEFAULT_BODY_PATH = Path(__file__).parents[2] / "assets" / "default_body.npz"
GENDERS = ("neutral", "male", "female")

_KEYPOINT_NAMES = {
    "nose": "nose", "reye": "right_eye", "leye": "left_eye", "rear": "right_ear", "lear": "left_ear",
    "LBigToe": "left_bigtoe", "LSmallToe": "left_smalltoe", "LHeel": "left_heel",
    "RBigToe": "right_bigtoe", "RSmallToe": "right_smalltoe", "RHeel": "right_heel",
    "lthumb": "left_thumb", "lindex": "left_index", "lmiddle": "left_middle", "lring": "left_ring", "lpinky": "left_pinky",
    "rthumb": "right_thumb", "rindex": "right_index", "rmiddle": "right_middle", "rring": "right_ring", "rpinky": "right_pinky",
}  # fmt: skip
"""Names in the file (those of the `smplx` package, in its order) and in the convention "human_data"."""


_FACE_CONTOUR = 17
"""The first of the 68 face landmarks are the contour, which `smplx` puts last."""


def load_default_body(gender: str = "neutral", model_type: str = "smpl") -> BodyData:
    """The default body, with 16 shape values.

    Args:
        gender: "neutral", "male" or "female".
        model_type: "smpl" (24 joints), "smplh" (52, with fingers) or "smplx" (55, with fingers, jaw, eyes and 10 expressions).

    Raises:
        BodyError: Unknown gender or type.
    """
    for what, value, known in (("of gender", gender, GENDERS), ("of the type", model_type, tuple(JOINT_NAMES))):
        if value not in known:
            raise BodyError(f"There is no default body {what} {value!r}.", did_you_mean(str(value), known))
    file = read_npz(DEFAULT_BODY_PATH, BodyError)
    half, mirror = file["half"].astype(np.int64), file["mirror"].astype(np.int64)
    joint_names = JOINT_NAMES[model_type]
    weights = _weights(file, half, mirror, model_type)
    quads = file["quads"].astype(np.int64)
    file_joints = [str(name) for name in file["joint_names"]]
    regressor = np.zeros((len(file_joints), len(weights)), np.float32)
    regressor[file["jr_row"], file["jr_col"]] = file["jr_val"]
    has_hands = model_type != "smpl"
    return BodyData(
        model_type=model_type,
        gender=gender,
        name="default",
        joint_names=joint_names,
        parents=np.array(PARENTS[model_type], np.int64),
        v_template=_unfold(file[f"{gender}_v"] * file[f"{gender}_vs"], half, mirror),
        shapedirs=_unfold(file[f"{gender}_s"] * file[f"{gender}_ss"], half, mirror),
        joint_regressor=regressor[[file_joints.index(name.removesuffix("_smplhf")) for name in joint_names]],
        weights=weights,
        faces=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]),
        quads=quads,
        uv=(file["uv"] / np.float32(65535)).astype(np.float32),
        uv_quads=file["uv_quads"].astype(np.int64),
        expression_dirs=_expression_dirs(file, len(weights)) if model_type == "smplx" else None,
        hand_mean=_both_hands(file["hm"]) if has_hands else None,
        hand_components=_both_hands(file["hc"]) if has_hands else None,
        keypoint_vertices=_keypoint_vertices(file, model_type),
        convention=KEYPOINT_CONVENTIONS[model_type],
    )


def _keypoint_vertices(file: dict[str, NDArray[Any]], model_type: str) -> dict[str, int]:
    vertices = {_KEYPOINT_NAMES[str(name)]: int(index) for name, index in zip(file["kp_names"], file["kp_idx"], strict=True)}
    if model_type == "smplx":
        landmarks = np.roll(file["lmk68"].astype(int), -_FACE_CONTOUR).tolist()
        vertices |= zip(get_convention("smplx").names[-len(landmarks) :], landmarks, strict=True)
    return vertices


def _expression_dirs(file: dict[str, NDArray[Any]], n_vertices: int) -> NDArray[np.float32]:
    """(V, 3, E) movement of each vertex for one unit of each expression."""
    dirs = np.zeros((n_vertices, *file["e_val"].shape[1:]), np.float32)
    dirs[file["e_idx"]] = file["e_val"] * file["e_s"]
    return dirs


def _both_hands(left: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2, ..., 45) values of the left hand, then of the right one: its mirror image, (x, y, z) becomes (x, -y, -z)."""
    mirrored = left.reshape(*left.shape[:-1], -1, 3) * np.array([1, -1, -1], np.float32)
    return np.stack([left, mirrored.reshape(left.shape)])


def _unfold(half_values: NDArray[np.float32], half: NDArray[np.int64], mirror: NDArray[np.int64]) -> NDArray[np.float32]:
    """(V, 3, ...) from the left half: the right half is its image, with x turned round."""
    n_vertices = 2 * len(half) - int((half == mirror).sum())
    mirrored = half_values.copy()
    mirrored[:, 0] *= -1
    values = np.empty((n_vertices, *half_values.shape[1:]), np.float32)
    values[mirror] = mirrored
    values[half] = half_values  # last, so that the middle keeps its own values
    return values


def _weights(file: dict[str, NDArray[Any]], half: NDArray[np.int64], mirror: NDArray[np.int64], model_type: str) -> NDArray[np.float32]:
    """(V, J) skinning weights: the file's 55 joints of SMPL-X, merged into the joints that the type of model has."""
    names, wanted = JOINT_NAMES["smplx"], JOINT_NAMES[model_type]
    half_weights = np.zeros((len(half), len(names)), np.float32)
    np.put_along_axis(half_weights, file["w_idx"].astype(np.int64), (file["w_val"] / np.float32(65535)).astype(np.float32), axis=1)
    half_weights /= half_weights.sum(1, keepdims=True)
    swapped = [names.index(_other_side(name)) for name in names]
    weights = np.empty((2 * len(half) - int((half == mirror).sum()), len(names)), np.float32)
    weights[mirror] = half_weights[:, swapped]
    weights[half] = half_weights
    merged = np.zeros((len(weights), len(wanted)), np.float32)
    for column, name in enumerate(names):
        merged[:, wanted.index(name if name in wanted else _merged_into(name))] += weights[:, column]
    return merged


def _merged_into(smplx_joint: str) -> str:
    """The joint that moves the skin of a joint of the face or the fingers in a model without it."""
    if smplx_joint == "jaw" or "eye" in smplx_joint:
        return "head"
    return f"{smplx_joint.split('_', 1)[0]}_hand"


def _other_side(name: str) -> str:
    swap = {"left": "right", "right": "left"}
    side, _, rest = name.partition("_")
    return f"{swap[side]}_{rest}" if side in swap else name
