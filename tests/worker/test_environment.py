"""Which Python is found, and what is said about it."""

import json
import os
import sys
import venv
from pathlib import Path

import pytest

from blender_smplify import environment
from blender_smplify.environment import PYTHON_HINT, REQUIREMENTS, PythonInfo, find_python, isolated, probe, python_at, user_data_folder
from fitting.errors import PythonError

GOOD = {"python": "3.12.1", "numpy": "2.1.0", "torch": "2.6.0+cu126", "cuda": "12.6", "devices": [["cuda:0", "NVIDIA X"]], "broken": {}}


def make_program(folder: Path, body: str, name: str = "python") -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return program


def answers(folder: Path, **found) -> Path:
    """A program that answers a probe."""
    return make_program(folder, f"cat <<'END'\nnoise of a site package\nsmplify-probe:{json.dumps(GOOD | found)}\nEND")


@pytest.fixture
def nothing(monkeypatch):
    """No Python anywhere."""
    monkeypatch.delenv("SMPLIFY_PYTHON", raising=False)
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)


def test_this_python():
    import torch

    info = probe(sys.executable)
    assert info.executable == Path(sys.executable)
    assert info.python == ".".join(map(str, sys.version_info[:3]))
    assert info.torch == torch.__version__
    assert info.devices[0][0] == "cpu"
    assert info.broken == ()


def test_what_a_python_answers(tmp_path):
    path = answers(tmp_path, broken={"mps": "no kernel"})
    info = probe(path)
    assert info == PythonInfo(path, "3.12.1", "2.6.0+cu126", "12.6", (("cuda:0", "NVIDIA X"),), (("mps", "no kernel"),))
    assert info.summary() == "Python 3.12.1, PyTorch 2.6.0+cu126, devices: cuda:0; mps fails: no kernel"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ({"python": "3.10.4"}, "is Python 3.10.4, the fitter needs 3.11 or newer."),
        ({"python": "2.7.18", "error": "ImportError: No module named torch", "missing": None}, "is Python 2.7.18, the fitter needs 3.11"),
        ({"torch": "2.5.1+cpu"}, "has PyTorch 2.5.1+cpu, the fitter needs 2.6 or newer."),
        ({"error": "OSError: libcudart.so.12: cannot open", "missing": None}, "cannot be loaded (OSError: libcudart.so.12: cannot open)."),
    ],
)
def test_a_python_that_will_not_do(tmp_path, found, text):
    with pytest.raises(PythonError) as caught:
        probe(answers(tmp_path, **found))
    assert text in caught.value.message
    assert caught.value.hint == PYTHON_HINT


@pytest.mark.parametrize(("version", "is_enough"), [("2.10.0a0+git1", True), ("2.6", True), ("1.13.1", False), ("3.0.0", True)])
def test_versions_are_compared_as_numbers(tmp_path, version, is_enough):
    path = answers(tmp_path, torch=version)
    if is_enough:
        assert probe(path).torch == version
    else:
        with pytest.raises(PythonError, match=f"has PyTorch {version}"):
            probe(path)


def test_a_python_without_pytorch(tmp_path):
    venv.create(tmp_path / "venv", with_pip=False)
    with pytest.raises(PythonError) as caught:
        probe(tmp_path / "venv")
    assert caught.value.message == f"{str(python_at(tmp_path / 'venv'))!r} has no PyTorch."
    assert caught.value.hint == "Choose another Python, or press 'Build Environment'."


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("exit 9", "is not a Python that works (exit code 9)."),
        ("echo hello", "is not a Python that works (exit code 0)."),
        ("echo usage: no -I >&2; exit 2", "is not a Python that works (usage: no -I)."),
        ("echo 'smplify-probe:{'", "is not a Python that works"),
        ("echo 'smplify-probe:[]'", "is not a Python that works"),
        ("echo 'smplify-probe:{}'", "is not a Python that works"),
        ("exec sleep 60", "did not answer within 0.5 seconds."),
    ],
)
def test_a_program_that_is_no_python(tmp_path, body, text):
    with pytest.raises(PythonError) as caught:
        probe(make_program(tmp_path, body), timeout=0.5)
    assert text in caught.value.message
    assert caught.value.hint == PYTHON_HINT


