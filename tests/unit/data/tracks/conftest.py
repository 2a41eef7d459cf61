import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from fitting.data.conventions import get_convention

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


@pytest.fixture(scope="session")
def standing() -> dict[str, NDArray[np.float64]]:
    """Points of a person who stands, metres, y up, facing z, left at +x: body, hands and the 68 landmarks of the face."""
    places = {
        **{"pelvis": (0, 0.95, 0), "spine_1": (0, 1.05, 0), "spine_2": (0, 1.18, 0), "spine_3": (0, 1.24, 0), "neck": (0, 1.46, -0.02)},
        **{"head": (0, 1.54, 0), "headtop": (0, 1.75, 0), "jaw": (0, 1.53, 0.02), "nose": (0, 1.6, 0.12), "left_hip": (0.08, 0.87, 0)},
        **{"left_knee": (0.1, 0.47, 0.01), "left_ankle": (0.1, 0.07, -0.03), "left_foot": (0.11, 0.01, 0.1)},
        **{"left_heel": (0.1, 0.01, -0.08), "left_bigtoe": (0.1, 0.01, 0.18), "left_smalltoe": (0.17, 0.01, 0.13)},
        **{
            "left_collar": (0.06, 1.4, 0),
            "left_shoulder": (0.18, 1.4, 0),
            "left_elbow": (0.3, 1.15, -0.02),
            "left_wrist": (0.35, 0.91, 0.03),
        },
        **{"left_eye": (0.03, 1.63, 0.1), "left_ear": (0.08, 1.62, 0), "left_eyeball": (0.03, 1.63, 0.08)},
    }
    fingers = {"thumb": (0.03, 0.03, (3, 6, 9)), "index": (0.025, 0.09, (3, 5, 7)), "middle": (0.008, 0.09, (4, 6, 8))}
    fingers |= {"ring": (-0.01, 0.085, (3, 6, 8)), "pinky": (-0.028, 0.08, (2, 4, 6))}
    for finger, (forward, down, ends) in fingers.items():
        for number, end in enumerate((0, *ends)):
            name = f"left_{finger}_{number + 1}" if number < 3 else f"left_{finger}"
            places[name] = (0.35, 0.91 - down - 0.01 * end, 0.03 + forward)
    landmarks = [name for name in get_convention("coco_wholebody").names[23:91] if not name.startswith("right")]
    for number, name in enumerate(landmarks):
        middle = not name.startswith("left")
        places[name] = (0 if middle else 0.01 + 0.001 * number, 1.56 + 0.002 * number, 0.1 - 0.001 * number)
    for name in [name for name in places if name.startswith("left_")]:
        places[name.replace("left", "right", 1)] = (-places[name][0], *places[name][1:])
    return {name: np.array(place, float) for name, place in places.items()}


@pytest.fixture(scope="session")
def walk_as(standing: dict[str, NDArray[np.float64]]) -> Callable[[str], NDArray[np.float64]]:
    """Four frames of the standing person who slides forward, in the order of a convention: (4, K, 3), NaN for what it has no place for."""

    def walk(convention: str) -> NDArray[np.float64]:
        nowhere = np.full(3, np.nan)
        names = [re.sub("_(openpose|extra|pose)$", "", name).replace("eye_brow", "eyebrow") for name in get_convention(convention).names]
        names = [name.replace("hand_root", "wrist") if "root" in name else re.sub(r"^face_\d+$", "nose", name) for name in names]
        points = np.array([standing.get(name, nowhere) for name in names])
        return points + np.array([[[0, 0, 0.1 * frame]] for frame in range(4)])

    return walk
