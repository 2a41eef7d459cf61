import pytest

from fitting.data.conventions import get_convention
from fitting.errors import PresetError
from fitting.registrant.part_weights import joint_weights

SMPL, SMPL_45 = get_convention("smpl"), get_convention("smpl_45")
ONLY = {"use_shoulder_hip_only": True, "body_weight": 0, "face_weight": 0, "hand_weight": 0, "shoulder_weight": 5.0, "hip_weight": 2.0}


def weights(stage, ignore=(), convention=SMPL_45):
    return dict(zip(convention.names, joint_weights(convention, stage, ignore), strict=True))


def test_one_by_default():
    assert set(weights({}).values()) == {1.0}


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ({"body_weight": 3.0}, {"left_knee": 3, "left_shoulder": 3, "left_hip": 3, "left_ankle": 3, "head": 1, "nose": 1, "left_hand": 1}),
        ({"face_weight": 2.0}, {"nose": 2, "left_ear": 2, "head": 2, "neck": 1, "left_knee": 1}),
        ({"hand_weight": 0.5}, {"left_thumb": 0.5, "right_hand": 0.5, "left_elbow": 1}),
        ({"shoulder_weight": 4.0}, {"left_shoulder": 4, "right_shoulder": 4, "left_elbow": 1}),
        ({"hip_weight": 0}, {"left_hip": 0, "right_hip": 0, "left_knee": 1}),
        ({"foot_weight": 0.25}, {"left_ankle": 0.25, "right_foot": 0.25, "left_bigtoe": 0.25, "left_knee": 1}),
        ({"body_weight": 0, "shoulder_weight": 5, "hip_weight": 5}, {"left_shoulder": 5, "right_hip": 5, "left_knee": 0, "nose": 1}),
        ({"body_weight": 3, "shoulder_weight": None, "foot_weight": None}, {"left_shoulder": 3, "left_foot": 3}),
    ],
)
def test_parts(stage, expected):
    """Shoulders, hips and feet are parts of the body, whose weight theirs replaces."""
    found = weights(stage)
    assert {name: found[name] for name in expected} == expected


def test_shoulders_and_hips_only():
    found = weights(ONLY)
    assert {name: weight for name, weight in found.items() if weight} == {
        "left_shoulder": 5, "right_shoulder": 5, "left_hip": 2, "right_hip": 2,
    }  # fmt: skip


def test_shoulders_and_hips_only_when_it_is_off():
    assert weights({"use_shoulder_hip_only": False}) == weights({})


@pytest.mark.parametrize(
    "change",
    [{"shoulder_weight": None}, {"hip_weight": None}, {"body_weight": 1.0}, {"face_weight": 0.1}, {"hand_weight": 1.0}],
)
def test_shoulders_and_hips_only_needs_their_weights_and_no_others(change):
    with pytest.raises(PresetError, match=r"use_shoulder_hip_only needs shoulder_weight and hip_weight, and body_weight = face_weight"):
        weights({**ONLY, **change})


def test_shoulders_and_hips_only_with_defaults_of_the_parts():
    with pytest.raises(PresetError, match="use_shoulder_hip_only"):
        weights({"use_shoulder_hip_only": True, "shoulder_weight": 1.0, "hip_weight": 1.0})


def test_ignored_keypoints_come_last():
    found = weights({**ONLY}, ignore=("left_hip", "no_such_point"))
    assert found["left_hip"] == 0
    assert found["right_hip"] == 2


def test_ignored_names_that_the_model_lacks_do_nothing():
    assert weights({}, ("neck_openpose", "right_hip_extra")) == weights({})
