"""XRMoCap's SMPLData, SMPLXData and SMPLXDData: in memory, in files, and as motions."""

import numpy as np
import pytest
import torch
from motions import joints_of, make_motion, rest_pelvis_of

from fitting.data.bodies import load_default_body
from fitting.data.files import read_npz, write_npz
from fitting.data.result import FitResult
from fitting.data.smpl_data import SMPLData
from fitting.data.smplx_data import N_SMPLX_VERTICES, SMPLXData, SMPLXDData, auto_load_smpl_data, smpl_data_from_motion
from fitting.errors import ResultError

CLASSES = (SMPLData, SMPLXData, SMPLXDData)
F = 3
SMPLX_PARTS = {
    "global_orient": 1, "body_pose": 21, "jaw_pose": 1, "leye_pose": 1, "reye_pose": 1, "left_hand_pose": 15, "right_hand_pose": 15,
}  # fmt: skip


def values_of(cls, dtype=np.float32, n_rows=1):
    rng = np.random.default_rng(0)
    values = {
        "fullpose": rng.normal(size=(F, cls.get_fullpose_dim(), 3)),
        "transl": rng.normal(size=(F, 3)),
        "betas": rng.normal(size=(n_rows, 16)),
    }
    if cls is not SMPLData:
        values["expression"] = rng.normal(size=(n_rows, 12))
    if cls is SMPLXDData:
        values["displacement"] = rng.normal(size=(n_rows, 7, 3))
    return {**{name: value.astype(dtype) for name, value in values.items()}, "gender": "male", "mask": np.array([1, 0, 1], np.uint8)}


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_rows", [1, F])
def test_dumped_and_read_exactly(cls, dtype, n_rows, tmp_path):
    values = values_of(cls, dtype, n_rows)
    cls(**values).dump(tmp_path / "data.npz")
    assert set(read_npz(tmp_path / "data.npz")) == set(values)
    loaded, name = auto_load_smpl_data(tmp_path / "data.npz")
    assert (type(loaded), name) == (cls, cls.__name__)
    for data in (loaded, cls.fromfile(tmp_path / "data.npz"), cls().load(tmp_path / "data.npz")):
        for key, value in values.items():
            if key != "gender":
                assert getattr(data, key).dtype == value.dtype
            np.testing.assert_array_equal(getattr(data, key), value)


@pytest.mark.parametrize(("cls", "n_joints"), [(SMPLData, 24), (SMPLXData, 55), (SMPLXDData, 55)])
def test_defaults_as_xrmocap(cls, n_joints):
    data = cls(fullpose=np.ones((F, n_joints, 3), np.float32))
    assert (cls.get_fullpose_dim(), data.get_batch_size(), data.get_gender()) == (n_joints, F, "neutral")
    np.testing.assert_array_equal(data.get_transl(), np.zeros((F, 3)))
    np.testing.assert_array_equal(data.get_betas(), np.zeros((F, 10)))
    np.testing.assert_array_equal(data.get_mask(), [1, 1, 1])
    assert data.get_mask().dtype == np.uint8
    if isinstance(data, SMPLXData):
        np.testing.assert_array_equal(data.get_expression(), np.zeros((F, 10)))
    if isinstance(data, SMPLXDData):
        np.testing.assert_array_equal(data.get_displacement(), np.zeros((1, N_SMPLX_VERTICES, 3)))


def test_getters():
    data = SMPLXData(**values_of(SMPLXData))
    np.testing.assert_array_equal(data.get_global_orient(), data.get_fullpose()[:, 0])
    np.testing.assert_array_equal(data.get_body_pose(), data.get_fullpose()[:, 1:22])
    assert data.get_betas(repeat_betas=False).shape == (1, 16)
    np.testing.assert_array_equal(data.get_betas(), np.repeat(data.betas, F, axis=0))
    assert data.get_expression(repeat_expression=False).shape == (1, 12)
    np.testing.assert_array_equal(data.get_expression(), np.repeat(data.expression, F, axis=0))
    assert SMPLData(fullpose=np.zeros((F, 72))).get_body_pose().shape == (F, 23, 3)


@pytest.mark.parametrize("mask", [None, [1], [0], [True, False, True], np.array([0, 2, 1])])
def test_there_is_a_mask_for_every_frame(mask):
    expected = np.broadcast_to(np.asarray([1] if mask is None else mask) > 0, F)
    np.testing.assert_array_equal(SMPLData(fullpose=np.zeros((F, 24, 3)), mask=mask).get_mask(), expected)


