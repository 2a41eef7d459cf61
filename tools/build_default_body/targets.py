"""Applies weighted targets (morphs) to the base mesh."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .makehuman import Floats, read_target

TARGETS = "mpfb2/targets"


class TargetLibrary:
    """The targets of the data folder, each read once.

    Args:
        data: The data folder.
        base: (19158, 3) the base mesh, metres.
    """

    def __init__(self, data: Path, base: Floats) -> None:
        self._folder = data / TARGETS
        self._base = base
        self._dense: dict[str, NDArray[np.float32]] = {}

    def shape(self, weights: Sequence[Mapping[str, float]]) -> Floats:
        """(N, 19158, 3) the base mesh with each of N sets of weights, which are by target name ("breast/nipple-point-decr").

        Raises:
            FittingError: There is no such target.
        """
        names = sorted(set().union(*weights))
        matrix = np.array([[each.get(name, 0.0) for name in names] for each in weights], np.float32)
        offsets = matrix @ np.stack([self._offsets(name) for name in names])
        return np.asarray(self._base + offsets.reshape(len(weights), *self._base.shape))

    def _offsets(self, name: str) -> NDArray[np.float32]:
        if name not in self._dense:
            vertices, offsets = read_target(self._folder / f"{name}.target.gz")
            dense = np.zeros(self._base.shape, np.float32)
            dense[vertices] = offsets
            self._dense[name] = dense.ravel()
        return self._dense[name]
