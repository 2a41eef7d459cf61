"""The worker: a process of its own that fits for Blender, so that PyTorch never runs in Blender.

It is started by its path, ``python -I -u .../fitting/worker.py``, or as ``python -m fitting.worker``. Messages are lines of JSON on stdin
and stdout (see `protocol`), arrays are files in a job folder (see `data.job`). End of stdin means: the other side is gone, quit.
"""

import contextlib
import functools
import importlib
import importlib.util
import logging
import os
import platform
import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - any Python may have been chosen in the preferences
        sys.exit(f"The fitter needs Python 3.11 or newer, but {sys.executable} is {platform.python_version()}.")
    _streams = (os.dup(0), os.dup(1))
    os.dup2(2, 1)  # before anything else is imported: what a chatty library prints goes to stderr, not into the protocol
    if not __package__:
        # Started by its path. The package is loaded by its own name without its parent folder on the path: inside the Blender
        # extension that folder holds modules with names such as "action", which must not hide modules of others.
        _spec = importlib.util.spec_from_file_location("fitting", Path(__file__).with_name("__init__.py"))
        assert _spec is not None
        assert _spec.loader is not None
        sys.modules["fitting"] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules["fitting"])
    _exit_code = importlib.import_module("fitting.worker").main(*_streams)
    sys.stderr.flush()
    os._exit(_exit_code)  # everything is written, and to take PyTorch down properly would take a second

from . import protocol
from .errors import DeviceError, FitCancelled, FittingError, PythonError, WorkerError
from .progress import Progress

logger = logging.getLogger(__name__)

IDLE_SECONDS = 600.0
"""How long the worker waits for work before it goes, which frees the memory of the device."""

LAST_SECONDS = 2.0
"""How long a running fit may take to stop after the other side has gone."""

MIN_INTERVAL = 0.1
"""Seconds between two progress messages."""


class Fitter(NamedTuple):
    """What the worker serves.

    Attributes:
        fit: `fitting.fit`.
        devices: `fitting.devices`.
        versions: Versions of what is in use, by name.
    """

    fit: Callable[..., Any]
    devices: Callable[[], list[dict[str, Any]]]
    versions: dict[str, str]


def load_fitter() -> Fitter:
    """The fitter of this Python; importing PyTorch takes seconds.

    Raises:
        PythonError: This Python has no NumPy or no PyTorch, or one that cannot be loaded.
    """
    modules = {}
    for name, shown in (("torch", "PyTorch"), ("numpy", "NumPy")):
        try:
            modules[name] = importlib.import_module(name)
        except (ImportError, OSError) as error:  # OSError: a shared library is missing
            is_missing = isinstance(error, ModuleNotFoundError) and error.name == name
            what = f"has no {shown}" if is_missing else f"cannot load its {shown} ({error})"
            raise PythonError(f"{sys.executable} {what}.", "Choose another Python, or press 'Build Environment'.") from error
    from .api import fit  # noqa: PLC0415 - these need PyTorch
    from .device import devices  # noqa: PLC0415
    from .kernels import kernels  # noqa: PLC0415

    kernels()  # they are loaded, or compiled, while nobody waits

    package = sys.modules[__package__ or "fitting"]
    versions = {"python": platform.python_version(), **{name: str(module.__version__) for name, module in modules.items()}}
    return Fitter(fit, devices, versions | {"fitting": str(getattr(package, "__version__", "unknown"))})


