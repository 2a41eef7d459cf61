from types import SimpleNamespace

import numpy as np
import pytest

from tools.build_default_body.mesh import quads_to_triangles
from tools.build_default_body.shape_space import INNER_WEIGHT, fit_betas, fit_shape_space, vertex_weights

N_BODIES, N_FACTORS = 400, 12


@pytest.fixture(scope="module")
def mesh():
    """A sheet of 8 by 8 squares; nothing is mirrored."""
    quads = np.array([[9 * i + j, 9 * i + j + 1, 9 * i + j + 10, 9 * i + j + 9] for i in range(8) for j in range(8)])
    return SimpleNamespace(
        triangles=quads_to_triangles(quads), n_vertices=81, is_body=np.ones(81, bool), symmetrise=lambda vertices: vertices
    )


@pytest.fixture(scope="module")
def sample(mesh):
    """Bodies with independent factors of falling size; the second one is height, the fourth weight."""
    rng = np.random.default_rng(0)
    rest = np.array([[i, j, 0.0] for i in range(9) for j in range(9)]) / 8
    factors = rng.normal(size=(N_BODIES, N_FACTORS))
    factors = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    modes = np.linalg.qr(rng.normal(size=(243, N_FACTORS)))[0].T * 0.1 / np.arange(1, N_FACTORS + 1)[:, None]
    return (rest + (factors @ modes).reshape(N_BODIES, 81, 3)).astype(np.float32), factors


@pytest.fixture(scope="module")
def space(mesh, sample):
    vertices, factors = sample
    return fit_shape_space(mesh, vertices, [factors[:, 1], factors[:, 3] + factors[:, 1]], N_FACTORS)


def test_betas_have_unit_variance(space):
    np.testing.assert_allclose(np.cov(space.betas.T), np.eye(N_FACTORS), atol=1e-4)


def test_betas_give_the_bodies_back(space, sample):
    vertices, _ = sample
    np.testing.assert_allclose(space.mean + np.einsum("vck,nk->nvc", space.shapedirs, space.betas), vertices, atol=1e-5)


def test_first_betas_have_their_meanings(space, sample):
    _, factors = sample
    assert np.corrcoef(space.betas[:, 0], factors[:, 1])[0, 1] > 0.99
    assert np.corrcoef(space.betas[:, 1], factors[:, 3])[0, 1] > 0.95, "the second meaning, at a fixed value of the first"


def test_other_betas_fall_in_size_and_have_a_fixed_sign(space):
    size = np.linalg.norm(space.shapedirs, axis=(0, 1))
    assert (np.diff(size[2:10]) <= 1e-6).all()
    assert (np.sum(space.shapedirs[..., 2:] ** 3, axis=(0, 1)) > 0).all()


def test_fit_betas_finds_them_again(space, mesh, sample):
    vertices, _ = sample
    np.testing.assert_allclose(fit_betas(space, mesh, vertices[:5], N_FACTORS), space.betas[:5], atol=1e-3)


def test_vertex_weights_follow_areas(mesh, sample):
    rest = np.array([[i, j, 0.0] for i in range(9) for j in range(9)])
    inside = SimpleNamespace(**{**vars(mesh), "is_body": np.arange(81) != 40})
    weights = vertex_weights(inside, rest)
    assert weights[41] / weights[0] == pytest.approx(np.sqrt(6 / 2)), "six triangles against two"
    assert weights[40] / weights[41] == pytest.approx(np.sqrt(INNER_WEIGHT))
