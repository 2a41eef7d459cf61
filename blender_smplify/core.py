"""The only door to the fitter: what the extension uses of `fitting`, all of it free of PyTorch.

In the built extension the fitter lies inside this package, in the source tree beside it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

VENDORED = (Path(__file__).parent / "fitting").is_dir()

if TYPE_CHECKING or not VENDORED:
    from fitting import protocol
    from fitting.data.bodies import GENDERS, JOINT_NAMES, BodyData, find_models, load_body_data, load_default_body
    from fitting.data.conventions import Convention, as_convention, list_conventions
    from fitting.data.files import atomic_path
    from fitting.data.job import FitJob
    from fitting.data.parameters import MODEL_TYPES, PARAMETERS, POSE_PARTS
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
    from .fitting.data.bodies import GENDERS, JOINT_NAMES, BodyData, find_models, load_body_data, load_default_body
    from .fitting.data.conventions import Convention, as_convention, list_conventions
    from .fitting.data.files import atomic_path
    from .fitting.data.job import FitJob
    from .fitting.data.parameters import MODEL_TYPES, PARAMETERS, POSE_PARTS
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
    "BODY_SUFFIXES",
    "FITTING_FOLDER",
    "GENDERS",
    "JOINT_NAMES",
    "MODEL_TYPES",
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
    "find_body",
    "find_models",
    "handler_keys_of",
    "list_conventions",
    "list_presets",
    "load_body_data",
    "load_default_body",
    "load_preset",
    "protocol",
    "read_track",
    "read_tracks",
]

FITTING_FOLDER = Path(__file__).parent / "fitting" if VENDORED else Path(__file__).parents[1] / "fitting"
TRACK_SUFFIXES = tuple(READERS)
"""Suffixes of the files that hold keypoints."""
BODY_SUFFIXES = (".npz", ".pkl")
"""Suffixes of the files that hold body models."""
SAMPLE_TAKE = FITTING_FOLDER / "assets" / "walk.npz"
"""A take to try things with: four seconds of walking."""


def body_of(result: FitResult, folders: Sequence[Path] = ()) -> BodyData:
    """The body that a result was fitted with; see `find_body`."""
    return find_body({**result.body, "model_type": result.model_type}, folders)


def find_body(described: Mapping[str, str], folders: Sequence[Path] = ()) -> BodyData:
    """A body by what is known of it.

    Args:
        described: `model_type`, `gender`, `name`, and `path` where the body is a file.
        folders: Where else a file of the same name is looked for.

    Raises:
        BodyError: It is not there any more, cannot be read, or is another body now.
    """
    file = described.get("path") or described.get("name", "default")
    model_type, gender = described.get("model_type", "smpl"), described.get("gender", "neutral")
    if file == "default":
        return load_default_body(gender, model_type)
    wanted = Path(file)
    for path in (wanted, *(model.path for folder in folders for model in find_models(folder))):
        if path.name == wanted.name and path.exists():
            return load_body_data(path, gender, model_type)
    raise BodyError(
        f"The body file {file!r} is not there any more.",
        "Put it back, or into the folder of body models that is named in the preferences of the extension.",
    )
