"""The errors of the fitter: one sentence each, which says what is wrong, what was expected and what to do."""

import difflib
from collections.abc import Iterable


class FittingError(ValueError):
    """Something is wrong that the user can mend: an input, a preset, a device.

    Args:
        message: What is wrong (with the name and the value) and what was expected.
        hint: What to do about it; joined to the message when the error is shown.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} {hint}".strip())

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.message, self.hint)


class TrackError(FittingError):
    """A track file cannot be read, or holds no motion that can be fitted."""


class ConventionError(FittingError):
    """A keypoint convention is unknown, or keypoints do not match it."""


class CameraError(FittingError):
    """A camera or a calibration file has a wrong value."""


class PresetError(FittingError):
    """A preset or a config has a wrong key or value."""


class BodyError(FittingError):
    """A body model cannot be read or used."""


class ResultError(FittingError):
    """A result file cannot be read or written."""


class DeviceError(FittingError):
    """The computing device that was asked for is not there."""


class PythonError(FittingError):
    """The Python that should run the fitter is missing, too old, or lacks PyTorch."""


class WorkerError(FittingError):
    """The worker process cannot start, has died, or was sent something that it does not understand."""


class FitCancelled(Exception):  # noqa: N818 - it is no error
    """The user has stopped the fit. Nothing was written."""


def did_you_mean(name: str, known: Iterable[str], limit: int = 12) -> str:
    """A hint for a misspelt name: the nearest known one, else the known ones (the first `limit`)."""
    names = sorted(set(known))
    lowered = {known_name.lower(): known_name for known_name in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {lowered[close[0]]!r}?"
    if not names:
        return ""
    listed = ", ".join(repr(known_name) for known_name in names[:limit])
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"Known: {listed}{rest}."
