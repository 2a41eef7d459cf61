"""Motions: their checks, and what stays the same when the axes or the betas change."""

from dataclasses import replace

import numpy as np
import pytest
from motions import MODEL_TYPES, joints_of, make_motion, rest_pelvis_of

from fitting.data.motion import Motion, as_floats, split_pose
from fitting.data.parameters import POSE_PARTS
from fitting.data.result import FitResult
from fitting.errors import ResultError


def result_of(motion):
    return FitResult(
        params={name: value.astype(np.float32) for name, value in motion.params.items()},
        joints=joints_of(motion).astype(np.float32),
        residuals=np.zeros((motion.n_frames, 1), np.float32),
        keypoint_names=("pelvis",),
        fps=motion.fps,
        body={"model_type": motion.model_type, "gender": motion.gender, "name": "default"},
    )


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_full_pose_has_the_parts_in_order(model_type):
    motion = make_motion(model_type)
    start = 0
    for name, n_joints in POSE_PARTS[model_type]:
        np.testing.assert_array_equal(motion.full_pose[:, start : start + n_joints].reshape(motion.n_frames, -1), motion.params[name])
        start += n_joints
    assert start == motion.full_pose.shape[1]
    for name, part in split_pose(motion.full_pose, model_type).items():
        np.testing.assert_array_equal(part, motion.params[name])


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("n_betas_rows", [1, 5])
def test_with_z_up_every_joint_is_turned(model_type, n_betas_rows):
    motion = make_motion(model_type, n_betas_rows=n_betas_rows)
    turned = motion.with_up_axis("z", rest_pelvis_of(motion))
    assert turned.up_axis == "z"
    x, y, z = np.moveaxis(joints_of(motion), -1, 0)
    np.testing.assert_allclose(joints_of(turned), np.stack([x, -z, y], -1), atol=1e-6)


def test_turned_there_and_back_is_the_same_motion():
    motion = make_motion()
    back = motion.with_up_axis("z", rest_pelvis_of(motion)).with_up_axis("y")  # it remembers the rest pelvis
    assert back.up_axis == "y"
    np.testing.assert_allclose(back.params["transl"], motion.params["transl"], atol=1e-12)
    np.testing.assert_allclose(joints_of(back), joints_of(motion), atol=1e-12)


def test_the_same_axis_changes_nothing():
    motion = make_motion()
    assert motion.with_up_axis("y") is motion


def test_without_rest_pelvis_it_is_not_turned():
    with pytest.raises(ResultError, match=r"with y up can be turned to z up only where the rest pelvis .* is known\. Give rest_pelvis"):
        make_motion().with_up_axis("z")


def test_one_shape_keeps_the_pelvis():
    motion = make_motion(n_betas_rows=5)
    motion = replace(motion, rest_pelvis=rest_pelvis_of(motion))
    one = motion.with_one_shape()
    np.testing.assert_allclose(one.betas, motion.betas.mean(0, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(joints_of(one)[:, 0], joints_of(motion)[:, 0], atol=1e-6)
    np.testing.assert_allclose(one.rest_pelvis, rest_pelvis_of(one)[0], atol=1e-6)
    assert one.with_one_shape() is one


@pytest.mark.parametrize("rest_pelvis", [None, np.zeros(3)])
def test_differing_betas_need_the_pelvis_of_each_frame(rest_pelvis):
    with pytest.raises(ResultError, match="The betas differ between frames"):
        replace(make_motion(n_betas_rows=5), rest_pelvis=rest_pelvis).with_one_shape()


def test_rows_of_equal_betas_are_one_shape():
    motion = make_motion()
    repeated = replace(motion, params={**motion.params, "betas": np.repeat(motion.betas, motion.n_frames, 0)})
    np.testing.assert_array_equal(repeated.with_one_shape().betas, motion.betas)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("n_betas_rows", [1, 5])
def test_motion_of_a_result(model_type, n_betas_rows):
    result = result_of(make_motion(model_type, n_betas_rows=n_betas_rows))
    motion = Motion.from_result(result)
    assert (motion.model_type, motion.gender, motion.fps, motion.up_axis) == (model_type, "female", 59.94, "y")
    for name, value in result.params.items():
        assert motion.params[name].dtype == np.float32
        np.testing.assert_array_equal(motion.params[name], value)
    expected = rest_pelvis_of(motion)
    np.testing.assert_allclose(motion.rest_pelvis, expected if n_betas_rows > 1 else expected[0], atol=2e-6)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"body_pose": None}, "A motion of the type 'smplx' lacks body_pose"),
        ({"global_orient": None, "transl": None}, "lacks .*global_orient, .*transl"),
        ({"body_pose": np.zeros((5, 69))}, r"body_pose has the shape \(5, 69\), expected \(5, 63\)"),
        ({"jaw_pose": np.zeros((4, 3))}, r"jaw_pose has the shape \(4, 3\), expected \(5, 3\)"),
        ({"betas": np.zeros((3, 10))}, r"betas has the shape \(3, 10\), expected \(1 or 5, any\)"),
        ({"betas": np.zeros((1, 0))}, r"betas has the shape \(1, 0\)"),
        ({"transl": np.full((5, 3), np.nan)}, "transl has values that are not finite, in frame 0 first"),
        ({"expression": np.array([["a"]])}, "expression has the type <U1, expected numbers"),
        ({"left_hand_poze": np.zeros((5, 45))}, "has no 'left_hand_poze'. Did you mean 'left_hand_pose'?"),
    ],
)
def test_wrong_parameters_are_named(changes, sentence):
    motion = make_motion("smplx")
    params = {name: value for name, value in {**motion.params, **changes}.items() if value is not None}
    with pytest.raises(ResultError, match=sentence):
        replace(motion, params=params)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_type": "smplxx"}, "There is no model type 'smplxx'. Did you mean 'smplx'?"),
        ({"gender": "man"}, "There is no gender 'man'"),
        ({"up_axis": "x"}, "There is no up axis 'x'. Known: 'y', 'z'"),
        ({"fps": 0.0}, "The frame rate is 0, expected more than 0"),
        ({"fps": float("nan")}, "The frame rate is nan"),
        ({"rest_pelvis": np.zeros((2, 3))}, r"rest_pelvis has the shape \(2, 3\), expected \(5, 3\)"),
    ],
)
def test_wrong_values_are_named(changes, sentence):
    with pytest.raises(ResultError, match=sentence):
        replace(make_motion(), **changes)


def test_expressions_belong_to_smplx():
    motion = make_motion("smplh")
    with pytest.raises(ResultError, match="A motion of the type 'smplh' has no 'expression'"):
        replace(motion, params={**motion.params, "expression": np.zeros((1, 10))})


def test_an_unknown_axis_is_refused_before_the_pelvis_is_asked_for():
    with pytest.raises(ResultError, match="There is no up axis 'x'"):
        make_motion().with_up_axis("x")


@pytest.mark.parametrize(
    ("value", "dtype"), [([[1, 2]], np.float32), (np.ones((1, 2), np.float16), np.float16), (np.ones((1, 2)), np.float64)]
)
def test_float_types_stay(value, dtype):
    assert as_floats("values", value, (1, 2)).dtype == dtype
