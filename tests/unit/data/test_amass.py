"""A motion in the layout of AMASS is the same motion, with z up."""

from dataclasses import replace

import numpy as np
import pytest
from motions import MODEL_TYPES, joints_of, make_motion, rest_pelvis_of

from fitting.data.amass import read_amass, write_amass
from fitting.data.files import read_npz, write_npz
from fitting.data.motion import Motion
from fitting.data.parameters import POSE_PARTS
from fitting.data.result import FitResult
from fitting.errors import ResultError

SMPLH_KEYS = {"poses": (5, 156), "trans": (5, 3), "betas": (10,), "gender": (), "mocap_framerate": ()}
SMPLX_KEYS = {
    "poses": (5, 165), "root_orient": (5, 3), "pose_body": (5, 63), "pose_jaw": (5, 3), "pose_eye": (5, 6), "pose_hand": (5, 90),
    "trans": (5, 3), "betas": (10,), "gender": (), "mocap_frame_rate": (), "surface_model_type": (), "expressions": (5, 10),
}  # fmt: skip


def motion_of(model_type, n_betas_rows=1):
    motion = make_motion(model_type, n_betas_rows=n_betas_rows)
    if model_type == "smpl":
        motion.params["body_pose"][:, 63:] = 0  # SMPL-H has no hand joints of this kind
    pelvis = rest_pelvis_of(motion)
    return replace(motion, rest_pelvis=pelvis if n_betas_rows > 1 else pelvis[0])


def z_up(joints):
    x, y, z = np.moveaxis(joints, -1, 0)
    return np.stack([x, -z, y], -1)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_joints_are_the_same_in_z_up(model_type, tmp_path):
    motion = motion_of(model_type)
    write_amass(motion, tmp_path / "take.npz")
    read = read_amass(tmp_path / "take.npz")
    assert (read.model_type, read.gender, read.fps, read.up_axis) == ("smplx" if model_type == "smplx" else "smplh", "female", 59.94, "z")
    shared = slice(22) if model_type == "smpl" else slice(None)
    np.testing.assert_allclose(joints_of(read)[:, shared], z_up(joints_of(motion)[:, shared]), atol=1e-6)


