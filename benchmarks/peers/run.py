"""Runs the peers whose environment is there on the same keypoints, and says how far each is off.

``PYTHONPATH=benchmarks python -m peers.run --venvs FOLDER [--frames N ...] [--noise MM ...] [--peers NAME ...]``

FOLDER holds a virtual environment for each peer, of its name; or ``SMPLIFY_PEERS_PYTHON_<NAME>`` is the Python of one. The head of
each script says what to install. Seconds are CPU seconds of one thread, without set-up; no peer is part of this project or tested by it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from motions import FPS, actions, errors
from rich.console import Console
from rich.table import Table
from torch import Tensor

import fitting
from fitting.data.bodies import JOINT_NAMES
from fitting.data.conventions import get_convention
from fitting.registrant.start import pose_from_keypoints

TURNS_PER_FRAME = 3 / 1000
N_VERTICES = 1024
LEAST_SIGMA = 0.003
"""Metres: what the peers take for noise where there is none."""
SECONDS = 900


@dataclass(frozen=True)
class Peer:
    """A peer in one of its variants.

    Attributes:
        name: Of the peer, and of its environment; None where it is this project's.
        script: File in this folder.
        label: What a table calls it.
        gets: What it is given of each frame.
        variant: Third argument of the script.
        most_frames: More take too long.
    """

    name: str | None
    script: str
    label: str
    gets: str = "24 joints"
    variant: str = ""
    most_frames: int = 100_000


PEERS = (
    Peer("pymomentum", "momentum_peer.py", "Momentum, each frame", variant="frame"),
    Peer("pymomentum", "momentum_peer.py", "Momentum, sequence", variant="sequence"),
    Peer("keypoints2body", "keypoints2body_peer.py", "keypoints2body", most_frames=100),
    Peer(None, "full_mesh_lbfgs.py", "L-BFGS, full mesh", most_frames=100),
    Peer("smplfitter", "smplfitter_peer.py", "smplfitter (another problem)", gets=f"24 joints and {N_VERTICES:,} vertices"),
)

_POSE_SIGMA = {"hip": 0.7, "knee": 0.15, "ankle": 0.35, "spine": 0.2, "foot": 0.2, "neck": 0.3, "head": 0.3, "collar": 0.2, "shoulder": 0.7}
_POSE_SIGMA |= {"elbow": 0.15, "wrist": 0.35, "hand": 0.2}
_HINGES = {"knee": (0, 1.0), "elbow": (1, 1.0)}
"""Radians by part of the name of a joint; hinges bend about one axis. An elbow of SMPL carries the twist of the forearm, about x."""
_FOREARM_TWIST = 0.4


def pose_sigma() -> Tensor:
    """(69,) radians that each pose value may be from 0: a plain prior by anatomy, the same for all peers that take one."""
    table = torch.empty(23, 3)
    for row, name in zip(table, JOINT_NAMES["smpl"][1:], strict=True):
        row[:] = next(value for part, value in _POSE_SIGMA.items() if part in name)
        for part, (axis, value) in _HINGES.items():
            if part in name:
                row[axis] = value
        if "elbow" in name:
            row[0] = _FOREARM_TWIST
    return table.flatten()


def write_inputs(path: Path, truth: dict[str, Tensor], observed: Tensor, noise: float, seed: int = 0) -> None:
    """Writes what peers are given; `contract.py` describes it.

    Args:
        path: The .npz.
        truth: Parameters of the default body: vertices for the peer that cannot do without.
        observed: (F, 24, 3) joints of it, with noise.
        noise: Along each axis, metres.
        seed: Of the choice and the noise of vertices.
    """
    body = fitting.load_body(n_betas=10)
    data = body.data
    generator = torch.Generator().manual_seed(seed)
    subset = torch.randperm(data.n_vertices, generator=generator)[:N_VERTICES].sort().values
    vertices = torch.empty(len(observed), N_VERTICES, 3)
    with torch.no_grad():
        start = pose_from_keypoints(body, observed, torch.ones(observed.shape[:2]), get_convention("smpl"))
        for frames in torch.arange(len(observed)).split(100):
            some = {name: value if name == "betas" else value[frames] for name, value in truth.items()}
            vertices[frames] = body(return_verts=True, **some).vertices[:, subset]
    vertices += noise * torch.randn(vertices.shape, generator=generator)
    arrays = {"points": observed, "fps": FPS, "sigma": max(noise, LEAST_SIGMA), "pose_sigma": pose_sigma()}
    arrays |= {name: getattr(data, name) for name in ("v_template", "joint_regressor", "weights", "parents", "faces")}
    arrays |= {"shapedirs": data.shapedirs[..., :10], "vertex_subset": subset, "vertices": vertices}
    arrays |= {f"start_{name}": value for name, value in start.items()}
    np.savez(path, **{name: np.asarray(value) for name, value in arrays.items()})


def run_peers(
    inputs: Path,
    venvs: Path | None = None,
    peers: Sequence[str] = (),
    seconds: float = SECONDS,
    say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Runs the peers that can be run; a sentence tells of each other one.

    Args:
        inputs: What `write_inputs` wrote.
        venvs: Folder of virtual environments, each of the name of its peer.
        peers: Names of those wanted; all where there are none. `full_mesh_lbfgs` is the name of that without an environment.
        seconds: A run that takes longer is ended.
        say: Takes the sentences.

    Returns:
        For each one that ran: `label`, `gets`, `seconds`, `params` (tensors by name) and `joints` (F, 24, 3), metres.
    """
    with np.load(inputs) as file:
        n_frames = len(file["points"])
    body = fitting.load_body(n_betas=10)
    rows = []
    for peer in PEERS:
        if peers and (peer.name or Path(peer.script).stem) not in peers:
            continue
        python = python_of(peer, venvs)
        if python is None:
            say(f"{peer.label}: left out, no environment.")
        elif n_frames > peer.most_frames:
            say(f"{peer.label}: left out, {n_frames} frames would take too long.")
        else:
            found = _run(peer, python, inputs, seconds, say)
            if found is not None:
                params = {name: torch.as_tensor(found[name]) for name in ("global_orient", "body_pose", "transl", "betas")}
                with torch.no_grad():
                    joints = body(**params).joints[:, : body.n_joints]
                row = {"label": peer.label, "gets": peer.gets, "seconds": float(found["seconds"])}
                rows.append({**row, "params": params, "joints": joints})
    return rows


