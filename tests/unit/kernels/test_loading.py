"""How the compiled kernels come in: in the background, or not at all."""

import importlib.util
import subprocess
import sys

import pytest

import fitting.kernels as room
from fitting.kernels import _Loader, kernels


def test_without_the_extra_there_are_none(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert _Loader().get(wait=True) is None


def test_what_cannot_be_loaded_is_done_without(monkeypatch, caplog):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(room, "_NEEDED", ("numba",))

    def fail(name, package):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(room.importlib, "import_module", fail)
    assert _Loader().get(wait=True) is None
    assert "The compiled kernels cannot be loaded (no compiler): plain PyTorch is used." in caplog.text


def test_the_first_call_does_not_wait(monkeypatch):
    loader = _Loader()
    started = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(loader, "_load", lambda: started.append(True))
    assert loader.get(wait=False) is None
    assert loader.get(wait=True) is None
    assert started == [True]


def test_they_can_be_compiled_ahead():
    pytest.importorskip("numba")
    assert kernels(wait=True) is not None
    answer = subprocess.run([sys.executable, "-m", "fitting.kernels"], capture_output=True, text=True, timeout=300, check=False)
    assert (answer.returncode, answer.stdout) == (0, "The kernels are compiled.\n"), answer.stderr
