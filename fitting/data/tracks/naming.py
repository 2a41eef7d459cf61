"""Keypoint names: from the spelling of a tool to the vocabulary "human_data"."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ...errors import TrackError
from ..conventions import Convention, get_convention, list_conventions
from .recording import Floats

_LISTED = 6


@dataclass(frozen=True)
class _Family:
    """How a family of tools spells keypoints.

    Attributes:
        name: What the family is called.
        marks: Spellings of which one at least must be there.
        names: Spelling to name in "human_data".
    """

    name: str
    marks: frozenset[str]
    names: Mapping[str, str]


def decide_names(raw_names: Sequence[str], points: Floats, title: str) -> tuple[Convention, list[str]]:
    """The convention of named keypoints, and sentences that say what was made of the names.

    A name that means a point of "human_data" gets the name it has there; any other name stays as it is.

    Args:
        raw_names: K names as the file spells them.
        points: (N, K, 3), NaN where missing.
        title: What a convention that is not registered is called.

    Raises:
        TrackError: A name that is there twice.
    """
    if len(set(raw_names)) < len(raw_names):
        twice = next(name for place, name in enumerate(raw_names) if name in raw_names[:place])
        raise TrackError(f"{title!r} names the keypoint {twice!r} twice.", "Give each keypoint a name of its own.")
    registered = _registered(raw_names)
    if registered is not None:
        return registered, [f"Keypoints: {registered.name} (the names are those of this convention)."]
    vocabulary = get_convention("human_data")
    family = _family_of(raw_names)
    names: list[str] = []
    for raw in raw_names:
        known = family.names.get(_plain(raw)) if family else None
        known = known or (raw if raw in vocabulary else None)
        # Where two names mean one point, the second stays as it is.
        names.append(raw if known is None or known in names else known)
    neck_sentence = _place_neck(names, points)
    unknown = [name for name in names if name not in vocabulary]
    convention = _registered(names) or Convention(title, tuple(names))
    known_part = f"{len(names) - len(unknown)} of {len(names)} names are known" + (f", spelt as by {family.name}" if family else "")
    sentences = [f"Keypoints: {convention.name} ({known_part})."]
    if unknown:
        rest = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
        sentences.append(f"Keypoints that are carried, but not fitted, as their names are unknown: {', '.join(unknown[:_LISTED])}{rest}.")
    return convention, sentences + neck_sentence


def _registered(names: Sequence[str]) -> Convention | None:
    conventions = (get_convention(name) for name in list_conventions())
    return next((convention for convention in conventions if convention.names == tuple(names)), None)


def _family_of(raw_names: Sequence[str]) -> _Family | None:
    """The family that knows the most of the names; the first one of several."""
    plain = {_plain(name) for name in raw_names}
    families = [family for family in _families() if family.marks & plain]
    return max(families, key=lambda family: len(plain & set(family.names)), default=None)


def _place_neck(names: list[str], points: Floats) -> list[str]:
    """Calls the neck "neck_extra" where it is the base of the head: some detectors mark that, others the middle of the shoulders."""
    ends = ("neck_openpose", "left_shoulder_openpose", "right_shoulder_openpose")
    if not all(end in names for end in ends):
        return []
    neck, left, right = (points[:, names.index(end)] for end in ends)
    offsets, widths = np.linalg.norm(neck - (left + right) / 2, axis=-1), np.linalg.norm(left - right, axis=-1)
    seen = np.isfinite(offsets)
    if not seen.any() or np.median(offsets[seen]) <= 0.08 * np.median(widths[seen]):
        return []
    names[names.index("neck_openpose")] = "neck_extra"
    return ["Neck: the base of the head, as it is not the middle of the shoulders."]


def _plain(name: str) -> str:
    """A name without prefix ("mixamorig:"), case, blanks and underscores. Dots stay: lab markers have them, joints do not."""
    return re.sub(r"[_\-\s]", "", name.rsplit(":", 1)[-1]).lower()


@cache
def _families() -> tuple[_Family, ...]:
    """The families of the data file; the last one also spells as "human_data" does."""
    entries = json.loads((Path(__file__).parent / "name_families.json").read_text(encoding="utf-8"))
    entries[-1]["names"].update({name: name for name in get_convention("human_data").names})
    return tuple(
        _Family(
            entry["family"],
            frozenset(_plain(mark) for mark in entry["marks"]),
            {_plain(spelling): name for spelling, name in entry["names"].items()},
        )
        for entry in entries
    )
