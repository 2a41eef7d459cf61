"""Text files, read without trusting them."""

from pathlib import Path

from ...errors import TrackError

MAX_TEXT_BYTES = 512 * 1024**2


def read_text(path: Path) -> str:
    """The text of a file, whatever its line ends; bytes that are no UTF-8 are replaced.

    Raises:
        TrackError: Too large, or not text.
    """
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise TrackError(f"{path.name!r} is larger than {MAX_TEXT_BYTES / 1e9:.1f} GB.", "Cut the take into parts.")
    data = path.read_bytes()
    if b"\0" in data[:4096]:
        raise TrackError(f"{path.name!r} holds binary data, not text.", "Export it again, or give it the suffix of its format.")
    return data.decode("utf-8-sig", errors="replace")
