"""Where a body model comes from: the default body, or a config."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch import nn

from ..data.bodies import load_default_body
from ..errors import BodyError, PresetError, did_you_mean
from .body_model import BodyModel

MODEL_TYPES = {"SMPL": "smpl", "SMPLH": "smplh", "SMPLX": "smplx"}
"""The `type` of a body config."""

_COMMON_KEYS = ("type", "gender", "num_betas", "keypoint_convention", "model_path", "batch_size", "logger")
_HAND_KEYS = ("use_pca", "num_pca_comps", "flat_hand_mean")
CONFIG_KEYS = {
    "SMPL": _COMMON_KEYS,
    "SMPLH": (*_COMMON_KEYS, *_HAND_KEYS),
    "SMPLX": (*_COMMON_KEYS, *_HAND_KEYS, "num_expression_coeffs", "use_face_contour"),
}
"""Keys of a body config; `batch_size` and `logger` are accepted from XRMoCap's configs and not needed here."""

N_HAND_COMPONENTS = 6
"""Components of each hand with `use_pca`, as in `smplx`."""


def load_body(
    path: str | Path | None = None, gender: str = "neutral", n_betas: int | None = None, model_type: str = "smpl", **options: Any
) -> BodyModel:
    """A body model.

    Args:
        path: None for the default body.
        gender: "neutral", "male" or "female".
        n_betas: How many shape values are used; all by default.
        model_type: "smpl", "smplh" or "smplx".
        options: Further arguments of `BodyModel`: `n_expressions`, `n_hand_components`, `flat_hand_mean`.

    Raises:
        BodyError: Unknown gender, or a file that cannot be read.
    """
    if path is not None:
        if not Path(path).exists():
            raise BodyError(f"There is no body model {str(path)!r}.", "Check the path, or leave the body out to use the default one.")
        raise BodyError(
            f"The body model {str(path)!r} cannot be read: model files are not supported yet.",
            "Leave the body out to use the default one.",
        )
    return BodyModel(load_default_body(gender, model_type), n_betas, **options)


def build_body_model(config: Mapping[str, Any] | nn.Module, path: str | Path | None = None) -> BodyModel:
    """A body model from its config; a module is handed back as it is.

    Args:
        config: `type` ("SMPL", "SMPLH" or "SMPLX"), `gender`, `num_betas`, `keypoint_convention`, `model_path`; with hands `use_pca`
            (false), `num_pca_comps` (6), `flat_hand_mean` (false); for SMPL-X `num_expression_coeffs` and `use_face_contour` (true).
            A `model_path` that does not exist, as in a config from another machine, gives the default body and a warning.
        path: A model file, before that of the config.

    Raises:
        PresetError: Unknown key or type.
        BodyError: A file that cannot be read.
        TypeError: Neither a config nor a module.
    """
    if isinstance(config, nn.Module):
        return cast(BodyModel, config)  # or a module of the user's with the same methods
    if not isinstance(config, Mapping):
        raise TypeError(f"body_model is a {type(config).__name__}, expected a config (dict) or a torch module.")
    type_ = config.get("type", "SMPL")
    if type_ not in MODEL_TYPES:
        raise PresetError(f"body_model has type = {type_!r}, which is not known.", did_you_mean(str(type_), MODEL_TYPES))
    for key in config:
        if key not in CONFIG_KEYS[type_]:
            raise PresetError(f"body_model has an unknown key {key!r} for the type {type_!r}.", did_you_mean(key, CONFIG_KEYS[type_]))
    if not config.get("use_face_contour", True):
        raise PresetError("body_model has use_face_contour = false, but its keypoints have the contour.", "Leave the key out.")
    options: dict[str, Any] = {}
    if type_ != "SMPL":
        options["flat_hand_mean"] = config.get("flat_hand_mean", False)
        options["n_hand_components"] = config.get("num_pca_comps", N_HAND_COMPONENTS) if config.get("use_pca", False) else None
    if type_ == "SMPLX":
        options["n_expressions"] = config.get("num_expression_coeffs")
    path = path or _existing(config.get("model_path"))
    body = load_body(path, config.get("gender", "neutral"), config.get("num_betas"), MODEL_TYPES[type_], **options)
    convention = config.get("keypoint_convention", body.keypoint_convention)
    if convention != body.keypoint_convention:
        raise PresetError(
            f"body_model has keypoint_convention = {convention!r}, but its keypoints are in {body.keypoint_convention!r}.",
            f"Write {body.keypoint_convention!r}.",
        )
    return body


def _existing(model_path: str | Path | None) -> str | Path | None:
    if model_path is not None and not Path(model_path).exists():
        logging.getLogger("fitting").warning("There is no model_path %r here: the default body is used.", str(model_path))
        return None
    return model_path
