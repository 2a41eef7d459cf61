"""Ten expressions of the face, from MakeHuman's face units; +2 is a full expression, negative values do the opposite."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from .makehuman import Floats, Integers, read_target
from .mesh import BodyMesh

FACE_UNITS = "faceunits01/targets/faceunits"
MIN_OFFSET = 2e-5
"""Metres; vertices that move less in all expressions are left out."""


def _both(unit: str, weight: float) -> dict[str, float]:
    return {f"{unit}{side}": weight for side in ("Left", "Right")}


EXPRESSIONS: Mapping[str, Mapping[str, float]] = {
    "lips part": _both("mouthLowerDown", 0.5) | _both("mouthUpperUp", 0.5) | _both("mouthPress", -0.25),
    "smile, frown": _both("mouthSmile", 0.4) | _both("mouthFrown", -0.3),
    "pucker, stretch": {"mouthPucker": 0.45} | _both("mouthStretch", -0.3),
    "brows up, down": {"browInnerUp": 0.4} | _both("browOuterUp", 0.4) | _both("browDown", -0.35),
    "blink": _both("eyeBlink", 0.5),
    "puff the cheeks": {"cheekPuff": 0.5},
    "sneer": _both("noseSneer", 0.5),
    "mouth left, right": {"mouthLeft": 0.4, "mouthRight": -0.4},
    "smirk left, right": {"mouthSmileLeft": 0.3, "mouthDimpleLeft": 0.3, "mouthSmileRight": -0.3, "mouthDimpleRight": -0.3},
    "wink": {"eyeBlinkLeft": 0.5, "eyeWideRight": -0.2},
}
"""Face units of each expression and their weights."""


def expression_offsets(data: Path, mesh: BodyMesh, n_base_vertices: int) -> tuple[Integers, Floats]:
    """The (M,) vertices that expressions move, and by how many metres for one unit of each (M, 3, 10).

    The head is not turned between A-pose and T-pose, so the face units hold as they are.
    """
    offsets = np.stack([_sum_of_units(data, units.items(), n_base_vertices)[mesh.base_vertices] for units in EXPRESSIONS.values()], axis=2)
    moved = np.flatnonzero(np.abs(offsets).max(axis=(1, 2)) > MIN_OFFSET)
    return moved, offsets[moved]


def _sum_of_units(data: Path, units: Iterable[tuple[str, float]], n_base_vertices: int) -> Floats:
    total = np.zeros((n_base_vertices, 3))
    for name, weight in units:
        vertices, offsets = read_target(data / FACE_UNITS / f"{name}.target")
        total[vertices] += weight * offsets
    return total
