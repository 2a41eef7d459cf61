"""The keypoint track: what the fitter is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import TrackError
from ..conventions import Convention, as_convention
from ..files import read_npz, write_npz

DEFAULT_FPS = 30.0


@dataclass(frozen=True, eq=False)
class KeypointTrack:
    """Keypoints of one person over time, in metres, y up.

    Attributes:
        points: (F, K, 3) float32, metres, right-handed, y up; unobserved points are zero.
        confidence: (F, K) float32, 0 (not observed) to 1; ones when not given. A point that is not finite gets 0.
        convention: The names of the keypoints: a `Convention`, its name, or a sequence of K names.
        fps: Frames per second.
        name: What the person is called in the scene and in reports.
        decisions: What the reader found out or assumed (units, axis, rate, names), one sentence each.

    Raises:
        TrackError: Arrays that do not fit together, no frame, or a rate that is not positive.
    """

    points: NDArray[np.float32]
    confidence: NDArray[np.float32] | None = None
    convention: Convention | str | Sequence[str] = "smpl"
    fps: float = DEFAULT_FPS
    name: str = "track"
    decisions: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        points = _as_floats(self.points, "points")
        if points.ndim != 3 or points.shape[2] != 3:
            raise TrackError(f"points has shape {points.shape}, expected (frames, keypoints, 3).")
        convention = as_convention(self.convention)
        if points.shape[0] == 0:
            raise TrackError(f"The track {self.name!r} has no frame.", "Export it again with at least one frame.")
        if points.shape[1] != len(convention.names):
            raise TrackError(
                f"points has {points.shape[1]} keypoints, but the convention {convention.name!r} names {len(convention.names)}.",
                "Give the convention of the data, or a list with one name for each keypoint.",
            )
        confidence = np.ones(points.shape[:2], np.float32) if self.confidence is None else _as_floats(self.confidence, "confidence")
        if confidence.shape != points.shape[:2]:
            raise TrackError(f"confidence has shape {confidence.shape}, expected {points.shape[:2]} as the points have.")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise TrackError(f"fps is {self.fps!r}, expected a positive number.", "Give the frame rate of the recording.")
        observed = np.isfinite(points).all(-1) & np.isfinite(confidence) & (confidence > 0)
        for attribute, value in (
            ("points", np.where(observed[..., None], points, 0).astype(np.float32)),
            ("confidence", np.where(observed, np.clip(confidence, 0, 1), 0).astype(np.float32)),
            ("convention", convention),
            ("fps", float(self.fps)),
            ("decisions", tuple(self.decisions)),
        ):
            object.__setattr__(self, attribute, value)  # the one way to normalise the fields of a frozen dataclass

    @property
    def n_frames(self) -> int:
        """Number of frames F."""
        return int(self.points.shape[0])

    @property
    def n_keypoints(self) -> int:
        """Number of keypoints K."""
        return int(self.points.shape[1])

    @property
    def names(self) -> tuple[str, ...]:
        """The K keypoint names."""
        return as_convention(self.convention).names

    @property
    def observed(self) -> NDArray[np.bool_]:
        """(F, K): True where a point was seen."""
        return np.asarray(self.confidence) > 0

    def require_motion(self, hint: str) -> None:
        """Refuses a track of one frame, which cannot become a motion.

        Args:
            hint: What to do to get a single pose.

        Raises:
            TrackError: The track has one frame.
        """
        if self.n_frames == 1:
            raise TrackError(f"{self.name!r} has one frame, expected at least two to make a motion.", hint)

    def frames(self, start: int, stop: int) -> "KeypointTrack":
        """The frames from `start` up to, not including, `stop`."""
        return replace(self, points=self.points[start:stop], confidence=np.asarray(self.confidence)[start:stop])

    def save(self, path: str | Path) -> None:
        """Writes the track as `.npz`; `load` and `read_track` read it back exactly."""
        convention = as_convention(self.convention)
        write_npz(
            path,
            {
                "points": self.points,
                "confidence": self.confidence,
                "names": np.array(convention.names),
                "convention": convention.name,
                "fps": self.fps,
                "name": self.name,
                "decisions": np.array(self.decisions, dtype=str),
                "units": "m",
                "up_axis": "y",
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "KeypointTrack":
        """Reads what `save` wrote.

        Raises:
            TrackError: Not such a file.
        """
        arrays = read_npz(path, TrackError)
        missing = {"points", "confidence", "names", "convention", "fps"} - set(arrays)
        if missing:
            raise TrackError(f"{Path(path).name!r} lacks {', '.join(sorted(missing))}.", "Use fitting.read_track for files of other tools.")
        return cls(
            points=arrays["points"],
            confidence=arrays["confidence"],
            convention=Convention(str(arrays["convention"]), tuple(map(str, arrays["names"]))),
            fps=float(arrays["fps"]),
            name=str(arrays.get("name", Path(path).stem)),
            decisions=tuple(map(str, arrays.get("decisions", ()))),
        )


def _as_floats(values: ArrayLike, name: str) -> NDArray[np.float32]:
    try:
        return np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise TrackError(f"{name} cannot be turned into an array of numbers ({error}).") from error
