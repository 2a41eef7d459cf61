"""Jobs for the worker tests, and waiting for what the worker says with an end to every patience."""

import time
from pathlib import Path

import numpy as np

from blender_smplify.worker_client import WorkerClient
from fitting.data.job import FitJob
from fitting.data.preset import Preset
from fitting.data.tracks.track import KeypointTrack

FAKE_WORKER = Path(__file__).with_name("fake_worker.py")
PATIENCE = 60.0


def make_preset(**stage) -> Preset:
    handler = {"handler_key": "keypoints3d_mse", "type": "Keypoint3dMSEHandler", "mse_loss": {"type": "KeypointMSELoss"}}
    optimizer = {"type": "LBFGS", "max_iter": 5}
    return Preset.from_dict({"handlers": [handler], "stages": [{"n_iter": 3, **stage}], "optimizer": optimizer}, "tiny")


def make_job(folder: Path, name: str = "walk", preset: Preset | None = None, **options) -> FitJob:
    points = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3)
    job = FitJob(folder)
    job.write(KeypointTrack(points, None, ["left_hip", "right_hip", "head"], 25.0, name), preset or make_preset(), **options)
    return job


def poll_until(client: WorkerClient, kind: str, seconds: float = PATIENCE) -> list[dict]:
    """All messages up to the first of a kind (which is among them, perhaps before others of the same moment)."""
    messages, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        messages += client.poll(timeout=0.05)
        if any(message["type"] == kind for message in messages):
            return messages
    raise AssertionError(f"no {kind!r} within {seconds} s, but {messages}; log: {client.log_path.read_text()}")


def poll_until_stopped(client: WorkerClient, seconds: float = PATIENCE) -> list[dict]:
    messages, end = [], time.monotonic() + seconds
    while client.state != "stopped":
        assert time.monotonic() < end, f"still {client.state}"
        messages += client.poll(timeout=0.05)
    return messages
