"""Finds the Python that has PyTorch, and says what is in it. Nothing of it is ever imported into this process."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .core import PythonError

MIN_PYTHON = (3, 11)
MIN_TORCH = (2, 6)
REQUIREMENTS = ("numpy>=1.26", "numba>=0.61", "scipy>=1.15", "threadpoolctl>=3.5", "torch>=2.6,<3")
"""What the worker needs, and what its compiled kernels need."""

PYTHON_HINT = "Choose another Python, or press 'Build Environment'."
PYTHON_VARIABLE = "SMPLIFY_PYTHON"
"""Environment variable with the Python to use."""

PROBE_SECONDS = 120.0
"""How long a Python may take to import PyTorch and to multiply a matrix on each device."""

_PROBE_MARK = "smplify-probe:"
_PROBE = r"""
import json, platform, sys
found = {"python": platform.python_version(), "executable": sys.executable, "devices": [], "broken": {}}
try:
    import torch
    found["torch"] = torch.__version__
    import numpy
    found["numpy"] = numpy.__version__
    found["cuda"] = torch.version.cuda or getattr(torch.version, "hip", None)
    names = {"cpu": platform.processor() or platform.machine()}
    for i in range(torch.cuda.device_count()):
        names["cuda:%d" % i] = torch.cuda.get_device_name(i)
    if torch.backends.mps.is_available():
        names["mps"] = "Apple GPU"
    for name in names:
        try:
            a = torch.eye(8, device=name)
            assert float((a @ a).sum()) == 8
            found["devices"].append([name, names[name]])
        except Exception as error:
            found["broken"][name] = str(error).strip().split("\n")[0]
except Exception as error:
    found["error"] = "%s: %s" % (type(error).__name__, error)
    found["missing"] = getattr(error, "name", None)
