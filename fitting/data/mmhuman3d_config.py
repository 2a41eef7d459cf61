"""Configs of mmhuman3d, which have a fixed place for each loss, as configs with handlers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import PresetError


@dataclass(frozen=True)
class _Slot:
    """A place for a loss, and the handler that takes its part."""

    loss_key: str
    handler_key: str
    handler_type: str
    argument: str
    weight_key: str
    """Key of its weight in a stage of mmhuman3d."""


_SLOTS = (
    _Slot("keypoints3d_loss", "keypoints3d_mse", "Keypoint3dMSEHandler", "mse_loss", "keypoints3d_weight"),
    _Slot("limb_length_loss", "keypoints3d_limb_len", "Keypoint3dLimbLenHandler", "loss", "limb_length_weight"),
    _Slot("shape_prior_loss", "shape_prior", "BetasPriorHandler", "prior_loss", "shape_prior_weight"),
    _Slot("joint_prior_loss", "joint_prior", "BodyPosePriorHandler", "prior_loss", "joint_prior_weight"),
    _Slot("smooth_loss", "smooth_joint", "BodyPosePriorHandler", "prior_loss", "smooth_loss_weight"),
    _Slot("pose_prior_loss", "pose_prior", "BodyPosePriorHandler", "prior_loss", "pose_prior_weight"),
    _Slot("pose_reg_loss", "pose_reg", "BodyPosePriorHandler", "prior_loss", "pose_reg_weight"),
)
_ALIASES = {"keypoints3d_mse_loss": "keypoints3d_loss", "keypoints2d_mse_loss": "keypoints2d_loss"}
"""Names under which mmhuman3d keeps the losses inside."""

_WEIGHTS = {slot.weight_key: f"{slot.handler_key}_weight" for slot in _SLOTS}
_BODY_TYPES = {"SMPL": "SMPL", "GenderedSMPL": "SMPL", "SMPLX": "SMPLX"}
_ONE_VIEW = {"camera": "camera", "img_res": "size of the image", "keypoints2d_loss": "loss of 2D keypoints"}
N_EPOCHS = 20
"""How often mmhuman3d runs the stages where a config does not say it."""


def is_mmhuman3d_config(values: Mapping[str, Any]) -> bool:
    """Whether a config has the places for losses of mmhuman3d, and not a list of handlers.

    Args:
        values: As `load_config` gives them.
    """
    places = {slot.loss_key for slot in _SLOTS} | set(_ALIASES) | {"keypoints2d_loss", "num_epochs"}
    return "handlers" not in values and bool(places & values.keys())


def from_mmhuman3d(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The same fit with handlers, and a sentence for each thing that is not taken over.

    Weights and reductions stay as they are; mmhuman3d bounds no gradient, so `grad_clip` is None. Keys that mmhuman3d does not know
    are passed on, for `Preset` to refuse them by name.

    Args:
        values: As `load_config` gives them.

    Raises:
        PresetError: There is no loss of 3D keypoints, a type of body that cannot be fitted, or a value of the wrong kind.
    """
    rest = {_ALIASES.get(key, key): value for key, value in values.items()}
    warnings = _warnings_of_one_view(rest)
    for key in _ONE_VIEW:
        rest.pop(key, None)
    if not rest.get("keypoints3d_loss"):
        raise PresetError(
            "This config of mmhuman3d has no keypoints3d_loss: it fits 2D keypoints of one view, which is not supported.",
            "Add keypoints3d_loss = dict(type='KeypointMSELoss', ...), and give 3D keypoints.",
        )
    body, approximate, convention = _body_of(_mapping(rest.pop("body_model", {}), "body_model"), warnings)
    handlers = []
    for slot in _SLOTS:
        loss = rest.pop(slot.loss_key, None)
        if loss is not None:
            handlers.append(_handler(slot, _mapping(loss, slot.loss_key), approximate, convention))
    if "num_epochs" not in rest:
        warnings.append(f"num_epochs is not given: the stages are run {N_EPOCHS} times, as in mmhuman3d.")
    n_epochs = rest.pop("num_epochs", N_EPOCHS)
    stages = rest.pop("stages", None)
    if not isinstance(stages, list | tuple):
        raise PresetError("This config of mmhuman3d needs 'stages': a list of dicts.", "Add it.")
    by_part = rest.get("type") == "SMPLifyX"
    config = {"n_epochs": n_epochs, "grad_clip": None, **rest, "body_model": body, "handlers": handlers}
    config["stages"] = [_stage(_mapping(stage, f"stages[{number}]"), by_part) for number, stage in enumerate(stages)]
    return config, warnings


