"""What scripts call, and what the operators call: import tracks, fit them, put the result into the scene."""

from collections.abc import Callable, Sequence
from pathlib import Path

import bpy

from . import action, overlay, preferences, session
from .core import FitResult, KeypointTrack, Preset, Progress, TrackError, load_preset, read_track, read_tracks
from .fit_request import Request
from .fitted_body import apply_result, new_collection, set_correctives, skin_of, update_joints
from .metadata import KEYPOINTS, METADATA, fitted_armature, keypoints_of, metadata, version

__all__ = [
    "KEYPOINTS",
    "METADATA",
    "apply_result",
    "fit",
    "fitted_armature",
    "import_tracks",
    "keypoints_of",
    "metadata",
    "set_correctives",
    "show_tracks",
    "skin_of",
    "update_joints",
    "version",
]


def import_tracks(
    path: str | Path,
    fps: float | None = None,
    units: str | None = None,
    up_axis: str | None = None,
    convention: str | None = None,
    frame_start: int = 1,
    match_rate: bool = True,
) -> list[bpy.types.Object]:
    """Reads a file of 3D keypoints and shows each person of it.

    Args:
        path: File of any format that the fitter reads.
        fps: Frame rate, where the file has none or a wrong one.
        units: "m", "cm", "mm" or another unit that the fitter knows, where it would guess wrongly.
        up_axis: "x", "y", "z", "-x", "-y" or "-z", where it would guess wrongly.
        convention: Keypoint convention, where the file names no keypoints.
        frame_start: Scene frame of the first frame.
        match_rate: Whether the scene takes over the rate and the length of the take.

    Returns:
        One object for each person; `fit` takes it.

    Raises:
        FittingError: The file cannot be read. The scene is unchanged.
    """
    tracks = read_tracks(path, fps=fps, units=units, up_axis=up_axis, convention=convention)
    return show_tracks(tracks, Path(path).stem, frame_start, match_rate)


def show_tracks(tracks: Sequence[KeypointTrack], name: str, frame_start: int = 1, match_rate: bool = True) -> list[bpy.types.Object]:
    """Shows the people of a take as animated objects, in a collection of the name of the take."""
    collection = new_collection(name)
    return [
        overlay.build_overlay(track, collection, action.scene_frames(track.n_frames, track.fps, frame_start, match_rate))
        for track in tracks
    ]


def fit(
    take: str | Path | KeypointTrack | bpy.types.Object,
    preset: str | Path | Preset = "smplify",
    body: str | Path | None = None,
    gender: str | None = None,
    device: str | None = None,
    python: str | Path | None = None,
    person: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
) -> FitResult:
    """Fits a body to a take, in the worker, and waits for it. The worker stays warm for the next fit.

    Args:
        take: A file, a track, or an object of `import_tracks`.
        preset: Name of a preset (yours or a shipped one), path of a JSON file, or a `Preset`.
        body: File of a body model; the default body if left out.
        gender: "neutral", "male" or "female"; that of the preset if left out.
        device: "auto", "cpu", "cuda", ...; that of the preferences if left out.
        python: The Python that has PyTorch; that of the preferences if left out.
        person: Which person of the file, from 0.
        on_progress: Called with the progress; it stops the fit by raising `FitCancelled`.

    Raises:
        FittingError: A wrong file, preset, body or device, or no Python with PyTorch.
        FitCancelled: `on_progress` has raised it.
    """
    request = Request(
        track=_track_of(take, person),
        preset=preset if isinstance(preset, Preset) else load_preset(preset, preferences.user_folder("presets")),
        body=None if body is None else str(body),
        gender=gender,
        device=device or preferences.device(),
    )
    return session.fit_now(request, python, on_progress)


def _track_of(take: str | Path | KeypointTrack | bpy.types.Object, person: int) -> KeypointTrack:
    if isinstance(take, KeypointTrack):
        return take
    if isinstance(take, bpy.types.Object):
        if not overlay.is_overlay(take):
            raise TrackError(f"The object {take.name!r} shows no keypoints.", "Give an object that import_tracks has made.")
        return overlay.read_track(take)
    return read_track(take, person)
