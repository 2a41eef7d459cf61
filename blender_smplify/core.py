"""The only door to the fitter: what the extension uses of `fitting`, all of it free of PyTorch.

In the built extension the fitter lies inside this package, in the source tree beside it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

VENDORED = (Path(__file__).parent / "fitting").is_dir()

if TYPE_CHECKING or not VENDORED:
    from fitting import protocol
    from fitting.data.bodies import GENDERS, BodyData, load_default_body
    from fitting.data.conventions import Convention, as_convention, list_conventions
    from fitting.data.files import atomic_path
    from fitting.data.job import FitJob
    from fitting.data.parameters import PARAMETERS, POSE_PARTS
    from fitting.data.preset import PART_WEIGHTS, PRESET_FOLDERS, REDUCTIONS, Preset, handler_keys_of, list_presets, load_preset
    from fitting.data.result import FitResult
    from fitting.data.tracks import KeypointTrack, read_track, read_tracks
    from fitting.data.tracks.formats import READERS
    from fitting.errors import (
        BodyError,
        FitCancelled,
        FittingError,
        PresetError,
        PythonError,
        ResultError,
        TrackError,
        WorkerError,
        did_you_mean,
    )
    from fitting.progress import Progress
else:
    from .fitting import protocol
    from .fitting.data.bodies import GENDERS, BodyData, load_default_body
    from .fitting.data.conventions import Convention, as_convention, list_conventions
    from .fitting.data.files import atomic_path
    from .fitting.data.job import FitJob
    from .fitting.data.parameters import PARAMETERS, POSE_PARTS
    from .fitting.data.preset import PART_WEIGHTS, PRESET_FOLDERS, REDUCTIONS, Preset, handler_keys_of, list_presets, load_preset
    from .fitting.data.result import FitResult
    from .fitting.data.tracks import KeypointTrack, read_track, read_tracks
    from .fitting.data.tracks.formats import READERS
    from .fitting.errors import (
        BodyError,
        FitCancelled,
        FittingError,
        PresetError,
        PythonError,
        ResultError,
        TrackError,
        WorkerError,
        did_you_mean,
    )
    from .fitting.progress import Progress

__all__ = [
    "FITTING_FOLDER",
    "GENDERS",
    "PARAMETERS",
    "PART_WEIGHTS",
    "POSE_PARTS",
    "PRESET_FOLDERS",
    "REDUCTIONS",
    "SAMPLE_TAKE",
    "TRACK_SUFFIXES",
    "BodyData",
    "BodyError",
    "Convention",
    "FitCancelled",
    "FitJob",
    "FitResult",
    "FittingError",
    "KeypointTrack",
    "Preset",
    "PresetError",
    "Progress",
    "PythonError",
    "ResultError",
    "TrackError",
    "WorkerError",
    "as_convention",
    "atomic_path",
    "body_of",
    "did_you_mean",
    "handler_keys_of",
    "list_conventions",
    "list_presets",
    "load_preset",
    "protocol",
    "read_track",
    "read_tracks",
]

FITTING_FOLDER = Path(__file__).parent / "fitting" if VENDORED else Path(__file__).parents[1] / "fitting"
TRACK_SUFFIXES = tuple(READERS)
"""Suffixes of the files that hold keypoints."""
SAMPLE_TAKE = FITTING_FOLDER / "assets" / "walk.npz"
"""A take to try things with: four seconds of walking."""


def body_of(result: FitResult) -> BodyData:
    """The body that a result was fitted with.

    Raises:
        BodyError: It is not there any more, or cannot be read.
    """
    name = result.body.get("path") or result.body.get("name", "default")
    if name != "default":
        raise BodyError(f"The body {name!r} cannot be read inside Blender.", "Fit the default body.")
    return load_default_body(result.body.get("gender", "neutral"), result.model_type)