def _warnings_of_one_view(values: Mapping[str, Any]) -> list[str]:
    loss = values.get("keypoints2d_loss")
    is_off = isinstance(loss, Mapping) and loss.get("loss_weight", 1) == 0  # as in the stock configs: nothing is lost
    return [
        f"{key} is not used: the {what} belongs to a single view."
        for key, what in _ONE_VIEW.items()
        if values.get(key) is not None and not (key == "keypoints2d_loss" and is_off)
    ]


def _body_of(config: Mapping[str, Any], warnings: list[str]) -> tuple[dict[str, Any], bool, str]:
    """The body config, whether similar keypoints stand for each other, and the convention in which mmhuman3d compares."""
    body = dict(config)
    type_ = body.get("type", "SMPL")
    if type_ not in _BODY_TYPES:
        raise PresetError(f"body_model has type = {type_!r}, which cannot be fitted.", f"Known: {', '.join(_BODY_TYPES)}.")
    body["type"] = _BODY_TYPES[type_]
    if type_ == "GenderedSMPL":
        warnings.append("GenderedSMPL takes a gender for each frame: here one gender is given for the whole fit.")
    source = body.pop("keypoint_src", "smplx" if body["type"] == "SMPLX" else "smpl_45")
    target = body.pop("keypoint_dst", source)
    body["keypoint_convention"] = source
    if target != source:
        warnings.append(f"keypoint_dst = {target!r} is not used: keypoints are compared in the convention that they come in.")
    return body, bool(body.pop("keypoint_approximate", False)), str(target)


def _handler(slot: _Slot, loss: Mapping[str, Any], approximate: bool, convention: str) -> dict[str, Any]:
    config = dict(loss)
    handler: dict[str, Any] = {"handler_key": slot.handler_key, "type": slot.handler_type, slot.argument: config}
    if slot.loss_key == "limb_length_loss":
        config.setdefault("convention", config.pop("limb_convention", convention))
    if approximate and slot.handler_type.startswith("Keypoint3d"):
        handler["keypoint_approximate"] = True
    return handler


def _stage(stage: Mapping[str, Any], by_part: bool) -> dict[str, Any]:
    values = {_WEIGHTS.get(key, key): value for key, value in stage.items() if key not in ("joint_weights", "keypoints2d_weight")}
    if "num_iter" in values:
        values["n_iter"] = values.pop("num_iter")
    parts = dict(_mapping(stage.get("joint_weights") or {}, "joint_weights"))
    body_weight = parts.get("body_weight", 1.0)
    if parts.pop("use_shoulder_hip_only", False):
        weight = 1.0 if by_part else body_weight  # SMPLifyX gives these keypoints 1, whatever the weight of the body
        off = {"body_weight": 0.0, "face_weight": 0.0, "hand_weight": 0.0}
        return {**values, **off, "shoulder_weight": weight, "hip_weight": weight, "use_shoulder_hip_only": True}
    if parts and not by_part:  # here the weight of the body is that of all keypoints
        parts = {"face_weight": body_weight, "hand_weight": body_weight, **parts}
    return {**values, **parts}


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PresetError(f"The config has {what} = {value!r}, expected a dict.", "Write dict(...).")
    return value
