"""A job: the folder by which a fit is handed to another process, and its result back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FittingError, WorkerError
from .files import atomic_path
from .preset import Preset
from .tracks.track import KeypointTrack

FORMAT = "smplify-job"
FORMAT_VERSION = 1
MAX_REQUEST_CHARACTERS = 4 << 20


@dataclass(frozen=True)
class FitRequest:
    """What is asked of the fitter: the arguments of `fitting.fit`.

    Attributes:
        track: The keypoints.
        preset: The stages.
        body: File of the body model, or None for the default body.
        gender: "neutral", "male", "female", or None for that of the preset.
        device: "auto", "cpu", "cuda:0", ...
    """

    track: KeypointTrack
    preset: Preset
    body: Path | None = None
    gender: str | None = None
    device: str = "auto"

    def summary(self) -> str:
        """One line for panels and logs."""
        take = f"{self.track.name}: {self.track.n_frames} frames at {self.track.fps:g} fps"
        body = "the default body" if self.body is None else self.body.name
        return f"{take}, {body}, preset {self.preset.name!r}, device {self.device}"


class FitJob:
    """A folder with `request.json`, `input.npz` and, once the fit is done, `result.npz`.

    Args:
        folder: Where the files are; `write` makes it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        self.request_path = self.folder / "request.json"
        self.input_path = self.folder / "input.npz"
        self.result_path = self.folder / "result.npz"

    def write(
        self, track: KeypointTrack, preset: Preset, body: str | Path | None = None, gender: str | None = None, device: str = "auto"
    ) -> None:
        """Writes what is to be fitted; a result of an earlier request is removed.

        Raises:
            FittingError: The folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.result_path.unlink(missing_ok=True)
        except OSError as error:
            raise FittingError(f"Cannot write the job folder {str(self.folder)!r}: {error.strerror}.", "Choose another folder.") from error
        track.save(self.input_path)
        request = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "preset_name": preset.name,
            "preset": preset.to_dict(),
            "body": None if body is None else str(Path(body).absolute()),  # the worker runs in another folder
            "gender": gender,
            "device": device,
        }
        with atomic_path(self.request_path) as temporary:  # last: a folder with a request is complete
            temporary.write_text(json.dumps(request, indent=2) + "\n", encoding="utf-8")

    def read(self) -> FitRequest:
        """What is to be fitted, checked.

        Raises:
            WorkerError: Not a job folder, or one of another release.
            PresetError: The preset is wrong.
            TrackError: The keypoints are wrong.
        """
        request = self._request()
        body, gender, device = (_text_or_none(request, key) for key in ("body", "gender", "device"))
        return FitRequest(
            track=KeypointTrack.load(self.input_path),
            preset=Preset.from_dict(request["preset"], str(request["preset_name"])),
            body=None if body is None else Path(body),
            gender=gender,
            device=device or "auto",
        )

    def _request(self) -> dict[str, Any]:
        hint = "Start the fit again."
        try:
            with self.request_path.open(encoding="utf-8") as file:
                request = json.loads(file.read(MAX_REQUEST_CHARACTERS))
        except OSError as error:
            raise WorkerError(f"{str(self.request_path)!r} cannot be read ({error.strerror}).", hint) from error
        except (ValueError, RecursionError) as error:
            raise WorkerError(f"{str(self.request_path)!r} is not valid JSON ({error}).", hint) from error
        if not isinstance(request, dict) or request.get("format") != FORMAT:
            raise WorkerError(f"{str(self.request_path)!r} is not a job, expected the format {FORMAT!r}.", hint)
        if request.get("version") != FORMAT_VERSION:
            raise WorkerError(
                f"{str(self.request_path)!r} has version {request.get('version')!r}, expected {FORMAT_VERSION}.",
                "Use the Blender add-on and the fitter of one release.",
            )
        for key, type_ in (("preset", dict), ("preset_name", str)):
            if not isinstance(request.get(key), type_):
                raise WorkerError(f"{str(self.request_path)!r} has no valid {key!r}.", hint)
        return request


def _text_or_none(request: dict[str, Any], key: str) -> str | None:
    value = request.get(key)
    if value is not None and not isinstance(value, str):
        raise WorkerError(f"The job has {key} = {value!r}, expected a text or null.", "Start the fit again.")
    return value
