"""Runs the commands that build an environment, in a thread of its own: with a log, a fraction, and a way to stop."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .core import FitCancelled, PythonError
from .environment import isolated

LAST_LINES = 8
"""Lines of output that an error quotes."""


@dataclass(frozen=True)
class Step:
    """One command of a build.

    Attributes:
        title: What it does, for people.
        command: Program and arguments.
        share: Its part of the time of the whole build, 0 to 1.
    """

    title: str
    command: tuple[str, ...]
    share: float


class EnvironmentBuild:
    """A build that runs. Ask it a few times a second; it knows nothing of Blender.

    Args:
        work: What is done, in the thread: it calls `run` and `say` of the build. A `FittingError` that it raises ends the build.
        log_path: File for the output of all commands; written anew.

    Attributes:
        title: What is being done.
        fraction: How much of the build is done, 0 to 1.
        error: Why the build has failed, or None.
    """

    def __init__(self, work: Callable[["EnvironmentBuild"], None], log_path: Path) -> None:
        self.title = "Starting"
        self.fraction = 0.0
        self.error: Exception | None = None
        self._work = work
        self._log_path = log_path
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process: subprocess.Popen[str] | None = None
        self._is_cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="environment build", daemon=True)
        self._thread.start()

    @property
    def state(self) -> str:
        """How it stands: "running", "done", "failed" or "cancelled"."""
        if self._thread.is_alive():
            return "running"
        if self.error is None:
            return "done"
        return "cancelled" if isinstance(self.error, FitCancelled) else "failed"

    def poll(self) -> list[str]:
        """The lines of output since the last call."""
        lines = []
        with contextlib.suppress(queue.Empty):
            while True:
                lines.append(self._lines.get_nowait())
        return lines

    def cancel(self) -> None:
        """Stops the build; what it has made so far stays unfinished, and a new build begins anew."""
        self._is_cancelled.set()
        if self._process is not None:
            _kill(self._process)

    def wait(self, on_line: Callable[[str], None] | None = None) -> None:
        """Waits for the end; Ctrl-C stops the build.

        Raises:
            PythonError: The build has failed.
            FitCancelled: It was stopped.
        """
        try:
            while self._thread.is_alive():
                self._thread.join(0.1)
                for line in self.poll():
                    if on_line is not None:
                        on_line(line)
        except BaseException:
            self.cancel()
            self._thread.join()
            raise
        if self.error is not None:
            raise self.error

    def run(self, step: Step, variables: Mapping[str, str] | None = None) -> None:
        """Runs one command to its end; for the thread.

        Args:
            step: The command.
            variables: Further environment variables.

        Raises:
            PythonError: It cannot be started, or has failed.
            FitCancelled: The build was stopped.
        """
        self.check()
        self.title, start = step.title, self.fraction
        shown = (part for part in step.command if "\n" not in part)  # no programs that are given as text
        self.say(f"{step.title}: {' '.join(shown)}")
        options = isolated()
        options["env"] |= variables or {}
        try:
            process = subprocess.Popen(
                step.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._log_path.parent,
                encoding="utf-8",
                errors="replace",
                **options,
            )
        except OSError as error:
            raise PythonError(f"{step.title} failed: {step.command[0]!r} cannot be started ({error.strerror}).", self._hint()) from error
        self._process = process
        if self._is_cancelled.is_set():  # it came before there was a process to end
            _kill(process)
        last: deque[str] = deque(maxlen=LAST_LINES)
        assert process.stdout is not None
        with process.stdout:
            for n, line in enumerate(process.stdout, start=1):
                self.say(line.rstrip())
                last.append(line.rstrip())
                self.fraction = start + step.share * n / (n + 10)  # how many lines will come is not known
        exit_code = process.wait()
        self._process = None
        self.check()
        if exit_code != 0:
            raise PythonError(f"{step.title} failed (exit code {exit_code}).", "\n".join([*last, self._hint()]))
        self.fraction = start + step.share

    def say(self, line: str) -> None:
        """Adds a line to the log; for the thread."""
        self._lines.put(line)
        self._log.write(line + "\n")
        self._log.flush()

    def check(self) -> None:
        """Raises `FitCancelled` if the build shall stop; for the thread."""
        if self._is_cancelled.is_set():
            raise FitCancelled("The build was stopped.")

    def _run(self) -> None:
        try:
            with self._log_path.open("w", encoding="utf-8") as self._log:
                self._work(self)
            self.title, self.fraction = "Done", 1.0
        except OSError as error:
            self.error = PythonError(f"The environment cannot be written ({error}).", "Choose another folder, or make room.")
        except Exception as error:  # whatever it is, it must reach the one who asks, not end unseen with the thread
            self.error = error

    def _hint(self) -> str:
        return f"The whole log is in {str(self._log_path)!r}."


def _kill(process: subprocess.Popen[str]) -> None:
    """Ends a command and, where the system has groups of processes, what it has started; what it was making is discarded anyway."""
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
