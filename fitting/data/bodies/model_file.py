"""Body models from the files of SMPL, SMPL-H and SMPL-X, as their publishers hand them out and as `smplx` converts them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...errors import BodyError, did_you_mean
from ..files import archive_names, read_npz
from .body_data import BodyData
from .default_body import GENDERS
from .model_arrays import body_from_arrays, gender_of, type_of
from .model_folder import SUFFIXES, choose_model, find_models, gender_in_name
from .restricted_pickle import read_pickle
from .skeletons import JOINT_NAMES

_HEAD_BYTES = 512
_NO_MODEL = {
    b"\x1f\x8b": "a compressed archive",
    b"7z\xbc\xaf": "a compressed archive",
    b"Rar!": "a compressed archive",
    b"\x93NUMPY": "a single array",
    b"\x89HDF": "an HDF5 file",
    b"version https://git-lfs": "only a pointer of Git LFS to the file",
}
"""Files that are not models, by what they begin with."""

_PICKLE_START = re.compile(rb"\x80|\(d|\(i\w|\}|c[\w.]+\n\w+\n")
"""How pickles of all protocols begin: their number, a dict, or the name of a class."""


@dataclass(frozen=True)
class ModelInfo:
    """What a model file holds.

    Attributes:
        name: Name of the file.
        model_type: "smpl", "smplh", "smplx", or "mano" for a hand alone.
        gender: "neutral", "male" or "female"; None for a hand.
        n_betas: Shape values.
        n_expressions: Expressions; 0 without a face.
        n_joints: Joints.
        n_vertices: Vertices.
        n_faces: Triangles.
        has_hand_components: Whether hand poses can be given by components.
        has_pose_correctives: Whether the surface is corrected for the pose.
        has_landmarks: Whether it has the landmarks and the contour of the face.
        convention: Convention of its keypoints; None for a hand.
        missing: What models of this type usually have and this one lacks, one sentence each.
    """

    name: str
    model_type: str
    gender: str | None
    n_betas: int
    n_expressions: int
    n_joints: int
    n_vertices: int
    n_faces: int
    has_hand_components: bool
    has_pose_correctives: bool
    has_landmarks: bool
    convention: str | None
    missing: tuple[str, ...]


def load_body_data(path: str | Path, gender: str | None = None, model_type: str | None = None) -> BodyData:
    """The body of a model file. What it is is found by its content; nothing in it is executed.

    Args:
        path: A `.pkl` or `.npz` of SMPL, SMPL-H or SMPL-X, or a folder of them as `smplx` or AMASS lays it out.
        gender: "neutral", "male" or "female": which file of a folder; for a file that does not tell its gender, before its name.
        model_type: "smpl", "smplh" or "smplx": which files of a folder; for a file, what it has to be.

    Raises:
        BodyError: No such file, not a body model, or one that contradicts `gender` or `model_type`.
    """
    return _body(*_open(path, gender, model_type), gender, model_type)


def describe_model(path: str | Path, gender: str | None = None, model_type: str | None = None) -> ModelInfo:
    """What a model file holds, also that of a hand. Arguments as for `load_body_data`.

    Raises:
        BodyError: As `load_body_data`.
    """
    file, arrays, found_type = _open(path, gender, model_type)
    if found_type == "mano":
        return _describe_hand(arrays, file.name)
    return info_of(_body(file, arrays, found_type, gender, model_type))


def info_of(body: BodyData) -> ModelInfo:
    """What a body holds."""
    has_hands, has_landmarks = body.hand_components is not None, body.contour_vertices is not None and body.landmark_vertices is not None
    missing = []
    if body.posedirs is None:
        missing.append("No pose correctives: bent joints look plainer.")
    if not body.keypoint_vertices:
        missing.append(f"No keypoints on the surface are known for a mesh of {body.n_vertices} vertices: the keypoints are the joints.")
    if body.model_type != "smpl" and not (has_hands and body.hand_mean is not None):
        missing.append("No components or no mean of hand poses: fingers are posed joint by joint, from a flat hand.")
    if body.model_type == "smplx" and not has_landmarks and body.keypoint_vertices:
        missing.append("No landmarks or no contour of the face: the keypoints are the joints.")
    if body.model_type == "smplx" and body.expression_dirs is None:
        missing.append("No expressions.")
    return ModelInfo(
        name=body.name,
        model_type=body.model_type,
        gender=body.gender,
        n_betas=body.n_betas,
        n_expressions=body.n_expressions,
        n_joints=body.n_joints,
        n_vertices=body.n_vertices,
        n_faces=len(body.faces),
        has_hand_components=has_hands,
        has_pose_correctives=body.posedirs is not None,
        has_landmarks=has_landmarks,
        convention=body.convention,
        missing=tuple(missing),
    )


def is_model(path: str | Path) -> bool:
    """Whether a path is for `describe_model`, not for the readers of tracks: a folder of models, a pickle, or an `.npz` with a mesh."""
    path = Path(path)
    if path.is_dir():
        return bool(find_models(path))
    if path.suffix.lower() != ".npz":
        return path.suffix.lower() == ".pkl"
    return "v_template.npy" in (archive_names(path) or ())


def _open(path: str | Path, gender: str | None, model_type: str | None) -> tuple[Path, Mapping[str, NDArray[Any]], str]:
    """The file, its arrays, and its type."""
    for what, value, known in (("gender", gender, GENDERS), ("model_type", model_type, tuple(JOINT_NAMES))):
        if value is not None and value not in known:
            raise BodyError(f"{what} is {value!r}, which is not known.", did_you_mean(str(value), known))
    path = Path(path)
    if path.is_dir():
        path = choose_model(path, gender, model_type).path
    arrays = _read_arrays(path)
    return path, arrays, type_of(arrays, path.name)


def _body(file: Path, arrays: Mapping[str, NDArray[Any]], found_type: str, gender: str | None, model_type: str | None) -> BodyData:
    """The body in the arrays, if it is the one that was asked for."""
    if found_type == "mano":
        raise BodyError(f"{file.name!r} is a model of MANO, a hand, expected a body.", "Give a file of SMPL-H or SMPL-X, which have hands.")
    if model_type not in (None, found_type):
        raise BodyError(f"{file.name!r} is a model of type {found_type!r}, but {model_type!r} was asked for.", "Give another file.")
    found_gender = gender_of(arrays)
    if found_gender is not None and gender not in (None, found_gender):
        raise BodyError(f"{file.name!r} is a {found_gender} body, but gender = {gender!r} was asked for.", "Give another file.")
    return body_from_arrays(arrays, found_type, found_gender or gender or gender_in_name(file) or "neutral", file.name)


def _read_arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """The arrays of a file, whose kind is told by its first bytes: downloads are often renamed."""
    if not path.is_file():
        raise BodyError(f"There is no body model {str(path)!r}.", "Check the path, or leave the body out to use the default one.")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise BodyError(f"{path.name!r} cannot be read ({error.strerror or error}).", "Check that you may read it.") from error
    if not head:
        raise BodyError(f"{path.name!r} is empty.", "Download it again.")
    if head.startswith(b"PK"):
        return _read_npz(path)
    if _PICKLE_START.match(head):
        return read_pickle(path, BodyError)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise BodyError(f"{path.name!r} is a web page, expected a body model.", "Log in at the download site, and download it again.")
    kind = next((kind for start, kind in _NO_MODEL.items() if head.startswith(start)), None)
    if kind is None:
        kind = "a text file" if all(byte >= 0x20 or byte in b"\t\r\n" for byte in head) else "a file of an unknown kind"
    raise BodyError(f"{path.name!r} is {kind}, expected a body model.", "Give a .pkl or .npz file of SMPL, SMPL-H or SMPL-X.")


def _read_npz(path: Path) -> Mapping[str, NDArray[Any]]:
    """The arrays of an `.npz`; another zip archive, such as the one in which models are downloaded, is named as what it is."""
    names = archive_names(path)
    if names is None:
        return read_npz(path, BodyError)  # it says what is wrong
    if not names:
        raise BodyError(f"{path.name!r} is an empty archive.", "Download it again.")
    if not any(name.endswith(".npy") for name in names):
        models = [name for name in names if name.endswith(SUFFIXES)] or names
        raise BodyError(f"{path.name!r} is an archive of files ({', '.join(models[:4])}).", "Unpack it, and give the model file in it.")
    return read_npz(path, BodyError)


def _describe_hand(arrays: Mapping[str, NDArray[Any]], name: str) -> ModelInfo:
    """What a file of MANO holds."""
    shapes = {key: arrays[key].shape for key in ("v_template", "shapedirs", "weights", "f") if key in arrays}
    return ModelInfo(
        name=name,
        model_type="mano",
        gender=None,
        n_betas=shapes["shapedirs"][-1] if len(shapes.get("shapedirs", ())) == 3 else 0,
        n_expressions=0,
        n_joints=shapes["weights"][1],
        n_vertices=shapes["weights"][0],
        n_faces=shapes["f"][0] if shapes.get("f") else 0,
        has_hand_components="hands_components" in arrays,
        has_pose_correctives="posedirs" in arrays,
        has_landmarks=False,
        convention=None,
        missing=("It is a hand, not a body: it cannot be fitted.",),
    )
