"""Config files: Python configs of XRMoCap and mmhuman3d and JSON, read without running them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import PresetError, did_you_mean
from .config_source import MAX_DEPTH, values_of
from .config_values import Budget

MAX_BYTES = 1 << 20
MAX_FILES = 50
"""Number of files that a config may consist of."""

SUFFIXES = (".py", ".json")


class Config(dict[str, Any]):
    """A dict whose entries are attributes too, at every depth: `config["optimizer"]["lr"]` is `config.optimizer.lr`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for key, value in self.items():
            self[key] = _with_attributes(value)

    @classmethod
    def fromfile(cls, path: str | Path) -> "Config":
        """The config of a file, as `load_config` reads it.

        Raises:
            PresetError: See `load_config`.
        """
        return cls(load_config(path))

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(f"The config has no {name!r}. {did_you_mean(name, self)}".rstrip())
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = _with_attributes(value)

    def __delattr__(self, name: str) -> None:
        del self[name]


def load_config(path: str | Path) -> dict[str, Any]:
    """The values of a config file. Nothing in it is run.

    A Python config may have plain values, `dict(...)`, arithmetic, earlier names, `*` and `**`, items of earlier values, and f-strings;
    `del name` removes a name that is only used inside the file. `_base_` names one or more configs, relative to the file, that it
    starts from: dicts are merged at every depth, other values replaced; `_delete_=True` in a dict replaces it too.

    Args:
        path: A `.py` or `.json` file.

    Raises:
        PresetError: The file is missing, too large or no config, or a line does more than name values; the sentence names the line.
    """
    return _load(Path(path), [], Budget())


def _load(path: Path, opened: list[Path], budget: Budget) -> dict[str, Any]:
    text = _text_of(path)
    resolved = path.resolve()
    if resolved in opened:
        raise PresetError(f"The config {path.name!r} is a base twice, or of itself.", "Take it out of one of the _base_ lines.")
    if len(opened) == MAX_FILES:
        raise PresetError(f"The config {opened[0].name!r} has more than {MAX_FILES - 1} bases.", "Join some of the files.")
    opened.append(resolved)
    values = values_of(text, path.name, budget) if path.suffix == ".py" else _values_of_json(text, path.name)
    merged: dict[str, Any] = {}
    for base in _bases(values.pop("_base_", ()), path.name):
        inherited = _load(path.parent / base, opened, budget)
        for key in sorted(merged.keys() & inherited.keys()):
            raise PresetError(f"Two bases of {path.name!r} give {key!r}.", "Keep it in one of them.")
        merged |= inherited
    return _merged(merged, values, path.name)


def _text_of(path: Path) -> str:
    if path.suffix not in SUFFIXES:
        raise PresetError(f"{path.name!r} is no config, expected a file of type {' or '.join(SUFFIXES)}.", "Choose another file.")
    try:
        if not path.is_file():
            raise PresetError(f"There is no config {str(path)!r}.", "Check the path.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise PresetError(f"The config {path.name!r} is larger than {MAX_BYTES >> 20} MB.", "Is it the right file?")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PresetError(f"The config {path.name!r} is not UTF-8 text ({error}).", "Save it as UTF-8.") from error
    except OSError as error:
        raise PresetError(f"The config {str(path)!r} cannot be read ({error.strerror}).", "Check its permissions.") from error


def _values_of_json(text: str, file: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PresetError(f"The config {file!r} is not valid JSON ({error}).", "Correct it, or start from a shipped preset.") from error
    if not isinstance(values, dict):
        raise PresetError(f"The config {file!r} holds a {type(values).__name__}, expected {{...}}.", "Start from a shipped preset.")
    level: list[Any] = [values]
    for _ in range(MAX_DEPTH):
        level = [item for value in level for item in _contents(value)]
    if level:
        raise PresetError(f"The config {file!r} is nested deeper than {MAX_DEPTH} levels.", "Write it in a simpler way.")
    return values


def _contents(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _bases(base: Any, file: str) -> list[str]:
    bases = list(base) if isinstance(base, list | tuple) else [base]
    if not all(isinstance(name, str) for name in bases):
        raise PresetError(f"The config {file!r} has _base_ = {base!r}, expected the path of a config, or a list of paths.", "Correct it.")
    return bases


def _merged(base: Mapping[str, Any], values: Mapping[str, Any], file: str) -> dict[str, Any]:
    """The base with the values over it, as mmcv does: dicts are merged, lists and all else are replaced."""
    result = dict(base)
    for key, value in values.items():
        if not isinstance(value, dict):
            result[key] = value
            continue
        entries = dict(value)
        below = {} if entries.pop("_delete_", False) else result.get(key, {})
        if not isinstance(below, dict):
            raise PresetError(
                f"The config {file!r} gives {key!r} as a dict, but its base gives a {type(below).__name__}.",
                "Write _delete_=True into the dict to replace what the base gives.",
            )
        result[key] = _merged(below, entries, file)
    return result


def _with_attributes(value: Any) -> Any:
    if isinstance(value, dict):
        return value if isinstance(value, Config) else Config(value)
    return type(value)(map(_with_attributes, value)) if isinstance(value, list | tuple) else value
