"""Times the solvers on the same made-up motions in one run: ``python benchmarks/fit_solvers.py [--frames N ...] [--noise MM ...]``.

A person walks, raises the arms, squats, reaches and kicks, with three whole turns per 1,000 frames. The 24 joints, with noise, are what a
fit gets. Seconds are CPU seconds of one thread, so that a busy machine changes them little; what counts is the ratio.
"""

import argparse
import time

import torch
from motions import FPS, actions, errors
from rich.console import Console
from rich.table import Table
from torch import Tensor

import fitting

TURNS_PER_FRAME = 3 / 1000
PRESETS = ("smplify", "xrmocap_smplify")


def measure(preset: str, truth: dict[str, Tensor], joints: Tensor, observed: Tensor) -> dict[str, float]:
    track = fitting.KeypointTrack(observed.numpy(), torch.ones(observed.shape[:2]).numpy(), "smpl", FPS)
    start = time.process_time()
    result = fitting.fit(track, preset, device="cpu")
    seconds = time.process_time() - start
    found = {name: torch.tensor(result.params[name]) for name in ("global_orient", "body_pose")}
    return {"seconds": seconds, **errors(found, truth, torch.tensor(result.joints), joints)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[100], help="lengths of the motion (default 100)")
    parser.add_argument("--noise", type=float, nargs="+", default=[0, 5, 15], help="noise along each axis in mm (default 0 5 15)")
    parser.add_argument("--presets", nargs="+", default=PRESETS, help="presets or files of presets")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    body = fitting.load_body(n_betas=10)
    table = Table(title=f"24 joints, torch {torch.__version__}, one CPU thread")
    titles = ("preset", "frames", "noise, mm", "frames / CPU s", "ratio", "MPJPE, mm", "rotations, degrees", "acceleration, mm/frame²")
    for title in titles:
        table.add_column(title, justify="left" if title == "preset" else "right")
    for n_frames in given.frames:
        truth = actions(n_frames, TURNS_PER_FRAME * n_frames, given.seed)
        with torch.no_grad():
            joints = body(**truth).joints[:, : body.n_joints]
        for noise in given.noise:
            generator = torch.Generator().manual_seed(given.seed)
            observed = joints + noise / 1000 * torch.randn(joints.shape, generator=generator)
            rows = {preset: measure(preset, truth, joints, observed) for preset in given.presets}
            base = rows[given.presets[0]]["seconds"]
            for preset, row in rows.items():
                cells = (n_frames / row["seconds"], row["seconds"] / base, row["mpjpe"], row["rotation"], row["acceleration"])
                table.add_row(preset, str(n_frames), f"{noise:g}", *(f"{value:.3g}" for value in cells))
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
