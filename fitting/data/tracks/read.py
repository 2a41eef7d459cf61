"""Tracks from files: metres, y up, known names, with a sentence for each thing that was found out or assumed."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import ConventionError, TrackError
from ..conventions import Convention, as_convention, get_convention
from ..files import archive_names
from .array_convention import guess_convention
from .formats import read_recording
from .naming import decide_names
from .recording import Floats, Recording
from .track import DEFAULT_FPS, KeypointTrack
from .units import decide_units, parse_units
from .up_axis import ROTATIONS, decide_up_axis, parse_up_axis

_MEASURED_FRAMES = 2000


def read_tracks(
    path: str | Path,
    *,
    fps: float | None = None,
    units: str | float | None = None,
    up_axis: str | None = None,
    convention: Convention | str | Sequence[str] | None = None,
) -> list[KeypointTrack]:
    """The people of a file, in metres, y up; people who are never seen are left out.

    What is not given is taken from the file, checked against the size and posture of the body, and told in `decisions`.

    Args:
        path: A `.trc`, `.npz` or `.npy` file.
        fps: Frames per second.
        units: "m", "cm", "mm", "inch", "foot", "cmu" (1/0.45 inch), or the metres per unit.
        up_axis: The axis of the file that points up: "x", "y", "z", "-x", "-y" or "-z".
        convention: Convention of the keypoints, its name, or a list with one name for each of them.

    Raises:
        TrackError: The file cannot be read, nothing was observed, or an argument has a wrong value.
        ConventionError: Unknown convention.
    """
    path = Path(path)
    asked_fps = _check_fps(fps)
    if units is not None:
        parse_units(units)
    if up_axis is not None:
        parse_up_axis(up_axis)
    asked_convention = None if convention is None else as_convention(convention)
    if all(asked is None for asked in (fps, units, up_axis, convention)) and _is_own_file(path):
        return [KeypointTrack.load(path)]

    recording = read_recording(path)
    observed = recording.observed()
    people = np.flatnonzero(observed.any((0, 2)))
    if not len(people):
        raise TrackError(f"{path.name!r} has no point that was observed: all are zero or blank.", "Export the take again.")
    sample = _sample(recording, observed)
    chosen, decisions = _decide_convention(recording, sample, asked_convention, path.stem)
    metres, units_sentence = decide_units(sample, chosen.names, recording.units, units, path.name)
    axis, axis_sentence = decide_up_axis(sample, chosen.names, recording.up_axis, up_axis)
    rate, rate_sentence = _decide_fps(recording.fps, asked_fps)
    decisions = [*recording.notes, *decisions, units_sentence, axis_sentence, rate_sentence]
    if len(people) < recording.points.shape[1]:
        decisions.append(f"{recording.points.shape[1] - len(people)} of {recording.points.shape[1]} people are never seen and left out.")

    to_world = metres * np.array(ROTATIONS[axis], np.float64)
    confidence = np.ones(observed.shape) if recording.confidence is None else recording.confidence
    return [
        KeypointTrack(
            points=(np.where(observed[:, person, :, None], recording.points[:, person], 0) @ to_world.T).astype(np.float32),
            confidence=np.where(observed[:, person], confidence[:, person], 0).astype(np.float32),
            convention=chosen,
            fps=rate,
            name=path.stem if len(people) == 1 else f"{path.stem} person {number}",
            decisions=tuple(decisions),
        )
        for number, person in enumerate(people)
    ]


def read_track(
    path: str | Path,
    person: int = 0,
    *,
    fps: float | None = None,
    units: str | float | None = None,
    up_axis: str | None = None,
    convention: Convention | str | Sequence[str] | None = None,
) -> KeypointTrack:
    """One person of a file, counted from 0; see `read_tracks`.

    Raises:
        TrackError: As `read_tracks`, or the file has no such person.
        ConventionError: Unknown convention.
    """
    tracks = read_tracks(path, fps=fps, units=units, up_axis=up_axis, convention=convention)
    return person_of(tracks, person, Path(path).name)


def person_of(tracks: Sequence[KeypointTrack], person: int, source: str) -> KeypointTrack:
    """One of the people of a file, counted from 0.

    Raises:
        TrackError: The file has no such person.
    """
    if not 0 <= person < len(tracks):
        count = "1 person" if len(tracks) == 1 else f"{len(tracks)} people"
        raise TrackError(f"{source!r} has {count}, but person {person} was asked for.", "People are counted from 0.")
    return tracks[person]


def _check_fps(fps: float | None) -> float | None:
    if fps is None:
        return None
    try:
        value = float(fps)
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise TrackError(f"fps is {fps!r}, expected a positive number.", "Give the frames per second of the recording.")
    return value


def _is_own_file(path: Path) -> bool:
    """Whether `KeypointTrack.save` wrote the file; what cannot be opened is not ours, and the reader will say why."""
    if path.suffix.lower() != ".npz":
        return False
    return {f"{key}.npy" for key in ("points", "confidence", "names", "convention", "fps", "decisions")} <= set(archive_names(path) or ())


def _sample(recording: Recording, observed: NDArray[np.bool_]) -> Floats:
    """(N, K, 3) frames of all people, NaN where missing: enough to measure the body by."""
    step = -(-observed.shape[0] // _MEASURED_FRAMES)
    frames = np.where(observed[::step, ..., None], recording.points[::step], np.nan)
    frames = frames.reshape(-1, *frames.shape[2:])
    return np.asarray(frames[np.isfinite(frames).any((1, 2))])


def _decide_convention(recording: Recording, sample: Floats, asked: Convention | None, title: str) -> tuple[Convention, list[str]]:
    n_keypoints = recording.points.shape[2]
    if asked is not None:
        if len(asked) != n_keypoints:
            raise TrackError(
                f"{recording.source!r} has {n_keypoints} keypoints, but the convention {asked.name!r} names {len(asked)}.",
                "Give the convention of the file, or a list with one name for each keypoint.",
            )
        return asked, [f"Keypoints: {asked.name} (as given)."]
    if recording.names is not None and recording.convention is not None:
        # Only files of ours and of XRMoCap say both: their names are those of the vocabulary.
        return Convention(recording.convention, recording.names), [f"Keypoints: {recording.convention} (the file says so)."]
    if recording.names is not None:
        return decide_names(recording.names, sample, title)
    if recording.convention is not None:
        try:
            claimed = get_convention(recording.convention)
        except ConventionError:
            claimed = None
        if claimed is not None and len(claimed) == n_keypoints:
            return claimed, [f"Keypoints: {claimed.name} (the file says so)."]
        guessed, sentence = guess_convention(sample, recording.source)
        return guessed, [f"The file says {recording.convention!r}, which does not fit its {n_keypoints} keypoints.", sentence]
    guessed, sentence = guess_convention(sample, recording.source)
    return guessed, [sentence]


def _decide_fps(file_fps: float | None, asked: float | None) -> tuple[float, str]:
    if asked is not None:
        return asked, f"Frame rate: {asked:g} frames per second (as given)."
    if file_fps is not None:
        return file_fps, f"Frame rate: {file_fps:g} frames per second (the file says so)."
    return DEFAULT_FPS, f"Frame rate: {DEFAULT_FPS:g} frames per second (assumed; the file does not say)."
