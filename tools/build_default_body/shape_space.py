"""The betas: principal components of bodies, turned so that the first ones mean height, weight and gender."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .makehuman import Floats
from .mesh import BodyMesh, triangle_areas

N_BETAS = 16
N_TURNED = 10
"""How many of the first components may be mixed to make the first betas meaningful."""

INNER_WEIGHT = 0.05
"""Weight of eyes, teeth and tongue, which are hardly seen."""


@dataclass(frozen=True, eq=False)
class ShapeSpace:
    """Body = mean + shapedirs @ betas, with betas of unit variance.

    Attributes:
        mean: (V, 3) metres.
        shapedirs: (V, 3, S) metres for one unit of each beta.
        betas: (N, S) of the bodies that it was learnt from.
    """

    mean: Floats
    shapedirs: Floats
    betas: Floats


def fit_shape_space(mesh: BodyMesh, vertices: Floats, meanings: Sequence[Floats], n_betas: int = N_BETAS) -> ShapeSpace:
    """The shape space of bodies.

    Args:
        mesh: The mesh.
        vertices: (N, V, 3) bodies, metres.
        meanings: (N,) each: quantities that the first betas shall grow with, the later ones at a fixed value of the earlier ones.
        n_betas: Number of betas S.
    """
    vertices = mesh.symmetrise(vertices)
    mean = vertices.mean(axis=0)
    offsets = vertices - mean
    weighted = (offsets * np.sqrt(vertex_weights(mesh, mean))[:, None].astype(np.float32)).reshape(len(vertices), -1)
    betas = _whitened_scores(weighted, n_betas)
    n_turned = min(N_TURNED, n_betas)
    betas[:, :n_turned] = _turned(betas[:, :n_turned], weighted, meanings)
    shapedirs = np.tensordot(offsets, betas.astype(np.float32), axes=(0, 0)).astype(np.float64) / (len(vertices) - 1)
    sign = np.sign(np.sum(shapedirs**3, axis=(0, 1)))  # of the betas without a meaning: a choice that does not depend on chance
    sign[: len(meanings)] = 1
    return ShapeSpace(mean.astype(np.float64), shapedirs * sign, betas * sign)


def vertex_weights(mesh: BodyMesh, vertices: Floats) -> Floats:
    """(V,) square roots of the areas around the vertices, relative to the mean area.

    Between plain vertices, which count hands and face too much, and areas, which count the torso too much.
    """
    areas = np.zeros(mesh.n_vertices)
    np.add.at(areas, mesh.triangles, triangle_areas(vertices.astype(np.float64), mesh.triangles)[:, None] / 3)
    areas[~mesh.is_body] *= INNER_WEIGHT
    return np.asarray(np.sqrt(areas / areas.mean()))


def fit_betas(space: ShapeSpace, mesh: BodyMesh, vertices: Floats, n_betas: int) -> Floats:
    """(N, n_betas) betas that come nearest to symmetric bodies (N, V, 3)."""
    weights = np.repeat(np.sqrt(vertex_weights(mesh, space.mean)), 3)[:, None]
    directions = space.shapedirs[..., :n_betas].reshape(-1, n_betas)
    offsets = (vertices - space.mean).reshape(len(vertices), -1).T
    return np.asarray(np.linalg.lstsq(directions * weights, offsets * weights, rcond=None)[0].T)


def _whitened_scores(offsets: Floats, n_scores: int) -> Floats:
    """(N, n_scores) scores of the principal components of offsets (N, D), each with unit variance."""
    _, vectors = np.linalg.eigh((offsets @ offsets.T).astype(np.float64))
    return np.asarray(vectors[:, ::-1][:, :n_scores] * np.sqrt(len(offsets) - 1))


def _turned(scores: Floats, offsets: Floats, meanings: Sequence[Floats]) -> Floats:
    """(N, K) the scores, rotated: first along the meanings, then by how much the body moves."""
    directions: list[Floats] = []
    for meaning in meanings:
        direction = scores.T @ ((meaning - meaning.mean()) / meaning.std()) / len(scores)
        for earlier in directions:
            direction = direction - earlier * (earlier @ direction)
        directions.append(direction / np.linalg.norm(direction))
    named = np.stack(directions, axis=1)
    rest = np.linalg.svd(named)[0][:, len(meanings) :]
    movement = (offsets.T @ scores.astype(np.float32)).astype(np.float64) @ rest
    rest = rest @ np.linalg.svd(movement, full_matrices=False)[2].T
    return np.asarray(scores @ np.concatenate([named, rest], axis=1))
