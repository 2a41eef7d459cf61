"""A report of a fit, for other programs: `report.json` says how good it is, `residuals.csv` has the error of each frame."""

import csv
import io
import json
import math
from pathlib import Path

from ..errors import ResultError
from .files import atomic_path
from .result import FitResult


def write_report(result: FitResult, folder: str | Path) -> tuple[Path, Path]:
    """Writes the report into a folder, which is made if need be; gives the paths of both files. Distances are in millimetres.

    Raises:
        FittingError: The folder cannot be made or written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(f"The folder {str(folder)!r} cannot be made ({error.strerror}).", "Choose another folder.") from error
    paths = folder / "report.json", folder / "residuals.csv"
    for path, text in zip(paths, (_report(result), _residuals(result)), strict=True):
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    return paths


def _report(result: FitResult) -> str:
    values = {
        "name": result.name,
        "preset": result.preset,
        "body": dict(result.body),
        "n_frames": result.n_frames,
        "fps": result.fps,
        "betas": [float(value) for value in result.betas],
        "mean_residual_mm": _millimetres(result.mean_residual()),
        "mean_residual_main_mm": _millimetres(result.mean_residual(main_only=True)),
        "residual_by_keypoint_mm": {name: _millimetres(value) for name, value in result.residual_by_keypoint().items()},
        "summary": result.summary(),
        "report": list(result.report),
    }
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def _residuals(result: FitResult) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["frame", "time_s", *(f"{name}_mm" for name in result.keypoint_names)])
    for frame, row in enumerate(result.residuals.tolist()):
        values = (_millimetres(value) for value in row)
        table.writerow([frame, f"{frame / result.fps:.6g}", *("" if value is None else f"{value:.3f}" for value in values)])
    return text.getvalue()


def _millimetres(metres: float) -> float | None:
    return 1000 * metres if math.isfinite(metres) else None
