"""Configs in the shape of XRMoCap's, as values of a preset: same keys, but for what belongs to a machine or a run."""

from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any

DEFAULTS = {"grad_clip": 1.0, "use_one_betas_per_video": False, "info_level": "step"}
"""What XRMoCap takes where a config says nothing, and a preset would take something else."""

OF_THE_RUN = ("device", "logger")
FOLDERS = {
    "model_path": "the fit takes the body that comes with the program, or the one given with --body",
    "prior_folder": "the fit takes the pose prior that comes with the program",
}
"""Keys of folders with data of XRMoCap, and what happens where a folder is not there."""


def from_xrmocap(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values of a preset from those of a config, and a sentence for each thing that is not taken over.

    The config of a whole estimator gives its `smplify`. `device`, `logger` and `hooks` belong to a run and are dropped. Folders that are
    not there are dropped too, so that a stock config works on a machine without XRMoCap's data. Lists take the place of tuples and sets.

    Args:
        values: As `load_config` gives them.
    """
    warnings: list[str] = []
    smplify = values.get("smplify")
    if isinstance(smplify, Mapping) and "handlers" not in values:
        warnings.append(f"Of this config of a {values.get('type')} only 'smplify' is used.")
        values = smplify
    values = {**DEFAULTS, **values}
    warnings += _warnings_of_hooks(values.pop("hooks", None))
    config: dict[str, Any] = _plain(values, warnings)
    if config.get("ignore_keypoints", ()) is None:
        del config["ignore_keypoints"]
    if config["grad_clip"] == inf:
        config["grad_clip"] = None
    return config, list(dict.fromkeys(warnings))


def _warnings_of_hooks(hooks: Any) -> list[str]:
    entries = hooks if isinstance(hooks, list | tuple) else []
    types = [hook.get("type") if isinstance(hook, Mapping) else hook for hook in entries]
    # What the verbose hook does, `verbose` does.
    return [f"The hook {type_!r} is not used: presets have no hooks." for type_ in types if type_ != "SMPLifyVerboseHook"]


def _plain(value: Any, warnings: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _entry(key, entry, warnings) for key, entry in value.items() if _is_kept(key, entry, warnings)}
    if isinstance(value, set):
        return sorted(value, key=repr)
    return [_plain(item, warnings) for item in value] if isinstance(value, list | tuple) else value


def _is_kept(key: str, value: Any, warnings: list[str]) -> bool:
    if key in OF_THE_RUN:
        if value is not None:
            warnings.append(f"{key} = {value!r} is not used: it is chosen for each fit.")
        return False
    if key in FOLDERS and isinstance(value, str) and not Path(value).exists():
        warnings.append(f"{key} = {value!r} is not there: {FOLDERS[key]}.")
        return False
    return True


def _entry(key: str, value: Any, warnings: list[str]) -> Any:
    if key in FOLDERS and isinstance(value, str):
        return str(Path(value).absolute())  # a worker runs in another folder
    return _plain(value, warnings)
