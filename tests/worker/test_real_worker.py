"""The worker as it is shipped, with PyTorch and the real fit."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from jobs import make_preset, poll_until

import fitting
from blender_smplify.worker_client import WORKER_SCRIPT, WorkerClient
from fitting.data.bodies import load_default_body
from fitting.data.job import FitJob
from fitting.data.preset import load_preset
from fitting.data.result import FitResult
from fitting.data.tracks.track import KeypointTrack
from fitting.errors import BodyError, DeviceError, FitCancelled, PythonError
from fitting.protocol import EVENTS, decode

PACKAGE = Path(fitting.__file__).parent


def rest_track(n_frames: int = 4) -> KeypointTrack:
    """The default body in its T-pose, moving along: what any fit must find."""
    body = load_default_body()
    joints = body.rest_joints(np.zeros(10)) + np.array([0.0, 1.0, 0.0], np.float32)
    points = np.stack([joints + np.array([0.01 * frame, 0, 0]) for frame in range(n_frames)])
    return KeypointTrack(points, None, "smpl", 30.0, "rest")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    client = WorkerClient(sys.executable, tmp_path_factory.mktemp("worker") / "worker.log")
    yield client
    client.close()


def test_hello(client):
    import torch

    client.start()
    hello = poll_until(client, "hello")[0]
    assert hello["protocol"] == 1
    assert hello["versions"]["torch"] == torch.__version__
    assert hello["versions"]["numpy"] == np.__version__
    assert hello["versions"]["fitting"] == fitting.__version__
    assert "cpu" in [device["name"] for device in hello["devices"]]


def test_a_real_fit(client, tmp_path):
    job = FitJob(tmp_path / "job")
    track = rest_track()
    job.write(track, make_preset(), device="cpu")
    told = []
    result = FitResult.load(client.wait(job.folder, told.append))
    assert result.n_frames == 4
    assert result.mean_residual() < 0.005
    np.testing.assert_allclose(np.diff(result.params["transl"], axis=0), [[0.01, 0, 0]] * 3, atol=1e-3)
    assert [(progress.stage, progress.n_stages) for progress in told] == [(0, 1)] * len(told)
    assert set(told[-1].terms) == {"keypoints3d_mse"}
    assert 0 < told[0].fraction <= told[-1].fraction <= 1


def test_a_real_fit_is_cancelled(client, tmp_path):
    def stop(progress):
        raise FitCancelled

    job = FitJob(tmp_path / "job")
    job.write(rest_track(), load_preset("xrmocap_smplify"), device="cpu")
    with pytest.raises(FitCancelled):
        client.wait(job.folder, stop)
    assert (client.state, job.result_path.exists()) == ("ready", False)


@pytest.mark.parametrize(
    ("options", "class_", "text"),
    [
        ({"device": "cuda:77"}, DeviceError, "'cuda:77'"),
        ({"body": "no_such_body.npz"}, BodyError, "no_such_body.npz"),
        ({"gender": "purple"}, BodyError, "'purple'"),
    ],
)
def test_what_the_user_can_mend_comes_back_as_it_was(client, tmp_path, options, class_, text):
    job = FitJob(tmp_path / "job")
    job.write(rest_track(), make_preset(), **options)
    with pytest.raises(class_) as caught:
        client.wait(job.folder)
    assert text in str(caught.value)


def test_a_python_without_pytorch(tmp_path):
    venv.create(tmp_path / "venv", with_pip=False, symlinks=sys.platform != "win32")
    python = next(path for path in (tmp_path / "venv/bin/python", tmp_path / "venv/Scripts/python.exe") if path.exists())
    answer = subprocess.run([python, "-I", "-u", WORKER_SCRIPT], stdin=subprocess.PIPE, capture_output=True, timeout=60, check=False)
    assert answer.returncode == 2
    message = decode(answer.stdout, EVENTS)
    assert (message["type"], message["code"]) == ("error", "PythonError")
    assert message["message"] == f"{python} has no PyTorch."
    assert message["hint"] == "Choose another Python, or press 'Build Environment'."
    job = FitJob(tmp_path / "job")
    job.write(rest_track(), make_preset())
    with pytest.raises(PythonError, match="has no PyTorch"):
        WorkerClient(python, tmp_path / "worker.log").wait(job.folder)


def test_inside_the_extension_the_package_is_found_and_its_neighbours_are_not(tmp_path):
    extension = tmp_path / "bl_ext" / "blender_smplify"
    shutil.copytree(PACKAGE, extension / "fitting", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("torch", "numpy", "action"):
        (extension / f"{name}.py").write_text("raise SystemExit('a module of the extension')")
    client = WorkerClient(sys.executable, tmp_path / "worker.log", extension / "fitting" / "worker.py")
    try:
        job = FitJob(tmp_path / "job")
        job.write(rest_track(1), make_preset(n_iter=1), device="cpu")
        assert FitResult.load(client.wait(job.folder)).n_frames == 1
    finally:
        client.close()


def test_as_a_module(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-m", "fitting.worker"], cwd=PACKAGE.parent, input=b"", capture_output=True, timeout=60, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == b"" or decode(answer.stdout, EVENTS)["type"] == "hello"  # stdin had ended: it may go before it says hello