def test_a_file_that_is_no_program(tmp_path):
    (tmp_path / "python").write_text("text")
    with pytest.raises(PythonError, match="cannot be started"):
        probe(tmp_path / "python")


def test_the_folder_of_an_environment_will_do(tmp_path):
    with pytest.raises(PythonError, match="There is no Python in the folder"):
        python_at(tmp_path)
    (tmp_path / "bin").mkdir()
    program = make_program(tmp_path / "bin", "", "python3")
    assert python_at(tmp_path) == program
    with pytest.raises(PythonError, match=r"There is no file '.*/nothing' \(from the preferences\)"):
        python_at(tmp_path / "nothing", "the preferences")


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "python").symlink_to(sys.executable)
    assert python_at(tmp_path / "python") == tmp_path / "python"


def test_the_order_in_which_pythons_are_looked_for(tmp_path, monkeypatch, nothing):
    chosen, variable, managed = (make_program(tmp_path, "", name) for name in ("chosen", "variable", "managed"))
    with pytest.raises(
        PythonError, match=r"^No Python with PyTorch is known\. Choose one in the preferences, or press 'Build Environment'\.$"
    ):
        find_python()
    assert find_python(None, managed) == managed
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: name == "torch" or None)
    assert find_python(None, managed) == Path(sys.executable)
    monkeypatch.setattr(sys, "executable", "/opt/blender-5.2/blender")
    assert find_python(None, managed) == managed
    monkeypatch.setenv("SMPLIFY_PYTHON", str(variable))
    assert find_python("", managed) == variable
    assert find_python(chosen, managed) == chosen


def test_a_chosen_python_that_is_gone_is_told_and_not_passed_over(tmp_path, monkeypatch):
    with pytest.raises(PythonError, match=r"'/gone/python' \(from the preferences\)"):
        find_python("/gone/python", Path(sys.executable))
    monkeypatch.setenv("SMPLIFY_PYTHON", "/gone/too")
    with pytest.raises(PythonError, match=r"'/gone/too' \(from SMPLIFY_PYTHON\)"):
        find_python(None, Path(sys.executable))


def test_pytorch_is_not_imported_to_look_for_it():
    import subprocess

    program = "import sys\nfrom blender_smplify.environment import find_python\nfind_python()\nassert 'torch' not in sys.modules"
    root = Path(environment.__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, check=True, timeout=60)


def test_other_programs_get_none_of_our_python_variables(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("pythonhome", "/ours")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    variables = isolated()["env"]
    assert not [name for name in variables if name.upper().startswith("PYTHON")]
    assert variables["HTTPS_PROXY"] == "http://proxy"
    assert variables["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, "home/.local/share/blender-smplify"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/blender-smplify"),
        ("darwin", {"XDG_DATA_HOME": "/data"}, "home/Library/Application Support/blender-smplify"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/blender-smplify"),
        ("win32", {}, "home/AppData/Local/blender-smplify"),
    ],
)
def test_the_folder_of_the_user(tmp_path, monkeypatch, platform, variables, folder):
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert user_data_folder() == tmp_path / folder


def test_the_requirements_are_those_of_the_package():
    import tomllib

    root = Path(environment.__file__).parents[1]
    with (root / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    for requirement in REQUIREMENTS:
        lower_bound = requirement.split(",")[0]
        needed = [*project["dependencies"], *project["optional-dependencies"]["fast"]]
        assert lower_bound in {dependency.split(",")[0] for dependency in needed}
    assert project["requires-python"] == ">=" + ".".join(map(str, environment.MIN_PYTHON))
    assert f"torch>={'.'.join(map(str, environment.MIN_TORCH))},<3" in REQUIREMENTS