class ProgressReporter:
    """Passes the progress of one fit on: ten messages a second at most, but the last one of each stage always.

    Args:
        send: Sends a message: its kind and its fields.
        job: Folder of the job.
        is_cancelled: Whether the fit shall stop.
    """

    def __init__(self, send: Callable[..., None], job: str, is_cancelled: Callable[[], bool]) -> None:
        self._send = send
        self._job = job
        self._is_cancelled = is_cancelled
        self._started = time.monotonic()
        self._sent = -MIN_INTERVAL
        self._stage = -1
        self._waiting: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Reports one iteration.

        Raises:
            FitCancelled: The fit shall stop.
        """
        if self._is_cancelled():
            raise FitCancelled
        if progress.stage != self._stage:
            self.flush()
            self._stage = progress.stage
            self._send("stage", job=self._job, stage=progress.stage, n_stages=progress.n_stages, n_iterations=progress.n_iterations)
        self._waiting = progress
        if time.monotonic() - self._sent >= MIN_INTERVAL:
            self.flush()

    def flush(self) -> None:
        """Sends what was held back."""
        if self._waiting is None:
            return
        self._sent = time.monotonic()
        fraction = self._waiting.fraction
        eta = (self._sent - self._started) * (1 - fraction) / fraction if fraction > 0 else None
        self._send("progress", job=self._job, **self._waiting.to_dict(), eta=eta)
        self._waiting = None


@dataclass(eq=False)
class _Task:
    """A fit that was asked for: the folder of its job, and whether it shall stop."""

    job: str
    is_cancelled: bool = False


class Worker:
    """Serves one caller: reads its requests in a thread, fits in the main thread, one job after the other.

    Args:
        requests: Stream of requests; its end means quit.
        events: Stream for what the worker says.
        load: Loads the fitter.
        idle_seconds: How long to wait for work.
    """

    def __init__(self, requests: IO[bytes], events: IO[bytes], load: Callable[[], Fitter], idle_seconds: float) -> None:
        self._requests = requests
        self._events = events
        self._load = load
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._todo: queue.Queue[Callable[[Fitter], None] | None] = queue.Queue()
        self._tasks: list[_Task] = []
        self._is_quitting = False

    def run(self) -> int:
        """Serves until the caller quits or has nothing to do for long; gives the exit code."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        try:
            fitter = self._load()
            self._send("hello", protocol=protocol.PROTOCOL_VERSION, versions=fitter.versions, devices=fitter.devices(), pid=os.getpid())
        except Exception as error:
            self._send("error", **protocol.error_fields(error))
            return 2 if isinstance(error, PythonError) else 1
        while (work := self._next()) is not None:
            work(fitter)
        return 0

    def _read(self) -> None:
        for line in protocol.read_lines(self._requests):
            try:
                request = protocol.decode(line, protocol.REQUESTS)
            except WorkerError as error:
                self._send("error", **protocol.error_fields(error))
                continue
            kind = request["type"]
            if kind == "quit":
                break
            if kind == "ping":
                self._send("pong")
            elif kind == "cancel":
                for task in list(self._tasks):
                    task.is_cancelled |= task.job == request["job"]
            elif kind == "devices":
                self._todo.put(self._tell_devices)
            else:
                self._tasks.append(_Task(request["job"]))
                self._todo.put(functools.partial(self._fit, self._tasks[-1]))
        self._is_quitting = True
        self._todo.put(None)
        time.sleep(LAST_SECONDS)  # the process ends before, unless the fit hangs
        os._exit(0)

    def _next(self) -> Callable[[Fitter], None] | None:
        try:
            return self._todo.get(timeout=self._idle_seconds)
        except queue.Empty:
            logger.info("Nothing to do for %g seconds: goodbye.", self._idle_seconds)
            return None

    def _tell_devices(self, fitter: Fitter) -> None:
        self._send("devices", devices=fitter.devices())

    def _fit(self, task: _Task, fitter: Fitter) -> None:
        from .data.job import FitJob  # noqa: PLC0415 - it needs NumPy

        job = task.job
        report = ProgressReporter(self._send, job, lambda: self._is_quitting or task.is_cancelled)
        try:
            files = FitJob(job)
            request = files.read()
            logger.info("%s", request.summary())
            for warning in request.preset.warnings():
                self._send("warning", job=job, message=warning)
            result = fitter.fit(
                request.track,
                preset=request.preset,
                body=request.body,
                gender=request.gender,
                device=request.device,
                on_progress=report,
            )
            report.flush()
            result.save(files.result_path)
            self._send("result", job=job, path=str(files.result_path), summary=result.summary())
        except Exception as error:  # whatever it is, the caller is told, and the worker stays for the next job
            if not isinstance(error, FittingError | FitCancelled):
                logger.exception("The fit failed.")
            self._send("error", job=job, **protocol.error_fields(_explained(error)))
        finally:
            self._tasks.remove(task)

    def _send(self, kind: str, **fields: Any) -> None:
        line = protocol.encode(kind, **fields)
        with self._lock, contextlib.suppress(OSError):  # if the caller is gone, the reading thread is about to see it, and quits
            self._events.write(line)
            self._events.flush()


def main(stdin: int, stdout: int, load: Callable[[], Fitter] = load_fitter, idle_seconds: float = IDLE_SECONDS) -> int:
    """Serves the caller at the other end of two file descriptors.

    Args:
        stdin: Private copy of descriptor 0, for the requests.
        stdout: Private copy of descriptor 1, for the events; 1 itself must point at stderr by now.
        load: Loads the fitter.
        idle_seconds: How long to wait for work.

    Returns:
        The exit code: 0, or 2 if this Python cannot fit, or 1 for a bug.
    """
    sys.stdout = sys.stderr
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # a library that reads stdin must not swallow requests
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Unbuffered and never closed: a thread waits in it while the interpreter ends, which must not wait for that thread.
    requests = os.fdopen(stdin, "rb", buffering=0)
    with os.fdopen(stdout, "wb") as events:
        return Worker(requests, events, load, idle_seconds).run()


def _explained(error: Exception) -> Exception:
    """An error of too little memory as one that the user can mend; any other as it is."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # the second is that of PyTorch
        return DeviceError("The device has too little memory for this fit.", "Close other programs, choose the CPU, or fit fewer frames.")
    return error
