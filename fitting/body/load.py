"""Where a body model comes from: the default body, or a config."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch import nn

from ..data.bodies import load_default_body
from ..errors import BodyError, PresetError, did_you_mean
from .body_model import BodyModel

CONFIG_KEYS = ("type", "gender", "num_betas", "keypoint_convention", "model_path", "batch_size", "logger")
"""Keys of a body config; `batch_size` and `logger` are accepted from XRMoCap's configs and not needed here."""


def load_body(path: str | Path | None = None, gender: str = "neutral", n_betas: int | None = None) -> BodyModel:
    """A body model.

    Args:
        path: None for the default body.
        gender: "neutral", "male" or "female".
        n_betas: How many shape values are used; all by default.

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
    return BodyModel(load_default_body(gender), n_betas)


def build_body_model(config: Mapping[str, Any] | nn.Module, path: str | Path | None = None) -> BodyModel:
    """A body model from its config; a module is handed back as it is.

    Args:
        config: `type` ("SMPL"), `gender`, `num_betas`, `keypoint_convention`, `model_path`.
        path: A model file, before that of the config.

    Raises:
        PresetError: Unknown key or type.
        TypeError: Neither a config nor a module.
    """
    if isinstance(config, nn.Module):
        return cast(BodyModel, config)  # or a module of the user's with the same methods
    if not isinstance(config, Mapping):
        raise TypeError(f"body_model is a {type(config).__name__}, expected a config (dict) or a torch module.")
    for key in config:
        if key not in CONFIG_KEYS:
            raise PresetError(f"body_model has an unknown key {key!r}.", did_you_mean(key, CONFIG_KEYS))
    if config.get("type", "SMPL") != "SMPL":
        raise PresetError(f"body_model has type = {config['type']!r}, which is not known.", "Known: 'SMPL'.")
    body = load_body(path or config.get("model_path"), config.get("gender", "neutral"), config.get("num_betas"))
    convention = config.get("keypoint_convention", body.keypoint_convention)
    if convention != body.keypoint_convention:
        raise PresetError(
            f"body_model has keypoint_convention = {convention!r}, but its keypoints are in {body.keypoint_convention!r}.",
            f"Write {body.keypoint_convention!r}.",
        )
    return body
