"""Relaxed hand and hand components of SMPL-H and SMPL-X: axis-angle values of the 15 finger joints of the left hand.

The axes are those of the T-pose: the left arm along +x, the palm down. So a finger curls about -z. The right hand is the mirror
image: (x, y, z) becomes (x, -y, -z).
"""

from collections.abc import Mapping

import numpy as np

from .joints import FINGERS, PHALANGES
from .makehuman import Floats

Joint = tuple[str, int]
"""Finger and phalanx, from the palm outwards."""

_FOUR = ("index", "middle", "ring", "pinky")
_THUMB_OPPOSED: Mapping[Joint, tuple[float, float, float]] = {
    ("thumb", 1): (0.5, 0.55, -0.25),
    ("thumb", 2): (0, 0.35, 0),
    ("thumb", 3): (0, 0.3, 0),
}
_SPREAD: Mapping[Joint, tuple[float, float, float]] = {
    ("index", 1): (0, -0.8, 0),
    ("middle", 1): (0, -0.2, 0),
    ("ring", 1): (0, 0.35, 0),
    ("pinky", 1): (0, 0.8, 0),
    ("thumb", 1): (0, -0.4, 0),
}
FIST = (0.7, 0.9, 0.55)
ONE_FINGER = (0.8, 0.9, 0.5)
RELAXED = (0.22, 0.38, 0.22)
"""Radians by which the three phalanges of a finger curl."""

_RELAXED_THUMB, _FIST_THUMB = 0.25, 0.6  # shares of full opposition
_DEPENDENT = 1e-3  # a vector of which less is left after projection adds nothing new


def relaxed_hand() -> Floats:
    """(45,) the left hand at rest, radians."""
    return _curled(_FOUR, RELAXED) + _RELAXED_THUMB * _pose(_THUMB_OPPOSED)


def hand_components() -> Floats:
    """(45, 45) orthonormal rows: twelve synergies of the left hand, then what completes them to all poses."""
    ring_with_pinky = (0.4, 0.45, 0.25)
    synergies = [
        _curled(_FOUR, FIST) + _FIST_THUMB * _pose(_THUMB_OPPOSED),
        _pose(_THUMB_OPPOSED),
        _pose(_SPREAD),
        _curled(["index"], ONE_FINGER),
        _curled(["pinky"], ONE_FINGER) + _curled(["ring"], ring_with_pinky),
        _curled(["middle"], ONE_FINGER),
        _curled(["ring"], ONE_FINGER),
        _curled(_FOUR, (1, 0, 0)),
        _pose({("thumb", 2): (0, 1, 0), ("thumb", 3): (0, 1, 0)}),
        _pose({("thumb", 1): (1, 0, 0)}),
        _curled(_FOUR, (0, 1, 0)),
        _curled(_FOUR, (0, 0, 1)),
    ]
    return orthonormal_rows(np.concatenate([synergies, np.eye(3 * len(FINGERS) * len(PHALANGES))]))


def orthonormal_rows(vectors: Floats) -> Floats:
    """Orthonormal basis of the span of vectors, by Gram and Schmidt: the k-th row is new in the k-th independent vector."""
    rows: list[Floats] = []
    for vector in vectors:
        rest = vector.astype(np.float64)
        for _ in range(2):  # twice is enough for full precision
            for row in rows:
                rest = rest - row * (row @ rest)
        length = np.linalg.norm(rest)
        if length > _DEPENDENT:
            rows.append(rest / length)
    return np.stack(rows)


def _pose(rotations: Mapping[Joint, tuple[float, float, float]]) -> Floats:
    """(45,) a pose from the axis-angle values of some joints."""
    pose = np.zeros((len(FINGERS), len(PHALANGES), 3))
    for (finger, phalanx), rotation in rotations.items():
        pose[list(FINGERS).index(finger), phalanx - 1] = rotation
    return pose.reshape(-1)


def _curled(fingers: list[str] | tuple[str, ...], angles: tuple[float, float, float]) -> Floats:
    """(45,) a pose with some fingers curled."""
    return _pose({(finger, phalanx): (0, 0, -angle) for finger in fingers for phalanx, angle in zip(PHALANGES, angles, strict=True)})
