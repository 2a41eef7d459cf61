"""Presets: what is fitted, in which stages, with which weights. One JSON file each; panel, command line and fitter read the same."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import PresetError, did_you_mean
from .config_file import load_config
from .files import atomic_path
from .mmhuman3d_config import from_mmhuman3d, is_mmhuman3d_config
from .parameters import MODEL_TYPES, PARAMETERS
from .xrmocap_config import from_xrmocap

PACKAGE = Path(__file__).parents[1]
PRESET_FOLDERS = (PACKAGE / "presets", PACKAGE.parent / "presets")
"""Where shipped presets are: inside an installed package, or beside it in the source tree and in the Blender extension."""

PART_WEIGHTS = ("body_weight", "shoulder_weight", "hip_weight", "foot_weight", "face_weight", "hand_weight")
STARTS = ("torso", "limbs", "zeros")
REDUCTIONS = ("mean", "sum", "none")
INFO_LEVELS = ("stage", "step")


@dataclass(frozen=True)
class Preset:
    """A whole fit as data.

    Attributes:
        name: Name of the preset: that of its file without the suffix.
        type: "SMPLify", "SMPLifyH" or "SMPLifyX".
        description: One line for menus.
        body_model: `type`, `gender`, `num_betas`, `keypoint_convention`. No path: a body file belongs to the machine.
        optimizer: `type` and its arguments.
        handlers: One config for each term of the objective.
        stages: One mapping of stage keys for each stage.
        n_epochs: How many times the list of stages is run.
        use_one_betas_per_video: One shape for all frames.
        ignore_keypoints: Keypoints of the model that get no weight.
        grad_clip: Largest norm of the gradient, or None for no limit.
        start: "torso" begins with each frame's heading, place and limb directions, taken from the keypoints; "limbs" also with the
            shape that the limb lengths of the whole take tell; "zeros" begins in the T-pose at the origin, as XRMoCap.
        gate_outliers: Whether keypoints far from where their neighbours in time put them count as not observed.
        verbose: Whether the losses are logged.
        info_level: "stage" or "step": how often.
    """

    name: str
    handlers: tuple[Mapping[str, Any], ...]
    stages: tuple[Mapping[str, Any], ...]
    type: str = "SMPLify"
    description: str = ""
    body_model: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    n_epochs: int = 1
    use_one_betas_per_video: bool = True
    ignore_keypoints: tuple[str, ...] = ()
    grad_clip: float | None = None
    start: str = "torso"
    gate_outliers: bool = False
    verbose: bool = False
    info_level: str = "stage"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], name: str = "preset") -> "Preset":
        """A checked preset from plain values, as a JSON file holds them.

        Raises:
            PresetError: A key is unknown or missing, or a value is of the wrong kind; the sentence names it.
        """
        values = {key: value for key, value in values.items() if key not in ("$schema", "name")}
        known = [item.name for item in fields(cls) if item.name != "name"]
        for key in values:
            if key not in known:
                raise PresetError(f"The preset {name!r} has an unknown key {key!r}.", did_you_mean(key, known))
        for key in ("handlers", "stages"):
            if not _is_list_of_mappings(values.get(key)) or not values[key]:
                raise PresetError(f"The preset {name!r} needs {key!r}: a list of at least one {{...}}.", "Start from a shipped preset.")
        arguments: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        preset = cls(name=name, **arguments)
        _check(preset)
        return preset

    def body_config(self) -> dict[str, Any]:
        """Config of the body model that it fits, for `fitting.body.build_body_model`."""
        return {"type": MODEL_TYPES[self.type].upper(), **self.body_model}

    def registrant_config(self) -> dict[str, Any]:
        """The config of the registrant, for `build_registrant`: every argument that the preset knows, defaults included."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name not in ("name", "description")}

    def to_dict(self) -> dict[str, Any]:
        """The preset as plain values, ready for JSON; keys that have their default are left out."""
        plain: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "name" or (item.name not in ("type", "handlers", "stages") and value == _default(item)):
                continue
            plain[item.name] = (
                [dict(entry) if isinstance(entry, Mapping) else entry for entry in value] if isinstance(value, tuple) else value
            )
        copy: dict[str, Any] = json.loads(json.dumps(plain))  # a deep copy that shows at once what is not JSON
        return copy

    def with_stages(self, stages: Sequence[Mapping[str, Any]]) -> "Preset":
        """The same preset with other stages, checked."""
        if not stages:
            raise PresetError(f"The preset {self.name!r} needs at least one stage.", "Add one.")
        preset = replace(self, stages=tuple(dict(stage) for stage in stages))
        _check(preset)
        return preset

    def warnings(self) -> list[str]:
        """What is odd about the preset, but harmless: one sentence each."""
        return _check(self)

    def save(self, path: str | Path) -> None:
        """Writes the preset as JSON, whole or not at all."""
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")


