import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.transform import Rotation

from tools.build_default_body import dual_quaternions
from tools.build_default_body.population import draw_bodies
from tools.build_default_body.tpose import FOOT_OUT, SHIN_OUT, THIGH_OUT, rotation_between, to_t_pose


@pytest.fixture(scope="module")
def posed(assets):
    """Vertices and heads of the stand-in body in the T-pose."""
    vertices, heads = to_t_pose(assets.rig, assets.base.vertices[None], assets.mesh.base_vertices)
    return vertices[0], {name: heads[0, i] for i, name in enumerate(assets.rig.names)}


def unit(vector):
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize(("start", "end"), [((1, 0, 0), (0, 2, 0)), ((1, 2, 3), (-3, 1, 0.5)), ((0, 0, 1), (0, 0, 4))])
def test_rotation_between_is_the_smallest(start, end):
    start, end = np.array(start, float), np.array(end, float)
    rotation = rotation_between(start, end)
    np.testing.assert_allclose(rotation @ unit(start), unit(end), atol=1e-12)
    angle = np.arccos(np.clip(unit(start) @ unit(end), -1, 1))
    assert Rotation.from_matrix(rotation).magnitude() == pytest.approx(angle, abs=1e-7)


def test_quaternions_have_positive_w():
    vectors = np.random.default_rng(0).normal(size=(2, 20, 3)) * 2
    quaternions = dual_quaternions.matrix_to_quaternion_wxyz(Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(2, 20, 3, 3))
    assert quaternions.shape == (2, 20, 4)
    assert (quaternions[..., 0] >= 0).all()
    back = Rotation.from_quat(quaternions[..., [1, 2, 3, 0]].reshape(-1, 4)).as_matrix()
    np.testing.assert_allclose(back, Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix(), atol=1e-12)


def test_a_vertex_of_one_bone_moves_rigidly():
    rng = np.random.default_rng(1)
    points, translations = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 3, 3))
    rotations = Rotation.from_rotvec(rng.normal(size=(6, 3))).as_matrix().reshape(2, 3, 3, 3)
    bone = np.array([0, 1, 2, 0, 1])
    weights = sparse.csr_array((np.ones(5), (np.arange(5), bone)), shape=(5, 3))
    expected = np.einsum("nvij,nvj->nvi", rotations[:, bone], points) + translations[:, bone]
    np.testing.assert_allclose(dual_quaternions.skin(points, weights, rotations, translations), expected, atol=1e-12)


def test_a_vertex_between_two_bones_keeps_its_distance():
    """Half way between no turn and a quarter turn about z is an eighth turn: no loss of volume."""
    quarter = Rotation.from_rotvec([0, 0, np.pi / 2]).as_matrix()
    weights = sparse.csr_array(np.array([[0.5, 0.5]]))
    moved = dual_quaternions.skin(np.array([[[1.0, 0, 0]]]), weights, np.array([[np.eye(3), quarter]]), np.zeros((1, 2, 3)))
    np.testing.assert_allclose(moved[0, 0], [np.sqrt(0.5), np.sqrt(0.5), 0], atol=1e-12)


@pytest.mark.parametrize(("side", "sign"), [("L", 1), ("R", -1)])
def test_arms_are_along_x(posed, side, sign):
    _, heads = posed
    shoulder, elbow, wrist, knuckle = (heads[f"{bone}.{side}"] for bone in ("upperarm01", "lowerarm01", "wrist", "finger3-1"))
    for start, end in ((shoulder, elbow), (elbow, wrist), (wrist, knuckle)):
        np.testing.assert_allclose(unit(end - start), [sign, 0, 0], atol=1e-9)


@pytest.mark.parametrize("side", ["L", "R"])
def test_palm_is_down(posed, side):
    _, heads = posed
    across = heads[f"finger2-1.{side}"] - heads[f"finger5-1.{side}"]
    assert across[2] > 0
    assert across[1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("side", "sign"), [("L", 1), ("R", -1)])
