"""The rules that keep the extension apart from the fitter and from the versions of Blender."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "blender_smplify"
FILES = sorted(PACKAGE.glob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_core_knows_the_fitter_and_nobody_pytorch(path):
    roots = {name.lstrip(".").split(".")[0] for name in imported(path)}
    assert "torch" not in roots
    assert path.name == "core.py" or "fitting" not in roots
    assert "blender_smplify" not in roots, "an extension has another name in Blender: import relatively"


@pytest.mark.parametrize(
    "name",
    ["__init__", "bones", "core", "environment", "environment_build", "managed_environment", "motion", "worker_client", "worker_process"],
)
def test_what_is_used_outside_blender_does_not_need_it(name):
    assert not {"bpy", "mathutils"} & {module.split(".")[0] for module in imported(PACKAGE / f"{name}.py")}


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "compat.py"], ids=lambda path: path.name)
def test_versions_of_blender_differ_in_compat_only(path):
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"bpy\.app\.version|\baction\.fcurves|channelbag|use_nodes", source)
