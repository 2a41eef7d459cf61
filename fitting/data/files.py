"""Files: read archives without trusting them, and write a whole file or none."""

import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FittingError

MAX_ARRAY_BYTES = 2 * 1024**3
"""Largest size of all arrays of a file together: 2 GiB hold an hour of whole-body motion many times over."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it at the end: a reader sees the old file or the whole new one.

    Raises:
        FittingError: The folder is missing or cannot be written.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}.", suffix=path.suffix)
        os.close(handle)
    except OSError as error:
        raise FittingError(
            f"Cannot write {str(path)!r}: {error.strerror or error}.", "Choose a folder that exists and that you may write to."
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp makes files private; a result is an ordinary file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_npz(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Writes a compressed `.npz` as a whole; no value may be a Python object."""
    contents = {key: np.asarray(value) for key, value in arrays.items()}
    objects = [key for key, value in contents.items() if value.dtype.hasobject]
    if objects:  # numpy before 2.3 would take `allow_pickle=False` for one more array
        raise ValueError(f"{objects} hold Python objects, which would be pickled.")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **contents)


def archive_names(path: str | Path) -> list[str] | None:
    """The files in a zip archive, which every `.npz` is; None for one that cannot be opened: `read_npz` says why."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name for name in archive.namelist() if not name.endswith("/")]
    except Exception:  # zipfile raises many kinds for a damaged file
        return None


def read_npz(path: str | Path, error: type[FittingError] = FittingError) -> dict[str, NDArray[Any]]:
    """The arrays of an `.npz`, without unpickling; entries that hold Python objects are left out.

    Args:
        path: The file.
        error: Class of the error to raise.

    Raises:
        FittingError: Missing, damaged or oversized file.
    """
    path = Path(path)
    if not path.is_file():
        raise error(f"There is no file {str(path)!r}.", "Check the path.")
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > MAX_ARRAY_BYTES:
                raise error(f"{path.name!r} unpacks to {size / 1e9:.1f} GB.", "Files of up to 2 GB are read: cut the take into parts.")
        with np.load(path, allow_pickle=False) as file:
            for key in file.files:
                try:
                    value = file[key]
                except ValueError as problem:
                    if "allow_pickle" not in str(problem):
                        raise
                    continue
                if isinstance(value, np.ndarray):  # other files in the archive come as bytes
                    arrays[key] = value
    except FittingError:
        raise
    except Exception as problem:  # zipfile, zlib and numpy raise many kinds for a damaged file
        reason = " ".join(str(problem).split())[:120]
        raise error(f"{path.name!r} is not a readable .npz file ({reason}).", "Export or download it again.") from problem
    return arrays
