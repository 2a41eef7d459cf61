from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

SAMPLES = Path(__file__).parents[3] / "data" / "tracks"


@pytest.fixture
def samples() -> Path:
    return SAMPLES


@pytest.fixture(scope="session")
def run() -> tuple[NDArray[np.float32], list[str]]:
    """Every tenth frame of a run: (18, 20, 3) joints in metres, y up, and their names in the spelling of smplx."""
    with np.load(SAMPLES / "cmu_02_03_run.npz") as file:
        return file["keypoints"][::10], [str(name) for name in file["names"]]


@pytest.fixture
def write_trc(tmp_path: Path) -> Callable[..., Path]:
    """Writes a TRC file from (F, K, 3) points; a cell that is not finite stays blank."""

    def write(
        points: ArrayLike,
        names: Sequence[str],
        *,
        rate: str = "60",
        units: str = "m",
        times: Sequence[float] | None = None,
        n_frames: int | None = None,
        line_end: str = "\n",
        change: Callable[[str], str] = str,
    ) -> Path:
        points = np.asarray(points, float)
        count = len(points) if n_frames is None else n_frames
        times = [index / 60 for index in range(len(points))] if times is None else times
        lines = [
            "PathFileType\t4\t(X/Y/Z)\ttake.trc",
            "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
            f"{rate}\t{rate}\t{count}\t{len(names)}\t{units}\t{rate}\t1\t{count}",
            "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t",
            "\t\t" + "\t".join(f"{axis}{index}" for index in range(1, len(names) + 1) for axis in "XYZ"),
            "",
        ]
        for index, (time, frame) in enumerate(zip(times, points, strict=True)):
            cells = (f"{value:.6f}" if np.isfinite(value) else "" for value in frame.reshape(-1))
            lines.append(f"{index + 1}\t{time:.6f}\t" + "\t".join(cells))
        path = tmp_path / "take.trc"
        path.write_bytes(change(line_end.join(lines) + line_end).encode())
        return path

    return write
