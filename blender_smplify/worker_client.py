"""The client of the worker: gives it jobs, hears what it says, stops it. It knows nothing of Blender."""

import atexit
import logging
import time
from collections.abc import Callable
from pathlib import Path

from .core import FITTING_FOLDER, FitCancelled, FitJob, FittingError, Progress, PythonError, WorkerError, protocol
from .environment import PYTHON_HINT
from .worker_process import WorkerProcess, exit_reason

logger = logging.getLogger(__name__)

WORKER_SCRIPT = FITTING_FOLDER / "worker.py"
HELLO_SECONDS = 120.0
"""How long a worker may take to start: importing PyTorch from a cold disk takes long."""

GRACE_SECONDS = 5.0
"""How long a fit may take to stop when it is asked to, and a worker to quit."""


class WorkerClient:
    """One worker process, started when it is needed and kept warm.

    `fit` and `cancel` return at once. `poll`, called a few times a second, hands out what the worker says: messages of
    `protocol.EVENTS`. Whatever goes wrong arrives there as an `error`, the death of the worker too. `wait` blocks instead.

    Args:
        python: The Python that has PyTorch.
        log_path: File for what the worker prints; written anew at each start.
        worker_script: The program to run.
        hello_seconds: How long to wait for its first word.

    Attributes:
        hello: What the worker has said of itself: `versions` and `devices`; None until it has started.
        job: Folder of the job that is running or waiting, or None.
    """

    def __init__(
        self, python: str | Path, log_path: str | Path, worker_script: str | Path = WORKER_SCRIPT, hello_seconds: float = HELLO_SECONDS
    ) -> None:
        self.python = Path(python)
        self.log_path = Path(log_path).absolute()
        self.worker_script = Path(worker_script).absolute()
        self.hello_seconds = hello_seconds
        self.hello: protocol.Message | None = None
        self.job: str | None = None
        self._process: WorkerProcess | None = None
        self._hello_by = 0.0
        self._is_cancelled = False
        self._may_restart = False

    @property
    def state(self) -> str:
        """What the worker does: "stopped", "starting", "ready", "fitting" or "cancelling"."""
        if self._process is None:
            return "stopped"
        if self._is_cancelled:
            return "cancelling"
        if self.hello is None:
            return "starting"
        return "ready" if self.job is None else "fitting"

    @property
    def pid(self) -> int | None:
        """Number of the worker's process, if there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the worker if it is not there.

        Raises:
            PythonError: The Python cannot be started.
            WorkerError: The log cannot be written.
        """
        if self._process is None:
            self._process = WorkerProcess(self.python, self.worker_script, self.log_path)
            self._hello_by = time.monotonic() + self.hello_seconds
            atexit.register(self.close)

    def fit(self, job_folder: str | Path) -> None:
        """Asks for the fit of a job folder that `FitJob.write` has filled; starts the worker if need be.

        Raises:
            WorkerError: A fit is running already, or the log cannot be written.
            PythonError: The Python cannot be started.
        """
        if self.job is not None:
            raise WorkerError("A fit is running already.", "Wait for it, or cancel it.")
        self.start()
        self.job = str(FitJob(job_folder).folder)
        self._may_restart = True
        self._send("fit", job=self.job)

    def cancel(self, grace: float = GRACE_SECONDS) -> None:
        """Asks the fit to stop. A worker that has not obeyed after `grace` seconds is ended. `poll` tells when it is done."""
        if self.job is not None and self._process is not None and not self._is_cancelled:
            self._is_cancelled = True
            self._process.end_within(grace)
            self._send("cancel", job=self.job)

    def ask_devices(self) -> None:
        """Asks a running worker for its devices and their free memory: a `devices` message will come, and `hello` is updated."""
        self._send("devices")

    def poll(self, timeout: float = 0.0) -> list[protocol.Message]:
        """What the worker has said since the last call, oldest first.

        Args:
            timeout: Seconds to wait for the first message.
        """
        messages: list[protocol.Message] = []
        while self._process is not None and (line := self._process.receive(0.0 if messages else timeout)) is not None:
            messages += self._hear(line)
        return messages + self._look_after()

    def wait(self, job_folder: str | Path, on_progress: Callable[[Progress], None] | None = None) -> Path:
        """Fits a job and waits for it, for scripts. Ctrl-C stops the fit.

        Args:
            job_folder: What `FitJob.write` has filled.
            on_progress: Called with the progress; it stops the fit by raising `FitCancelled`.

        Returns:
            The file of the result, for `FitResult.load`.

        Raises:
            FittingError: What the fitter has raised, of the same class; `PythonError` or `WorkerError` if the worker cannot work.
            FitCancelled: The fit was stopped.
            UnexpectedError: A bug of the fitter.
        """
        self.fit(job_folder)
        try:
            while True:
                for message in self.poll(timeout=0.1):
                    if message["type"] == "progress" and on_progress:
                        on_progress(_progress(message))
                    elif message["type"] == "warning":
                        logger.warning("%s", message["message"])
                    elif message["type"] == "error":
                        raise protocol.raised_error(message)
                    elif message["type"] == "result":
                        return Path(message["path"])
        finally:
            self.cancel()  # a job is left only if an exception has ended the loop
            while self.job is not None:
                self.poll(timeout=0.1)

    def close(self, grace: float = GRACE_SECONDS) -> None:
        """Ends the worker, also in the middle of a fit; returns when it is gone."""
        self._send("quit")
        self._forget(grace)
        self._end_job()

    def _send(self, kind: str, **fields: str) -> None:
        if self._process is not None:
            self._process.send(protocol.encode(kind, **fields))

    def _hear(self, line: bytes) -> list[protocol.Message]:
        try:
            message = protocol.decode(line, protocol.EVENTS)
        except WorkerError as error:
            what = f"{str(self.python)!r} does not run this fitter: {error.message}"
            return self._give_up(WorkerError(what, error.hint or PYTHON_HINT))
        kind, job = message["type"], message.get("job")
        if job is not None and job != self.job:
            return []  # a late word on a job that has ended
        self._may_restart &= job is None
        if kind == "hello":
            self.hello = message
        elif kind == "devices" and self.hello:
            self.hello["devices"] = message["devices"]
        elif kind == "error" and self.hello is None:  # it cannot work, has said why, and is about to go
            message["job"] = self.job
            self._forget()
            self._end_job()
        elif kind == "result" or (kind == "error" and job):
            self._end_job()
        return [message]

    def _look_after(self) -> list[protocol.Message]:
        """What the worker cannot say itself: that it is dead, or does not answer."""
        if self._process is None:
            return []
        self._process.enforce()
        exit_code = self._process.exit_code
        if exit_code is None:
            if self.hello is None and time.monotonic() > self._hello_by:
                return self._give_up(
                    PythonError(f"{str(self.python)!r} did not answer within {self.hello_seconds:g} seconds.", PYTHON_HINT)
                )
            return []
        if self._is_cancelled:
            return self._give_up(FitCancelled())
        if self.hello and (self.job is None or self._may_restart):
            return self._restart()
        what = "has stopped unexpectedly" if self.hello else "did not start"
        words = self._process.last_words()
        hint = f"Its last words, from {str(self.log_path)!r}:\n{words}" if words else PYTHON_HINT
        return self._give_up(WorkerError(f"The worker {what} ({exit_reason(exit_code)}).", hint))

    def _restart(self) -> list[protocol.Message]:
        """An idle worker has gone. If that was when a job came, a new one gets the job, once."""
        job = self.job
        self._forget()
        self._end_job()
        if job is not None:
            try:
                self.fit(job)
            except FittingError as error:
                return [{"type": "error", "job": job, **protocol.error_fields(error)}]
            self._may_restart = False
        return []

    def _give_up(self, error: Exception) -> list[protocol.Message]:
        """Ends the process, and with it the job; gives the message that says why."""
        message = {"type": "error", "job": self.job, **protocol.error_fields(error)}
        self._forget()
        self._end_job()
        return [message]

    def _forget(self, grace: float = 0.0) -> None:
        if self._process is not None:
            self._process.end(grace)
            atexit.unregister(self.close)
        self._process = self.hello = None

    def _end_job(self) -> None:
        if self._process is not None:
            self._process.end_within(None)
        self.job = None
        self._is_cancelled = False


def _progress(message: protocol.Message) -> Progress:
    loss = message.get("loss")
    return Progress(
        stage=message["stage"],
        n_stages=message["n_stages"],
        iteration=message["iteration"],
        n_iterations=message["n_iterations"],
        loss=float("nan") if loss is None else loss,
        terms=message.get("terms") or {},
        fraction=message["fraction"],
    )
