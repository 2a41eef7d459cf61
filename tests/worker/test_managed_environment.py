"""How the managed environment is built: the commands, and a build that runs, fails and is stopped with harmless ones."""

import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from blender_smplify import managed_environment
from blender_smplify.environment import REQUIREMENTS, PythonInfo
from blender_smplify.environment_build import EnvironmentBuild, Step
from blender_smplify.managed_environment import BACKENDS, ManagedEnvironment, fetch_uv_step, find_uv, pip_steps, uv_steps, venv_python
from fitting.errors import FitCancelled, PythonError

VENV = Path("/data/venv")


def python_step(program: str, title: str = "Testing", share: float = 0.5) -> Step:
    return Step(title, (sys.executable, "-I", "-u", "-c", program), share)


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# --- commands ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("base", [None, Path("/usr/bin/python3.12")])
def test_commands_of_uv(monkeypatch, backend, base):
    monkeypatch.setattr(sys, "platform", "linux")
    create, install = uv_steps(Path("/tools/uv"), VENV, backend, base)
    assert create.command[:2] == ("/tools/uv", "venv")
    assert create.command[-3:] == ("--python", "3.12" if base is None else str(base), "/data/venv")
    assert install.command[:3] == ("/tools/uv", "pip", "install")
    assert install.command[install.command.index("--python") + 1] == "/data/venv/bin/python"
    assert install.command[install.command.index("--torch-backend") + 1] == backend
    assert install.command[-len(REQUIREMENTS) :] == REQUIREMENTS


