"""Times Blender's side of a fit: ``python benchmarks/blender_side.py [--frames N ...] [--bodies TYPE ...]``, where `bpy` is a module.

Made-up motions, not fitted, are put into an empty file: rig and skin are built once for a take, then come the keys. `whole` is all of
`apply_result`, with what turns a result into numbers for keys. Each line is measured in a process of its own, after a take of two frames
as a warm-up. Seconds are CPU seconds of all threads; `wall` is what a person waits for the whole.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from motions import FPS, actions, wander
from rich.console import Console
from rich.table import Table

import fitting
from fitting.data.result import FitResult

TURNS_PER_FRAME = 3 / 1000
BODIES = ("smpl", "smplx")
SPREADS = {"left_hand_pose": 0.3, "right_hand_pose": 0.3, "jaw_pose": 0.05, "leye_pose": 0.1, "reye_pose": 0.1, "expression": 0.7}
"""Radians, or units of expression, of the slow random values that SMPL-X gets beside the motion of the body."""
TITLES = ("body", "frames", "keys", "rig and skin, s", "keys, s", "keys / s", "whole, s", "wall, s")
SECONDS = 300
"""A line that takes longer is left out: a Blender that hangs must not hang the benchmark."""


def made_up_result(model_type: str, n_frames: int) -> FitResult:
    """What a fit would give of a motion that is known."""
    body = fitting.load_body(n_betas=10, model_type=model_type)
    params = actions(n_frames, TURNS_PER_FRAME * n_frames)
    widths = body.parameter_shapes()
    params["body_pose"] = params["body_pose"][:, : widths["body_pose"]]
    generator = torch.Generator().manual_seed(0)
    for name, spread in SPREADS.items():
        if name in widths:
            params[name] = spread * wander(n_frames, widths[name], generator)
    with torch.no_grad():
        joints = body(**params).joints[:, : body.n_joints].numpy()
    return FitResult(
        params={name: value.numpy() for name, value in params.items()},
        joints=joints,
        residuals=np.zeros(joints.shape[:2], np.float32),
        keypoint_names=tuple(body.data.joint_names),
        fps=FPS,
        body={"model_type": model_type, "gender": "neutral", "name": "default"},
    )


def measure(model_type: str, n_frames: int) -> dict[str, Any]:
    """Puts a result into an empty file, and takes the time."""
    results = [made_up_result(model_type, count) for count in (2, n_frames)]

    import bpy  # noqa: PLC0415 - after the environment is set, and only in the process that measures

    import blender_smplify  # noqa: PLC0415
    from blender_smplify import action, api, compat, rig, skin  # noqa: PLC0415

    seconds: dict[str, float] = {}
    for part, module, name in (
        ("build", rig, "build_body_armature"),
        ("build", skin, "build_skin"),
        ("keys", action, "write_motion"),
        ("keys", action, "write_shape_values"),
    ):
        setattr(module, name, timed(getattr(module, name), seconds, part))
    blender_smplify.register()
    try:
        for result in results:
            bpy.ops.wm.read_factory_settings(use_empty=True)
            seconds.update(build=0.0, keys=0.0)
            start, wall = time.process_time(), time.perf_counter()
            armature = api.apply_result(result)
            whole, wall = time.process_time() - start, time.perf_counter() - wall
        owners = [armature, api.skin_of(armature).data.shape_keys]
        n_keys = sum(len(curve.keyframe_points) for owner in owners for curve in compat.curves_of(owner))
    finally:
        blender_smplify.unregister()  # Blender 4.2 crashes and 4.5 hangs at exit where a class is still registered
    return {"version": bpy.app.version_string, "n_keys": n_keys, **seconds, "whole": whole, "wall": wall}


def timed(function: Callable[..., Any], seconds: dict[str, float], part: str) -> Callable[..., Any]:
    """The same function, which adds its CPU seconds to those of a part."""

    def wrapped(*arguments: Any, **options: Any) -> Any:
        start = time.process_time()
        value = function(*arguments, **options)
        seconds[part] += time.process_time() - start
        return value

    return wrapped


def measure_apart(model_type: str, n_frames: int, seconds: float) -> dict[str, Any] | str:
    """The same in a process of its own, or why there is no answer."""
    with tempfile.TemporaryDirectory(prefix="smplify-profile-") as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, __file__, "--measure", model_type, str(n_frames), str(answer)]
        # Never the user's own settings: Blender looks for them when it is imported.
        environment = {**os.environ, "BLENDER_USER_RESOURCES": folder, "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return f"ended after {seconds:g} seconds"
        if not answer.exists():
            return (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        return json.loads(answer.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[100, 1000, 10000], help="lengths of the take (default 100 1000 10000)")
    parser.add_argument("--bodies", nargs="+", choices=BODIES, default=BODIES, help="types of the body")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"a line that takes longer is left out (default {SECONDS})")
    parser.add_argument("--measure", nargs=3, metavar=("TYPE", "N", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        model_type, n_frames, file = given.measure
        torch.set_num_threads(1)
        Path(file).write_text(json.dumps(measure(model_type, int(n_frames))), encoding="utf-8")
        return
    console = Console(width=120)
    if importlib.util.find_spec("bpy") is None:
        console.print("This Python has no bpy: pip install bpy.")
        return
    table = Table()
    for title in TITLES:
        table.add_column(title, justify="left" if title == "body" else "right")
    for model_type in given.bodies:
        for n_frames in given.frames:
            row = measure_apart(model_type, n_frames, given.seconds)
            if isinstance(row, str):
                console.print(f"{model_type}, {n_frames} frames: left out, {row}.", markup=False)
                continue
            table.title = f"A result put into Blender {row['version']}"
            values = (row["build"], row["keys"], row["n_keys"] / row["keys"], row["whole"], row["wall"])
            cells = [f"{value:,.0f}" if value > 100 else f"{value:.3g}" for value in values]
            table.add_row(model_type, f"{n_frames:,}", f"{row['n_keys']:,}", *cells)
    if table.row_count:
        console.print(table)


if __name__ == "__main__":
    main()