@pytest.mark.parametrize("model_type", ["smplh", "smplx"])
def test_with_the_rest_pelvis_it_comes_back_with_y_up(model_type, tmp_path):
    motion = motion_of(model_type)
    write_amass(motion, tmp_path / "take.npz")
    read = read_amass(tmp_path / "take.npz", rest_pelvis=motion.rest_pelvis)
    assert read.up_axis == "y"
    assert set(read.params) == set(motion.params)
    np.testing.assert_allclose(joints_of(read), joints_of(motion), atol=1e-9)
    for name in set(motion.params) - {"global_orient"}:
        np.testing.assert_allclose(read.params[name], motion.params[name], atol=1e-9)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_keys_and_shapes_of_the_release(model_type, tmp_path):
    write_amass(motion_of(model_type), tmp_path / "take.npz")
    arrays = read_npz(tmp_path / "take.npz")
    assert {key: value.shape for key, value in arrays.items()} == (SMPLX_KEYS if model_type == "smplx" else SMPLH_KEYS)
    assert all(value.dtype == np.float64 for key, value in arrays.items() if key not in ("gender", "surface_model_type"))
    if model_type == "smplx":
        assert str(arrays["surface_model_type"]) == "smplx"
        joined = [arrays[key] for key in ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")]
        np.testing.assert_array_equal(np.concatenate(joined, axis=1), arrays["poses"])


def test_fingers_of_smpl_are_at_rest(tmp_path):
    write_amass(motion_of("smpl"), tmp_path / "take.npz")
    np.testing.assert_array_equal(read_npz(tmp_path / "take.npz")["poses"][:, 66:], 0)


def test_betas_that_differ_become_one_shape_with_the_pelvis_in_place(tmp_path):
    motion = motion_of("smplh", n_betas_rows=5)
    write_amass(motion, tmp_path / "take.npz")
    read = read_amass(tmp_path / "take.npz")
    assert read.betas.shape == (1, 10)
    np.testing.assert_allclose(joints_of(read)[:, 0], z_up(joints_of(motion)[:, 0]), atol=1e-6)


def test_what_has_z_up_is_written_as_it_is(tmp_path):
    motion = replace(motion_of("smplx"), up_axis="z", rest_pelvis=None)
    write_amass(motion, tmp_path / "take.npz")
    read = read_amass(tmp_path / "take.npz")
    for name, value in motion.params.items():
        np.testing.assert_array_equal(read.params[name], value)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_result_saves_its_motion(model_type, tmp_path):
    motion = motion_of(model_type)
    result = FitResult(
        params={name: value.astype(np.float32) for name, value in motion.params.items()},
        joints=joints_of(motion).astype(np.float32),
        residuals=np.zeros((5, 1), np.float32),
        keypoint_names=("pelvis",),
        fps=59.94,
        body={"model_type": model_type, "gender": "female", "name": "default"},
    )
    result.save_amass(tmp_path / "take.npz")
    shared = slice(22) if model_type == "smpl" else slice(None)
    np.testing.assert_allclose(joints_of(read_amass(tmp_path / "take.npz"))[:, shared], z_up(joints_of(motion)[:, shared]), atol=3e-6)
    with pytest.raises(ResultError, match=r"There is no model type 'quadruped'\. Known: 'smpl', 'smplh', 'smplx'\."):
        Motion.from_result(replace(result, body={"model_type": "quadruped"}))


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_without_its_pelvis_or_its_rate_nothing_is_written(model_type, tmp_path):
    with pytest.raises(ResultError, match="only where the rest pelvis of its body is known"):
        write_amass(make_motion(model_type), tmp_path / "take.npz")
    with pytest.raises(ResultError, match="no frame rate, which AMASS needs"):
        write_amass(replace(motion_of(model_type), fps=None), tmp_path / "take.npz")
    assert list(tmp_path.iterdir()) == []


def smplh_file(**changes):
    arrays = {"poses": np.zeros((5, 156)), "trans": np.ones((5, 3)), "betas": np.zeros(16), "gender": "male", "mocap_framerate": 120.0}
    return {key: value for key, value in {**arrays, **changes}.items() if value is not None}


def test_the_parts_stand_in_for_the_full_pose(tmp_path):
    write_amass(motion_of("smplx"), tmp_path / "whole.npz")
    arrays = read_npz(tmp_path / "whole.npz")
    whole = read_amass(tmp_path / "whole.npz")
    del arrays["poses"]
    write_npz(tmp_path / "parts.npz", arrays)
    np.testing.assert_array_equal(read_amass(tmp_path / "parts.npz").full_pose, whole.full_pose)


@pytest.mark.parametrize("gender", [b"female", "Female", ["female"]])
def test_genders_as_files_have_them(gender, tmp_path):
    write_npz(tmp_path / "take.npz", smplh_file(gender=np.asarray(gender)))
    assert read_amass(tmp_path / "take.npz").gender == "female"


@pytest.mark.parametrize("changes", [{"mocap_framerate": None, "mocap_frame_rate": 50}, {"mocap_framerate": [50.0]}])
def test_frame_rates_as_files_have_them(changes, tmp_path):
    write_npz(tmp_path / "take.npz", smplh_file(**changes))
    assert read_amass(tmp_path / "take.npz").fps == 50


def test_without_a_frame_rate_there_is_none(tmp_path):
    write_npz(tmp_path / "take.npz", smplh_file(mocap_framerate=None))
    assert read_amass(tmp_path / "take.npz").fps is None


@pytest.mark.parametrize(("width", "model_type"), [(72, "smpl"), (156, "smplh"), (165, "smplx")])
def test_the_width_tells_the_type(width, model_type, tmp_path):
    poses = np.arange(5.0 * width).reshape(5, width)
    write_npz(tmp_path / "take.npz", smplh_file(poses=poses))
    motion = read_amass(tmp_path / "take.npz")
    assert motion.model_type == model_type
    assert "expression" not in motion.params
    np.testing.assert_array_equal(motion.full_pose.reshape(5, -1), poses)
    assert [motion.params[name].shape[1] for name, _ in POSE_PARTS[model_type]] == [3 * n for _, n in POSE_PARTS[model_type]]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"trans": None, "betas": None}, "'take.npz': the file lacks betas, trans. Give a motion file of AMASS."),
        ({"poses": None}, "'take.npz': the file lacks poses, and in their place root_orient, pose_body"),
        ({"poses": np.zeros((5, 63))}, "'take.npz': poses has 63 values in each frame, expected 156"),
        ({"poses": np.zeros(156)}, r"'take.npz': poses has the shape \(156,\)"),
        ({"poses": np.zeros((0, 156))}, r"'take.npz': poses has the shape \(0, 156\)"),
        ({"poses": np.full((5, 156), np.inf)}, "'take.npz': poses has values that are not finite"),
        ({"trans": np.zeros((4, 3))}, r"'take.npz': transl has the shape \(4, 3\), expected \(5, 3\)"),
        ({"betas": np.full(16, np.nan)}, "'take.npz': betas has values that are not finite"),
        ({"gender": "unknown"}, "'take.npz': There is no gender 'unknown'"),
        ({"mocap_framerate": "fast"}, "'take.npz': mocap_framerate has the type <U4, expected numbers"),
        ({"mocap_framerate": [60, 120]}, r"'take.npz': mocap_framerate has the shape \(2,\), expected \(1\)"),
        ({"mocap_framerate": -1}, "'take.npz': The frame rate is -1"),
    ],
)
def test_wrong_files_are_told_in_a_sentence(changes, sentence, tmp_path):
    write_npz(tmp_path / "take.npz", smplh_file(**changes))
    with pytest.raises(ResultError, match=sentence):
        read_amass(tmp_path / "take.npz")


def test_python_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "take.npz", **smplh_file(trans=np.array([{"x": 1}], dtype=object)))
    with pytest.raises(ResultError, match="the file lacks trans"):
        read_amass(tmp_path / "take.npz")


def test_no_file(tmp_path):
    with pytest.raises(ResultError, match=r"^There is no file '.*take\.npz'\."):
        read_amass(tmp_path / "take.npz")
