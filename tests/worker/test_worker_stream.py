"""The worker seen from the other end of its pipes, without the client."""

import queue
import subprocess
import sys
import threading
import time

import pytest
from jobs import FAKE_WORKER, PATIENCE, make_job

from fitting.protocol import EVENTS, MAX_LINE_BYTES, decode, encode


class Pipes:
    """A worker process, its lines moved by a thread so that no test can hang."""

    def __init__(self, log):
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-u", str(FAKE_WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._move, daemon=True).start()

    def _move(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def send(self, line):
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def next(self, kind=None):
        while True:
            message = decode(self.lines.get(timeout=PATIENCE), EVENTS)
            if kind is None or message["type"] == kind:
                return message


@pytest.fixture
def pipes(tmp_path):
    with (tmp_path / "worker.log").open("wb") as log:
        pipes = Pipes(log)
        assert pipes.next()["type"] == "hello"
        yield pipes
        pipes.process.kill()
        pipes.process.wait(10)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"hello?\n", "'hello?' is not a message, expected one JSON object on one line."),
        (b"[1, 2]\n", "'[1, 2]' is not a message"),
        (b"\xff\xfe\x00\n", "is not a message"),
        (b"[" * 100_000 + b"\n", "is not a message"),
        (b'{"type": "ping"}\n', "The other side speaks version None of the worker protocol, this side version 1."),
        (b'{"v": 1, "type": "pong"}\n', "There is no message of type 'pong'. Did you mean 'ping'?"),
        (b'{"v": 1, "type": ["fit"]}\n', "There is no message of type ['fit']."),
        (b'{"v": 1, "type": "fit"}\n', "The message 'fit' has job = None, expected a value of type str."),
        (b'{"v": 1, "type": "fit", "job": 7}\n', "The message 'fit' has job = 7, expected a value of type str."),
        (b'{"v": 1, "x": "' + b"x" * (3 * MAX_LINE_BYTES) + b'"}\n', f"A message of over {MAX_LINE_BYTES} bytes came"),
    ],
)
def test_garbage_is_answered_and_survived(pipes, line, text):
    pipes.send(line + encode("ping"))
    error = pipes.next()
    assert (error["type"], error["code"]) == ("error", "WorkerError")
    assert text in f"{error['message']} {error['hint']}"
    assert "job" not in error
    assert pipes.next()["type"] == "pong"


def test_ping_is_answered_in_the_middle_of_a_fit(pipes, tmp_path):
    pipes.send(encode("fit", job=str(make_job(tmp_path / "job", "slow").folder)))
    pipes.next("progress")
    pipes.send(encode("ping"))
    assert pipes.next("pong")


def test_jobs_wait_for_each_other_and_each_can_be_cancelled(pipes, tmp_path):
    first, second, third = (str(make_job(tmp_path / name, name).folder) for name in ("slow", "walk", "fast"))
    for job in (first, second, third):
        pipes.send(encode("fit", job=job))
    pipes.next("progress")
    pipes.send(encode("cancel", job="no such job") + encode("cancel", job=second) + encode("cancel", job=first))
    ends = [pipes.next("error"), pipes.next("error"), pipes.next("result")]
    assert [end["job"] for end in ends] == [first, second, third]
    assert [end.get("code") for end in ends] == ["FitCancelled", "FitCancelled", None]


def test_progress_comes_ten_times_a_second_at_most(pipes, tmp_path):
    pipes.send(encode("fit", job=str(make_job(tmp_path / "job", "slow").folder)))
    pipes.next("progress")
    told, end = 0, time.monotonic() + 1.0
    while time.monotonic() < end:
        told += pipes.next()["type"] == "progress"
    assert 5 <= told <= 11  # of 50 iterations


@pytest.mark.parametrize("how", ["end of stdin", "quit"])
@pytest.mark.parametrize("name", ["slow", "hang", None])
def test_the_worker_goes(pipes, tmp_path, how, name):
    job = None
    if name:
        job = make_job(tmp_path / "job", name)
        pipes.send(encode("fit", job=str(job.folder)))
        pipes.next("progress")
    asked = time.monotonic()
    if how == "quit":
        pipes.send(encode("quit"))
    else:
        pipes.process.stdin.close()
    assert pipes.process.wait(10) == 0
    assert time.monotonic() - asked < (4 if name == "hang" else 1.5)
    assert job is None or sorted(path.name for path in job.folder.iterdir()) == ["input.npz", "request.json"]
