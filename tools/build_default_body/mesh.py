"""The surface that the default body keeps: body, eyes, teeth and tongue, as quads with texture coordinates."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fitting.errors import FittingError

from .makehuman import BaseMesh, Floats, Integers

PARTS = ("body", "helper-l-eye", "helper-r-eye", "helper-upper-teeth", "helper-lower-teeth", "helper-tongue")
"""Groups of the base mesh in the order of our vertices; those of the body come first and keep their indices."""

_SAME_POINT = 1e-6  # metres


@dataclass(frozen=True, eq=False)
class BodyMesh:
    """Topology of the default body.

    Attributes:
        base_vertices: (V,) index of each vertex in the base mesh.
        quads: (Q, 4) vertices; the quads of the body come first.
        uv: (U, 2) texture coordinates that are used.
        uv_quads: (Q, 4) texture coordinate of each corner.
        mirror: (V,) vertex on the other side.
        half: (H,) vertices of the left side and of the middle.
        part: (V,) index into `PARTS`.
        n_body_quads: How many quads the body itself has.
    """

    base_vertices: Integers
    quads: Integers
    uv: Floats
    uv_quads: Integers
    mirror: Integers
    half: Integers
    part: Integers
    n_body_quads: int

    @property
    def n_vertices(self) -> int:
        """Number of vertices V."""
        return len(self.base_vertices)

    @cached_property
    def is_body(self) -> NDArray[np.bool_]:
        """(V,) whether a vertex is of the body itself, not of eyes, teeth or tongue."""
        return np.asarray(self.part == PARTS.index("body"))

    @cached_property
    def triangles(self) -> Integers:
        """(2 Q, 3) the surface."""
        return quads_to_triangles(self.quads)

    @cached_property
    def body_triangles(self) -> Integers:
        """(T, 3) the surface of the body itself."""
        return quads_to_triangles(self.quads[: self.n_body_quads])

    def symmetrise(self, vertices: Floats) -> Floats:
        """(..., V, 3) the mean of bodies and their mirror images."""
        return (vertices + vertices[..., self.mirror, :] * np.array([-1, 1, 1], vertices.dtype)) / 2


def select_body_mesh(base: BaseMesh) -> BodyMesh:
    """The surface of the default body.

    Raises:
        FittingError: The base mesh is not symmetric.
    """
    groups = [base.groups[name] for name in PARTS]
    base_vertices = np.concatenate([group.vertices for group in groups])
    index = np.full(len(base.vertices), -1)
    index[base_vertices] = np.arange(len(base_vertices))
    used_uv, uv_quads = np.unique(np.concatenate([group.uv_quads for group in groups]), return_inverse=True)
    rest = base.vertices[base_vertices]
    mirror = find_mirror(rest)
    return BodyMesh(
        base_vertices=base_vertices,
        quads=index[np.concatenate([group.quads for group in groups])],
        uv=base.uv[used_uv],
        uv_quads=uv_quads.reshape(-1, 4),
        mirror=mirror,
        half=np.flatnonzero((rest[:, 0] > _SAME_POINT) | (mirror == np.arange(len(mirror)))),
        part=np.repeat(np.arange(len(PARTS)), [len(group.vertices) for group in groups]),
        n_body_quads=len(groups[0].quads),
    )


def find_mirror(vertices: Floats) -> Integers:
    """(V,) the vertex at the mirror image of each vertex.

    Raises:
        FittingError: Some vertex has none, or two share one.
    """
    distance, mirror = cKDTree(vertices).query(vertices * [-1, 1, 1])
    if distance.max() > _SAME_POINT or not np.array_equal(mirror[mirror], np.arange(len(mirror))):
        raise FittingError("The base mesh is not symmetric: some vertex has no mirror image of its own.", "Use the base mesh of the wheel.")
    return np.asarray(mirror, np.int64)


def quads_to_triangles(quads: Integers) -> Integers:
    """(2 Q, 3) two triangles for each quad; first the first ones, then the second ones."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def triangle_areas(vertices: Floats, triangles: Integers) -> Floats:
    """(T,) square metres."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)


def volumes(vertices: Floats, triangles: Integers) -> Floats:
    """(N,) cubic metres enclosed by the triangles of bodies (N, V, 3)."""
    a, b, c = (vertices[:, triangles[:, i]] for i in range(3))
    return np.asarray(np.einsum("nti,nti->n", a, np.cross(b, c)) / 6)
