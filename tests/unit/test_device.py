import pytest
import torch

from fitting.device import devices, resolve_device, threads_for
from fitting.errors import DeviceError

GIB = 2**30


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: ((index + 1) * GIB, 8 * GIB))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"Card {index}")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_devices_begin_with_the_fastest(two_gpus):
    found = devices()
    assert [device["name"] for device in found] == ["cuda:0", "cuda:1", "cpu"]
    assert [device["free_memory"] for device in found] == [GIB, 2 * GIB, None]
    assert found[1]["description"] == "Card 1"


def test_apple(no_gpu, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert [device["name"] for device in devices()] == ["mps", "cpu"]
    assert resolve_device() == torch.device("mps")


@pytest.mark.parametrize(
    ("name", "expected"), [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cpu", "cpu"), (torch.device("cuda:1"), "cuda:1")]
)
def test_names(two_gpus, name, expected):
    assert resolve_device(name) == torch.device(expected)


def test_auto_without_a_gpu_is_the_cpu(no_gpu):
    assert resolve_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "gpu", ""])
def test_a_missing_device_names_those_that_are_there(no_gpu, name):
    with pytest.raises(DeviceError) as raised:
        resolve_device(name)
    assert str(raised.value) == f"There is no device {name!r} on this machine. Choose one of: auto, cpu."


@pytest.mark.parametrize(("n_frames", "expected"), [(1, 1), (100_000, 2)])
def test_a_short_take_has_one_thread_and_gives_them_back(n_frames, expected):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    inside = []

    def fail():
        with threads_for(n_frames):
            inside.append(torch.get_num_threads())
            raise KeyError

    try:
        with pytest.raises(KeyError):
            fail()
        assert (inside, torch.get_num_threads()) == ([expected], 2)
    finally:
        torch.set_num_threads(before)
