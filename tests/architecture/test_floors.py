"""A module imports its own floor or a lower one. What breaks a rule is named with its file, its line and the rule."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FITTING, EXTENSION = ROOT / "fitting", ROOT / "blender_smplify"

FLOORS = {
    "errors": 0, "progress": 0, "protocol": 0, "registry": 0,
    "data": 1,
    "body": 2, "device": 2, "handlers": 2, "kernels": 2, "losses": 2, "rotations": 2, "solvers": 2,
    "registrant": 3,
    "__main__": 4, "api": 4, "cli": 4, "stream": 4, "terminal": 4, "worker": 4,
}  # fmt: skip
"""Floor of each room of `fitting`. The package itself, `fitting/__init__.py`, is on floor 0: it loads names when they are used."""

PACKAGES = {0: set(), 1: {"numpy"}, 2: {"numpy", "torch"}, 3: {"numpy", "torch"}, 4: {"numpy", "torch", "typer", "rich"}}
"""What each floor may import from outside, beside the standard library."""

ROOM_PACKAGES = {"kernels": {"numba", "scipy", "threadpoolctl"}}
"""What a room may import beyond its floor: packages of an extra, which no other room may need."""


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def imports(tree: ast.Module) -> Iterator[tuple[int, int, str]]:
    """Line, level of dots and dotted name of each import; one for each name of `from . import a, b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.level, node.module
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, node.level, alias.name) for alias in node.names)


def for_type_checkers(tree: ast.Module) -> set[int]:
    """Lines under `if TYPE_CHECKING:`, which never run."""
    blocks = [
        node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    return {line for block in blocks for line in range(block.lineno, (block.body[-1].end_lineno or block.lineno) + 1)}


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


def breaches_of_fitting(relative: Path, source: str) -> Iterator[str]:
    """What a file of `fitting`, at a path relative to the package, breaks."""
    tree = ast.parse(source)
    room = room_of(relative.parts)
    is_package = room == "__init__"
    if not is_package and room not in FLOORS:
        yield f"fitting/{relative}:1: the room {room!r} has no floor; give it one in FLOORS"
        return
    floor = 0 if is_package else FLOORS[room]
    skipped = for_type_checkers(tree) if is_package else set()
    for line, level, name in imports(tree):
        where = f"fitting/{relative}:{line}"
        root = name.split(".")[0]
        if level:
            folder = relative.parts[: len(relative.parts) - level]
            target = room_of((*folder, *name.split(".")))
            if target in FLOORS and FLOORS[target] > floor and line not in skipped:
                yield f"{where}: {target!r} (floor {FLOORS[target]}) is imported on floor {floor}; import the own floor or a lower one"
        elif root == "bpy":
            yield f"{where}: fitting never imports bpy"
        elif root == "fitting":
            yield f"{where}: fitting imports itself relatively; inside Blender it has another name"
        elif root not in sys.stdlib_module_names and root not in PACKAGES[floor] | ROOM_PACKAGES.get(room, set()):
            allowed = sorted(PACKAGES[floor] | ROOM_PACKAGES.get(room, set())) or "the standard library"
            yield f"{where}: {root!r} is imported on floor {floor}, which may import {allowed} only"


def breaches_of_extension(relative: Path, source: str) -> Iterator[str]:
    """What a file of `blender_smplify`, at a path relative to the package, breaks."""
    tree = ast.parse(source)
    for line, level, name in imports(tree):
        where = f"blender_smplify/{relative}:{line}"
        parts = name.split(".")
        if level == 0 and parts[0] == "torch":
            yield f"{where}: the extension never imports torch; the worker does"
        if parts[0] == "fitting":
            room = room_of(tuple(parts[1:])) if len(parts) > 1 else None
            if relative.as_posix() != "core.py":
                yield f"{where}: only core.py imports fitting"
            elif room is not None and FLOORS.get(room, 9) > 1:
                yield f"{where}: 'fitting.{room}' is above floor 1, which is the highest that runs inside Blender"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "bpy.app.version" and relative.as_posix() != "compat.py":
            yield f"blender_smplify/{relative}:{node.lineno}: only compat.py asks for the version of Blender"


def test_fitting() -> None:
    files = python_files(FITTING)
    assert len(files) > 40
    breaches = [breach for path in files for breach in breaches_of_fitting(path.relative_to(FITTING), path.read_text(encoding="utf-8"))]
    assert not breaches, "\n".join(breaches)


def test_extension() -> None:
    files = python_files(EXTENSION)
    assert len(files) > 10
    breaches = [breach for path in files for breach in breaches_of_extension(path.relative_to(EXTENSION), path.read_text(encoding="utf-8"))]
    assert not breaches, "\n".join(breaches)


def test_every_room_is_there() -> None:
    rooms = {room_of(path.relative_to(FITTING).parts) for path in python_files(FITTING)}
    assert rooms == {*FLOORS, "__init__"}


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("errors.py", "import numpy", "fitting/errors.py:1: 'numpy' is imported on floor 0, which may import the standard library only"),
        (
            "data/report.py",
            "\nimport torch.nn",
            "fitting/data/report.py:2: 'torch' is imported on floor 1, which may import ['numpy'] only",
        ),
        ("data/tracks/trc.py", "from ...body import load_body", "fitting/data/tracks/trc.py:1: 'body' (floor 2) is imported on floor 1; "),
        (
            "data/tracks/trc.py",
            "def f():\n    from ... import api",
            "fitting/data/tracks/trc.py:2: 'api' (floor 4) is imported on floor 1; ",
        ),
        ("registry.py", "from .data import preset", "fitting/registry.py:1: 'data' (floor 1) is imported on floor 0; "),
        (
            "losses/base.py",
            "from ..registrant.problem import Problem",
            "fitting/losses/base.py:1: 'registrant' (floor 3) is imported on floor 2; ",
        ),
        ("api.py", "import fitting.errors", "fitting/api.py:1: fitting imports itself relatively; "),
        ("worker.py", "import bpy", "fitting/worker.py:1: fitting never imports bpy"),
        ("registrant/problem.py", "import rich", "fitting/registrant/problem.py:1: 'rich' is imported on floor 3, "),
        ("__init__.py", "from .api import fit", "fitting/__init__.py:1: 'api' (floor 4) is imported on floor 0; "),
        ("solvers/block_banded.py", "import scipy", "fitting/solvers/block_banded.py:1: 'scipy' is imported on floor 2, "),
        ("registrant/compiled.py", "import numba", "fitting/registrant/compiled.py:1: 'numba' is imported on floor 3, "),
        (
            "kernels/track.py",
            "import sklearn",
            "fitting/kernels/track.py:1: 'sklearn' is imported on floor 2, "
            "which may import ['numba', 'numpy', 'scipy', 'threadpoolctl', 'torch'] only",
        ),
        ("attic.py", "", "fitting/attic.py:1: the room 'attic' has no floor; give it one in FLOORS"),
    ],
)
def test_breaches_of_fitting_are_named(file: str, source: str, expected: str) -> None:
    (breach,) = breaches_of_fitting(Path(file), source)
    assert breach.startswith(expected)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (
            "data/tracks/trc.py",
            "import json\nimport numpy as np\nfrom ...errors import TrackError\nfrom ..files import read_npz\nfrom .track import X",
        ),
        ("registrant/smplify.py", "import torch\nfrom ..data.preset import check_stage\nfrom .problem import Problem"),
        ("kernels/track.py", "import numba\nimport numpy as np\nfrom scipy.linalg import solveh_banded\nimport threadpoolctl"),
        ("__init__.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .api import fit"),
    ],
)
def test_what_keeps_the_rules(file: str, source: str) -> None:
    assert list(breaches_of_fitting(Path(file), source)) == []


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("rig.py", "import torch", "blender_smplify/rig.py:1: the extension never imports torch"),
        ("rig.py", "import fitting", "blender_smplify/rig.py:1: only core.py imports fitting"),
        ("rig.py", "from .fitting.errors import X", "blender_smplify/rig.py:1: only core.py imports fitting"),
        ("core.py", "from fitting.body import load_body", "blender_smplify/core.py:1: 'fitting.body' is above floor 1"),
        ("core.py", "\nfrom .fitting.api import fit", "blender_smplify/core.py:2: 'fitting.api' is above floor 1"),
        ("panels.py", "import bpy\nif bpy.app.version > (4, 4): ...", "blender_smplify/panels.py:2: only compat.py asks for the version"),
    ],
)
def test_breaches_of_the_extension_are_named(file: str, source: str, expected: str) -> None:
    (breach,) = breaches_of_extension(Path(file), source)
    assert breach.startswith(expected)


def loaded_by(statement: str) -> set[str]:
    """Top-level packages that a fresh Python has loaded after a statement."""
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return set(done.stdout.split())


def test_import_fitting_costs_nothing() -> None:
    assert not {"torch", "numpy", "typer", "rich"} & loaded_by("import fitting; dir(fitting); fitting.__version__; fitting.FittingError")


@pytest.mark.parametrize(
    "statement", ["import blender_smplify.core", "import fitting; fitting.read_track; fitting.FitResult; fitting.load_preset"]
)
def test_what_runs_inside_blender_needs_no_torch(statement: str) -> None:
    loaded = loaded_by(statement)
    assert "numpy" in loaded
    assert not {"torch", "typer", "rich"} & loaded