print("smplify-probe:" + json.dumps(found))
"""
"""Runs in the Python that is probed, whatever its age."""


@dataclass(frozen=True)
class PythonInfo:
    """A Python that can run the fitter.

    Attributes:
        executable: Its path.
        python: Its version.
        torch: Version of PyTorch.
        cuda: Version of CUDA or ROCm that PyTorch was built for, or None.
        devices: Names and descriptions of the devices that work: ("cuda:0", "NVIDIA ...").
        broken: Devices that are there but fail, with the reason.
    """

    executable: Path
    python: str
    torch: str
    cuda: str | None
    devices: tuple[tuple[str, str], ...]
    broken: tuple[tuple[str, str], ...] = ()

    def summary(self) -> str:
        """One line for the preferences."""
        devices = ", ".join(name for name, _ in self.devices)
        failing = "".join(f"; {name} fails: {reason}" for name, reason in self.broken)
        return f"Python {self.python}, PyTorch {self.torch}, devices: {devices}{failing}"


def find_python(chosen: str | Path | None = None, managed: Path | None = None) -> Path:
    """The Python to run the fitter with; it is not probed.

    The order: the chosen one, that of the variable SMPLIFY_PYTHON, this one if it has PyTorch, the managed one.

    Args:
        chosen: What the user has chosen: a Python, or the folder of an environment.
        managed: The Python of the managed environment, if it has been built.

    Raises:
        PythonError: None was found, or the chosen one is not there.
    """
    for path, origin in ((chosen, "the preferences"), (os.environ.get(PYTHON_VARIABLE), PYTHON_VARIABLE)):
        if path:
            return python_at(path, origin)
    if is_python(sys.executable) and importlib.util.find_spec("torch") is not None:
        return Path(sys.executable)
    if managed is not None:
        return managed
    raise PythonError("No Python with PyTorch is known.", "Choose one in the preferences, or press 'Build Environment'.")


def python_at(path: str | Path, origin: str = "") -> Path:
    """The Python at a path, which may also be the folder of an environment (venv, conda).

    Raises:
        PythonError: Nothing is there.
    """
    path = Path(path).expanduser().absolute()  # not resolved: the link is what makes a virtual environment
    if path.is_dir():
        for name in ("bin/python", "bin/python3", "python.exe", "Scripts/python.exe"):
            if (path / name).is_file():
                return path / name
        raise PythonError(f"There is no Python in the folder {str(path)!r}{_from(origin)}.", PYTHON_HINT)
    if not path.is_file():
        raise PythonError(f"There is no file {str(path)!r}{_from(origin)}.", PYTHON_HINT)
    return path


def is_python(executable: str | None) -> bool:
    """Whether a program is a Python, judged by its name: `sys.executable` may be Blender."""
    return executable is not None and Path(executable).name.lower().startswith("python")


def probe(python: str | Path, timeout: float = PROBE_SECONDS) -> PythonInfo:
    """Runs a Python and says whether it can run the fitter; also multiplies a small matrix on each of its devices.

    Args:
        python: A Python, or the folder of an environment.
        timeout: Seconds to wait.

    Raises:
        PythonError: It is missing, is no Python, is too old, lacks NumPy or PyTorch, or does not answer.
    """
    path = python_at(python)
    try:
        answer = subprocess.run(
            [str(path), "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            encoding="utf-8",
            errors="replace",
            **isolated(),
        )
    except subprocess.TimeoutExpired as error:
        raise PythonError(f"{str(path)!r} did not answer within {timeout:g} seconds.", PYTHON_HINT) from error
    except OSError as error:
        raise PythonError(f"{str(path)!r} cannot be started ({error.strerror}).", PYTHON_HINT) from error
    lines = [line for line in answer.stdout.splitlines() if line.startswith(_PROBE_MARK)]
    try:
        found = json.loads(lines[-1].removeprefix(_PROBE_MARK))
        return _checked(path, found)
    except (IndexError, KeyError, TypeError, json.JSONDecodeError) as error:
        words = answer.stderr.strip().splitlines()[-1:] or [f"exit code {answer.returncode}"]
        raise PythonError(f"{str(path)!r} is not a Python that works ({words[0]}).", PYTHON_HINT) from error


def isolated() -> dict[str, Any]:
    """Arguments of `subprocess` for a program of another Python: none of our Python variables, no console window, no Ctrl-C of ours."""
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("PYTHON")}
    if sys.platform == "win32":
        return {"env": environment, "creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"env": environment, "process_group": 0}


def user_data_folder() -> Path:
    """The folder of this user for the managed environment; it outlives updates of Blender and of the extension."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "blender-smplify"


def _checked(path: Path, found: dict[str, Any]) -> PythonInfo:
    shown = repr(str(path))
    if _version(found["python"]) < MIN_PYTHON:
        raise PythonError(f"{shown} is Python {found['python']}, the fitter needs {_dotted(MIN_PYTHON)} or newer.", PYTHON_HINT)
    if "error" in found:
        for module, name in (("torch", "PyTorch"), ("numpy", "NumPy")):
            if found["missing"] == module and module not in found:
                raise PythonError(f"{shown} has no {name}.", PYTHON_HINT)
        raise PythonError(f"{shown} has a PyTorch that cannot be loaded ({found['error']}).", PYTHON_HINT)
    if _version(found["torch"]) < MIN_TORCH:
        raise PythonError(f"{shown} has PyTorch {found['torch']}, the fitter needs {_dotted(MIN_TORCH)} or newer.", PYTHON_HINT)
    return PythonInfo(
        executable=path,
        python=found["python"],
        torch=found["torch"],
        cuda=found["cuda"],
        devices=tuple((name, description) for name, description in found["devices"]),
        broken=tuple(found["broken"].items()),
    )


def _version(text: str) -> tuple[int, int]:
    numbers = re.match(r"(\d+)\.(\d+)", text)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _from(origin: str) -> str:
    return f" (from {origin})" if origin else ""