def test_a_mac_has_one_build(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "--torch-backend" not in uv_steps(Path("uv"), VENV, "auto", None)[1].command
    assert "--torch-backend" in uv_steps(Path("uv"), VENV, "cpu", None)[1].command


@pytest.mark.parametrize(("backend", "index"), [("auto", None), ("cpu", "https://download.pytorch.org/whl/cpu"), ("cu128", ".../cu128")])
def test_commands_of_pip(monkeypatch, backend, index):
    monkeypatch.setattr(sys, "platform", "linux")
    create, others, torch = pip_steps(VENV, backend, Path("/usr/bin/python3"))
    assert create.command == ("/usr/bin/python3", "-I", "-m", "venv", "/data/venv")
    for step in (others, torch):
        assert step.command[:5] == ("/data/venv/bin/python", "-I", "-m", "pip", "install")
    assert "--index-url" not in others.command  # NumPy and the like come from the ordinary index
    of_torch = [requirement for requirement in REQUIREMENTS if requirement.startswith("torch")]
    wanted = [requirement for requirement in REQUIREMENTS if requirement not in of_torch]
    assert wanted[0].startswith("numpy")
    assert list(others.command[-len(wanted) :]) == wanted
    assert not set(of_torch) & set(others.command)
    assert len(of_torch) == 1
    assert torch.command[-1] == of_torch[0]
    assert not set(wanted) & set(torch.command)
    if index is None:
        assert "--index-url" not in torch.command
    else:
        assert torch.command[torch.command.index("--index-url") + 1] == index.replace("...", "https://download.pytorch.org/whl")


def test_the_python_of_an_environment_on_windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert venv_python(VENV) == VENV / "Scripts" / "python.exe"


@pytest.mark.parametrize("steps", [uv_steps(Path("uv"), VENV, "cpu", None), pip_steps(VENV, "cpu", Path("python"))])
def test_the_shares_leave_room_for_the_installer_and_the_test(steps):
    assert 0.8 < sum(step.share for step in steps) <= 0.95 - fetch_uv_step(Path("python"), Path("tools")).share


def test_uv_is_fetched_into_a_folder_of_its_own(tmp_path):
    step = fetch_uv_step(Path(sys.executable), tmp_path)
    assert step.command[:3] == (sys.executable, "-I", "-c")
    assert step.command[4:] == ("install", "--upgrade", "--target", str(tmp_path), "uv>=0.8")


@pytest.mark.parametrize("isolation", [("-I",), ("-I", "-S")], ids=["pip is installed", "pip comes from the wheel of ensurepip"])
def test_pip_runs_where_it_is_not_installed(tmp_path, isolation):
    program = fetch_uv_step(Path(sys.executable), tmp_path).command[3]
    lines = []
    build = EnvironmentBuild(
        lambda build: build.run(Step("pip", (sys.executable, *isolation, "-c", program, "--version"), 1)), tmp_path / "log"
    )
    build.wait(lines.append)
    assert any(line.startswith("pip ") for line in lines), lines


def test_the_fetched_uv_goes_before_that_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert find_uv(tmp_path / "tools") is None
    for folder in ("path", "tools/bin"):
        (tmp_path / folder).mkdir(parents=True)
        program = tmp_path / folder / "uv"
        program.write_text("")
        program.chmod(0o755)
        assert find_uv(tmp_path / "tools") == program


# --- a build that runs ------------------------------------------------------------------------------------------------------------------


def test_a_build_tells_its_lines_and_its_fraction(tmp_path):
    fractions = []

    def work(build):
        build.run(python_step("print('one'); print('two')", "First", 0.25), {"EXTRA": "x"})
        fractions.append(build.fraction)
        build.run(python_step("import os, sys; print('three', file=sys.stderr); print(os.getenv('EXTRA'))", "Second"), {"EXTRA": "y"})
        fractions.append(build.fraction)

    build = EnvironmentBuild(work, tmp_path / "build.log")
    lines = []
    build.wait(lines.append)
    lines += build.poll()
    assert [line for line in lines if len(line) < 6] == ["one", "two", "three", "y"]
    assert lines[0].startswith(f"First: {sys.executable}")
    assert fractions == [0.25, 0.75]
    assert (build.state, build.fraction, build.title, build.error) == ("done", 1.0, "Done", None)
    assert (tmp_path / "build.log").read_text().splitlines() == lines
    assert build.poll() == []


def test_the_fraction_moves_within_a_step_and_stays_below_its_end(tmp_path):
    build = EnvironmentBuild(lambda build: build.run(python_step("for i in range(50): print(i)\ninput()")), tmp_path / "log")
    wait_for(lambda: build.state != "running")
    assert 0.3 < build.fraction < 0.5
    assert isinstance(build.error, PythonError)  # there is no input


def test_a_failing_step_ends_the_build_with_its_last_lines(tmp_path):
    ran = []

    def work(build):
        build.run(python_step("for i in range(20): print('line', i)\nraise SystemExit(3)", "Installing PyTorch"))
        ran.append("the next step")

    build = EnvironmentBuild(work, tmp_path / "build.log")
    with pytest.raises(PythonError) as caught:
        build.wait()
    assert caught.value.message == "Installing PyTorch failed (exit code 3)."
    assert caught.value.hint.splitlines() == [f"line {i}" for i in range(12, 20)] + [f"The whole log is in '{tmp_path}/build.log'."]
    assert (build.state, ran) == ("failed", [])


def test_a_program_that_is_not_there(tmp_path):
    build = EnvironmentBuild(lambda build: build.run(Step("Fetching", ("/nowhere/uv",), 1.0)), tmp_path / "build.log")
    with pytest.raises(PythonError, match=r"Fetching failed: '/nowhere/uv' cannot be started \(No such file or directory\)"):
        build.wait()


def test_a_bug_in_the_work_is_not_lost(tmp_path):
    build = EnvironmentBuild(lambda build: 1 / 0, tmp_path / "build.log")
    with pytest.raises(ZeroDivisionError):
        build.wait()
    assert build.state == "failed"


def test_a_log_that_cannot_be_written(tmp_path):
    build = EnvironmentBuild(lambda build: None, tmp_path / "no" / "build.log")
    with pytest.raises(PythonError, match="The environment cannot be written"):
        build.wait()


def test_cancel_ends_the_command_and_what_it_has_started(tmp_path):
    beat = tmp_path / "beat"
    child = f"import time\nwhile True: open({str(beat)!r}, 'w').write('x'); time.sleep(0.02)"
    step = python_step(f"import subprocess, sys; print('go'); subprocess.run([sys.executable, '-c', {child!r}])")
    build = EnvironmentBuild(lambda build: build.run(step), tmp_path / "build.log")
    wait_for(beat.exists)
    build.cancel()
    with pytest.raises(FitCancelled):
        build.wait()
    assert build.state == "cancelled"
    before = beat.stat().st_mtime_ns
    time.sleep(0.2)
    assert beat.stat().st_mtime_ns == before


def test_cancel_between_two_steps(tmp_path):
    go_on, ran = threading.Event(), []

    def work(build):
        go_on.wait(10)
        build.run(python_step("print('never')"))
        ran.append("a step")

    build = EnvironmentBuild(work, tmp_path / "build.log")
    build.cancel()
    go_on.set()
    with pytest.raises(FitCancelled):
        build.wait()
    assert ran == []


# --- the environment --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def harmless(monkeypatch, tmp_path):
    """Steps that make files instead of downloading gigabytes; the list of what was asked."""
    asked = SimpleNamespace(uv=[], pip=[], fail=False)
    writes = "import os, pathlib, sys; p = pathlib.Path(sys.argv[1]); p.mkdir(parents=True, exist_ok=True); p /= sys.argv[2]"
    writes += "; p.write_text('x' * 100)"

    def write(folder, name):
        return Step(f"Writing {name}", (sys.executable, "-c", writes, str(folder), name), 0.4)

    def uv(uv, venv, backend, base):
        asked.uv.append((backend, base))
        caching = Step("Caching", (sys.executable, "-c", writes.replace("sys.argv[1]", "os.environ['UV_CACHE_DIR']"), "-", "wheel"), 0.1)
        failing = [Step("Failing", (sys.executable, "-c", "raise SystemExit(1)"), 0.1)] if asked.fail else []
        return [write(venv_python(venv).parent, "python"), caching, *failing]

    def pip(venv, backend, base):
        asked.pip.append((backend, base))
        return [write(venv_python(venv).parent, "python")]

    monkeypatch.setattr(managed_environment, "uv_steps", uv)
    monkeypatch.setattr(managed_environment, "pip_steps", pip)
    monkeypatch.setattr(managed_environment, "find_uv", lambda tools: Path("uv"))
    monkeypatch.setattr(managed_environment, "probe", lambda python: PythonInfo(python, "3.12.1", "2.9.0", None, (("cpu", "x"),)))
    return asked


def test_build_use_and_remove(tmp_path, harmless):
    environment = ManagedEnvironment(tmp_path / "env")
    assert (environment.is_ready, environment.contents(), environment.size()) == (False, {}, 0)
    environment.build("cpu").wait()
    assert harmless.uv == [("cpu", None)]
    assert environment.is_ready
    assert environment.contents() == {
        "summary": "Python 3.12.1, PyTorch 2.9.0, devices: cpu",
        "python": "3.12.1",
        "torch": "2.9.0",
        "backend": "cpu",
    }
    assert environment.size() == 100
    assert not (environment.folder / "cache").exists()
    environment.python.unlink()
    assert not environment.is_ready
    environment.remove()
    assert not environment.folder.exists()
    environment.remove()  # nothing there: nothing to do


def test_remove_deletes_only_what_was_built(tmp_path, harmless):
    (tmp_path / "thesis.txt").write_text("precious")
    environment = ManagedEnvironment(tmp_path)
    environment.build("cpu").wait()
    environment.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_failed_build_is_not_ready_even_over_an_old_one(tmp_path, harmless):
    environment = ManagedEnvironment(tmp_path / "env")
    environment.build("cpu").wait()
    harmless.fail = True
    with pytest.raises(PythonError, match=r"Failing failed \(exit code 1\)"):
        environment.build("cpu").wait()
    assert not environment.is_ready
    harmless.fail = False
    environment.build("auto").wait()
    assert environment.is_ready


def test_the_marker_needs_a_test_that_passes(tmp_path, harmless, monkeypatch):
    def broken(python):
        raise PythonError("It has a PyTorch that cannot be loaded.")

    monkeypatch.setattr(managed_environment, "probe", broken)
    environment = ManagedEnvironment(tmp_path / "env")
    with pytest.raises(PythonError, match="cannot be loaded"):
        environment.build("cpu").wait()
    assert not environment.is_ready


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_damaged_marker_is_no_environment(tmp_path, text):
    environment = ManagedEnvironment(tmp_path)
    (tmp_path / managed_environment.MARKER).write_text(text)
    assert environment.contents() == {}
    assert not environment.is_ready


def test_without_uv_a_given_python_will_do(tmp_path, harmless, monkeypatch):
    monkeypatch.setattr(managed_environment, "find_uv", lambda tools: None)
    monkeypatch.setattr(
        managed_environment, "fetch_uv_step", lambda *_: Step("Fetching uv", (sys.executable, "-c", "raise SystemExit('no net')"), 0.1)
    )
    environment = ManagedEnvironment(tmp_path / "env")
    lines = []
    environment.build("cpu", sys.executable).wait(lines.append)
    assert harmless.pip == [("cpu", Path(sys.executable))]
    assert environment.is_ready
    assert any("Fetching uv failed (exit code 1). no net" in line for line in lines)
    with pytest.raises(PythonError, match=r"The installer uv cannot be fetched\. Install uv, or choose a Python to build on\."):
        ManagedEnvironment(tmp_path / "other").build("cpu").wait()


def test_what_is_wrong_is_told_before_the_build_starts(tmp_path, harmless, monkeypatch):
    environment = ManagedEnvironment(tmp_path / "env")
    with pytest.raises(PythonError, match=r"There is no PyTorch backend 'cu12'\. Did you mean 'cu12"):
        environment.build("cu12")
    with pytest.raises(PythonError, match="There is no file '/nowhere/python'"):
        environment.build("cpu", "/nowhere/python")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1.5e9))
    with pytest.raises(PythonError, match=r"has 1\.5 GB free, PyTorch needs 3 GB\."):
        environment.build("cpu")
    (tmp_path / "file").write_text("")
    with pytest.raises(PythonError, match=r"The folder .* cannot be made"):
        ManagedEnvironment(tmp_path / "file" / "env").build("cpu")
    assert not environment.is_ready


def test_the_default_folder_is_that_of_the_user(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setattr(sys, "platform", "linux")
    assert ManagedEnvironment().folder == Path("/data/blender-smplify/environment")
    assert ManagedEnvironment("").folder == Path("/data/blender-smplify/environment")
    assert ManagedEnvironment("~/x").folder == Path(os.path.expanduser("~/x"))


def test_the_marker_is_json_for_people_too(tmp_path, harmless):
    environment = ManagedEnvironment(tmp_path / "env")
    environment.build("cpu").wait()
    assert json.loads((environment.folder / managed_environment.MARKER).read_text())["torch"] == "2.9.0"
