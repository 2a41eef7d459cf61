"""A Python environment with PyTorch that the extension builds for itself, in a folder of the user; Blender's own Python is left alone."""

import contextlib
import functools
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from .core import PythonError, atomic_path, did_you_mean
from .environment import REQUIREMENTS, is_python, probe, python_at, user_data_folder
from .environment_build import EnvironmentBuild, Step

MARKER = "smplify-environment.json"
"""Written when the environment is complete and has passed its test."""

LOG = "build.log"
PARTS = ("venv", "tools", "python", "cache")
"""The folders that a build makes: all that `remove` deletes."""

NEEDED_GB, NEEDED_GB_WITH_GPU = 3.0, 10.0
"""Room that a build takes while it unpacks."""

PYTHON_VERSION = "3.12"
"""The Python that `uv` looks for or downloads if the user names none."""

TORCH_INDEX = "https://download.pytorch.org/whl/"
BACKENDS = {
    "auto": "Automatic: what suits the graphics card",
    "cpu": "CPU only (about 1 GB)",
    "cu130": "NVIDIA, CUDA 13.0: driver 580 or newer",
    "cu128": "NVIDIA, CUDA 12.8: driver 570 or newer",
    "cu126": "NVIDIA, CUDA 12.6: driver 560 or newer",
    "rocm6.4": "AMD, ROCm 6.4 (Linux)",
    "xpu": "Intel graphics",
}
"""Builds of PyTorch, with a line for menus. On a Mac there is one build, which uses its graphics processor."""

# Runs pip from the wheel that comes with Python where pip is not installed, as in Blender: nothing is added to that Python.
_RUN_PIP = """
import importlib.util, pathlib, runpy, sys
if importlib.util.find_spec("pip") is None:
    import ensurepip
    sys.path.insert(0, str(next(pathlib.Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))))
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


class ManagedEnvironment:
    """The environment of one folder: built, looked at, removed.

    Args:
        folder: Where it is; a folder of this user by default.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder).expanduser().absolute() if folder else user_data_folder() / "environment"
        self.python = venv_python(self.folder / "venv")

    @property
    def is_ready(self) -> bool:
        """Whether it was built to the end and is still there."""
        return bool(self.contents()) and self.python.is_file()

    def contents(self) -> dict[str, Any]:
        """What the finished build has noted: `summary`, `python`, `torch`, `backend`; empty if there is no environment."""
        with contextlib.suppress(OSError, ValueError):
            contents = json.loads((self.folder / MARKER).read_text(encoding="utf-8"))
            return contents if isinstance(contents, dict) else {}
        return {}

    def size(self) -> int:
        """Bytes on disk."""
        paths = (Path(folder, file) for part in PARTS for folder, _, files in os.walk(self.folder / part) for file in files)
        return sum(path.lstat().st_size for path in paths)

    def remove(self) -> None:
        """Deletes what was built, and nothing else that may be in the folder.

        Raises:
            PythonError: A file is in use or may not be deleted.
        """
        try:
            (self.folder / MARKER).unlink(missing_ok=True)
            for part in PARTS:
                if (self.folder / part).is_dir():
                    shutil.rmtree(self.folder / part)
            (self.folder / LOG).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other files are in it, or there is no folder
                self.folder.rmdir()
        except OSError as error:
            raise PythonError(
                f"The environment cannot be removed ({error}).", "Stop the fit, close other Blenders, and try again."
            ) from error

    def build(self, backend: str = "auto", base_python: str | Path | None = None) -> EnvironmentBuild:
        """Starts to build the environment anew; returns at once.

        Args:
            backend: A name of `BACKENDS`.
            base_python: The Python to build on; by default one that is found or downloaded.

        Raises:
            PythonError: Unknown backend, no such Python, or a folder without enough room.
        """
        if backend not in BACKENDS:
            raise PythonError(f"There is no PyTorch backend {backend!r}.", did_you_mean(backend, BACKENDS))
        base = python_at(base_python) if base_python else None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free / 1e9
        except OSError as error:
            raise PythonError(f"The folder {str(self.folder)!r} cannot be made ({error.strerror}).", "Choose another folder.") from error
        needed = NEEDED_GB if backend == "cpu" else NEEDED_GB_WITH_GPU
        if free < needed:
            raise PythonError(
                f"{str(self.folder)!r} has {free:.1f} GB free, PyTorch needs {needed:g} GB.", "Make room, or choose another folder."
            )
        return EnvironmentBuild(functools.partial(self._build, backend, base), self.folder / LOG)

    def _build(self, backend: str, base_python: Path | None, build: EnvironmentBuild) -> None:
        venv, tools, cache = (self.folder / part for part in ("venv", "tools", "cache"))
        (self.folder / MARKER).unlink(missing_ok=True)
        shutil.rmtree(venv, ignore_errors=True)
        variables = {"UV_CACHE_DIR": str(cache), "UV_PYTHON_INSTALL_DIR": str(self.folder / "python"), "PIP_CACHE_DIR": str(cache)}
        uv = find_uv(tools) or self._fetch_uv(build, base_python)
        if uv is not None:
            steps = uv_steps(uv, venv, backend, base_python)
        elif base_python is not None:
            steps = pip_steps(venv, backend, base_python)
        else:
            raise PythonError("The installer uv cannot be fetched.", "Install uv, or choose a Python to build on.")
        for step in steps:
            build.run(step, variables)
        build.say("Testing")
        info = probe(self.python)
        build.check()
        shutil.rmtree(cache, ignore_errors=True)
        contents = {"summary": info.summary(), "python": info.python, "torch": info.torch, "backend": backend}
        with atomic_path(self.folder / MARKER) as temporary:
            temporary.write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
        build.say(info.summary())

    def _fetch_uv(self, build: EnvironmentBuild, base_python: Path | None) -> Path | None:
        python = base_python or (Path(sys.executable) if is_python(sys.executable) else None)
        if python is None:
            return None
        tools = self.folder / "tools"
        try:
            build.run(fetch_uv_step(python, tools))
        except PythonError as error:  # it is only the faster way
            build.say(str(error))
        return find_uv(tools)


