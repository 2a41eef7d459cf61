"""Runs the checks in `inside/` with the `bpy` wheels, each file in a process of its own.

A Blender that crashes or hangs then fails one test and not all of them, and several versions of Blender can be tried from one
Python: ``SMPLIFY_TEST_BPY_PYTHONS`` names further Pythons, separated as in PATH, that have `bpy` and `pytest`. A single file
runs by itself as well: ``python -m pytest tests/blender/inside/check_rig.py``.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((Path(__file__).parent / "inside").glob("check_*.py"))
OTHER_PYTHONS = [path for path in os.environ.get("SMPLIFY_TEST_BPY_PYTHONS", "").split(os.pathsep) if path]
SECONDS = 600


def run_inside(python: str, file: Path) -> None:
    """Runs the checks of a file; the worker uses the Python of these tests, which has PyTorch."""
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--confcutdir={file.parent}", str(file)]
    environment = {"SMPLIFY_PYTHON": sys.executable, **os.environ}
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert answer.returncode == 0, f"{answer.stdout[-6000:]}\n{answer.stderr[-2000:]}"


@pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="this Python has no bpy: pip install bpy")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_in_this_python(file):
    run_inside(sys.executable, file)


@pytest.mark.skipif(not OTHER_PYTHONS, reason="SMPLIFY_TEST_BPY_PYTHONS names no other Python")
@pytest.mark.parametrize("python", OTHER_PYTHONS or ["none"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_in_another_python(python, file):
    run_inside(python, file)
