"""`.smpl` files: written and read back, and what is said about wrong ones."""

from dataclasses import replace

import numpy as np
import pytest
from motions import MODEL_TYPES, joints_of, make_motion, rest_pelvis_of

from fitting.data import files
from fitting.data.files import read_npz, write_npz
from fitting.data.result import FitResult
from fitting.data.smpl_codec import read_smpl, write_smpl
from fitting.errors import ResultError

SHAPES = {
    "smpl": {"bodyPose": (5, 24, 3)},
    "smplh": {"bodyPose": (5, 22, 3), "leftHandPose": (5, 15, 3), "rightHandPose": (5, 15, 3)},
    "smplx": {
        "bodyPose": (5, 22, 3), "headPose": (5, 3, 3), "leftHandPose": (5, 15, 3), "rightHandPose": (5, 15, 3),
        "expressionParameters": (5, 10),
    },
}  # fmt: skip
NUMBERS = {"codecVersion": 2, "gender": 2, "frameCount": 5}


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_written_and_read_exactly(model_type, tmp_path):
    motion = make_motion(model_type, dtype=np.float32)
    write_smpl(motion, tmp_path / "take.smpl")
    read = read_smpl(tmp_path / "take.smpl")
    assert (read.model_type, read.gender, read.fps, read.up_axis) == (model_type, "female", 59.94, "y")
    assert set(read.params) == set(motion.params)
    for name, value in motion.params.items():
        assert read.params[name].dtype == np.float32
        np.testing.assert_array_equal(read.params[name], value)


@pytest.mark.parametrize(("model_type", "version"), [("smpl", 0), ("smplh", 1), ("smplx", 2)])
def test_keys_types_and_numbers_of_the_format(model_type, version, tmp_path):
    write_smpl(make_motion(model_type), tmp_path / "take.smpl")
    arrays = read_npz(tmp_path / "take.smpl")
    numbers = {key: int(value) for key, value in arrays.items() if value.dtype == np.int32}
    assert numbers == {**NUMBERS, "smplVersion": version}
    shapes = {key: value.shape for key, value in arrays.items() if value.dtype == np.float32}
    assert shapes == {**SHAPES[model_type], "shapeParameters": (10,), "bodyTranslation": (5, 3), "frameRate": ()}
    assert len(arrays) == len(numbers) + len(shapes)


def test_one_expression_stands_for_all_frames(tmp_path):
    motion = make_motion("smplx", dtype=np.float32)
    one = replace(motion, params={**motion.params, "expression": motion.params["expression"][:1]})
    write_smpl(one, tmp_path / "take.smpl")
    np.testing.assert_array_equal(read_smpl(tmp_path / "take.smpl").params["expression"], np.repeat(one.params["expression"], 5, 0))


def test_what_has_z_up_is_turned(tmp_path):
    motion = make_motion("smplh")
    write_smpl(motion.with_up_axis("z", rest_pelvis_of(motion)), tmp_path / "take.smpl")
    np.testing.assert_allclose(joints_of(read_smpl(tmp_path / "take.smpl")), joints_of(motion), atol=3e-6)


def test_a_result_saves_its_motion(tmp_path):
    motion = make_motion("smplx", dtype=np.float32)
    result = FitResult(
        params=motion.params,
        joints=joints_of(motion).astype(np.float32),
        residuals=np.zeros((5, 1), np.float32),
        keypoint_names=("pelvis",),
        fps=30.0,
        body={"model_type": "smplx", "gender": "female", "name": "default"},
    )
    result.save_smpl(tmp_path / "take.smpl")
    read = read_smpl(tmp_path / "take.smpl")
    assert read.fps == 30
    np.testing.assert_array_equal(read.full_pose, motion.full_pose)


def test_nothing_is_written_without_rate_or_pelvis(tmp_path):
    with pytest.raises(ResultError, match=r"no frame rate, which \.smpl needs"):
        write_smpl(replace(make_motion(), fps=None), tmp_path / "take.smpl")
    with pytest.raises(ResultError, match="z up can be turned to y up only where the rest pelvis"):
        write_smpl(replace(make_motion(), up_axis="z"), tmp_path / "take.smpl")
    assert list(tmp_path.iterdir()) == []


def test_an_avatar_without_motion_is_one_frame_in_the_t_pose(tmp_path):
    write_npz(tmp_path / "a.smpl", {"smplVersion": 2, "gender": 1, "shapeParameters": np.arange(20, dtype=np.float32)})
    motion = read_smpl(tmp_path / "a.smpl")
    assert (motion.n_frames, motion.gender, motion.fps) == (1, "male", None)
    np.testing.assert_array_equal(motion.betas, np.arange(20)[None])
    np.testing.assert_array_equal(motion.full_pose, np.zeros((1, 55, 3)))
    np.testing.assert_array_equal(motion.params["transl"], np.zeros((1, 3)))


def test_parts_that_are_not_there_are_zero(tmp_path):
    pose = np.full((4, 22, 3), 0.5, np.float32)
    write_npz(tmp_path / "a.smpl", {"smplVersion": 1, "gender": 0, "frameCount": 4, "bodyPose": pose, "leftHandPose": pose[:, :15]})
    full_pose = read_smpl(tmp_path / "a.smpl").full_pose
    np.testing.assert_array_equal(full_pose[:, :37], 0.5)
    np.testing.assert_array_equal(full_pose[:, 37:], 0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"smplVersion": None, "gender": None}, "'a.smpl': the file lacks gender, smplVersion. Give a .smpl file"),
        ({"smplVersion": 4}, r"smplVersion is 4, expected one of 0 \(smpl\), 1 \(smplh\), 2 \(smplx\)"),
        ({"smplVersion": [1, 2]}, r"smplVersion has the shape \(2,\)"),
        ({"gender": "male"}, "gender has the type <U4, expected numbers"),
        ({"gender": 3}, r"gender is 3, expected one of 0 \(neutral\)"),
        ({"bodyPose": np.zeros((4, 22, 3))}, r"bodyPose has the shape \(4, 22, 3\), expected \(4, 24, 3\)"),
        ({"bodyPose": np.full((4, 24, 3), np.nan)}, "bodyPose has values that are not finite"),
        ({"bodyPose": None, "bodyTranslation": None, "frameCount": 2**31 - 1}, "frameCount is .*, but the arrays have 1 frames"),
        ({"frameCount": 3}, "frameCount is 3, but the arrays have 4 frames"),
        ({"bodyTranslation": np.zeros((3, 3))}, r"bodyTranslation has the shape \(3, 3\), expected \(4, 3\)"),
        ({"shapeParameters": np.zeros((1, 10))}, r"shapeParameters has the shape \(1, 10\), expected \(any\)"),
        ({"frameRate": 0.0}, "The frame rate is 0"),
    ],
)
def test_wrong_files_are_told_in_a_sentence(changes, sentence, tmp_path):
    arrays = {"smplVersion": 0, "gender": 0, "frameCount": 4, "bodyPose": np.zeros((4, 24, 3)), "bodyTranslation": np.zeros((4, 3))}
    write_npz(tmp_path / "a.smpl", {key: value for key, value in {**arrays, **changes}.items() if value is not None})
    with pytest.raises(ResultError, match=sentence):
        read_smpl(tmp_path / "a.smpl")


def test_oversize_files_are_refused(tmp_path, monkeypatch):
    write_smpl(make_motion(), tmp_path / "take.smpl")
    monkeypatch.setattr(files, "MAX_ARRAY_BYTES", 1000)
    with pytest.raises(ResultError, match=r"'take\.smpl' unpacks to"):
        read_smpl(tmp_path / "take.smpl")
