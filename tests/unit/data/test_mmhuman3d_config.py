from pathlib import Path

import pytest

from fitting.data.config_file import load_config
from fitting.data.mmhuman3d_config import from_mmhuman3d, is_mmhuman3d_config
from fitting.errors import PresetError

CONFIGS = Path(__file__).parents[2] / "data" / "configs"
POINTS = {"type": "KeypointMSELoss", "loss_weight": 10}
SMALLEST = {"type": "SMPLify", "keypoints3d_loss": POINTS, "stages": [{}]}


def translated(**change):
    return from_mmhuman3d({**SMALLEST, **change})


def stage_of(type_="SMPLify", **stage):
    config, _ = translated(type=type_, stages=[stage])
    return config["stages"][0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (SMALLEST, True),
        ({"keypoints3d_mse_loss": POINTS}, True),
        ({"keypoints2d_loss": POINTS}, True),
        ({"num_epochs": 1, "stages": []}, True),
        ({"handlers": [], "stages": []}, False),
        ({"handlers": [], "num_epochs": 1}, False),
        ({}, False),
    ],
)
def test_its_configs_are_known_by_their_places_for_losses(values, expected):
    assert is_mmhuman3d_config(values) is expected


def test_a_whole_config():
    values = load_config(CONFIGS / "mmhuman3d_body.py")
    config, warnings = from_mmhuman3d(values)
    points = {"type": "KeypointMSELoss", "loss_weight": 10, "reduction": "sum", "sigma": 100}
    limbs = {"type": "LimbLengthLoss", "convention": "smpl", "loss_weight": 1.0, "reduction": "sum"}
    assert config == {
        "type": "SMPLify",
        "verbose": True,
        "n_epochs": 3,
        "grad_clip": None,
        "ignore_keypoints": ["left_hip_extra"],
        "optimizer": {"type": "Adam", "lr": 0.01, "betas": (0.9, 0.999)},
        "body_model": {
            "type": "SMPL",
            "num_betas": 10,
            "keypoint_convention": "smpl_45",
            "model_path": "no_such_folder/smpl",
            "batch_size": 1,
        },
        "handlers": [
            {"handler_key": "keypoints3d_mse", "type": "Keypoint3dMSEHandler", "mse_loss": points, "keypoint_approximate": True},
            {"handler_key": "keypoints3d_limb_len", "type": "Keypoint3dLimbLenHandler", "loss": limbs, "keypoint_approximate": True},
            {
                "handler_key": "shape_prior",
                "type": "BetasPriorHandler",
                "prior_loss": {"type": "ShapePriorLoss", "loss_weight": 0.005, "reduction": "sum"},
            },
            {
                "handler_key": "smooth_joint",
                "type": "BodyPosePriorHandler",
                "prior_loss": {"type": "SmoothJointLoss", "loss_weight": 1.0, "reduction": "mean", "loss_func": "L2"},
            },
            {
                "handler_key": "pose_reg",
                "type": "BodyPosePriorHandler",
                "prior_loss": {"type": "PoseRegLoss", "loss_weight": 0.001, "reduction": "mean"},
            },
        ],
        "stages": [
            {
                **{"n_iter": 4, "fit_global_orient": False, "fit_transl": False, "fit_body_pose": False, "fit_betas": True},
                **{"keypoints3d_mse_weight": 0.0, "pose_reg_weight": 0.0, "smooth_joint_weight": 0.0},
                **{"keypoints3d_limb_len_weight": 1.0, "shape_prior_weight": 0.005},
            },
            {
                **{"n_iter": 6, "fit_body_pose": False, "fit_betas": False, "keypoints3d_mse_weight": 1.0, "pose_reg_weight": 0.0},
                **{"smooth_joint_weight": 0.0, "keypoints3d_limb_len_weight": 0.0, "shape_prior_weight": 0.0},
                **{"body_weight": 0.0, "face_weight": 0.0, "hand_weight": 0.0, "shoulder_weight": 5.0, "hip_weight": 5.0},
                "use_shoulder_hip_only": True,
            },
            {
                **{"n_iter": 8, "ftol": 1e-5, "fit_betas": False, "keypoints3d_limb_len_weight": 0.0},
                **{"body_weight": 2.0, "face_weight": 2.0, "hand_weight": 2.0},
            },
        ],
    }
    assert warnings == [
        "camera is not used: the camera belongs to a single view.",
        "img_res is not used: the size of the image belongs to a single view.",
        "keypoints2d_loss is not used: the loss of 2D keypoints belongs to a single view.",
        "GenderedSMPL takes a gender for each frame: here one gender is given for the whole fit.",
        "keypoint_dst = 'smpl' is not used: keypoints are compared in the convention that they come in.",
    ]
    assert values == load_config(CONFIGS / "mmhuman3d_body.py")


