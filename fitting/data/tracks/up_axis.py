"""Which way is up: from the user, the file, or the body; and the rotation to y up."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import TrackError
from .recording import Floats

ROTATIONS: Mapping[str, tuple[tuple[int, int, int], ...]] = {
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "-y": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "-z": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "x": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    "-x": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
}
"""Rotation to y up for each axis that can be up; proper rotations, so that left stays left."""

_LEVELS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"heel|toe|(?<!sh)ank|foot|calc|^[lr]\.?mt\d|hee$",
        r"knee",
        r"hip|pelvis|asi|psi|sacr|iliac|hjc",
        r"shoulder|acrom|clavic|collar|stern|neck|c7|sho$",
        r"head|nose|eye|[_.]ear|[fb]hd$",
    )
)
"""What the names of points at the same height have in common, from the feet up; lab markers included."""

_LEVEL_NAMES = ("feet", "knees", "hips", "shoulders", "head")


def parse_up_axis(up_axis: str) -> str:
    """The axis as "x", "y", "z", "-x", "-y" or "-z".

    Raises:
        TrackError: No such axis.
    """
    axis = str(up_axis).strip().lower().replace("+", "").replace(" ", "")
    if axis not in ROTATIONS:
        raise TrackError(f"up_axis is {up_axis!r}, expected one of x, y, z, -x, -y, -z.", "Give the axis that points up.")
    return axis


def decide_up_axis(points: Floats, names: Sequence[str], file_axis: str | None, asked: str | None) -> tuple[str, str]:
    """The axis that points up, and a sentence that says why.

    Args:
        points: (N, K, 3) in the axes of the file, NaN where missing.
        names: K keypoint names.
        file_axis: What the file says, or None.
        asked: What the user says, or None.
    """
    if asked is not None:
        axis = parse_up_axis(asked)
        return axis, f"Up axis: {axis} (as given)."
    found, why = _body_axis(points, names)
    says = "the file does not say"
    if file_axis is not None:
        try:
            axis = parse_up_axis(file_axis)
        except TrackError:
            says = f"the file says {file_axis!r}, which is unknown"
        else:
            doubt = f", although {why} is {found}: check it" if found not in (None, axis) else ""
            return axis, f"Up axis: {axis} (the file says so{doubt})."
    if found is None:
        return "y", f"Up axis: y (assumed; {says}, and the body does not tell)."
    return found, f"Up axis: {found} ({why}; {says})."


def _body_axis(points: Floats, names: Sequence[str]) -> tuple[str | None, str]:
    """The axis nearest to the direction from the lowest to the highest known part of the body; None when in doubt."""
    level_of = np.array([_level(name) for name in names])
    present = [level for level in range(len(_LEVELS)) if np.isfinite(points[:, level_of == level]).all(-1).any()]
    if len(present) < 2:
        return None, ""
    low, high = present[0], present[-1]
    with np.errstate(all="ignore"):
        direction = _middle(points[:, level_of == high]) - _middle(points[:, level_of == low])
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    direction = direction[np.isfinite(direction).all(-1)]
    if not len(direction):
        return None, ""
    mean = direction.mean(0)
    axis = int(np.abs(mean).argmax())
    if abs(mean[axis]) < 0.6:  # lying, or turning over: no axis stands out
        return None, ""
    return ("-" if mean[axis] < 0 else "") + "xyz"[axis], f"from the {_LEVEL_NAMES[low]} to the {_LEVEL_NAMES[high]}"


def _level(name: str) -> int:
    """Number of the level of a name from the feet up, or -1; a marker of the thigh belongs to none."""
    return next((level for level, pattern in enumerate(_LEVELS) if pattern.search(name)), -1)


def _middle(points: Floats) -> NDArray[np.float64]:
    """(N, 3) mean of the points that are there, NaN where none is."""
    seen = np.isfinite(points).all(-1, keepdims=True)
    return np.asarray(np.where(seen, points, 0).sum(1) / seen.sum(1))