def list_presets(*folders: str | Path) -> dict[str, Path]:
    """The presets that are there, by name: those of the given folders before the shipped ones."""
    found: dict[str, Path] = {}
    for folder in (*map(Path, folders), *PRESET_FOLDERS):
        for path in sorted(folder.glob("*.json")):
            found.setdefault(path.stem, path)
    return found


def load_preset(preset: str | Path, *folders: str | Path) -> Preset:
    """Reads a preset, as `read_preset`; what a config of another program has beyond a preset is logged."""
    loaded, warnings = read_preset(preset, *folders)
    for warning in warnings:
        logging.getLogger("fitting").warning("%s: %s", Path(preset).name, warning)
    return loaded


def read_preset(preset: str | Path, *folders: str | Path) -> tuple[Preset, list[str]]:
    """Reads a preset.

    A `.py` file is a config of XRMoCap or mmhuman3d; it is read without being run. Where it says nothing about `grad_clip`,
    `use_one_betas_per_video` and `info_level`, it gets their defaults; a start it has not, so it gets ours.

    Args:
        preset: Name of a shipped preset, or path of a JSON or Python file.
        folders: Further folders to look for a name in, before the shipped presets.

    Returns:
        The preset, and a sentence for each thing that the file has and a preset has not.

    Raises:
        PresetError: No such preset, not JSON, a line that would have to be run, or a wrong key or value.
    """
    known = list_presets(*folders)
    path = known.get(str(preset), Path(preset))
    if not path.is_file():
        raise PresetError(f"There is no preset {str(preset)!r}, neither by that name nor as a file.", did_you_mean(str(preset), known))
    values = load_config(path)
    warnings: list[str] = []
    is_mmhuman3d = is_mmhuman3d_config(values)
    if is_mmhuman3d:
        values, warnings = from_mmhuman3d(values)
    if is_mmhuman3d or path.suffix == ".py":
        values, more = from_xrmocap(values)
        warnings += more
    return Preset.from_dict(values, path.stem), warnings


def check_stage(
    stage: Mapping[str, Any], handler_keys: Sequence[str], parameters: Sequence[str] = PARAMETERS["SMPLify"], where: str = "the stage"
) -> list[str]:
    """Checks the keys and values of one stage.

    Returns:
        Warnings: weights of 0 for handlers that are not there (harmless, and common in configs).

    Raises:
        PresetError: An unknown key, with the nearest known one, or a value of the wrong kind.
    """
    fit_keys = [f"fit_{parameter}" for parameter in parameters]
    weight_keys = [f"{key}_weight" for key in handler_keys]
    reduction_keys = [f"{key}_reduction" for key in handler_keys]
    known = [
        "n_iter",
        "ftol",
        "max_frames",
        "least_noise",
        "use_shoulder_hip_only",
        *fit_keys,
        *PART_WEIGHTS,
        *weight_keys,
        *reduction_keys,
    ]
    warnings = []
    for key, value in stage.items():
        if key not in known:
            if key.endswith("_weight") and value == 0:
                warnings.append(f"{where}: {key!r} matches no handler; its weight is 0, so nothing is lost.")
                continue
            raise PresetError(f"{where[0].upper()}{where[1:]} has an unknown key {key!r}.", did_you_mean(key, known))
        if key == "n_iter":
            _require(isinstance(value, int) and not isinstance(value, bool) and value >= 0, where, key, value, "a whole number from 0")
        elif key == "max_frames":
            _require(type(value) is int and value >= 1, where, key, value, "a whole number from 1")
        elif key == "least_noise":
            _require(_is_number(value) and value > 0, where, key, value, "metres above 0")
        elif key in fit_keys or key == "use_shoulder_hip_only":
            _require(isinstance(value, bool), where, key, value, "true or false")
        elif key in reduction_keys:
            _require(value in REDUCTIONS, where, key, value, f"one of {', '.join(REDUCTIONS)}")
        elif key == "ftol":
            _require(_is_number(value), where, key, value, "a number")
        else:
            optional = value is None and key in ("shoulder_weight", "hip_weight", "foot_weight")
            _require(optional or (_is_number(value) and value >= 0), where, key, value, "a number from 0")
    return warnings


