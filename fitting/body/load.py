"""Where a body model comes from: the default body, a model file, a config, or a module."""

import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from torch import nn

from ..data.bodies import BodyData, load_body_data, load_default_body
from ..data.conventions import get_convention
from ..data.preset import Preset
from ..errors import PresetError, did_you_mean
from .anny_body import AnnyBody
from .body_model import BodyModel
from .interface import Body, check_body
from .smplx_module import body_of_smplx, is_smplx_module

MODEL_TYPES = {"SMPL": "smpl", "SMPLH": "smplh", "SMPLX": "smplx"}
"""The `type` of a body config."""

ANNY = "anny"
"""What a path may be instead of a file: the body of the package `anny`."""

_COMMON_KEYS = ("type", "gender", "num_betas", "keypoint_convention", "model_path", "batch_size", "logger")
_HAND_KEYS = ("use_pca", "num_pca_comps", "flat_hand_mean")
_FACE_KEYS = ("num_expression_coeffs", "use_face_contour")
CONFIG_KEYS = {
    "SMPL": _COMMON_KEYS,
    "SMPLH": (*_COMMON_KEYS, *_HAND_KEYS),
    "SMPLX": (*_COMMON_KEYS, *_HAND_KEYS, *_FACE_KEYS),
    "Anny": ("type", "model_type", "gender", "keypoint_convention", "batch_size", "logger", *_HAND_KEYS, *_FACE_KEYS),
}
"""Keys of a body config; `batch_size` and `logger` are accepted from XRMoCap's configs and not needed here."""

N_HAND_COMPONENTS = 6
"""Components of each hand with `use_pca`, as in `smplx`."""

N_VALUES = 10
"""Betas and expressions of a model file where a config has no number, as in `smplx`."""


def load_body(
    path: str | Path | None = None, gender: str | None = None, n_betas: int | None = None, model_type: str | None = None, **options: Any
) -> BodyModel:
    """A body model.

    Args:
        path: A model file of SMPL, SMPL-H or SMPL-X, or a folder of them; None for the default body.
        gender: "neutral", "male" or "female"; by default what the file says, and neutral for the default body.
        n_betas: How many shape values are used; all by default.
        model_type: "smpl", "smplh" or "smplx"; by default what the file is, and "smpl" for the default body.
        options: Further arguments of `BodyModel`: `n_expressions`, `n_hand_components`, `flat_hand_mean`, `face_contour`.

    Raises:
        BodyError: Unknown gender or type, a file that cannot be read or that is not what was asked for, or more values than it has.
    """
    return BodyModel(_load_data(path, gender, model_type), n_betas, **options)


def build_body_model(config: Mapping[str, Any] | nn.Module, path: str | Path | None = None, gender: str | None = None) -> Body:
    """A body model from its config, or from a module.

    Args:
        config: `type` ("SMPL", "SMPLH", "SMPLX" or "Anny"), `gender`, `num_betas`, `keypoint_convention`, `model_path`; with hands
            `use_pca` (false), `num_pca_comps` (6), `flat_hand_mean` (false); for SMPL-X `num_expression_coeffs` and `use_face_contour`
            (true).
            A `model_path` that does not exist, as in a config from another machine, gives the default body and a warning. A file gives 10
            betas and 10 expressions where the config has no numbers, as `smplx` does.
            With the type "Anny", `model_type` says which of the three it takes the form of ("smpl" by default); it has its own betas.
            Or a module: one of the package `smplx`, whose arrays and settings are taken over; or any other with the members of `Body`.
        path: A model file or folder, before that of the config. The file then says what gender it is, not the config. Or "anny".
        gender: "neutral", "male" or "female", before that of the config.

    Raises:
        PresetError: Unknown key or type.
        BodyError: A file that cannot be read or is of another type, or a module that is no body.
        TypeError: Neither a config nor a module.
    """
    if isinstance(config, nn.Module):
        return _from_module(config)
    if not isinstance(config, Mapping):
        raise TypeError(f"body_model is a {type(config).__name__}, expected a config (dict) or a torch module.")
    type_ = config.get("type", "SMPL")
    if type_ not in CONFIG_KEYS:
        raise PresetError(f"body_model has type = {type_!r}, which is not known.", did_you_mean(str(type_), CONFIG_KEYS))
    for key in config:
        if key not in CONFIG_KEYS[type_]:
            raise PresetError(f"body_model has an unknown key {key!r} for the type {type_!r}.", did_you_mean(key, CONFIG_KEYS[type_]))
    if type_ == "Anny" or str(path) == ANNY:
        model_type = config.get("model_type", MODEL_TYPES.get(type_, "smpl"))
        body: Body = AnnyBody(model_type, gender or config.get("gender", "neutral"), **_options(config, model_type))
    else:
        # A preset's gender chooses from a folder. A file that is given beside the preset is what it is.
        is_given_file = path is not None and not Path(path).is_dir()
        path = path or _existing(config.get("model_path"))
        model_type = MODEL_TYPES[type_]
        data = _load_data(path, gender or (None if is_given_file else config.get("gender")), model_type)
        n_betas = config.get("num_betas", None if path is None else min(N_VALUES, data.n_betas))
        body = BodyModel(data, n_betas, **{"n_expressions": min(N_VALUES, data.n_expressions), **_options(config, model_type)})
    _check_convention(config.get("keypoint_convention"), body)
    return body


