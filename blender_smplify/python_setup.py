"""The Python that has PyTorch, as the preferences show it: looked for, tested, built and removed without blocking Blender."""

import queue
import threading
from dataclasses import dataclass
from pathlib import Path

import bpy

from .core import FittingError
from .environment import find_python, probe
from .environment_build import EnvironmentBuild
from .managed_environment import ManagedEnvironment

POLL_SECONDS = 0.2


@dataclass
class State:
    """What the preferences and the panel show.

    Attributes:
        chosen: The Python that the user has chosen.
        python: The Python that a fit would use, or None.
        problem: Why there is none.
        is_testing: Whether a Python is being tested.
        test: What the last test has found; empty if there was none.
        is_good: Whether that was good news.
        managed: What is in the environment that the extension has built; empty if there is none.
        build: The build that runs, or has ended.
    """

    chosen: str | None = None
    python: Path | None = None
    problem: str = ""
    is_testing: bool = False
    test: str = ""
    is_good: bool = False
    managed: str = ""
    build: EnvironmentBuild | None = None

    @property
    def is_building(self) -> bool:
        """Whether a build runs."""
        return self.build is not None and self.build.state == "running"


state = State()
_findings: queue.SimpleQueue[tuple[bool, str]] = queue.SimpleQueue()


def managed_python() -> Path | None:
    """The Python of the environment that the extension has built, if it is complete."""
    environment = ManagedEnvironment()
    return environment.python if environment.is_ready else None


def refresh(chosen: str | None) -> None:
    """Looks again which Python a fit would use. Reads the disk, runs nothing."""
    environment = ManagedEnvironment()
    state.chosen = chosen
    state.managed = environment.contents().get("summary", "") if environment.is_ready else ""
    state.test = ""
    try:
        state.python, state.problem = find_python(chosen, managed_python()), ""
    except FittingError as error:
        state.python, state.problem = None, str(error)


def start_test() -> None:
    """Tests the Python that a fit would use, in the background: importing PyTorch takes seconds.

    Raises:
        PythonError: There is none.
    """
    python = find_python(state.chosen, managed_python())
    state.is_testing = True
    threading.Thread(target=_test, args=(python,), name="test of a Python", daemon=True).start()
    _start_to_listen()


def start_build(backend: str) -> None:
    """Builds the environment, in the background.

    Raises:
        PythonError: It cannot be begun.
    """
    state.build = ManagedEnvironment().build(backend)
    _start_to_listen()


def remove() -> None:
    """Deletes the environment.

    Raises:
        PythonError: A file is in use.
    """
    ManagedEnvironment().remove()
    state.build = None
    refresh(state.chosen)


def stop() -> None:
    """Stops what runs."""
    if state.build is not None:
        state.build.cancel()
    if bpy.app.timers.is_registered(_listen):
        bpy.app.timers.unregister(_listen)


def _test(python: Path) -> None:
    """Runs in a thread: no bpy here."""
    try:
        _findings.put((True, f"{python}: {probe(python).summary()}"))
    except FittingError as error:
        _findings.put((False, str(error)))


def _start_to_listen() -> None:
    if not bpy.app.timers.is_registered(_listen):
        bpy.app.timers.register(_listen, first_interval=POLL_SECONDS, persistent=True)


def _listen() -> float | None:
    if not _findings.empty():
        state.is_good, state.test = _findings.get()
        state.is_testing = False
    is_over = not state.is_building
    if state.build is not None:
        state.build.poll()  # empties the queue; the log has the lines too
        if is_over and not state.managed:
            refresh(state.chosen)
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()
    return POLL_SECONDS if state.is_testing or not is_over else None
