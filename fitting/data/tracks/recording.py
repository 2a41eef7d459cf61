"""What a file holds, in its own units and axes: what each format hands over before anything is decided."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import TrackError

Floats = NDArray[np.floating[Any]]

_LARGEST = 1e15  # no take is as large in any unit; a damaged number is


@dataclass(frozen=True, eq=False)
class Recording:
    """Keypoints of P people as a file has them.

    Attributes:
        source: Name of the file.
        points: (F, P, K, 3) in the units and axes of the file. A point that is exactly zero, not finite or absurdly far is missing.
        confidence: (F, P, K), or None where the file has none; 0 or less is missing, 1 is the most.
        names: The K names as the file spells them, or None where it has none.
        convention: The convention that the file claims, or None.
        fps: Frames per second, or None where the file does not say.
        units: Unit of length as the file spells it, or None.
        up_axis: "x", "y", "z", "-x", "-y" or "-z" as the file claims, or None.
        notes: What the reader has noticed, one sentence each.

    Raises:
        TrackError: No frame, no keypoint, or arrays that do not fit together.
    """

    source: str
    points: Floats
    confidence: Floats | None = None
    names: tuple[str, ...] | None = None
    convention: str | None = None
    fps: float | None = None
    units: str | None = None
    up_axis: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n_frames, n_people, n_keypoints, _ = self.points.shape
        if 0 in (n_frames, n_people, n_keypoints):
            raise TrackError(
                f"{self.source!r} holds {n_frames} frames of {n_people} people with {n_keypoints} keypoints.",
                "Export it again with at least one of each.",
            )
        if self.names is not None and len(self.names) != n_keypoints:
            raise TrackError(
                f"{self.source!r} names {len(self.names)} keypoints, but has points of {n_keypoints}.", "Give one name for each keypoint."
            )
        if self.confidence is not None and self.confidence.shape != self.points.shape[:3]:
            raise TrackError(
                f"{self.source!r} has confidence of shape {self.confidence.shape} for points of {self.points.shape[:3]}.",
                "Give one confidence for each point: (frames, keypoints).",
            )

    def observed(self) -> NDArray[np.bool_]:
        """(F, P, K): True where a point was seen."""
        sizes = np.abs(self.points)
        seen: NDArray[np.bool_] = (sizes < _LARGEST).all(-1) & (sizes > 0).any(-1)  # False for NaN
        return seen if self.confidence is None else seen & (self.confidence > 0)  # a confidence of NaN is none
