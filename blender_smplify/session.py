"""The fits of this Blender session: one worker that stays warm, one fit at a time, heard by a timer.

Nothing here keeps a Blender object: undo and loading a file replace them all. A track is known by the name of its object.
"""

import contextlib
import itertools
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from . import preferences, python_setup
from .core import FitJob, FitResult, FittingError, Progress, protocol
from .environment import find_python, python_at
from .fit_request import Request
from .worker_client import WorkerClient

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.15
CLOSE_SECONDS = 1.0
"""How long the worker may take to go when Blender closes."""


@dataclass
class State:
    """What the panel shows.

    Attributes:
        running: The fit that runs.
        waiting: Those that come after it.
        finished: Results that are not in the scene yet, with their requests.
        fraction: How much of the running fit is done, 0 to 1.
        text: What it is doing.
        message: How the last fit ended, where it did not end well.
    """

    running: Request | None = None
    waiting: list[Request] = field(default_factory=list)
    finished: list[tuple[Request, FitResult]] = field(default_factory=list)
    fraction: float = 0.0
    text: str = ""
    message: str = ""
    is_cancelling: bool = False


state = State()
_client: WorkerClient | None = None
_job_numbers = itertools.count(1)


def client(python: str | Path | None = None) -> WorkerClient:
    """The worker's client; another Python than before gets another worker.

    Args:
        python: The Python that has PyTorch; that of the preferences by default.

    Raises:
        PythonError: No Python with PyTorch is known.
    """
    global _client  # noqa: PLW0603 - the one worker of the session
    path = python_at(python) if python else find_python(preferences.python_path(), python_setup.managed_python())
    if _client is not None and _client.python != path:
        close()
    if _client is None:
        _client = WorkerClient(path, preferences.user_folder("logs", create=True) / "worker.log")
    return _client


def fit_now(request: Request, python: str | Path | None = None, on_progress: Callable[[Progress], None] | None = None) -> FitResult:
    """Fits and waits for it.

    Raises:
        FittingError: What the fitter has raised, of the same class.
        FitCancelled: `on_progress` has raised it.
    """
    path = client(python).wait(_write_job(request), on_progress)
    return FitResult.load(path)


def start(requests: list[Request]) -> None:
    """Starts one fit after the other, and returns at once.

    Raises:
        FittingError: The first one cannot be started.
    """
    state.message = ""
    first, *state.waiting = requests
    _start(first)
    if not bpy.app.timers.is_registered(_listen):
        bpy.app.timers.register(_listen, first_interval=POLL_SECONDS, persistent=True)


def close() -> None:
    """Ends the worker."""
    global _client  # noqa: PLW0603
    if _client is not None:
        _client.close(CLOSE_SECONDS)
        _client = None


def cancel() -> None:
    """Stops the running fit and forgets those that wait."""
    state.waiting.clear()
    if _client is not None and state.running is not None:
        state.is_cancelling = True
        state.text = "Stopping"
        _client.cancel()


def progress_text(message: dict[str, Any]) -> str:
    """What a `progress` message says, for people."""
    text = f"Stage {message['stage'] + 1}/{message['n_stages']}, iteration {message['iteration']}/{message['n_iterations']}"
    eta = message.get("eta")
    return f"{text}, {_duration(eta)} left" if eta and eta >= 1 else text


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _write_job(request: Request) -> Path:
    # Blender empties this folder when it closes.
    folder = Path(bpy.app.tempdir or tempfile.gettempdir()) / "smplify" / f"job-{next(_job_numbers)}"
    FitJob(folder).write(request.track, request.preset, request.body, request.gender, request.device)
    return folder


def _start(request: Request) -> None:
    client().fit(_write_job(request))
    state.running, state.fraction, state.is_cancelling = request, 0.0, False
    state.text = "Fitting" if client().hello else "Starting PyTorch"


def _listen() -> float | None:
    """The timer: takes what the worker says, and asks to be called again while a fit runs."""
    if _client is None or state.running is None:
        return None
    try:
        for message in _client.poll():
            _hear(message)
    except Exception:
        logger.exception("The messages of the worker could not be handled.")
        _fail("The fit has ended unexpectedly; the system console has the details.")
    _redraw()
    return POLL_SECONDS if state.running else None


def _hear(message: dict[str, Any]) -> None:
    request = state.running
    if request is None:
        return
    kind = message["type"]
    if kind == "hello":
        state.text = "Fitting"
    elif kind == "progress" and not state.is_cancelling:
        state.fraction, state.text = message["fraction"], progress_text(message)
    elif kind == "warning":
        logger.warning("%s", message["message"])
    elif kind == "error":
        if message.get("traceback"):
            logger.error("%s", message["traceback"])
        _fail("" if message["code"] == protocol.CANCELLED else f"{message['message']} {message['hint']}".strip())
    elif kind == "result":
        if state.is_cancelling:  # it was done before it heard of it
            _fail("")
            return
        try:
            state.finished.append((request, FitResult.load(message["path"])))
        except FittingError as error:
            _fail(str(error))
            return
        _next()
        _apply()


def _next() -> None:
    state.running = None
    if state.waiting:
        try:
            _start(state.waiting.pop(0))
        except FittingError as error:
            _fail(str(error))


def _fail(message: str) -> None:
    """Ends the running fit without a result; an empty message means that the user wanted it."""
    state.running, state.message, state.is_cancelling = None, message, False
    state.waiting.clear()
    if message and not bpy.app.background:
        with _window():
            bpy.context.window_manager.popup_menu(lambda menu, _: _draw_lines(menu.layout, message), title="SMPLify", icon="ERROR")


def _draw_lines(layout: bpy.types.UILayout, text: str) -> None:
    for line in text.splitlines():
        layout.label(text=line)


def _apply() -> None:
    """Puts the result into the scene, by an operator: one step that can be undone."""
    try:
        with _window():
            bpy.ops.smplify.apply_result("EXEC_DEFAULT", True)
    except RuntimeError as error:  # what the operator has reported
        state.message = str(error).removeprefix("Error: ").strip()


def _window() -> contextlib.AbstractContextManager[Any]:
    """A timer has no window, but operators and menus want one."""
    windows = bpy.context.window_manager.windows
    return bpy.context.temp_override(window=windows[0]) if len(windows) else contextlib.nullcontext()


def _redraw() -> None:
    """Draws the sidebars anew, and not the scenes beside them, which take much longer."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if area.type == "VIEW_3D" and region.type == "UI":
                    region.tag_redraw()


@bpy.app.handlers.persistent
def _forget_file(*_: Any) -> None:
    """Another file is about to be opened: what runs belongs to the old one."""
    cancel()
    state.finished.clear()
    state.message = ""


def register() -> None:
    """Starts to listen for the opening of files."""
    bpy.app.handlers.load_pre.append(_forget_file)


def unregister() -> None:
    """Undoes `register`, and ends the worker."""
    global state  # noqa: PLW0603
    bpy.app.handlers.load_pre.remove(_forget_file)
    if bpy.app.timers.is_registered(_listen):
        bpy.app.timers.unregister(_listen)
    close()
    state = State()
