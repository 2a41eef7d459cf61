"""The vocabulary of keypoint names and what is known about them: two JSON files, read once."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

from .mediapipe import mediapipe_layouts

_FOLDER = Path(__file__).parent


@cache
def registered_names() -> Mapping[str, tuple[str, ...]]:
    """The keypoint names of each registered convention, in order."""
    names = {name: tuple(names) for name, names in _read("conventions.json").items()}
    return names | mediapipe_layouts(names)


@cache
def convention_aliases() -> Mapping[str, str]:
    """Other names that conventions go by, for example "body_25" for "openpose_25"."""
    return cast(Mapping[str, str], _vocabulary()["convention_aliases"])


@cache
def parts() -> Mapping[str, frozenset[str]]:
    """The keypoint names of each part of the body."""
    return {part: frozenset(names) for part, names in _vocabulary()["parts"].items()}


@cache
def limbs() -> Mapping[str, Sequence[tuple[str, str]]]:
    """The limbs of each kind ("body", "left_hand", ...) as pairs of keypoint names."""
    return {kind: [(first, second) for first, second in pairs] for kind, pairs in _vocabulary()["limbs"].items()}


@cache
def alias_groups() -> Mapping[str, tuple[str, ...]]:
    """For each keypoint name that has some: the names for about the same place on the body, itself included."""
    return {name: tuple(group) for group in _vocabulary()["approximate_groups"] for name in group}


@cache
def _vocabulary() -> Mapping[str, Any]:
    return _read("human_data.json")


def _read(file_name: str) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], json.loads((_FOLDER / file_name).read_text(encoding="utf-8")))
