"""Times our preset against XRMoCap's stock values on the same take, in one run: ``python benchmarks/fit_presets.py [--frames N]``.

Seconds are CPU seconds of one thread, so that a busy machine changes them little; what counts is the ratio.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import fitting
from fitting.kernels import kernels

SAMPLE = Path(fitting.__file__).parent / "assets" / "walk.npz"


def measure(track: fitting.KeypointTrack, preset: str) -> dict[str, float]:
    steps = []
    start = time.process_time()
    result = fitting.fit(track, preset=preset, device="cpu", on_progress=steps.append)
    seconds = time.process_time() - start
    acceleration = np.linalg.norm(np.diff(result.joints, 2, axis=0), axis=-1).mean()
    return {
        "seconds": seconds,
        "residual": 1000 * result.mean_residual(main_only=True),
        "acceleration": 1000 * float(acceleration),
        "steps": len(steps),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100, help="frames of the sample take (default 100)")
    parser.add_argument("--take", type=Path, default=SAMPLE, help="another take")
    given = parser.parse_args()
    torch.set_num_threads(1)
    kernels(wait=True)  # a process loads them once
    track = fitting.read_track(given.take).frames(0, given.frames)
    fitting.fit(track.frames(0, 3), device="cpu")
    rows = {preset: measure(track, preset) for preset in ("smplify", "xrmocap_smplify")}
    base = rows["smplify"]["seconds"]
    table = Table(title=f"{track.name}, {track.n_frames} frames, torch {torch.__version__}, one CPU thread")
    for title in ("preset", "CPU s", "ratio", "frames / s", "residual of main joints, mm", "acceleration, mm/frame²", "optimizer steps"):
        table.add_column(title, justify="left" if title == "preset" else "right")
    for preset, row in rows.items():
        cells = (row["seconds"], row["seconds"] / base, track.n_frames / row["seconds"], row["residual"], row["acceleration"])
        table.add_row(preset, *(f"{value:.3g}" for value in cells), f"{row['steps']:.0f}")
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
