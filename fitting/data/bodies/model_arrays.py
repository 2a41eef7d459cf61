"""From the arrays of a model file to `BodyData`: what they are is found by their shapes, and every shape is checked."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BodyError
from .body_data import BodyData, Floats, Integers
from .skeletons import JOINT_NAMES, KEYPOINT_CONVENTIONS, PARENTS
from .surface_keypoints import JOINT_CONVENTIONS, SURFACE_KEYPOINTS

Arrays = Mapping[str, NDArray[Any]]

REQUIRED = ("v_template", "shapedirs", "J_regressor", "weights", "kintree_table", "f")
"""Keys that every body has."""

_TYPES = {len(names): model_type for model_type, names in JOINT_NAMES.items()}
_MANO_JOINTS = 16
_OTHERS = {5: "FLAME, a head", 33: "SMAL, an animal", 35: "SMAL, an animal", 75: "SUPR"}
"""Relatives of SMPL, by their number of joints."""

_STAR_CORRECTIVES = 93
_MOTION_KEYS = {"poses", "trans"}
_GENDERS = {"n": "neutral", "m": "male", "f": "female"}

_N_BETAS, _N_EXPRESSIONS, _ALL_BETAS = 10, 10, 300
"""SMPL-X keeps expressions behind the shape values: behind 10 of them, or behind 300 in files with all of both. As `smplx`."""

_N_LANDMARKS, _CONTOUR = 51, (79, 17)
_HAND_WIDTH = 45

_MIXED = "Its arrays do not belong together: give the file as its publisher made it."


def type_of(arrays: Arrays, name: str) -> str:
    """Which type of model the arrays are: "smpl", "smplh", "smplx" or "mano".

    Raises:
        BodyError: Another model, or none.
    """
    if not {"v_template", "weights"} <= set(arrays):
        if set(arrays) >= _MOTION_KEYS:
            raise BodyError(f"{name!r} holds a motion (poses, trans), expected a body model.", "Give a file of SMPL, SMPL-H or SMPL-X.")
        found = ", ".join(repr(key[:30]) for key in sorted(arrays)[:8]) or "nothing"
        raise BodyError(f"{name!r} holds no body model, but {found}.", f"A model has {', '.join(REQUIRED)}.")
    shape = arrays["weights"].shape
    n_joints = shape[1] if len(shape) == 2 else 0
    posedirs = arrays["posedirs"].shape if n_joints == len(JOINT_NAMES["smpl"]) and "posedirs" in arrays else ()
    other = "STAR" if posedirs[-1:] == (_STAR_CORRECTIVES,) else _OTHERS.get(n_joints)
    if other is not None:
        raise BodyError(f"{name!r} is a model of {other}, which is not supported.", "Give a file of SMPL, SMPL-H or SMPL-X.")
    if n_joints == _MANO_JOINTS:
        return "mano"
    if n_joints not in _TYPES:
        known = ", ".join(f"{count} ({model_type})" for count, model_type in _TYPES.items())
        raise BodyError(f"The weights of {name!r} have shape {shape}: {n_joints} joints, expected one of {known}.", "Give another file.")
    return _TYPES[n_joints]


def gender_of(arrays: Arrays) -> str | None:
    """The gender that a file tells, or None where it is silent."""
    if "gender" not in arrays or arrays["gender"].size != 1 or arrays["gender"].dtype.kind not in "SU":
        return None
    value = arrays["gender"].reshape(-1)[0]
    text = (value.decode("latin1") if isinstance(value, bytes) else str(value)).strip().lower()
    return text if text in _GENDERS.values() else _GENDERS.get(text)


def body_from_arrays(arrays: Arrays, model_type: str, gender: str, name: str) -> BodyData:
    """The body of a file of SMPL, SMPL-H or SMPL-X.

    Args:
        arrays: As the file has them.
        model_type: As `type_of` finds it.
        gender: "neutral", "male" or "female".
        name: The file, for reports and errors.

    Raises:
        BodyError: An array is missing, or does not fit the others.
    """
    if missing := [key for key in REQUIRED if key not in arrays]:
        raise BodyError(
            f"{name!r} lacks {', '.join(missing)}.", "Give the file as its publisher made it: arrays saved as Python objects are not read."
        )
    file = _Checked(arrays, name)
    joint_names = JOINT_NAMES[model_type]
    n_joints = len(joint_names)
    v_template = file.floats("v_template", None, 3)
    n_vertices = len(v_template)
    shapedirs = file.floats("shapedirs", n_vertices, 3, None)
    betas, expressions = _columns(model_type, shapedirs.shape[2])
    faces = file.indices("f", n_vertices, None, 3)
    keypoints = SURFACE_KEYPOINTS.get((model_type, n_vertices), {})
    landmarks = _landmarks(file, faces) if model_type == "smplx" else {}
    is_whole = bool(keypoints) and (model_type != "smplx" or len(landmarks) == 4)
    _check_tree(file, model_type)
    return BodyData(
        model_type=model_type,
        gender=gender,
        name=name,
        joint_names=joint_names,
        parents=np.array(PARENTS[model_type], np.int64),
        v_template=v_template,
        shapedirs=np.ascontiguousarray(shapedirs[..., betas]),
        joint_regressor=file.floats("J_regressor", n_joints, n_vertices),
        weights=file.floats("weights", n_vertices, n_joints),
        faces=faces,
        posedirs=_posedirs(file, n_vertices, 9 * (n_joints - 1)),
        expression_dirs=None if expressions is None else np.ascontiguousarray(shapedirs[..., expressions]),
        hand_mean=_both_hands(file, "hands_mean", _HAND_WIDTH) if model_type != "smpl" else None,
        hand_components=_both_hands(file, "hands_components", _HAND_WIDTH, _HAND_WIDTH) if model_type != "smpl" else None,
        keypoint_vertices=keypoints,
        **landmarks,
        convention=(KEYPOINT_CONVENTIONS if is_whole else JOINT_CONVENTIONS)[model_type],
    )


class _Checked:
    """Arrays of a file that have the shape which the others need."""

    def __init__(self, arrays: Arrays, name: str) -> None:
        self.arrays, self.name = arrays, name

    def floats(self, key: str, *shape: int | None) -> Floats:
        """An array as float32; None stands for any size."""
        return self.as_floats(key, self.shaped(key, shape))

    def as_floats(self, key: str, array: NDArray[Any]) -> Floats:
        with np.errstate(over="ignore"):  # what is too large becomes infinite
            values = np.ascontiguousarray(array, np.float32)
        if not values.flags.writeable:  # a view of the pickle, which would stay in memory
            values = values.copy()
        if not np.isfinite(values).all():
            raise BodyError(f"{key} of {self.name!r} has values that are not finite.", "Download the file again.")
        return values

    def indices(self, key: str, count: int, *shape: int | None) -> Integers:
        """An array of indices below a count."""
        values = self.shaped(key, shape).astype(np.int64)
        if values.size and not 0 <= values.min() <= values.max() < count:
            raise BodyError(f"{key} of {self.name!r} has indices from {values.min()} to {values.max()}, expected 0 to {count - 1}.", _MIXED)
        return values

    def shaped(self, key: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        array = self.arrays[key]
        if not _fits(array.shape, shape) or array.dtype.kind not in "iuf":
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            raise BodyError(
                f"{key} of {self.name!r} is {array.dtype} of shape {array.shape}, expected numbers of shape ({expected}).",
                _MIXED,
            )
        return array


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(size > 0 and wanted in (None, size) for size, wanted in zip(shape, expected, strict=True))


def _columns(model_type: str, n_columns: int) -> tuple[slice, slice | None]:
    """Where shape values and expressions are among the columns of `shapedirs`."""
    if model_type != "smplx" or n_columns <= _N_BETAS:
        return slice(None), None
    if n_columns > _ALL_BETAS:
        return slice(_ALL_BETAS), slice(_ALL_BETAS, None)
    return slice(_N_BETAS), slice(_N_BETAS, _N_BETAS + _N_EXPRESSIONS)


def _check_tree(file: _Checked, model_type: str) -> None:
    parents = PARENTS[model_type]
    found = file.shaped("kintree_table", (2, len(parents))).astype(np.int64)
    found_parents = found[0, 1:].tolist()  # the root's is -1, or 2^32 - 1 where the file has no signs
    if found_parents != list(parents[1:]) or found[1].tolist() != list(range(len(parents))):
        raise BodyError(f"The joints of {file.name!r} are not connected as those of {model_type}.", _MIXED)


def _posedirs(file: _Checked, n_vertices: int, n_features: int) -> Floats | None:
    """(V, 3, 9 (J - 1)) pose correctives; None where the file has none, or zeros in their place."""
    if "posedirs" not in file.arrays:
        return None
    array = file.arrays["posedirs"]
    if array.shape == (n_features, 3 * n_vertices):  # as `smplx` keeps them in memory
        array = array.T.reshape(n_vertices, 3, n_features)
    else:
        array = file.shaped("posedirs", (n_vertices, 3, n_features))
    return file.as_floats("posedirs", array) if array.any() else None


def _both_hands(file: _Checked, key: str, *shape: int) -> Floats | None:
    """(2, ...) values of the left hand and of the right one, or None."""
    keys = [f"{key}{side}" for side in "lr"]
    if any(side not in file.arrays for side in keys):
        return None
    return np.stack([file.floats(side, *shape) for side in keys])


def _landmarks(file: _Checked, faces: Integers) -> dict[str, Any]:
    """The triangles of the face landmarks, as fields of `BodyData`; none where the file lacks them."""
    fields: dict[str, Any] = {}
    for field, prefix, shape in (("landmark", "", (_N_LANDMARKS,)), ("contour", "dynamic_", _CONTOUR)):
        triangles, shares = f"{prefix}lmk_faces_idx", f"{prefix}lmk_bary_coords"
        if triangles in file.arrays and shares in file.arrays:
            fields[f"{field}_vertices"] = faces[file.indices(triangles, len(faces), *shape)]
            fields[f"{field}_weights"] = file.floats(shares, *shape, 3)
    return fields