def find_uv(tools: Path) -> Path | None:
    """The installer `uv`: the one that was fetched, else the one of this machine."""
    fetched = shutil.which("uv", path=os.pathsep.join(str(tools / name) for name in ("bin", "Scripts")))
    found = fetched or shutil.which("uv")
    return Path(found) if found else None


def fetch_uv_step(python: Path, tools: Path) -> Step:
    """Puts the installer `uv` into a folder of its own, with the pip of any Python."""
    return Step("Fetching uv", (str(python), "-I", "-c", _RUN_PIP, "install", "--upgrade", "--target", str(tools), "uv>=0.8"), 0.05)


def uv_steps(uv: Path, venv: Path, backend: str, base_python: Path | None) -> list[Step]:
    """Makes the environment with `uv`, which also downloads a Python if there is none."""
    python = PYTHON_VERSION if base_python is None else str(base_python)
    quiet = ("--no-config", "--no-progress")
    torch = () if backend == "auto" and sys.platform == "darwin" else ("--torch-backend", backend)
    install = (str(uv), "pip", "install", *quiet, "--python", str(venv_python(venv)), "--only-binary", ":all:", *torch, *REQUIREMENTS)
    return [
        Step("Creating the environment", (str(uv), "venv", *quiet, "--no-project", "--python", python, str(venv)), 0.1),
        Step("Installing PyTorch", install, 0.75),
    ]


def pip_steps(venv: Path, backend: str, base_python: Path) -> list[Step]:
    """Makes the environment with what comes with every Python."""
    install = (str(venv_python(venv)), "-I", "-m", "pip", "install", "--progress-bar", "off", "--only-binary", ":all:")
    others = tuple(requirement for requirement in REQUIREMENTS if not requirement.startswith("torch"))
    torch = tuple(requirement for requirement in REQUIREMENTS if requirement.startswith("torch"))
    index = () if backend == "auto" else ("--index-url", TORCH_INDEX + backend)
    return [
        Step("Creating the environment", (str(base_python), "-I", "-m", "venv", str(venv)), 0.1),
        Step("Installing NumPy", (*install, *others), 0.05),
        Step("Installing PyTorch", (*install, *index, *torch), 0.7),
    ]


def venv_python(venv: Path) -> Path:
    """The Python of an environment."""
    return venv / "Scripts" / "python.exe" if sys.platform == "win32" else venv / "bin" / "python"
