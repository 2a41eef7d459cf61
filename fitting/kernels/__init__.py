"""Compiled kernels of the common stage. They need the extra `fast`, and are loaded, or compiled, while the first fit goes on without."""

import importlib
import importlib.util
import logging
import threading
from types import ModuleType

_NEEDED = ("numba", "scipy", "threadpoolctl")


class _Loader:
    """Loads the kernels in the background: the first time ever, they are compiled, which takes half a minute."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._module: ModuleType | None = None

    def get(self, wait: bool) -> ModuleType | None:
        if self._module is None and self._thread is None and all(importlib.util.find_spec(name) for name in _NEEDED):
            self._thread = threading.Thread(target=self._load, name="kernels", daemon=True)
            self._thread.start()
        if self._module is None and self._thread is not None and wait:
            self._thread.join()
        return self._module

    def _load(self) -> None:
        try:
            self._module = importlib.import_module(".pose_fit", __package__)
        except Exception as error:  # whatever a compiler stumbles over: there is another way
            logging.getLogger("fitting").warning("The compiled kernels cannot be loaded (%s): plain PyTorch is used.", error)


_LOADER = _Loader()


def kernels(wait: bool = False) -> ModuleType | None:
    """The module `pose_fit`, or None while it is not there: numba is missing, or still at work.

    Args:
        wait: Wait for it, if it can be had at all.
    """
    return _LOADER.get(wait)
