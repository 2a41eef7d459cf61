"""Fits the same made-up motions with our solvers and with peers, in one run: ``python benchmarks/fit_solvers.py [--peers-venvs FOLDER]``.

A person walks, raises the arms, squats, reaches and kicks, with three whole turns per 1,000 frames. The 24 joints, with noise, are what a
fit gets. Seconds are CPU seconds of one thread, warm, so that a busy machine changes them little; what counts is the ratio. For our own
solvers two speeds are shown: of `fitting.fit` as a whole, and of the solver alone. With ``--save NAME`` the figures stay in
`benchmarks/results`, with machine and versions.
"""

import argparse
import json
import platform
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from motions import FPS, actions, errors
from peers.run import run_peers, write_inputs
from rich.console import Console
from rich.table import Table
from torch import Tensor

import fitting
from fitting.kernels import kernels
from fitting.solvers import LevenbergMarquardt, TorchOptimizer

TURNS_PER_FRAME = 3 / 1000
PRESETS = Path(__file__).parent / "presets"
OTHERS = ("pymomentum", "smplfitter", "keypoints2body")
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Ours:
    """A way to fit of ours.

    Attributes:
        label: What a table calls it.
        preset: Name or file of the preset.
        device: The device.
        most_frames: More take too long.
    """

    label: str
    preset: str
    device: str
    most_frames: int = 100_000


OURS = (
    Ours("fast, compiled", "fast", "cpu"),
    Ours("fast, plain", "fast", "cpu-plain"),
    Ours("smplify (motion), compiled", "smplify", "cpu"),
    Ours("smplify (motion), plain", "smplify", "cpu-plain", 1000),
    Ours("our L-BFGS on joints", str(PRESETS / "smplify_lbfgs.json"), "cpu", 1000),
)


class SolverClock:
    """CPU seconds that solvers take, while it lasts."""

    def __enter__(self) -> "SolverClock":
        self.seconds = 0.0
        self._kept = [(cls, cls.minimise) for cls in (LevenbergMarquardt, TorchOptimizer)]
        for cls, minimise in self._kept:
            cls.minimise = self._timed(minimise)  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        for cls, minimise in self._kept:
            cls.minimise = minimise  # type: ignore[method-assign]

    def _timed(self, minimise: Any) -> Any:
        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.process_time()
            try:
                return minimise(*arguments, **options)
            finally:
                self.seconds += time.process_time() - start

        return timed


def measure(way: Ours, truth: dict[str, Tensor], joints: Tensor, observed: Tensor) -> dict[str, float]:
    track = fitting.KeypointTrack(observed.numpy(), torch.ones(observed.shape[:2]).numpy(), "smpl", FPS)
    warm = track.frames(0, min(track.n_frames, 8))
    fitting.fit(warm, way.preset, device=way.device)
    # Short takes are over in milliseconds, which one other process disturbs: the best of three counts.
    runs = []
    for _ in range(3 if track.n_frames <= 1000 and track.n_frames * 2 < way.most_frames else 1):
        with SolverClock() as clock:
            start = time.process_time()
            result = fitting.fit(track, way.preset, device=way.device)
            runs.append((time.process_time() - start, clock.seconds))
    seconds, solver = (min(values) for values in zip(*runs, strict=True))
    found = {name: torch.tensor(result.params[name]) for name in ("global_orient", "body_pose")}
    return {"seconds": seconds, "solver": solver, **errors(found, truth, torch.tensor(result.joints), joints)}


def rows_of(n_frames: int, noise: float, given: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """The figures of all that can be run on one motion."""
    body = fitting.load_body(n_betas=10)
    truth = actions(n_frames, TURNS_PER_FRAME * n_frames, given.seed)
    with torch.no_grad():
        joints = body(**truth).joints[:, : body.n_joints]
    generator = torch.Generator().manual_seed(given.seed)
    observed = joints + noise / 1000 * torch.randn(joints.shape, generator=generator)
    rows = []
    for way in OURS:
        if n_frames <= way.most_frames and (not given.only or given.only in way.label):
            rows.append({"label": way.label, "gets": "24 joints", **measure(way, truth, joints, observed)})
    if given.peers_venvs or given.full_mesh:
        with tempfile.TemporaryDirectory() as folder:
            inputs = Path(folder) / "in.npz"
            write_inputs(inputs, truth, observed, noise / 1000, given.seed)
            names = [*(OTHERS if given.peers_venvs else ()), *(["full_mesh_lbfgs"] if given.full_mesh else ())]
            for row in run_peers(inputs, given.peers_venvs, names, given.seconds, console.print):
                off = errors(row["params"], truth, row["joints"], joints)
                rows.append({"label": row["label"], "gets": row["gets"], "seconds": row["seconds"], "solver": None, **off})
    return [{"frames": n_frames, "noise": noise, **row} for row in rows]


def about_this_machine() -> dict[str, str]:
    found = {"machine": platform.machine(), "python": platform.python_version(), "date": time.strftime("%Y-%m-%d")}
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        names = [line.split(":", 1)[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
        found["cpu"] = names[0] if names else platform.processor()
    for package in ("torch", "numba", "scipy", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not there"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[1, 100, 1000], help="lengths of the motion (default 1 100 1000)")
    parser.add_argument("--noise", type=float, nargs="+", default=[0, 5, 15], help="noise along each axis in mm (default 0 5 15)")
    parser.add_argument("--only", help="only those of ours whose label holds this")
    parser.add_argument("--full-mesh", action="store_true", help="also L-BFGS through the full mesh, up to 100 frames: minutes")
    parser.add_argument("--peers-venvs", type=Path, help="also the peers that have a virtual environment of their name in this folder")
    parser.add_argument("--seconds", type=float, default=900, help="a peer that takes longer is ended (default 900)")
    parser.add_argument("--save", help="name of the files in benchmarks/results")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if kernels(wait=True) is None:
        print("The extra `fast` is not installed: what is called compiled is plain.")
    console = Console(width=160)
    titles = (
        "what",
        "gets",
        "frames",
        "noise, mm",
        "frames / CPU s",
        "solver alone",
        "MPJPE, mm",
        "rotations, °",
        "acceleration, mm/frame²",
    )
    table = Table(title="24 joints, one CPU thread")
    for number, title in enumerate(titles):
        table.add_column(title, justify="left" if number < 2 else "right")
    figures = []
    for n_frames in given.frames:
        for noise in given.noise:
            for row in rows_of(n_frames, noise, given, console):
                figures.append(row)
                solver = "" if row["solver"] is None else f"{n_frames / row['solver']:.3g}"
                off = (f"{row[key]:.3g}" for key in ("mpjpe", "rotation", "acceleration"))
                table.add_row(row["label"], row["gets"], f"{n_frames}", f"{noise:g}", f"{n_frames / row['seconds']:.3g}", solver, *off)
    console.print(table)
    if given.save:
        save(given.save, figures, console, table)


def save(name: str, figures: list[dict[str, Any]], console: Console, table: Table) -> None:
    RESULTS.mkdir(exist_ok=True)
    about = about_this_machine()
    (RESULTS / f"{name}.json").write_text(json.dumps({"about": about, "figures": figures}, indent=1) + "\n")
    with console.capture() as capture:
        console.print(table)
    lines = [f"{key}: {value}" for key, value in about.items()]
    (RESULTS / f"{name}.txt").write_text("\n".join(lines) + "\n\n" + capture.get())


if __name__ == "__main__":
    main()