def handler_keys_of(handlers: Sequence[Mapping[str, Any]], where: str = "the preset") -> list[str]:
    """The `handler_key` of each handler config.

    Raises:
        PresetError: One has none, or two have the same.
    """
    keys: list[str] = []
    for index, handler in enumerate(handlers):
        key = handler.get("handler_key")
        _require(isinstance(key, str) and bool(key), f"handler {index} of {where}", "handler_key", key, "a name")
        _require(
            isinstance(handler.get("type"), str | type), f"handler {index} of {where}", "type", handler.get("type"), "the name of a handler"
        )
        if key in keys:
            raise PresetError(f"Two handlers of {where} have the key {key!r}.", "Give each handler a key of its own.")
        keys.append(str(key))
    return keys


def _check(preset: Preset) -> list[str]:
    where = f"the preset {preset.name!r}"
    _require(isinstance(preset.type, str), where, "type", preset.type, "the name of a registrant")
    if preset.type not in PARAMETERS:
        raise PresetError(f"{where[0].upper()}{where[1:]} has the type {preset.type!r}.", did_you_mean(preset.type, PARAMETERS))
    n_epochs = preset.n_epochs
    _require(type(n_epochs) is int and n_epochs >= 1, where, "n_epochs", n_epochs, "a whole number from 1")
    clip, ignored = preset.grad_clip, preset.ignore_keypoints
    _require(clip is None or (_is_number(clip) and clip > 0), where, "grad_clip", clip, "a number above 0, or null")
    _require(preset.start in STARTS, where, "start", preset.start, f"one of {', '.join(STARTS)}")
    _require(preset.info_level in INFO_LEVELS, where, "info_level", preset.info_level, f"one of {', '.join(INFO_LEVELS)}")
    _require(isinstance(preset.description, str), where, "description", preset.description, "a text")
    for key in ("use_one_betas_per_video", "gate_outliers", "verbose"):
        _require(isinstance(getattr(preset, key), bool), where, key, getattr(preset, key), "true or false")
    for key in ("body_model", "optimizer"):
        _require(isinstance(getattr(preset, key), Mapping), where, key, getattr(preset, key), "{...}")
    is_list = isinstance(ignored, list | tuple) and all(isinstance(name, str) for name in ignored)
    _require(is_list, where, "ignore_keypoints", ignored, "a list of names")
    handler_keys = handler_keys_of(preset.handlers, where)
    warnings = [
        check_stage(stage, handler_keys, PARAMETERS[preset.type], f"stage {index} of {where}") for index, stage in enumerate(preset.stages)
    ]
    return [warning for of_stage in warnings for warning in of_stage]


def _require(condition: bool, where: str, key: str, value: object, expected: str) -> None:
    if not condition:
        raise PresetError(f"{where[0].upper()}{where[1:]} has {key} = {value!r}, expected {expected}.", "Correct the value.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_list_of_mappings(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(entry, Mapping) for entry in value)


def _default(item: Any) -> Any:
    return item.default_factory() if callable(item.default_factory) else item.default
