"""Plain numpy files: `.npz` archives with named arrays, and single `.npy` arrays."""

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import TrackError
from ..conventions import get_convention
from ..files import MAX_ARRAY_BYTES, read_npz
from .recording import Floats, Recording

_POINTS = (
    *("keypoints3d", "keypoints_3d", "keypoints", "points", "points3d", "points_3d", "joints3d", "joints_3d", "joints"),
    *("positions", "markers", "kps3d", "kpts3d", "poses_3d", "pred_keypoints_3d", "xyz"),
)
_CONFIDENCE = ("confidence", "confidences", "conf", "scores", "score", "keypoint_scores", "visibility")
_NAMES = ("names", "keypoint_names", "joint_names", "marker_names", "labels")
_FPS = ("fps", "frame_rate", "framerate", "mocap_framerate", "mocap_frame_rate", "rate", "frequency")
_UNITS = ("units", "unit")
_UP_AXIS = ("up_axis", "up")
"""Keys under which the tools of the field keep things; the first that is there counts."""

_APPROXIMATE_CONFIDENCE = 0.02
"""Of keypoints that a file marks as standing for another place nearby: they guide where nothing better does."""


def read_npz_recording(path: Path) -> Recording:
    """The keypoints of an `.npz`: ours, XRMoCap's, or arrays under the usual names.

    Raises:
        TrackError: Damaged file, or no array that can be keypoints.
    """
    arrays = read_npz(path, TrackError)
    key = next((key for key in _POINTS if key in arrays), None)
    if key is None:
        found = ", ".join(sorted(arrays)[:8]) or "none that can be read"
        raise TrackError(
            f"{path.name!r} holds no keypoints; its arrays: {found}.", f"Save them as {'keypoints'!r}: (frames, keypoints, 3), in metres."
        )
    points, confidence = _split(arrays[key], f"{key!r} in {path.name!r}")
    scores = _first(arrays, _CONFIDENCE)
    if scores is not None:
        confidence = _per_point(scores, points.shape[:3], path.name)
    if "mask" in arrays:
        mask = _per_point(arrays["mask"], points.shape[:3], path.name)
        confidence = mask if confidence is None else np.where(mask > 0, confidence, 0)
    notes = []
    approximate = arrays.get("approximate")
    if approximate is not None and approximate.dtype == bool and approximate.shape == points.shape[2:3] and approximate.any():
        confidence = np.where(approximate, _APPROXIMATE_CONFIDENCE, 1.0) * (1.0 if confidence is None else confidence)
        confidence = np.broadcast_to(confidence, points.shape[:3])
        notes.append(f"Confidence: {_APPROXIMATE_CONFIDENCE:g} for the {approximate.sum()} keypoints that the file calls approximate.")
    names = next((arrays[key] for key in _NAMES if key in arrays and arrays[key].dtype.kind in "US"), None)
    recording = Recording(
        source=path.name,
        points=points,
        confidence=confidence,
        names=None if names is None else tuple(_text(name) for name in names.reshape(-1)),
        convention=_optional_text(arrays.get("convention")),
        fps=_scalar(_first(arrays, _FPS)),
        units=_optional_text(_first(arrays, _UNITS)),
        up_axis=_optional_text(_first(arrays, _UP_AXIS)),
        notes=tuple(notes),
    )
    return _from_camera(recording, arrays["pred_cam_t"]) if key == "pred_keypoints_3d" and "pred_cam_t" in arrays else recording


def read_npy_recording(path: Path) -> Recording:
    """The keypoints of an `.npy`: (frames, keypoints, 3 or 4), and nothing else.

    Raises:
        TrackError: Damaged file, Python objects, or another shape.
    """
    if zipfile.is_zipfile(path):
        return read_npz_recording(path)
    if path.stat().st_size > MAX_ARRAY_BYTES:
        raise TrackError(f"{path.name!r} is larger than {MAX_ARRAY_BYTES / 1e9:.1f} GB.", "Cut the take into parts.")
    try:
        # Mapping checks the size that the header claims against that of the file, and never unpickles.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy raises many kinds for a damaged file
        raise TrackError(
            f"{path.name!r} is not a readable array of numbers: it is damaged, or holds Python objects.",
            "Save it with numpy.save as (frames, keypoints, 3).",
        ) from error
    points, confidence = _split(array, repr(path.name))
    return Recording(source=path.name, points=points, confidence=confidence)


def _from_camera(recording: Recording, translation: NDArray[Any]) -> Recording:
    """The output of SAM 3D Body: points around the body, and where the camera sees it, in metres with y down."""
    expected = recording.points[:, :, :1].shape
    if translation.dtype.kind not in "fiu" or translation.size != np.prod(expected):
        raise TrackError(
            f"{recording.source!r} has 'pred_cam_t' of shape {translation.shape} for {expected[0]} frames.", "Give x, y, z for each frame."
        )
    return replace(
        recording,
        points=recording.points + translation.reshape(expected),
        convention="mhr70" if recording.points.shape[2] == len(get_convention("mhr70")) else recording.convention,
        units="m",
        up_axis="-y",
        notes=(*recording.notes, "Camera: its axes, with y down; 'pred_cam_t' was added, as SAM 3D Body means it."),
    )


def _split(array: NDArray[Any], what: str) -> tuple[Floats, Floats | None]:
    """(F, P, K, 3) points and (F, P, K) confidence from (K, C), (F, K, C) or (F, P, K, C) with C = 3 or 4."""
    if array.dtype.kind not in "fiu":
        raise TrackError(f"{what} has the type {array.dtype}, expected numbers.", "Save the points as an array of floats.")
    if array.ndim not in (2, 3, 4) or array.shape[-1] not in (3, 4):
        raise TrackError(f"{what} has shape {array.shape}, expected (frames, keypoints, 3).", "Save x, y, z in the last place.")
    with np.errstate(invalid="ignore"):  # some kinds of NaN warn
        values = np.array(array, np.float64)
    if values.ndim == 2:
        values = values[None]
    if values.ndim == 3:
        values = values[:, None]
    return values[..., :3], values[..., 3] if values.shape[-1] == 4 else None


def _per_point(array: NDArray[Any], shape: tuple[int, ...], source: str) -> Floats:
    """(F, P, K) from anything with the same number of values in the same order."""
    if array.dtype.kind not in "fiub" or array.size != np.prod(shape):
        raise TrackError(f"{source!r} has confidence of shape {array.shape} for points of {shape}.", "Give one confidence for each point.")
    return np.array(array, np.float64).reshape(shape)


def _first(arrays: Mapping[str, NDArray[Any]], keys: tuple[str, ...]) -> NDArray[Any] | None:
    return next((arrays[key] for key in keys if key in arrays), None)


def _optional_text(array: NDArray[Any] | None) -> str | None:
    return None if array is None or array.size != 1 else _text(array.reshape(-1)[0])


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _scalar(array: NDArray[Any] | None) -> float | None:
    if array is None or array.size != 1 or array.dtype.kind not in "fiu":
        return None
    value = float(array.reshape(-1)[0])
    return value if np.isfinite(value) and value > 0 else None
