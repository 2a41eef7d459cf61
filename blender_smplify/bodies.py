"""The files of body models that the user has, and the bodies in them."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy

from .core import MODEL_TYPES, BodyData, BodyError, FitResult, Preset, body_of as body_of_result, find_body, find_models, load_body_data

FOLDER_VARIABLE = "SMPLIFY_BODIES"
"""The environment variable that names a folder of body models, beside that of the preferences."""
N_SHAPES, N_EXPRESSIONS = 16, 10
"""Sliders that a skin gets: model files have hundreds of shape values, most of which nobody sees."""

listed: list[Path] = []
"""The files for the menu. Drawing must not read the disk, so it is filled by `refresh`."""


def folders() -> list[Path]:
    """Where the body models of the user are."""
    addon = bpy.context.preferences.addons.get(__package__)
    named = (addon.preferences.bodies if addon else "", os.environ.get(FOLDER_VARIABLE, ""))
    return [Path(bpy.path.abspath(folder)) for folder in named if folder]


def refresh() -> None:
    """Looks again which files there are."""
    listed[:] = dict.fromkeys(model.path for folder in folders() for model in find_models(folder))


def title(path: str | Path) -> str:
    """The name of a file, for people; with its folder where all have the same name."""
    path = Path(path)
    return f"{path.parent.name}/{path.name}" if path.stem.lower() == "model" else path.name


def chosen(settings: Any) -> str | None:
    """The body file of the panel; None for a default body."""
    return bpy.path.abspath(settings.body_file) if settings.body_file else None


def body_of(result: FitResult) -> BodyData:
    """The body that a result was fitted with.

    Raises:
        BodyError: It is not there any more, or cannot be read.
    """
    return body_of_result(result, folders())


def body_of_rig(known: Mapping[str, Any]) -> BodyData:
    """The body that an armature was built from, by its metadata.

    Raises:
        BodyError: It is not there any more, or cannot be read.
    """
    return find_body({**known, "name": known["body"]}, folders())


def shown_part(body: BodyData, result: FitResult) -> BodyData:
    """A body with as many shape values and expressions as its skin shall have: the usual ones, and those that the result uses."""
    n_shapes = max(N_SHAPES, len(result.betas))
    n_expressions = max(N_EXPRESSIONS, result.params["expression"].shape[1] if "expression" in result.params else 0)
    if body.n_betas <= n_shapes and body.n_expressions <= n_expressions:
        return body
    expression_dirs = None if body.expression_dirs is None else body.expression_dirs[..., :n_expressions]
    return replace(body, shapedirs=body.shapedirs[..., :n_shapes], expression_dirs=expression_dirs)


def type_of(path: str | Path) -> tuple[str, str]:
    """Type and gender of the body in a file.

    Raises:
        BodyError: It cannot be read.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise BodyError(f"The body file {str(path)!r} cannot be read ({error.strerror}).", "Choose another body.") from error
    return _type_of(str(path), status.st_mtime_ns)


@lru_cache
def _type_of(path: str, _changed: int) -> tuple[str, str]:
    body = load_body_data(path)
    return body.model_type, body.gender


def check_fits(preset: Preset, path: str | Path) -> None:
    """Finds out before a fit starts whether a preset is for the type of a body; of a folder, the fit takes the file that fits.

    Raises:
        BodyError: It is for another type, or the body cannot be read.
    """
    if os.path.isdir(path):
        return
    expected, (model_type, _) = MODEL_TYPES[preset.type], type_of(path)
    if model_type != expected:
        fitting_type = next(name for name, known in MODEL_TYPES.items() if known == model_type)
        raise BodyError(
            f"The body {Path(path).name!r} is of the type {model_type!r}, but the preset {preset.name!r} fits {expected!r}.",
            f"Choose a preset of {fitting_type}, or another body.",
        )
