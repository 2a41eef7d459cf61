"""Keypoints of several people, as XRMoCap keeps them in memory and in files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import TrackError
from .conventions import Convention, as_convention, list_conventions
from .files import read_npz, write_npz


@dataclass(frozen=True, eq=False)
class Keypoints:
    """Keypoints of P people over F frames; the names of the methods are those of XRMoCap.

    Attributes:
        keypoints: (F, P, K, 3) x, y and confidence, or (F, P, K, 4) x, y, z and confidence. Units and axes are the user's.
        mask: (F, P, K) uint8, 1 where a keypoint was observed; ones when not given. A point that is not finite gets 0.
        convention: The names of the K keypoints: a `Convention`, its name, or a sequence of names.

    Raises:
        TrackError: Arrays that do not fit together.
        ConventionError: Unknown convention.
    """

    keypoints: NDArray[np.floating[Any]]
    mask: NDArray[np.uint8] | None = None
    convention: Convention | str | Sequence[str] = "human_data"

    def __post_init__(self) -> None:
        keypoints = np.asarray(self.keypoints)
        if keypoints.dtype.kind not in "fiu":
            raise TrackError(f"keypoints has the type {keypoints.dtype}, expected numbers.")
        if keypoints.ndim != 4 or keypoints.shape[3] not in (3, 4):
            raise TrackError(f"keypoints has shape {keypoints.shape}, expected (frames, people, keypoints, 3 or 4).")
        if keypoints.dtype.kind != "f":
            keypoints = keypoints.astype(np.float32)
        convention = as_convention(self.convention)
        if keypoints.shape[2] != len(convention):
            raise TrackError(
                f"keypoints has {keypoints.shape[2]} keypoints, but the convention {convention.name!r} names {len(convention)}.",
                "Give the convention of the data.",
            )
        mask = np.ones(keypoints.shape[:3], np.uint8) if self.mask is None else np.asarray(self.mask)
        if mask.shape != keypoints.shape[:3]:
            raise TrackError(f"mask has shape {mask.shape}, expected {keypoints.shape[:3]} as the keypoints have.")
        observed = (mask > 0) & np.isfinite(keypoints).all(-1)
        for attribute, value in (("keypoints", keypoints), ("mask", observed.astype(np.uint8)), ("convention", convention)):
            object.__setattr__(self, attribute, value)  # the one way to normalise the fields of a frozen dataclass

    def get_keypoints(self) -> NDArray[np.floating[Any]]:
        """(F, P, K, 3 or 4) coordinates, the last column is the confidence."""
        return self.keypoints

    def get_mask(self) -> NDArray[np.uint8]:
        """(F, P, K) 1 where a keypoint was observed, else 0."""
        return np.asarray(self.mask)

    def get_convention(self) -> str:
        """Name of the convention."""
        return as_convention(self.convention).name

    def get_frame_number(self) -> int:
        """Number of frames F."""
        return int(self.keypoints.shape[0])

    def get_person_number(self) -> int:
        """Number of people P."""
        return int(self.keypoints.shape[1])

    def get_keypoints_number(self) -> int:
        """Number of keypoints K."""
        return int(self.keypoints.shape[2])

    def dump(self, path: str | Path) -> None:
        """Writes the `.npz` that XRMoCap reads; the names of a convention that is not registered are added.

        Raises:
            FittingError: The folder is missing or cannot be written.
        """
        arrays: dict[str, Any] = {"keypoints": self.keypoints, "mask": self.mask, "convention": self.get_convention()}
        if self.get_convention() not in list_conventions():
            arrays["names"] = np.array(as_convention(self.convention).names)
        write_npz(path, arrays)

    @classmethod
    def fromfile(cls, path: str | Path) -> "Keypoints":
        """Reads a file of `dump`, or of XRMoCap and XRPrimer.

        Raises:
            TrackError: Not such a file.
            ConventionError: Its convention is unknown.
        """
        arrays = read_npz(path, TrackError)
        if missing := {"keypoints", "convention"} - set(arrays):
            raise TrackError(
                f"{Path(path).name!r} lacks {', '.join(sorted(missing))}: it is no Keypoints file of XRMoCap.",
                "Use fitting.read_tracks for files of other tools.",
            )
        name = str(arrays["convention"])
        convention = Convention(name, tuple(map(str, arrays["names"]))) if "names" in arrays else as_convention(name)
        return cls(arrays["keypoints"], arrays.get("mask"), convention)
