"""How far joints usually turn, and how fast that changes: tables by joint, written by hand for this package."""

from collections.abc import Sequence

TOLERANCES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "hip": ((0.0, 0.0, 0.0), (1.0, 0.4, 0.5)),
    "left_knee": ((0.4, 0.0, 0.0), (1.2, 0.12, 0.12)),
    "right_knee": ((0.4, 0.0, 0.0), (1.2, 0.12, 0.12)),
    "ankle": ((0.0, 0.0, 0.0), (0.4, 0.25, 0.25)),
    "foot": ((0.0, 0.0, 0.0), (0.1, 0.1, 0.1)),
    "spine": ((0.0, 0.0, 0.0), (0.25, 0.25, 0.25)),
    "neck": ((0.0, 0.0, 0.0), (0.3, 0.3, 0.3)),
    "head": ((0.0, 0.0, 0.0), (0.3, 0.3, 0.3)),
    "collar": ((0.0, 0.0, 0.0), (0.2, 0.2, 0.2)),
    "left_shoulder": ((0.0, 0.0, -0.8), (0.8, 0.9, 1.0)),
    "right_shoulder": ((0.0, 0.0, 0.8), (0.8, 0.9, 1.0)),
    "left_elbow": ((0.0, -0.5, 0.0), (0.45, 1.2, 0.12)),
    "right_elbow": ((0.0, 0.5, 0.0), (0.45, 1.2, 0.12)),
    "wrist": ((0.0, 0.0, 0.0), (0.15, 0.3, 0.3)),
    "hand": ((0.0, 0.0, 0.0), (0.1, 0.1, 0.1)),
    "jaw": ((0.1, 0.0, 0.0), (0.2, 0.05, 0.05)),
    "eye_smplhf": ((0.0, 0.0, 0.0), (0.2, 0.3, 0.01)),
    "thumb1": ((0.0, 0.0, 0.0), (0.4, 0.5, 0.5)),
    "thumb": ((0.0, 0.0, 0.0), (0.1, 0.5, 0.3)),
    **{f"{finger}1": ((0.0, 0.0, 0.0), (0.1, 0.2, 0.6)) for finger in ("index", "middle", "pinky", "ring")},
    **{finger: ((0.0, 0.0, 0.0), (0.05, 0.05, 0.6)) for finger in ("index", "middle", "pinky", "ring")},
}
"""For each joint, or joints of which the name is a part: the usual turn from rest as axis-angle, and the standard deviation about it,
about the axes x, y, z of the T-pose; radians. Knees and elbows are hinges. The pelvis turns freely."""

ACCELERATIONS = {
    "pelvis": 1.8, "hip": 7.2, "spine": 1.8, "knee": 13.5, "ankle": 3.6, "neck": 2.7, "head": 3.6, "collar": 1.8, "shoulder": 5.4,
    "elbow": 4.5, "wrist": 3.6, "foot": 3.6, "hand": 3.6, "jaw": 10.0, "eye_smplhf": 20.0,
    **dict.fromkeys(("index", "middle", "pinky", "ring", "thumb"), 10.0),
}  # fmt: skip
"""Standard deviation of the angular acceleration of each joint relative to its parent, in rad/s^2 about each axis, at `USUAL_FPS`."""

USUAL_FPS = 30.0
"""Frames per second for which the accelerations are."""


def entry_of(name: str, names: Sequence[str]) -> str | None:
    """The entry of a table for a joint: its own name, or the longest one that is part of it."""
    parts = [entry for entry in names if entry in name]
    return max(parts, key=len, default=None)
