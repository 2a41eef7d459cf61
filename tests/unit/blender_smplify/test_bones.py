import numpy as np
import pytest

from blender_smplify import bones, motion
from fitting.data.bodies import load_default_body


@pytest.fixture(scope="module")
def body():
    return load_default_body("neutral", "smplx")


@pytest.fixture(scope="module")
def limbs(body):
    return dict(zip(body.joint_names, bones.limbs(body, body.joints_template), strict=True))


@pytest.fixture(scope="module")
def joints(body):
    return dict(zip(body.joint_names, body.joints_template, strict=True))


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_limb_reaches_to_its_child(limbs, joints, side):
    np.testing.assert_allclose(limbs[f"{side}_elbow"], joints[f"{side}_wrist"] - joints[f"{side}_elbow"])


def test_of_several_children_the_middle_one_counts_or_their_mean(limbs, joints):
    np.testing.assert_allclose(limbs["spine3"], joints["neck"] - joints["spine3"])
    knuckles = np.mean([joints[f"left_{finger}1"] for finger in ("index", "middle", "pinky", "ring", "thumb")], axis=0)
    np.testing.assert_allclose(limbs["left_wrist"], knuckles - joints["left_wrist"], atol=1e-6)


def test_the_last_of_a_limb_goes_on_and_the_face_looks_ahead(limbs, joints):
    ahead = joints["left_index3"] - joints["left_index2"]
    np.testing.assert_allclose(limbs["left_index3"], ahead * min(1, 0.1 / np.linalg.norm(ahead)), atol=1e-6)
    np.testing.assert_allclose(limbs["left_eye_smplhf"], [0, 0, 0.05])


def test_joints_in_one_place_still_have_a_bone(body):
    lengths = np.linalg.norm(bones.limbs(body, np.zeros((55, 3))), axis=1)
    assert lengths.min() == pytest.approx(0.01)


@pytest.mark.parametrize(("model_type", "counts"), [("smpl", (24, 0, 0)), ("smplh", (22, 30, 0)), ("smplx", (22, 30, 3))])
def test_joints_belong_to_body_hands_or_face(model_type, counts):
    kinds = list(bones.kinds(model_type).values())
    assert tuple(kinds.count(kind) for kind in (bones.BODY, bones.HANDS, bones.FACE)) == counts


def test_a_turned_bone_sees_the_axis_from_its_own_side():
    quarter = np.array([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]])  # its x axis is the y axis of the model
    turn = np.array([[[0.0, 0.5, 0]]])
    np.testing.assert_allclose(motion.in_bone_axes(turn, quarter), [[[0.5, 0, 0]]], atol=1e-12)
