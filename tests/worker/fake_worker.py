"""A worker with a fake fit, run as a program. What the fit does is the name of the track; no PyTorch is needed."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]

streams = (os.dup(0), os.dup(1))
os.dup2(2, 1)
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from fitting.data.result import FitResult  # noqa: E402
from fitting.errors import BodyError, PythonError  # noqa: E402
from fitting.progress import Progress  # noqa: E402
from fitting.worker import Fitter, main  # noqa: E402


def fit(track, *, preset, body, gender, device, on_progress):
    what = track.name
    if what == "noisy":
        print("printed by a library")
        os.write(1, b'{"v":1,"type":"result","job":"forged"}\n')
        subprocess.run([sys.executable, "-c", "print('printed by a child')"], check=True)
        print(sys.stdin.read())  # must not swallow requests, nor wait for them
    elif what == "user error":
        raise BodyError("The body 'x' is wrong.", "Give another one.")
    elif what == "bug":
        raise ZeroDivisionError("what a pity")
    elif what == "memory":
        raise MemoryError
    elif what == "die":
        on_progress(Progress(0, 1, 0, 1, 0.0))
        print("about to die")
        os.abort()
    elif what == "hang":
        on_progress(Progress(0, 1, 0, 1, 0.0))
        time.sleep(600)
    stages, iterations = 2, 20 if what == "fast" else 3
    if what == "slow":
        stages, iterations = 1, 10_000
    for stage in range(stages):
        for iteration in range(1, iterations + 1):
            if what == "slow":
                time.sleep(0.02)
                if "HEARTBEAT" in os.environ:
                    Path(os.environ["HEARTBEAT"]).write_text(str(iteration))
            loss = float("nan") if stage == 0 and iteration == 1 else 1.0 / iteration
            fraction = (stage * iterations + iteration) / (stages * iterations)
            on_progress(Progress(stage, stages, iteration, iterations, loss, {"keypoints": loss}, fraction))
    widths = {"global_orient": 3, "body_pose": 69}
    poses = {name: np.zeros((track.n_frames, width), np.float32) for name, width in widths.items()}
    return FitResult(
        params={**poses, "betas": np.zeros((1, 10), np.float32), "transl": track.points[:, 0]},
        joints=track.points,
        residuals=np.full(track.points.shape[:2], 0.01, np.float32),
        keypoint_names=track.names,
        fps=track.fps,
        body={"name": str(body), "gender": str(gender), "device": device},
        name=track.name,
        preset=preset.name,
    )


def load():
    if os.environ.get("FAKE_LOAD") == "error":
        raise PythonError("This Python has no PyTorch.", "Choose another.")
    if os.environ.get("FAKE_LOAD") == "slow":
        time.sleep(600)
    return Fitter(fit, lambda: [{"name": "cpu", "description": "CPU", "free_memory": None}], {"torch": "9.9"})


sys.exit(main(*streams, load=load, idle_seconds=float(os.environ.get("FAKE_IDLE", "60"))))