def test_defaults_are_those_of_mmhuman3d():
    config, warnings = translated()
    assert (config["n_epochs"], config["grad_clip"]) == (20, None)
    assert config["body_model"] == {"type": "SMPL", "keypoint_convention": "smpl_45"}
    assert warnings == ["num_epochs is not given: the stages are run 20 times, as in mmhuman3d."]
    assert translated(body_model={"type": "SMPLX"})[0]["body_model"] == {"type": "SMPLX", "keypoint_convention": "smplx"}


def test_a_loss_of_2d_keypoints_that_is_off_is_no_loss():
    _, warnings = translated(num_epochs=1, keypoints2d_loss={**POINTS, "loss_weight": 0}, camera=None)
    assert warnings == []


def test_names_of_the_losses_inside():
    config, _ = translated(keypoints3d_loss=None, keypoints3d_mse_loss=POINTS)
    assert [handler["handler_key"] for handler in config["handlers"]] == ["keypoints3d_mse"]


def test_limb_lengths_are_compared_in_the_convention_of_the_body_where_the_loss_has_none():
    config, _ = translated(limb_length_loss={"type": "LimbLengthLoss"}, body_model={"keypoint_src": "smpl_45", "keypoint_dst": "smpl"})
    assert config["handlers"][1]["loss"] == {"type": "LimbLengthLoss", "convention": "smpl"}
    config, _ = translated(limb_length_loss={"type": "LimbLengthLoss", "convention": "coco"})
    assert config["handlers"][1]["loss"]["convention"] == "coco"


@pytest.mark.parametrize(
    ("type_", "parts", "expected"),
    [
        ("SMPLify", None, {}),
        ("SMPLify", {}, {}),
        ("SMPLify", {"body_weight": 5.0}, {"body_weight": 5.0, "face_weight": 5.0, "hand_weight": 5.0}),
        ("SMPLifyX", {"body_weight": 5.0, "hand_weight": 0.5}, {"body_weight": 5.0, "hand_weight": 0.5}),
        ("SMPLifyX", {"body_weight": 5.0, "use_shoulder_hip_only": False}, {"body_weight": 5.0}),
    ],
)
def test_weights_of_parts(type_, parts, expected):
    assert stage_of(type_, joint_weights=parts) == expected


@pytest.mark.parametrize(("type_", "weight"), [("SMPLify", 5.0), ("SMPLifyX", 1.0)])
def test_shoulders_and_hips_only(type_, weight):
    off = {"body_weight": 0.0, "face_weight": 0.0, "hand_weight": 0.0}
    expected = {**off, "shoulder_weight": weight, "hip_weight": weight, "use_shoulder_hip_only": True}
    assert stage_of(type_, joint_weights={"body_weight": 5.0, "hand_weight": 3.0, "use_shoulder_hip_only": True}) == expected


def test_keys_of_stages():
    assert stage_of(keypoints2d_weight=1, smooth_loss_weight=2, pose_prior_weight=3, own=4) == {
        "smooth_joint_weight": 2,
        "pose_prior_weight": 3,
        "own": 4,
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"keypoints3d_loss": None}, "This config of mmhuman3d has no keypoints3d_loss: it fits 2D keypoints of one view"),
        ({"body_model": {"type": "FLAME"}}, "body_model has type = 'FLAME', which cannot be fitted. Known: SMPL, GenderedSMPL, SMPLX."),
        ({"body_model": 5}, "The config has body_model = 5, expected a dict."),
        ({"smooth_loss": "L2"}, "The config has smooth_loss = 'L2', expected a dict. Write dict(...)."),
        ({"stages": None}, "This config of mmhuman3d needs 'stages': a list of dicts."),
        ({"stages": [{}, 5]}, "The config has stages[1] = 5, expected a dict."),
        ({"stages": [{"joint_weights": 5}]}, "The config has joint_weights = 5, expected a dict."),
    ],
)
def test_what_cannot_be_translated(change, sentence):
    with pytest.raises(PresetError) as raised:
        translated(**change)
    assert str(raised.value).startswith(sentence)
