"""A worker as a process: bytes in, lines out, and how it ended. What the lines mean is the matter of `worker_client`."""

import contextlib
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

from .core import PythonError, WorkerError, protocol
from .environment import PYTHON_HINT, isolated

KILL_SECONDS = 2.0
"""How long a terminated process may take to end before it is killed."""

MAX_WAITING = 100_000
"""Lines that are kept until they are asked for: hours of progress. The worker waits when there are more."""

LOG_TAIL = 1500
"""Bytes of the log that are shown when the worker has died."""


class WorkerProcess:
    """A running worker. No method but `end` waits for it.

    Args:
        python: The Python to run.
        script: The program to run.
        log_path: File for what the program prints to stderr; written anew.

    Raises:
        PythonError: The Python cannot be started.
        WorkerError: The log cannot be written.
    """

    def __init__(self, python: Path, script: Path, log_path: Path) -> None:
        self._log_path = log_path
        try:
            log_path.parent.mkdir(parents=True, exist_ok=True)
            log = log_path.open("wb")
        except OSError as error:
            raise WorkerError(f"The log {str(log_path)!r} cannot be written ({error.strerror}).", "Choose another folder.") from error
        command = [str(python), "-I", "-u", "-X", "utf8", str(script)]
        with log:
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=log_path.parent, **isolated()
                )
            except OSError as error:
                raise PythonError(f"{str(python)!r} cannot be started ({error.strerror}).", PYTHON_HINT) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._lines: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING)
        self._has_said_all = False
        self._force_at: float | None = None
        self._is_terminated = False
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), name="worker lines", daemon=True).start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the process lives or lines are left."""
        return self._process.poll() if self._has_said_all else None

    def send(self, line: bytes) -> None:
        """Writes a line to the worker; nothing happens if it is dead."""
        with contextlib.suppress(OSError, ValueError):
            self._stdin.write(line)
            self._stdin.flush()

    def receive(self, timeout: float = 0.0) -> bytes | None:
        """The next line of the worker, or None if none has come within `timeout` seconds."""
        if self._has_said_all:
            return None
        try:
            line = self._lines.get(timeout=timeout) if timeout > 0 else self._lines.get_nowait()
        except queue.Empty:
            return None
        self._has_said_all = line is None
        return line

    def end_within(self, seconds: float | None) -> None:
        """Sets a deadline, or takes it back: a process that lives longer is terminated, then killed, by `enforce`."""
        self._force_at = None if seconds is None else time.monotonic() + seconds

    def enforce(self) -> None:
        """To be called from time to time: ends a process whose deadline is over, or that is mute for good."""
        if self._has_said_all and self._force_at is None:
            self.end_within(KILL_SECONDS)
        if self._force_at is not None and time.monotonic() > self._force_at:
            self._process.kill() if self._is_terminated else self._process.terminate()
            self._is_terminated = True
            self.end_within(KILL_SECONDS)

    def end(self, grace: float = 0.0) -> None:
        """Ends the process and returns when it is gone; it has `grace` seconds to go by itself."""
        with contextlib.suppress(OSError):  # bytes for a dead process
            self._stdin.close()
        for seconds, force in ((grace, self._process.terminate), (KILL_SECONDS, self._process.kill), (KILL_SECONDS, self._process.kill)):
            try:
                self._process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                force()
        with contextlib.suppress(queue.Empty):
            while True:  # the reading thread may wait for room
                self._lines.get_nowait()

    def last_words(self) -> str:
        """The end of the log; empty if there is none."""
        with contextlib.suppress(OSError), self._log_path.open("rb") as log:
            log.seek(max(0, self._log_path.stat().st_size - LOG_TAIL))
            return log.read(LOG_TAIL).decode(errors="replace").strip()
        return ""


def exit_reason(exit_code: int) -> str:
    """How a process ended, for people: "exit code 1", "SIGSEGV"."""
    if exit_code >= 0:
        return f"exit code {exit_code}" if exit_code < 256 else f"exit code 0x{exit_code:08X}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-exit_code).name
        return f"{name}; the system may have run out of memory" if name == "SIGKILL" else name
    return f"signal {-exit_code}"


def _read(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    """All that the thread does: it moves lines, and marks their end."""
    with stream:
        for line in protocol.read_lines(stream):
            lines.put(line)
    lines.put(None)
