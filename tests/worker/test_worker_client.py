"""The client and a real worker process with a fake fit."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from jobs import FAKE_WORKER, make_job, make_preset, poll_until, poll_until_stopped

from blender_smplify.worker_client import WorkerClient
from fitting.data.result import FitResult
from fitting.errors import BodyError, DeviceError, FitCancelled, PythonError, WorkerError
from fitting.protocol import UnexpectedError

ROOT = Path(__file__).parents[2]


def test_a_fit_from_hello_to_result(client, tmp_path):
    assert client.state == "stopped"
    job = make_job(tmp_path / "job", "fast")
    client.fit(job.folder)
    assert client.state == "starting"
    messages = poll_until(client, "result")
    assert client.state == "ready"
    kinds = [message["type"] for message in messages]
    assert kinds[0] == "hello"
    assert kinds[-1] == "result"
    assert messages[0]["devices"] == [{"name": "cpu", "description": "CPU", "free_memory": None}]
    assert client.hello["versions"] == {"torch": "9.9"}
    stages = [message["stage"] for message in messages if message["type"] == "stage"]
    assert stages == [0, 1]
    progress = [message for message in messages if message["type"] == "progress"]
    assert progress[0]["loss"] is None  # it was NaN
    assert progress[0]["eta"] > 0
    for stage in stages:  # the last of each stage is told, however fast it came
        last = [message for message in progress if message["stage"] == stage][-1]
        assert (last["iteration"], last["loss"], last["terms"]) == (20, 0.05, {"keypoints": 0.05})
    assert progress[-1]["fraction"] == 1.0
    assert len(progress) < 20  # of 40 iterations
    assert messages[-1]["path"] == str(job.result_path)
    assert messages[-1]["summary"] == FitResult.load(job.result_path).summary()


def test_the_worker_is_kept_warm(client, tmp_path):
    pids = set()
    for index in range(3):
        client.wait(make_job(tmp_path / str(index)).folder)
        pids.add(client.pid)
    assert len(pids) == 1


def test_wait_gives_the_result_and_tells_the_progress(client, tmp_path):
    told = []
    job = make_job(tmp_path / "job", body="body.npz", gender="female", device="cuda:1")
    path = client.wait(job.folder, told.append)
    assert path == job.result_path
    assert FitResult.load(path).body == {"name": str(Path("body.npz").absolute()), "gender": "female", "device": "cuda:1"}
    assert [(progress.stage, progress.iteration) for progress in told if progress.iteration == 3] == [(0, 3), (1, 3)]
    assert told[-1].loss == pytest.approx(1 / 3)
    assert told[0].loss != told[0].loss  # NaN again


@pytest.mark.parametrize(
    ("name", "class_", "text"),
    [
        ("user error", BodyError, "The body 'x' is wrong. Give another one."),
        ("bug", UnexpectedError, "The fitter failed unexpectedly (ZeroDivisionError: what a pity)."),
        ("memory", DeviceError, "The device has too little memory"),
    ],
)
def test_an_error_comes_back_as_what_it_was_and_the_worker_lives_on(client, tmp_path, name, class_, text):
    with pytest.raises(class_) as caught:
        client.wait(make_job(tmp_path / "job", name).folder)
    assert str(caught.value).startswith(text)
    assert type(caught.value) is class_
    if class_ is UnexpectedError:
        assert "ZeroDivisionError: what a pity" in caught.value.details
        assert "ZeroDivisionError: what a pity" in client.log_path.read_text()
    pid = client.pid
    client.wait(make_job(tmp_path / "next").folder)
    assert client.pid == pid


def test_a_job_folder_that_is_none(client, tmp_path):
    with pytest.raises(WorkerError, match=r"request\.json.* cannot be read \(No such file"):
        client.wait(tmp_path / "nothing")


def test_preset_warnings_arrive(client, tmp_path, caplog):
    job = make_job(tmp_path / "job", preset=make_preset(no_such_handler_weight=0))
    with caplog.at_level(logging.WARNING):
        client.wait(job.folder)
    assert "'no_such_handler_weight' matches no handler" in caplog.text


def test_what_libraries_print_stays_out_of_the_protocol(client, tmp_path):
    path = client.wait(make_job(tmp_path / "job", "noisy").folder)
    assert path.is_file()
    log = client.log_path.read_text()
    for printed in ("printed by a library", "printed by a child", "forged"):
        assert printed in log


def test_python_variables_of_the_parent_do_not_reach_the_worker(client, tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('a numpy of another Python')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    assert client.wait(make_job(tmp_path / "job").folder).is_file()


def test_cancel_is_obeyed_and_the_worker_stays(client, tmp_path):
    job = make_job(tmp_path / "job", "slow")
    client.fit(job.folder)
    poll_until(client, "progress")
    pid, asked = client.pid, time.monotonic()
    client.cancel(grace=30)
    assert client.state == "cancelling"
    message = poll_until(client, "error")[-1]
    assert time.monotonic() - asked < 5
    assert (message["code"], message["job"]) == ("FitCancelled", str(job.folder))
    assert not job.result_path.exists()
    assert (client.state, client.pid) == ("ready", pid)
    assert client.wait(make_job(tmp_path / "job").folder).is_file()  # the same folder: the old cancel does not count


def test_a_fit_that_does_not_obey_is_ended(client, tmp_path):
    client.fit(make_job(tmp_path / "job", "hang").folder)
    poll_until(client, "progress")
    client.cancel(grace=0.2)
    message = poll_until(client, "error", seconds=10)[-1]
    assert message["code"] == "FitCancelled"
    assert client.state == "stopped"
    assert client.wait(make_job(tmp_path / "next").folder).is_file()


def test_a_callback_stops_the_fit(client, tmp_path):
    def stop(progress):
        raise FitCancelled

    with pytest.raises(FitCancelled):
        client.wait(make_job(tmp_path / "job", "slow").folder, stop)
    assert (client.state, client.job) == ("ready", None)


def test_ctrl_c_stops_the_fit(client, tmp_path):
    def interrupt(progress):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        client.wait(make_job(tmp_path / "job", "slow").folder, interrupt)
    assert (client.state, client.job) == ("ready", None)


def test_one_fit_at_a_time(client, tmp_path):
    client.fit(make_job(tmp_path / "job", "slow").folder)
    with pytest.raises(WorkerError, match=r"A fit is running already\. Wait for it, or cancel it\."):
        client.fit(make_job(tmp_path / "other").folder)


def test_devices_are_asked_again(client, tmp_path):
    client.start()
    poll_until(client, "hello")
    client.hello["devices"] = []
    client.ask_devices()
    poll_until(client, "devices")
    assert client.hello["devices"][0]["name"] == "cpu"


def test_the_death_of_the_worker_is_told_with_its_last_words(client, tmp_path):
    with pytest.raises(WorkerError) as caught:
        client.wait(make_job(tmp_path / "job", "die").folder)
    assert caught.value.message == "The worker has stopped unexpectedly (SIGABRT)."
    assert "about to die" in caught.value.hint
    assert str(client.log_path) in caught.value.hint
    assert client.state == "stopped"
    assert client.wait(make_job(tmp_path / "next").folder).is_file()


def test_a_killed_worker_is_told(client, tmp_path):
    client.fit(make_job(tmp_path / "job", "slow").folder)
    poll_until(client, "progress")
    os.kill(client.pid, signal.SIGKILL)
    message = poll_until(client, "error", seconds=10)[-1]
    assert message["code"] == "WorkerError"
    assert message["message"] == "The worker has stopped unexpectedly (SIGKILL; the system may have run out of memory)."


def test_an_idle_worker_goes_silently_and_comes_back(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_IDLE", "0.3")
    client = WorkerClient(sys.executable, tmp_path / "worker.log", FAKE_WORKER)
    with contextlib.closing(client):
        client.wait(make_job(tmp_path / "job").folder)
        assert poll_until_stopped(client, seconds=10) == []
        client.wait(make_job(tmp_path / "second").folder)
        time.sleep(1.0)  # it goes unseen, as nobody polls while nothing is fitted
        assert client.state == "ready"
        assert client.wait(make_job(tmp_path / "third").folder).is_file()


def test_close_ends_a_running_fit(client, tmp_path):
    client.fit(make_job(tmp_path / "job", "slow").folder)
    poll_until(client, "progress")
    asked = time.monotonic()
    client.close()
    assert time.monotonic() - asked < 4
    assert (client.state, client.pid, client.job) == ("stopped", None, None)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_worker_goes_with_its_parent(tmp_path, how):
    job, heartbeat = make_job(tmp_path / "job", "slow"), tmp_path / "heartbeat"
    program = f"""
        import sys, time
        from blender_smplify.worker_client import WorkerClient
        client = WorkerClient(sys.executable, {str(tmp_path / "worker.log")!r}, {str(FAKE_WORKER)!r})
        client.fit({str(job.folder)!r})
        time.sleep(600)
    """
    environment = os.environ | {"HEARTBEAT": str(heartbeat), "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], env=environment)
    try:
        _wait_for(lambda: heartbeat.exists() and heartbeat.read_text() > "")
    finally:
        parent.send_signal(how)
        parent.wait(10)
    _wait_for(lambda: _is_still(heartbeat, 0.3), seconds=10)


@pytest.mark.parametrize(
    ("python", "class_", "text"),
    [
        ("/nowhere/python", PythonError, "'/nowhere/python' cannot be started (No such file or directory)."),
        (os.fspath(FAKE_WORKER), PythonError, "cannot be started (Permission denied)."),
    ],
)
def test_a_python_that_cannot_be_started(tmp_path, python, class_, text):
    client = WorkerClient(python, tmp_path / "worker.log", FAKE_WORKER)
    with pytest.raises(class_) as caught:
        client.fit(make_job(tmp_path / "job").folder)
    assert text in caught.value.message
    assert (client.state, client.job) == ("stopped", None)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("exit 3", "The worker did not start (exit code 3)."),
        ("echo no such option >&2; exit 2", "The worker did not start (exit code 2)."),
        ("yes", "does not run this fitter: 'y' is not a message"),
        ("""echo '{"v":99,"type":"hello"}'; sleep 60""", "The other side speaks version 99 of the worker protocol, this side version 1."),
        ("exec sleep 60", "did not answer within 1 seconds."),
        ("kill -SEGV $$", "The worker did not start (SIGSEGV)."),
    ],
)
def test_a_program_that_is_no_worker(tmp_path, body, text):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    client = WorkerClient(program, tmp_path / "worker.log", FAKE_WORKER, hello_seconds=1)
    with pytest.raises((PythonError, WorkerError)) as caught:
        client.wait(make_job(tmp_path / "job").folder)
    assert text in caught.value.message
    assert caught.value.hint
    assert "no such option" not in body or "no such option" in caught.value.hint
    assert (client.state, client.job) == ("stopped", None)


def test_a_worker_that_cannot_work_says_why(client, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_LOAD", "error")
    with pytest.raises(PythonError, match=r"^This Python has no PyTorch\. Choose another\.$"):
        client.wait(make_job(tmp_path / "job").folder)
    assert client.state == "stopped"
    monkeypatch.delenv("FAKE_LOAD")
    assert client.wait(make_job(tmp_path / "job").folder).is_file()


def test_a_fit_that_is_cancelled_while_the_worker_starts(client, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_LOAD", "slow")
    client.fit(make_job(tmp_path / "job").folder)
    client.cancel(grace=0.2)
    assert poll_until(client, "error", seconds=10)[-1]["code"] == "FitCancelled"


def test_a_log_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkerError, match=r"The log .* cannot be written"):
        WorkerClient(sys.executable, tmp_path / "file" / "worker.log", FAKE_WORKER).start()


def _wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def _is_still(heartbeat, seconds):
    before = heartbeat.stat().st_mtime_ns
    time.sleep(seconds)
    return heartbeat.stat().st_mtime_ns == before