def test_param_dict_of_smplx_has_the_parts_in_order():
    data = SMPLXData(**values_of(SMPLXData))
    params = data.to_param_dict(repeat_betas=False, repeat_expression=False)
    start = 0
    for name, n_joints in SMPLX_PARTS.items():
        np.testing.assert_array_equal(params[name], data.fullpose[:, start : start + n_joints].reshape(F, -1))
        start += n_joints
    np.testing.assert_array_equal(params["betas"], data.betas)
    np.testing.assert_array_equal(params["expression"], data.expression)
    np.testing.assert_array_equal(params["transl"], data.transl)
    assert set(params) == {*SMPLX_PARTS, "betas", "expression", "transl"}


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("as_given", [np.asarray, lambda value: torch.tensor(value, requires_grad=True)], ids=["array", "tensor"])
def test_param_dict_there_and_back(cls, as_given):
    data = cls(**values_of(cls))
    params = {name: as_given(value) for name, value in data.to_param_dict(repeat_betas=False).items()}
    back = cls().from_param_dict({**params, "joints": "left out"}, gender="male", mask=data.mask)
    for name in values_of(cls):
        np.testing.assert_array_equal(getattr(back, name), getattr(data, name) if name != "expression" else data.get_expression())


def test_joint_wise_parts_are_taken():
    data = SMPLData().from_param_dict({"global_orient": np.ones((F, 1, 3)), "body_pose": np.full((F, 23, 3), 2.0)})
    np.testing.assert_array_equal(data.fullpose[:, 0], 1)
    np.testing.assert_array_equal(data.fullpose[:, 1:], 2)


def test_parts_that_are_not_there_are_zero():
    data = SMPLXData().from_param_dict({"global_orient": np.ones((F, 3), np.float32), "body_pose": np.ones((F, 63), np.float32)})
    assert data.fullpose.dtype == np.float32
    np.testing.assert_array_equal(data.fullpose[:, 22:], 0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"body_pose": None}, "The parameters of a SMPLXData lack body_pose"),
        ({"body_pose": np.zeros((F, 69))}, r"body_pose has the shape \(3, 69\), expected \(3, 63\)"),
        ({"right_hand_pose": np.zeros((F, 6))}, "right_hand_pose has 6 values in each frame, components of a hand, expected 45"),
        ({"jaw_pose": np.zeros((F, 9))}, r"jaw_pose has the shape \(3, 9\), expected \(3, 3\)"),
    ],
)
def test_wrong_parameters_are_named(changes, sentence):
    params = {**SMPLXData(**values_of(SMPLXData)).to_param_dict(), **changes}
    with pytest.raises(ResultError, match=sentence):
        SMPLXData().from_param_dict({name: value for name, value in params.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fullpose": np.zeros((F, 24, 3))}, r"'data.npz': fullpose has the shape \(3, 24, 3\), expected \(3, 55, 3\)"),
        ({"fullpose": np.full((F, 55, 3), np.nan)}, "'data.npz': fullpose has values that are not finite"),
        ({"gender": "robot"}, "'data.npz': There is no gender 'robot'"),
        ({"transl": np.zeros((1, 3))}, r"'data.npz': transl has the shape \(1, 3\), expected \(3, 3\)"),
        ({"betas": np.zeros((2, 10))}, r"'data.npz': betas has the shape \(2, 10\), expected \(1 or 3, any\)"),
        ({"expression": np.zeros((2, 10))}, "'data.npz': expression has the shape"),
        ({"mask": np.zeros(2)}, r"'data.npz': mask has the shape \(2,\), expected \(1 or 3\)"),
        ({"transl": None, "expression": None}, "'data.npz': the data lacks transl, expression: it is no SMPLXData of XRMoCap"),
    ],
)
def test_wrong_files_are_told_in_a_sentence(changes, sentence, tmp_path):
    values = {**values_of(SMPLXData), **changes}
    write_npz(tmp_path / "data.npz", {name: value for name, value in values.items() if value is not None})
    with pytest.raises(ResultError, match=sentence):
        SMPLXData.fromfile(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"keypoints": np.zeros(3)}, "'data.npz': the data lacks fullpose: it is no data of XRMoCap"),
        ({"fullpose": np.zeros((F, 55, 3))}, r"'data.npz': fullpose has the shape \(3, 55, 3\), expected \(frames, 24, 3\), or"),
        ({"fullpose": np.zeros((F, 24, 3))}, "'data.npz': the data lacks gender, transl, betas: it is no SMPLData"),
    ],
)
def test_auto_load_of_other_files(arrays, sentence, tmp_path):
    write_npz(tmp_path / "data.npz", arrays)
    with pytest.raises(ResultError, match=sentence):
        auto_load_smpl_data(tmp_path / "data.npz")


def test_python_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "data.npz", **{**values_of(SMPLData), "betas": np.array([None], dtype=object)})
    with pytest.raises(ResultError, match="the data lacks betas"):
        SMPLData.fromfile(tmp_path / "data.npz")


@pytest.mark.parametrize("n_rows", [1, F])
def test_flattened_displacement_of_xrmocap(n_rows):
    displacement = np.arange(n_rows * N_SMPLX_VERTICES * 3, dtype=np.float32).reshape(-1, 3)
    data = SMPLXDData(**{**values_of(SMPLXDData), "displacement": displacement})
    np.testing.assert_array_equal(data.get_displacement(), displacement.reshape(n_rows, -1, 3))


