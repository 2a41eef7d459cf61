import numpy as np
import pytest

from tools.build_default_body.joints import JOINTS, joint_positions
from tools.build_default_body.population import draw_bodies
from tools.build_default_body.regressor import fit_regressor, fit_weights, spread_out


def test_known_weights_are_found():
    rng = np.random.default_rng(0)
    points = rng.normal(0, 0.1, (200, 6, 3))
    weights = np.array([0.5, 0, 0.3, 0, 0, 0.2])
    found = fit_weights(points, np.einsum("c,nci->ni", weights, points))
    np.testing.assert_allclose(found, weights, atol=0.02)
    assert found.sum() == pytest.approx(1)


def test_weights_are_never_negative():
    """A joint outside of its points is put on their edge."""
    points = np.tile([[0.0, 0, 0], [0.1, 0, 0]], (10, 1, 1))
    np.testing.assert_allclose(fit_weights(points, np.tile([0.3, 0, 0], (10, 1))), [0, 1], atol=1e-6)


def test_spread_out_takes_the_far_ones():
    points = np.array([[x, 0, 0] for x in (0, 0.01, 0.02, 0.5, 0.98, 1.0)])
    np.testing.assert_array_equal(spread_out(points, 3), [0, 3, 5])
    np.testing.assert_array_equal(spread_out(points, 9), range(6))


@pytest.fixture(scope="module")
def fitted(assets):
    bodies = draw_bodies(assets, "male", 40, seed=1)
    joints = joint_positions(assets.rig, bodies.bone_heads)
    return bodies, joints, fit_regressor(assets.mesh, bodies.vertices, joints)


def test_regressor_gives_the_joints_back(fitted):
    bodies, joints, regressor = fitted
    error = np.linalg.norm(regressor @ bodies.vertices - joints, axis=-1)
    assert regressor.shape == (57, bodies.vertices.shape[1])
    assert np.median(error) < 0.002
    assert error[:, JOINTS.index("left_elbow")].max() < 0.002


def test_regressor_rows_are_shares(fitted):
    regressor = fitted[2]
    assert (regressor >= 0).all()
    np.testing.assert_allclose(regressor.sum(axis=1), 1)


def test_regressor_is_symmetric(assets, fitted):
    regressor = fitted[2]
    mirrored = regressor[:, assets.mesh.mirror]
    np.testing.assert_array_equal(mirrored[JOINTS.index("left_knee")], regressor[JOINTS.index("right_knee")])
    np.testing.assert_array_equal(mirrored[JOINTS.index("spine2")], regressor[JOINTS.index("spine2")])
