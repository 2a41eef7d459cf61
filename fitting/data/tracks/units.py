"""The unit of length: from the user, the file, or the size of the body."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import TrackError
from ..conventions import conversion_matrix
from .recording import Floats

METRES_PER_UNIT: Mapping[str, float] = {
    "metres": 1.0,
    "centimetres": 0.01,
    "millimetres": 0.001,
    "inches": 0.0254,
    "feet": 0.3048,
    "CMU units": 0.0254 / 0.45,
}

_SPELLINGS = {
    **{word: "metres" for word in ("m", "metre", "metres", "meter", "meters")},
    **{word: "centimetres" for word in ("cm", "centimetre", "centimetres", "centimeter", "centimeters")},
    **{word: "millimetres" for word in ("mm", "millimetre", "millimetres", "millimeter", "millimeters")},
    **{word: "inches" for word in ("in", "inch", "inches")},
    **{word: "feet" for word in ("ft", "foot", "feet")},
    **{word: "CMU units" for word in ("cmu", "cmu units", "1/0.45 inch")},
}

LIMB_LENGTHS: Mapping[tuple[str, str], float] = {
    (f"{side}_{upper}", f"{side}_{lower}"): metres
    for side in ("left", "right")
    for upper, lower, metres in (("hip", "knee", 0.41), ("knee", "ankle", 0.41), ("shoulder", "elbow", 0.28), ("elbow", "wrist", 0.25))
}
"""Typical lengths of an adult's limbs in metres, between keypoints of "human_data"."""

_TYPICAL_HEIGHT = 1.7
_TYPICAL_EXTENT = 1.4  # between the markers of a whole body and those of the legs alone


def parse_units(units: str | float) -> tuple[float, str]:
    """Metres per unit and the name of the unit, from its name ("mm"), or from the metres per unit themselves.

    Raises:
        TrackError: Unknown unit, or a number that is not positive.
    """
    if isinstance(units, str) and units.strip().lower() in _SPELLINGS:
        name = _SPELLINGS[units.strip().lower()]
        return METRES_PER_UNIT[name], name
    try:
        metres = float(units)
    except (TypeError, ValueError):
        metres = math.nan
    if not (math.isfinite(metres) and metres > 0):
        raise TrackError(f"units is {units!r}, which is no known unit.", "Give m, cm, mm, inch, foot, cmu, or the metres per unit.")
    return metres, f"{metres:g} m each"


def decide_units(points: Floats, names: Sequence[str], file_units: str | None, asked: str | float | None, source: str) -> tuple[float, str]:
    """Metres per unit, and a sentence that says why.

    Args:
        points: (N, K, 3) in the units of the file, NaN where missing.
        names: K keypoint names, as far as possible those of "human_data".
        file_units: What the file says, or None.
        asked: What the user says, or None.
        source: Name of the file.

    Raises:
        TrackError: The file does not say, and the size of the body fits no unit.
    """
    if asked is not None:
        metres, name = parse_units(asked)
        return metres, f"Units: {name} (as given)."
    says = "the file does not say"
    units_per_metre, from_limbs = _measure(points, names)
    measured = _nearest_unit(units_per_metre)
    if file_units is not None and file_units.strip():
        says = f"the file says {file_units.strip()!r}, which is unknown"
        try:
            metres, name = parse_units(file_units)
        except TrackError:
            pass
        else:
            too_far = 4.0 if from_limbs else 20.0  # the size of an unknown set of markers says little
            size = units_per_metre * metres if units_per_metre is not None else 1.0
            if 1 / too_far < size < too_far:
                return metres, f"Units: {name} (the file says {file_units.strip()})."
            height = f"a body {size * _TYPICAL_HEIGHT:.3g} m tall"
            if measured is None:
                return metres, f"Units: {name} (the file says {file_units.strip()}, although that makes {height}: check it)."
            says = f"the file says {file_units.strip()}, which would make {height}"
    if units_per_metre is None:
        return 1.0, f"Units: metres (assumed; {says})."
    if measured is None:
        raise TrackError(
            f"The units of {source!r} cannot be told: {says}, and the body would be {units_per_metre * _TYPICAL_HEIGHT:.3g} units tall.",
            "Give units: m, cm, mm, inch, foot, cmu, or the metres per unit.",
        )
    return METRES_PER_UNIT[measured], f"Units: {measured} (from the size of the body; {says})."


def limb_lengths(points: Floats, names: Sequence[str]) -> dict[tuple[str, str], NDArray[np.float64]]:
    """(N,) lengths of each limb of `LIMB_LENGTHS` whose two ends are among the names; NaN where an end is missing."""
    ends = sorted({end for limb in LIMB_LENGTHS for end in limb})
    matrix = conversion_matrix(names, ends, approximate=True, derive=False)
    index_of = {end: int(row.argmax()) for end, row in zip(ends, matrix, strict=True) if row.any()}
    return {
        (a, b): np.linalg.norm(points[:, index_of[a]] - points[:, index_of[b]], axis=-1)
        for a, b in LIMB_LENGTHS
        if a in index_of and b in index_of
    }


def _measure(points: Floats, names: Sequence[str]) -> tuple[float | None, bool]:
    """Units per metre, and whether limbs gave it; else the extent of all points did."""
    ratios = []
    for limb, lengths in limb_lengths(points, names).items():
        if np.isfinite(lengths).any():
            ratios.append(float(np.nanmedian(lengths)) / LIMB_LENGTHS[limb])
    if len(ratios) >= 2 and np.median(ratios) > 0:
        return float(np.median(ratios)), True
    seen = np.isfinite(points).all(-1)
    frames = points[seen.sum(1) >= 0.5 * seen.sum(1).max()]  # a frame with few points is no measure of the body
    extents = np.nanmax(frames, axis=1) - np.nanmin(frames, axis=1)
    extent = float(np.median(extents.max(-1)))
    return (extent / _TYPICAL_EXTENT, False) if extent > 0 else (None, False)


def _nearest_unit(units_per_metre: float | None) -> str | None:
    """The unit that makes a body of human size; metric units first, as a child in centimetres is no adult in inches."""
    if units_per_metre is None:
        return None
    for names, smallest, largest in (
        (("metres", "centimetres", "millimetres"), 0.55, 1.6),
        (("inches", "CMU units"), 0.65, 1.5),
        (("metres", "centimetres", "millimetres"), 0.33, 3.0),
    ):
        for name in names:
            if smallest < units_per_metre * METRES_PER_UNIT[name] < largest:
                return name
    return None