def test_legs_hang_at_their_angles(posed, side, sign):
    _, heads = posed
    for start, end, angle in (("upperleg01", "lowerleg01", THIGH_OUT), ("lowerleg01", "foot", SHIN_OUT)):
        span = heads[f"{end}.{side}"] - heads[f"{start}.{side}"]
        assert np.arctan2(sign * span[0], -span[1]) == pytest.approx(angle, abs=1e-9)
    toes = (heads[f"toe2-1.{side}"] + heads[f"toe3-1.{side}"]) / 2 - heads[f"foot.{side}"]
    assert np.arctan2(sign * toes[0], toes[2]) == pytest.approx(FOOT_OUT, abs=1e-9)


def test_feet_stay_level(assets, posed):
    vertices, heads = posed
    foot = assets.rig.index["foot.L"]
    own = assets.rig.skin_weights[assets.mesh.base_vertices][:, [foot]].toarray().ravel() > 0
    rest = assets.base.vertices[assets.mesh.base_vertices]
    head = assets.rig.head_weights @ assets.base.vertices
    np.testing.assert_allclose(vertices[own, 1] - heads["foot.L"][1], rest[own, 1] - head[foot, 1], atol=1e-9)


def test_bones_keep_their_lengths(assets, posed):
    _, heads = posed
    rest = assets.rig.head_weights @ assets.base.vertices
    for i, parent in enumerate(assets.rig.parents):
        if parent >= 0:
            length = np.linalg.norm(heads[assets.rig.names[i]] - heads[assets.rig.names[parent]])
            assert length == pytest.approx(np.linalg.norm(rest[i] - rest[parent]), abs=1e-9)


def test_the_t_pose_is_symmetric(assets, posed):
    vertices, heads = posed
    np.testing.assert_allclose(assets.mesh.symmetrise(vertices), vertices, atol=1e-6)
    for name, head in heads.items():
        if name.endswith(".L"):
            np.testing.assert_allclose(heads[name[:-1] + "R"], head * [-1, 1, 1], atol=1e-6)


def test_the_trunk_does_not_move(assets, posed):
    _, heads = posed
    rest = assets.rig.head_weights @ assets.base.vertices
    for bone in ("root", "spine01", "head", "breast.L", "eye.R"):
        np.testing.assert_allclose(heads[bone], rest[assets.rig.index[bone]], atol=1e-12)


@pytest.fixture(scope="module")
def bodies(assets):
    return draw_bodies(assets, "female", 60, seed=3)


def test_pelvis_is_the_origin(assets, bodies):
    np.testing.assert_array_equal(bodies.bone_heads[:, assets.rig.index["spine05"]], 0)


def test_stature_is_that_of_the_population(bodies):
    assert bodies.stature.mean() == pytest.approx(1.63, abs=0.04)
    assert bodies.stature.std() == pytest.approx(0.066, abs=0.025)


def test_vertices_have_the_stature(assets, bodies):
    """The stand-in has its lowest vertices at the toes, which the T-pose lifts with the legs; the trunk keeps its height."""
    head, root = (assets.rig.index[bone] for bone in ("head", "root"))
    share = (bodies.bone_heads[:, head, 1] - bodies.bone_heads[:, root, 1]) / bodies.stature
    assert np.ptp(share) < 2e-3


def test_same_seed_same_bodies(assets, bodies):
    again = draw_bodies(assets, "female", 5, seed=3)
    np.testing.assert_allclose(again.vertices, bodies.vertices[:5], atol=1e-6)
    assert np.abs(draw_bodies(assets, "female", 5, seed=4).vertices - again.vertices).max() > 1e-3


def test_bodies_can_be_joined_and_cut(bodies):
    both = bodies + bodies[:7]
    assert len(both) == 67
    np.testing.assert_array_equal(both.vertices[60:], bodies.vertices[:7])
    np.testing.assert_allclose(both.body_mass_index[:60], bodies.mass / bodies.stature**2)
