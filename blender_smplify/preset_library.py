"""Which presets there are: those of the extension and those of the user."""

import re
from pathlib import Path

from . import preferences
from .core import PRESET_FOLDERS, Preset, PresetError, list_presets, load_preset
from .properties import Settings, edited_preset

listed: list[str] = []
"""The names for the menu. Drawing must not read the disk, so it is filled by `refresh`."""


def folder(create: bool = False) -> Path:
    """Where the presets of the user are."""
    return preferences.user_folder("presets", create)


def refresh() -> None:
    """Looks again which presets there are."""
    listed[:] = list_presets(folder())


def chosen(settings: Settings) -> Preset:
    """The preset of the panel, with its stages as they are edited there.

    Raises:
        PresetError: It is not there any more, or has a wrong value.
    """
    return edited_preset(settings) if settings.stages else load_preset(settings.preset, folder())


def save(preset: Preset, name: str) -> None:
    """Saves a preset for the user.

    Raises:
        PresetError: The name is empty, could not be a file name, or is that of a shipped preset.
    """
    if not re.fullmatch(r"\w[\w .-]*", name):
        raise PresetError(f"{name!r} is no name for a preset.", "Use letters, digits, blanks, '-', '_' and '.'.")
    if any((shipped / f"{name}.json").is_file() for shipped in PRESET_FOLDERS):
        raise PresetError(f"The preset {name!r} comes with the extension.", "Choose another name.")
    preset.save(folder(create=True) / f"{name}.json")
    refresh()


def is_own(name: str) -> bool:
    """Whether a preset was saved by the user."""
    return (folder() / f"{name}.json").is_file()


def remove(name: str) -> None:
    """Deletes a preset of the user.

    Raises:
        PresetError: It is not one of the user.
    """
    if not is_own(name):
        raise PresetError(f"{name!r} is not a preset of your own.", "Presets that come with the extension stay.")
    (folder() / f"{name}.json").unlink()
    refresh()
