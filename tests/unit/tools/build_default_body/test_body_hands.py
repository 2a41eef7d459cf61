import numpy as np
import pytest

from tools.build_default_body.hands import hand_components, orthonormal_rows, relaxed_hand
from tools.build_default_body.joints import JOINTS, SMPLX_JOINTS, joint_of_bone, joint_positions, mirrored_columns, other_side
from tools.build_default_body.skinning import skinning_weights, strongest_symmetric


def test_components_are_orthonormal():
    components = hand_components()
    np.testing.assert_allclose(components @ components.T, np.eye(45), atol=1e-12)


def test_first_component_makes_a_fist():
    fist = hand_components()[0].reshape(5, 3, 3)
    assert (fist[:4, :, 2] < 0).all()
    np.testing.assert_array_equal(fist[:4, :, :2], 0)


def test_orthonormal_rows_leave_the_dependent_out():
    rows = orthonormal_rows(np.array([[2.0, 0, 0], [1, 0, 0], [1, 1, 0]]))
    np.testing.assert_allclose(rows, [[1, 0, 0], [0, 1, 0]], atol=1e-12)


def test_relaxed_hand_curls_more_at_the_middle_joint():
    fingers = relaxed_hand().reshape(5, 3, 3)[:4, :, 2]
    np.testing.assert_allclose(fingers, np.tile([-0.22, -0.38, -0.22], (4, 1)))


@pytest.mark.parametrize(("name", "expected"), [("left_hip", "right_hip"), ("right_index1", "left_index1"), ("spine1", "spine1")])
def test_other_side(name, expected):
    assert other_side(name) == expected


def test_joints_of_smplx():
    assert len(SMPLX_JOINTS) == 55
    assert SMPLX_JOINTS[25:28] == ("left_index1", "left_index2", "left_index3")
    columns = mirrored_columns(JOINTS)
    assert [columns[column] for column in columns] == list(range(57))


def test_every_bone_has_a_joint(assets):
    joint_of = joint_of_bone(assets.rig)
    assert set(joint_of.values()) == set(SMPLX_JOINTS)
    expected = {"wrist.L": "left_wrist", "metacarpal3.R": "right_wrist", "finger1-2.L": "left_thumb2", "finger5-1.R": "right_pinky1"}
    expected |= {"toe4-1.L": "left_foot", "shoulder01.R": "right_collar", "breast.L": "spine3", "pelvis.R": "pelvis", "tongue00": "jaw"}
    assert {bone: joint_of[bone] for bone in expected} == expected


def test_joint_positions_are_means_of_heads(assets):
    heads = assets.rig.head_weights @ assets.base.vertices
    joints = dict(zip(JOINTS, joint_positions(assets.rig, heads[None])[0], strict=True))
    index = assets.rig.index
    np.testing.assert_allclose(joints["pelvis"], heads[index["spine05"]])
    np.testing.assert_allclose(joints["left_collar"], (heads[index["clavicle.L"]] + heads[index["shoulder01.L"]]) / 2)
    np.testing.assert_allclose(joints["right_hand"], heads[[index[f"finger{i}-1.R"] for i in (2, 3, 4)]].mean(axis=0))


def test_skinning_weights(assets):
    weights = skinning_weights(assets.rig, assets.mesh)
    assert weights.shape == (assets.mesh.n_vertices, 55)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights[assets.mesh.mirror][:, mirrored_columns(SMPLX_JOINTS)], weights)
    first_square = np.arange(4)  # that of the root
    np.testing.assert_allclose(weights[first_square, SMPLX_JOINTS.index("pelvis")], 1)


def test_the_strongest_are_kept_in_pairs():
    """On the middle line the fourth and fifth joints are a pair: both are dropped. Elsewhere the fourth stays."""
    weights = np.array([[0.4, 0.3, 0.2, 0.05, 0.05], [0.4, 0.3, 0.2, 0.08, 0.02], [0.4, 0.3, 0.2, 0.02, 0.08]])
    result = strongest_symmetric(weights, np.array([0, 2, 1]), [0, 1, 2, 4, 3])
    np.testing.assert_allclose(result[0], np.array([4, 3, 2, 0, 0]) / 9)
    np.testing.assert_allclose(result[1], np.array([0.4, 0.3, 0.2, 0.08, 0]) / 0.98)
    np.testing.assert_allclose(result[2], np.array([0.4, 0.3, 0.2, 0, 0.08]) / 0.98)