def python_of(peer: Peer, venvs: Path | None) -> Path | None:
    """The Python of a peer, or None."""
    if peer.name is None:
        return Path(sys.executable)
    named = os.environ.get(f"SMPLIFY_PEERS_PYTHON_{peer.name.upper()}")
    if named:
        return Path(named)
    places = [] if venvs is None else [venvs / peer.name / folder for folder in ("bin/python", "Scripts/python.exe")]
    return next((place for place in places if place.exists()), None)


def _run(peer: Peer, python: Path, inputs: Path, seconds: float, say: Callable[[str], None]) -> dict[str, Any] | None:
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    script = Path(__file__).with_name(peer.script)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.npz"
        command = [str(python), str(script), str(inputs.absolute()), str(output), *([peer.variant] if peer.variant else [])]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | one_thread
        try:
            answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            say(f"{peer.label}: ended after {seconds:g} seconds.")
            return None
        except OSError as error:
            say(f"{peer.label}: left out, its Python does not start ({error.strerror}).")
            return None
        if answer.returncode or not output.exists():
            last = answer.stderr.strip().splitlines()[-1:] or [f"it ended with {answer.returncode}"]
            say(f"{peer.label}: failed, {last[0]}.")
            return None
        with np.load(output) as file:
            return dict(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, help="folder of virtual environments of the names of the peers")
    parser.add_argument("--frames", type=int, nargs="+", default=[100], help="lengths of the motion (default 100)")
    parser.add_argument("--noise", type=float, nargs="+", default=[0, 5, 15], help="noise along each axis in mm (default 0 5 15)")
    parser.add_argument("--peers", nargs="+", default=(), help="names of peers; all by default")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"a run that takes longer is ended (default {SECONDS})")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=150)
    body = fitting.load_body(n_betas=10)
    table = Table(title="Peers on the same keypoints, one CPU thread")
    titles = ("peer", "gets", "frames", "noise, mm", "CPU s", "frames / s", "MPJPE, mm", "rotations, °", "acceleration, mm/frame²")
    for number, title in enumerate(titles):
        table.add_column(title, justify="left" if number < 2 else "right")
    for n_frames in given.frames:
        truth = actions(n_frames, TURNS_PER_FRAME * n_frames, given.seed)
        with torch.no_grad():
            joints = body(**truth).joints[:, : body.n_joints]
        for noise in given.noise:
            generator = torch.Generator().manual_seed(given.seed)
            observed = joints + noise / 1000 * torch.randn(joints.shape, generator=generator)
            with tempfile.TemporaryDirectory() as folder:
                inputs = Path(folder) / "in.npz"
                write_inputs(inputs, truth, observed, noise / 1000, given.seed)
                rows = run_peers(inputs, given.venvs, given.peers, given.seconds, console.print)
            for row in rows:
                off = errors(row["params"], truth, row["joints"], joints)
                cells = (row["seconds"], n_frames / row["seconds"], off["mpjpe"], off["rotation"], off["acceleration"])
                table.add_row(row["label"], row["gets"], str(n_frames), f"{noise:g}", *(f"{value:.3g}" for value in cells))
    if table.row_count:
        console.print(table)


if __name__ == "__main__":
    main()
