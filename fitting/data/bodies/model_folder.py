"""Finds model files in folders, laid out as `smplx`, AMASS or SMPL's own archives have them. Only names are looked at."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import BodyError
from .default_body import GENDERS
from .skeletons import JOINT_NAMES

SUFFIXES = (".npz", ".pkl")
"""Of model files; the first is taken where there are both."""

_MAX_FILES = 5000
_LETTERS = {"n": "neutral", "m": "male", "f": "female"}


@dataclass(frozen=True)
class ModelPath:
    """A file that is a model by its name.

    Attributes:
        path: The file.
        model_type: "smpl", "smplh" or "smplx", or None where the names do not tell.
        gender: "neutral", "male" or "female", or None.
    """

    path: Path
    model_type: str | None
    gender: str | None


def gender_in_name(path: Path) -> str | None:
    """The gender in the name of a model file (`SMPL_MALE.pkl`, `basicModel_f_lbs_10_207_0_v1.0.0.pkl`) or of its folder, or None."""
    words = _words(path)
    if words[0] == "basicmodel":
        words = [_LETTERS.get(word, word) for word in words]
    return next((word for word in (*words, path.parent.name.lower()) if word in GENDERS), None)


def find_models(folder: Path) -> list[ModelPath]:
    """The model files in a folder and up to two folders below it, best first for each type and gender."""
    models = [ModelPath(path, _type_in_name(path), gender_in_name(path)) for path in _files(folder) if _is_named_as_model(path)]
    # AMASS calls all its files `model`, also those that are no bodies; they count where nothing else tells its type.
    models = [model for model in models if model.model_type is not None] or models
    # The plain name before those of other versions: SMPLX_NEUTRAL before SMPLX_NEUTRAL_2020.
    return sorted(models, key=lambda model: (len(model.path.name), SUFFIXES.index(model.path.suffix.lower()), str(model.path)))


def choose_model(folder: Path, gender: str | None, model_type: str | None) -> ModelPath:
    """The file of a folder that has the gender and the type.

    Args:
        folder: A folder as `smplx`, AMASS or SMPL's own archives have it.
        gender: "neutral", "male", "female"; None takes neutral, or the only one that is there.
        model_type: "smpl", "smplh", "smplx"; None takes the only one that is there.

    Raises:
        BodyError: No such file, or more than one type or gender to choose from.
    """
    models = find_models(folder)
    if not models:
        wanted_type, wanted_gender = model_type or "smpl", gender or "neutral"
        file = f"{wanted_type.upper()}_{wanted_gender.upper()}"
        looked_for = f"{file}.npz, {file}.pkl, {wanted_type}/{file}.pkl, {wanted_type}/{wanted_gender}/model.npz, basicmodel_*.pkl"
        raise BodyError(f"The folder {str(folder)!r} holds no body models; looked for {looked_for}.", "Give the path of a model file.")
    found = ", ".join(dict.fromkeys(str(model.path.relative_to(folder)) for model in models[:12]))
    fitting = [model for model in models if model_type is None or model.model_type in (None, model_type)]
    types = {model.model_type for model in fitting}
    if model_type is None and len(types) > 1:
        known = ", ".join(sorted(filter(None, types)))
        raise BodyError(f"The folder {str(folder)!r} holds models of several types ({known}).", f"Say which, or give one file of {found}.")
    genders = {model.gender for model in fitting}
    if gender is None:
        gender = "neutral" if "neutral" in genders or len(genders) != 1 else next(iter(genders))
    for model in fitting:
        if model.gender == gender:
            return model
    wanted = " ".join(filter(None, (gender, model_type)))
    raise BodyError(f"The folder {str(folder)!r} holds no {wanted} model; there are {found}.", "Choose one of these, or add the file.")


def _files(folder: Path) -> Iterator[Path]:
    """Files in a folder and up to two folders below it whose suffix is that of a model."""
    seen = 0
    for pattern in ("*", "*/*", "*/*/*"):
        for path in folder.glob(pattern):
            seen += 1
            if seen > _MAX_FILES:
                return
            if path.suffix.lower() in SUFFIXES and path.is_file():
                yield path


def _is_named_as_model(path: Path) -> bool:
    """`SMPL_NEUTRAL`, `basicModel_f_lbs...` or `model`; a take called `smpl_walk` is none."""
    word = _words(path)[0]
    return word in ("basicmodel", "model") or (word in JOINT_NAMES and any(gender in _words(path) for gender in GENDERS))


def _type_in_name(path: Path) -> str | None:
    """The type in the name of a model file or, for a file that is called `model`, in the names of its folders."""
    word = _words(path)[0]
    if word == "basicmodel":
        return "smpl"
    if word == "model":
        return next((parent.name.lower() for parent in path.parents[:3] if parent.name.lower() in JOINT_NAMES), None)
    return word


def _words(path: Path) -> list[str]:
    return re.split(r"[^a-z]+", path.stem.lower())
