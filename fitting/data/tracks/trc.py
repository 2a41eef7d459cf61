"""TRC: tab-separated text of motion capture (Cortex, OpenSim, OpenCap, Pose2Sim)."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import TrackError
from .recording import Recording
from .text import read_text

_HEADER_LINES = 20


def read_trc(path: Path) -> Recording:
    """The markers of a TRC file, in its units and axes; blank cells are missing points.

    Raises:
        TrackError: Not a TRC file, no frame, or a cell that holds no number.
    """
    text = read_text(path)
    lines = text.splitlines()
    header = _read_header(lines, path.name)
    rows = _read_rows(lines, header, path.name, ends_whole=text.endswith(("\n", "\r")))
    fps = _frame_rate(header, rows[:, 1])
    claimed = header.number("nummarkers")
    if claimed is not None and claimed != len(header.markers):
        header.notes.append(f"The header says {claimed:g} markers, the file names {len(header.markers)}.")
    return Recording(
        source=path.name,
        points=rows[:, 2:].reshape(len(rows), 1, len(header.markers), 3),
        names=tuple(header.markers),
        fps=fps,
        units=header.fields.get("units") or None,
        notes=tuple(header.notes),
    )


@dataclass
class _Header:
    """What stands above the frames.

    Attributes:
        fields: "datarate", "numframes", "units" and so on, as text.
        markers: Their names.
        n_lines: Number of lines up to the names.
        notes: What was noticed while reading.
    """

    fields: dict[str, str]
    markers: list[str]
    n_lines: int
    notes: list[str] = field(default_factory=list)

    def number(self, key: str) -> float | None:
        return _number(self.fields.get(key, ""))


def _read_header(lines: list[str], source: str) -> _Header:
    fields: dict[str, str] = {}
    for number, line in enumerate(lines[:_HEADER_LINES]):
        cells = _cells(line)
        first = cells[0].strip().lower() if cells else ""
        if first == "datarate" and number + 1 < len(lines):
            values = _cells(lines[number + 1])
            fields = {key.strip().lower(): value.strip() for key, value in zip(cells, values, strict=False)}
        if first.startswith("frame#"):
            markers = _marker_names(cells[2:])
            if not markers:
                raise TrackError(f"Line {number + 1} of {source!r} names no marker.", "Export it again with at least one marker.")
            return _Header(fields, markers, number + 1)
    raise TrackError(f"{source!r} has no line that begins with 'Frame#', so it is no whole TRC file.", "Export it again as TRC.")


def _marker_names(cells: list[str]) -> list[str]:
    """One name for each three columns; where a name is repeated, a number is added."""
    cells = [cell.strip() for cell in cells]
    filled = [place for place, cell in enumerate(cells) if cell]
    # Names stand above their x column; a file that packs them otherwise has them one after the other.
    if all(place % 3 == 0 for place in filled):
        names = [cells[place] or f"unnamed_{place // 3 + 1}" for place in range(0, max(filled, default=-1) + 1, 3)]
    else:
        names = [cells[place] for place in filled]
    taken: set[str] = set()
    for place, name in enumerate(names):
        number = 2
        while names[place] in taken:
            names[place], number = f"{name}_{number}", number + 1
        taken.add(names[place])
    return names


def _read_rows(lines: list[str], header: _Header, source: str, ends_whole: bool) -> NDArray[np.float64]:
    """(F, 2 + 3 K): frame number, time and coordinates, NaN for blank cells."""
    width = 2 + 3 * len(header.markers)
    rows: list[NDArray[np.float64]] = []
    is_short = False
    for number, line in enumerate(lines[header.n_lines :], header.n_lines + 1):
        cells = _cells(line.rstrip())
        if not any(cells) or (not rows and re.match(r"\s*[Xx]\d", line)):
            continue  # a blank line, or the line with X1 Y1 Z1
        if len(cells) > width:
            raise TrackError(
                f"Line {number} of {source!r} has {len(cells)} values, but {len(header.markers)} markers take {width}.",
                "Export it again.",
            )
        is_short = len(cells) < width
        try:
            row = [float(cell) if cell else math.nan for cell in cells]
        except ValueError:
            row = [_cell(cell, number, source) for cell in cells]
        rows.append(np.array(row + [math.nan] * (width - len(row))))
    claimed = header.number("numframes")
    if is_short and not ends_whole and claimed is not None and len(rows) <= claimed:
        raise TrackError(
            f"{source!r} is cut off in frame {len(rows)}; its header promises {claimed:g}.", "Copy it again, or export it again."
        )
    if not rows:
        raise TrackError(f"{source!r} has a header, but no frame.", "Export it again with at least one frame.")
    if claimed is not None and claimed != len(rows):
        header.notes.append(f"The header says {claimed:g} frames, the file has {len(rows)}.")
    return np.array(rows)


def _frame_rate(header: _Header, times: NDArray[np.float64]) -> float | None:
    """Frames per second from the header, unless the times of the frames say otherwise."""
    claimed = header.number("datarate")
    claimed = claimed if claimed is not None and claimed > 0 else None
    steps = np.diff(times)
    if not len(steps) or not (steps > 0).all():  # False for NaN
        return claimed
    measured = len(steps) / float(times[-1] - times[0])
    # Times are often rounded to milliseconds, and a take may have a gap: either measure may agree.
    if claimed and any(abs(rate / claimed - 1) < 0.03 for rate in (measured, 1 / float(np.median(steps)))):
        return claimed
    measured = round(measured, 2)
    if claimed:
        header.notes.append(f"The header says {claimed:g} frames per second, but the times of the frames make {measured:g}: these count.")
    return measured


def _cells(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else line.split()


def _cell(cell: str, number: int, source: str) -> float:
    """The number in a cell that `float` does not read at once: blanks, or a comma for the point."""
    text = cell.strip()
    value = _number(text.replace(",", ".")) if text else math.nan
    if value is None:
        raise TrackError(f"Line {number} of {source!r} has {text[:20]!r} where a number belongs.", "Export it again.")
    return value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
