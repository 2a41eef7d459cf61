"""Fits real recordings with several presets in one run: ``python benchmarks/real_takes.py FOLDER [--presets NAME ...]``.

For each take and preset: distance of the main joints to what was observed, acceleration of the joints, flips (a joint that turns by more
than 60 degrees from one frame to the next), and CPU seconds of one thread. Truth is unknown here: a lower distance is better only where
acceleration and flips are no worse.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from fit_solvers import save
from motions import turns_between_frames
from rich.console import Console
from rich.table import Table

import fitting
from fitting.kernels import kernels

FLIP = 60.0


def measure(track: fitting.KeypointTrack, preset: str) -> dict[str, float]:
    start = time.process_time()
    result = fitting.fit(track, preset, device="cpu")
    seconds = time.process_time() - start
    pose = torch.tensor(np.concatenate([result.params["global_orient"], result.params["body_pose"]], 1))
    acceleration = np.linalg.norm(np.diff(result.joints, 2, axis=0), axis=-1)
    return {
        "residual": 1000 * result.mean_residual(main_only=True),
        "acceleration": 1000 * float(acceleration.mean()) if len(acceleration) else 0.0,
        "flips": float((turns_between_frames(pose) > FLIP).sum()),
        "seconds": seconds,
    }


def takes(folder: Path) -> dict[str, fitting.KeypointTrack]:
    """Every take below a folder that can be read and fitted, by its path."""
    found: dict[str, fitting.KeypointTrack] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            try:
                found[path.relative_to(folder).as_posix()] = fitting.read_track(path)
            except (fitting.FittingError, ValueError):
                continue  # licences, lists and what no reader knows
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with recordings")
    presets = Path(__file__).parent / "presets"
    parser.add_argument("--presets", nargs="+", default=["smplify", "fast", str(presets / "smplify_lbfgs.json")])
    parser.add_argument("--frames", type=int, default=600, help="most frames of each take (default 600)")
    parser.add_argument("--save", help="name of the files in benchmarks/results")
    given = parser.parse_args()
    torch.set_num_threads(1)
    kernels(wait=True)
    titles = ("take", "frames", "preset", "residual, mm", "acceleration, mm/frame²", "flips", "CPU s", "frames / CPU s")
    table = Table(title=f"Real takes, torch {torch.__version__}, one CPU thread")
    for title in titles:
        table.add_column(title, justify="left" if title in ("take", "preset") else "right")
    figures = []
    for name, track in takes(given.folder).items():
        part = track.frames(0, min(given.frames, track.n_frames))
        for preset in given.presets:
            try:
                row = measure(part, preset)
            except fitting.FittingError as error:
                print(f"{name}: {error}")
                break
            figures.append({"take": name, "preset": Path(preset).stem, "frames": part.n_frames, **row})
            cells = (f"{row[key]:.2f}" for key in ("residual", "acceleration"))
            speed = part.n_frames / row["seconds"]
            table.add_row(
                name, str(part.n_frames), Path(preset).stem, *cells, f"{row['flips']:.0f}", f"{row['seconds']:.2f}", f"{speed:.0f}"
            )
    console = Console(width=170)
    console.print(table)
    if given.save:
        save(given.save, figures, console, table)


if __name__ == "__main__":
    main()
