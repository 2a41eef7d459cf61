"""Readers of MakeHuman's files: the base mesh, its targets (morphs), its rig and skin weights."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fitting.errors import FittingError

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]

METRES_PER_UNIT = 0.1
"""MakeHuman measures in decimetres."""

BASE_MESH = "mpfb2/3dobjs/base.obj"
RIG = "mpfb2/rigs/standard/rig.default.json"
SKIN_WEIGHTS = "mpfb2/rigs/standard/weights.default.json"


@dataclass(frozen=True, eq=False)
class Group:
    """A named part of the base mesh.

    Attributes:
        quads: (Q, 4) vertices of the base mesh.
        uv_quads: (Q, 4) texture coordinates of the base mesh.
    """

    quads: Integers
    uv_quads: Integers

    @cached_property
    def vertices(self) -> Integers:
        """The vertices of the group, in ascending order."""
        return np.unique(self.quads)


@dataclass(frozen=True, eq=False)
class BaseMesh:
    """The base mesh: the body, its eyes, teeth and tongue, clothes to fit others to, and cubes that mark the joints.

    Attributes:
        vertices: (19158, 3) metres.
        uv: (U, 2) texture coordinates.
        groups: Parts by name.
    """

    vertices: Floats
    uv: Floats
    groups: dict[str, Group]


@dataclass(frozen=True, eq=False)
class Rig:
    """The default rig: B bones, each after its parent.

    Attributes:
        names: B names.
        parents: (B,) index of the parent, -1 for the root.
        head_weights, tail_weights: (B, 19158) sparse; heads and tails of the bones as means of vertices of the base mesh.
        skin_weights: (19158, B) sparse, rows sum to 1 where the vertex belongs to a bone.
    """

    names: tuple[str, ...]
    parents: Integers
    head_weights: sparse.csr_array
    tail_weights: sparse.csr_array
    skin_weights: sparse.csr_array

    @cached_property
    def index(self) -> dict[str, int]:
        """Index of each bone by its name."""
        return {name: i for i, name in enumerate(self.names)}


def read_base_mesh(data: Path) -> BaseMesh:
    """The base mesh of the data folder.

    Raises:
        FittingError: The file is missing, or has faces that are not quads.
    """
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    corners: dict[str, list[list[list[int]]]] = {}
    group = ""
    for words in _lines(data / BASE_MESH):
        match words[0]:
            case "v":
                vertices.append([float(word) for word in words[1:4]])
            case "vt":
                uv.append([float(word) for word in words[1:3]])
            case "g":
                group = words[1]
            case "f":
                corners.setdefault(group, []).append([[int(number) - 1 for number in word.split("/")[:2]] for word in words[1:]])
    if any(len(face) != 4 for faces in corners.values() for face in faces):
        raise FittingError(f"{BASE_MESH!r} has faces that are not quads.", "Use the base mesh of MakeHuman 1 or later.")
    groups = {}
    for name, faces in corners.items():
        array = np.array(faces, np.int64)  # (Q, 4, vertex and texture coordinate)
        groups[name] = Group(array[..., 0], array[..., 1])
    return BaseMesh(np.array(vertices) * METRES_PER_UNIT, np.array(uv), groups)


def read_target(path: Path) -> tuple[Integers, Floats]:
    """A target, `.target` or `.target.gz`: the (M,) vertices of the base mesh that it moves, and by how many metres (M, 3)."""
    rows = [words for words in _lines(path) if len(words) == 4]
    offsets = np.array([[float(word) for word in words[1:]] for words in rows]).reshape(-1, 3)
    return np.array([int(words[0]) for words in rows], np.int64), offsets * METRES_PER_UNIT


def read_rig(data: Path, mesh: BaseMesh) -> Rig:
    """The default rig and its skin weights."""
    bones = _json(data / RIG)
    bones = bones.get("bones", bones)
    names = _parents_first({name: bone.get("parent", "") for name, bone in bones.items()})
    index = {name: i for i, name in enumerate(names)}
    n_vertices = len(mesh.vertices)
    weights = _json(data / SKIN_WEIGHTS)["weights"]
    columns = [np.array(weights[name], float).reshape(-1, 2) for name in names]
    skin = sparse.coo_array(
        (
            np.concatenate([column[:, 1] for column in columns]),
            (
                np.concatenate([column[:, 0] for column in columns]).astype(np.int64),
                np.repeat(np.arange(len(names)), [len(c) for c in columns]),
            ),
        ),
        shape=(n_vertices, len(names)),
    ).tocsr()
    sums = np.maximum(skin.sum(axis=1), 1e-9)
    return Rig(
        names=names,
        parents=np.array([index.get(bones[name].get("parent", ""), -1) for name in names], np.int64),
        head_weights=_means([_end_vertices(bones[name]["head"], mesh) for name in names], n_vertices),
        tail_weights=_means([_end_vertices(bones[name]["tail"], mesh) for name in names], n_vertices),
        skin_weights=sparse.csr_array(sparse.diags_array(1 / sums) @ skin),
    )


def _end_vertices(end: dict[str, Any], mesh: BaseMesh) -> Integers:
    """The vertices whose mean is the head or the tail of a bone."""
    match end["strategy"]:
        case "VERTEX":
            return np.array([end["vertex_index"]], np.int64)
        case "CUBE":
            return mesh.groups[end["cube_name"]].vertices
        case "MEAN":
            return np.array(end["vertex_indices"], np.int64)
    raise FittingError(f"The rig places a bone by the strategy {end['strategy']!r}.", "Known: VERTEX, CUBE, MEAN.")


def _means(vertices: Sequence[Integers], n_vertices: int) -> sparse.csr_array:
    counts = [len(group) for group in vertices]
    rows = np.repeat(np.arange(len(vertices)), counts)
    return sparse.csr_array((np.repeat(1 / np.array(counts), counts), (rows, np.concatenate(vertices))), shape=(len(vertices), n_vertices))


def _parents_first(parent_of: dict[str, str]) -> tuple[str, ...]:
    """The bones, depth first from the root."""
    names: list[str] = []
    waiting = [name for name, parent in parent_of.items() if not parent]
    while waiting:
        name = waiting.pop()
        names.append(name)
        waiting.extend(child for child, parent in parent_of.items() if parent == name)
    return tuple(names)


def _lines(path: Path) -> list[list[str]]:
    """The words of each line that is neither empty nor a comment."""
    try:
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise _unreadable(path, error) from error
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> FittingError:
    return FittingError(f"Cannot read the asset {str(path)!r}: {error.strerror or error}.", "Give the data folder that --wheel unpacks.")
