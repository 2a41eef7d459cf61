"""The formats that can be read. A new one is a file with a reader, and a line here."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ...errors import TrackError
from .arrays import read_npy_recording, read_npz_recording
from .recording import Recording
from .trc import read_trc

READERS: Mapping[str, Callable[[Path], Recording]] = {
    ".npy": read_npy_recording,
    ".npz": read_npz_recording,
    ".trc": read_trc,
}
"""The reader for each suffix, in lower case."""


def read_recording(path: Path) -> Recording:
    """What a file holds, read by the reader of its suffix.

    Raises:
        TrackError: Missing or empty file, a folder, an unknown suffix, or what the reader finds wrong.
    """
    kinds = ", ".join(READERS)
    if path.is_dir():
        raise TrackError(f"{str(path)!r} is a folder, expected a file of one of the kinds {kinds}.", "Give the path of a file.")
    if not path.is_file():
        raise TrackError(f"There is no file {str(path)!r}.", "Check the path.")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise TrackError(f"{path.name!r} has the suffix {path.suffix!r}, expected one of {kinds}.", "Export the take as one of these.")
    try:
        if path.stat().st_size == 0:
            raise TrackError(f"{path.name!r} is empty.", "Export it again.")
        return reader(path)
    except OSError as error:
        raise TrackError(f"{path.name!r} cannot be read ({error.strerror or error}).", "Check that you may read it.") from error