def test_motion_of_smpl_there_and_back():
    motion = make_motion("smpl")
    data = smpl_data_from_motion(motion)
    assert type(data) is SMPLData
    back = data.to_motion(fps=59.94)
    assert (back.gender, back.fps, back.up_axis, back.rest_pelvis) == ("female", 59.94, "y", None)
    for name, value in motion.params.items():
        np.testing.assert_array_equal(back.params[name], value)


def test_hands_in_files_are_relative_to_the_mean_hand():
    motion = make_motion("smplx")
    mean = np.stack([np.full(45, 0.25), np.full(45, -0.5)])
    data = smpl_data_from_motion(motion, mean)
    assert type(data) is SMPLXData
    params = data.to_param_dict()
    np.testing.assert_allclose(params["left_hand_pose"], motion.params["left_hand_pose"] - 0.25, atol=1e-15)
    np.testing.assert_allclose(params["right_hand_pose"], motion.params["right_hand_pose"] + 0.5, atol=1e-15)
    back = data.to_motion(hand_mean=mean)
    for name, value in motion.params.items():
        np.testing.assert_allclose(back.params[name], value, atol=1e-15)
    flat = smpl_data_from_motion(motion).to_param_dict()
    np.testing.assert_array_equal(flat["left_hand_pose"], motion.params["left_hand_pose"])


def test_the_mean_hand_keeps_the_float_type():
    data = smpl_data_from_motion(make_motion("smplx", dtype=np.float32), np.zeros((2, 45)))
    assert data.fullpose.dtype == np.float32


def test_a_wrong_mean_hand_is_refused():
    with pytest.raises(ResultError, match=r"hand_mean has the shape \(45,\), expected \(2, 45\)"):
        smpl_data_from_motion(make_motion("smplx"), np.zeros(45))


def test_smplh_has_no_data_class():
    with pytest.raises(ResultError, match=r"type 'smplh' cannot be SMPLData, which holds 'smpl'\. .* for SMPL-H use AMASS or \.smpl"):
        smpl_data_from_motion(make_motion("smplh"))


def test_a_motion_with_z_up_is_turned():
    motion = make_motion("smpl")
    data = SMPLData.from_motion(motion.with_up_axis("z", rest_pelvis_of(motion)))
    np.testing.assert_allclose(joints_of(data.to_motion()), joints_of(motion), atol=1e-9)


def test_absent_people_are_no_motion():
    data = SMPLData(**values_of(SMPLData))
    with pytest.raises(ResultError, match=r"absent \(mask 0\) in 1 of 3 frames, in frame 1 first"):
        data.to_motion()


def test_displacement_has_no_place_in_a_motion():
    data = SMPLXDData(**{**values_of(SMPLXDData), "mask": None})
    assert "displacement" not in data.to_motion().params


def result_of(model_type, name):
    motion = make_motion(model_type, dtype=np.float32)
    body = {"model_type": model_type, "gender": "female", "name": name}
    joints = joints_of(motion).astype(np.float32)
    return FitResult(motion.params, joints, np.zeros((5, 1), np.float32), ("pelvis",), 30.0, body)


@pytest.mark.parametrize("model_type", ["smpl", "smplx"])
def test_a_result_of_the_default_body_knows_its_mean_hand(model_type, tmp_path):
    result = result_of(model_type, "default")
    result.save_smpl_data(tmp_path / "data.npz")
    data, _ = auto_load_smpl_data(tmp_path / "data.npz")
    motion = data.to_motion(hand_mean=load_default_body("female", model_type).hand_mean)
    for name, value in result.params.items():
        np.testing.assert_allclose(motion.params[name], value, atol=1e-6)
    if model_type == "smplx":
        assert np.abs(data.to_param_dict()["left_hand_pose"] - result.params["left_hand_pose"]).max() > 0.05


def test_a_result_of_another_body_needs_its_mean_hand(tmp_path):
    result = result_of("smplx", "SMPLX_NEUTRAL.npz")
    with pytest.raises(ResultError, match="relative to the mean hand of the body, which the result does not hold"):
        result.save_smpl_data(tmp_path / "data.npz")
    result.save_smpl_data(tmp_path / "data.npz", hand_mean=np.zeros((2, 45)))
    data = SMPLXData.fromfile(tmp_path / "data.npz")
    np.testing.assert_array_equal(data.to_param_dict()["left_hand_pose"], result.params["left_hand_pose"])


def test_an_object_is_filled_as_in_xrmocap():
    data = SMPLData(gender="male")
    assert (data.get_batch_size(), data.get_fullpose().any()) == (1, False)
    params = {"global_orient": np.ones((F, 3)), "body_pose": np.zeros((F, 69)), "transl": np.ones((F, 3))}
    assert data.from_param_dict(params) is data
    assert (data.get_batch_size(), data.get_gender(), data.get_mask().shape) == (F, "male", (F,))
    with pytest.raises(ResultError):
        data.from_param_dict({"global_orient": np.ones((2, 3)), "body_pose": np.zeros((F, 69))})
    assert data.get_batch_size() == F, "nothing is half taken"
