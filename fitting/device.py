"""Computing devices: which there are, and which one a name means."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .errors import DeviceError

_FRAMES_FOR_THREADS = 5000

PLAIN = "cpu-plain"
"""Name of the CPU without compiled kernels."""


def devices() -> list[dict[str, Any]]:
    """The devices of this machine, the fastest first: `name`, `description`, `free_memory` in bytes or None."""
    found: list[dict[str, Any]] = []
    for index in range(torch.cuda.device_count()):
        free, _ = torch.cuda.mem_get_info(index)
        found.append({"name": f"cuda:{index}", "description": torch.cuda.get_device_name(index), "free_memory": int(free)})
    if torch.backends.mps.is_available():
        found.append({"name": "mps", "description": "Apple GPU", "free_memory": None})
    found.append({"name": "cpu", "description": f"CPU, {torch.get_num_threads()} threads", "free_memory": None})
    return found


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """The device of a name: "auto" (the fastest), "cpu", "cpu-plain" (without compiled kernels), "cuda", "cuda:1", "mps".

    Raises:
        DeviceError: There is no such device on this machine.
    """
    if str(name) == PLAIN:
        return torch.device("cpu")
    names = [device["name"] for device in devices()]
    wanted = names[0] if str(name) == "auto" else str(name)
    if wanted == "cuda":
        wanted = "cuda:0"
    if wanted not in names:
        raise DeviceError(f"There is no device {str(name)!r} on this machine.", f"Choose one of: auto, {', '.join(names)}.")
    return torch.device(wanted)


@contextmanager
def threads_for(n_frames: int) -> Iterator[None]:
    """While it lasts, PyTorch uses one CPU thread for a take that gains nothing by more.

    A fit is thousands of short operations; below some thousand frames, waiting for other threads takes longer than they save, and
    twice the CPU time.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if n_frames < _FRAMES_FOR_THREADS else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