def preset_body_model(preset: Preset, body: str | Path | nn.Module | None = None, gender: str | None = None) -> Body:
    """The body model of a fit with a preset.

    Args:
        preset: Its type and its settings of the body are taken.
        body: A model file or folder, "anny", or a module, which is taken as it is; None for the default body.
        gender: "neutral", "male" or "female", before that of the preset; a module has its own.

    Raises:
        PresetError, BodyError: See `build_body_model`.
    """
    if isinstance(body, nn.Module):
        return build_body_model(body)
    return build_body_model(preset.body_config(), body, gender)


def _options(config: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    """What a config says about hands and face, as arguments of `BodyModel`."""
    options: dict[str, Any] = {}
    if model_type != "smpl":
        options["flat_hand_mean"] = config.get("flat_hand_mean", False)
        options["n_hand_components"] = config.get("num_pca_comps", N_HAND_COMPONENTS) if config.get("use_pca", False) else None
    if model_type == "smplx":
        options["face_contour"] = config.get("use_face_contour", True)
        if "num_expression_coeffs" in config:
            options["n_expressions"] = config["num_expression_coeffs"]
    return options


def _load_data(path: str | Path | None, gender: str | None, model_type: str | None) -> BodyData:
    if path is None:
        return _default_body("neutral" if gender is None else gender, "smpl" if model_type is None else model_type)
    return load_body_data(path, gender, model_type)


@lru_cache(maxsize=3)
def _default_body(gender: str, model_type: str) -> BodyData:
    """The default body, read once for all fits of a process."""
    return load_default_body(gender, model_type)


def _from_module(module: nn.Module) -> Body:
    if is_smplx_module(module):
        return body_of_smplx(module)
    check_body(module)
    return cast(Body, module)


def _check_convention(name: str | None, body: Body) -> None:
    """Compares the convention of a config with that of the body.

    Raises:
        PresetError: The convention is another one.
    """
    if name is None or name == body.keypoint_convention:
        return
    wanted, names = get_convention(name).names, body.convention.names
    if wanted[: len(names)] != names:
        raise PresetError(
            f"body_model has keypoint_convention = {name!r}, but its keypoints are in {body.keypoint_convention!r}.",
            f"Write {body.keypoint_convention!r}.",
        )
    if len(wanted) > len(names):
        missing = f"{wanted[len(names)]}, ..., {wanted[-1]}"
        logging.getLogger("fitting").warning(
            "The body %r has no places for %d of the keypoints of %r (%s).", body.name, len(wanted) - len(names), name, missing
        )


def _existing(model_path: str | Path | None) -> str | Path | None:
    if model_path is not None and not Path(model_path).exists():
        logging.getLogger("fitting").warning("There is no model_path %r here: the default body is used.", str(model_path))
        return None
    return model_path
