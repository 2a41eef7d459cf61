import pytest
import torch

from fitting.body import BodyModel, build_body_model, load_body
from fitting.errors import BodyError, PresetError

CONFIG = {"type": "SMPL", "gender": "male", "num_betas": 3, "keypoint_convention": "smpl_45"}


def test_default_body():
    body = load_body()
    assert (body.data.name, body.data.gender, body.n_betas, body.n_joints) == ("default", "neutral", 16, 24)
    assert body.keypoint_convention == "smpl_45"


@pytest.mark.parametrize("gender", ["neutral", "male", "female"])
def test_gender(gender):
    assert load_body(gender=gender).data.gender == gender


def test_config():
    config = dict(CONFIG)
    body = build_body_model(config)
    assert (body.data.gender, body.n_betas) == ("male", 3)
    assert config == CONFIG


def test_keys_of_xrmocap_that_are_not_needed():
    assert build_body_model({**CONFIG, "batch_size": 1, "logger": None}).n_betas == 3


def test_empty_config_is_the_default_body():
    assert build_body_model({}).data.gender == "neutral"


def test_a_module_is_handed_back(random_body):
    assert build_body_model(random_body) is random_body
    module = torch.nn.Identity()
    assert build_body_model(module) is module


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"gendr": "male"}, PresetError, r"body_model has an unknown key 'gendr' for the type 'SMPL'. Did you mean 'gender'\?"),
        ({"type": "STAR"}, PresetError, r"body_model has type = 'STAR', which is not known. Known: 'SMPL', 'SMPLH', 'SMPLX'."),
        ({"use_pca": True}, PresetError, "unknown key 'use_pca' for the type 'SMPL'"),
        ({"type": "SMPLX", "keypoint_convention": "smplx", "use_face_contour": False}, PresetError, "use_face_contour = false"),
        (
            {"keypoint_convention": "coco"},
            PresetError,
            r"keypoint_convention = 'coco', but its keypoints are in 'smpl_45'. Write 'smpl_45'.",
        ),
        ({"gender": "femal"}, BodyError, r"no default body of gender 'femal'. Did you mean 'female'\?"),
        ({"num_betas": 17}, BodyError, r"num_betas is 17, but the body 'default' has 16. Ask for 1 to 16."),
    ],
)
def test_sentences(change, error, sentence):
    with pytest.raises(error, match=sentence):
        build_body_model({**CONFIG, **change})


def test_a_config_from_another_machine_gives_the_default_body(caplog):
    body = build_body_model({**CONFIG, "model_path": "no/such/folder"})
    assert body.data.name == "default"
    assert caplog.messages == ["There is no model_path 'no/such/folder' here: the default body is used."]
    with pytest.raises(BodyError, match=r"'no/such/file\.pkl'"):
        build_body_model(CONFIG, "no/such/file.pkl")


@pytest.mark.parametrize(
    ("change", "hand_width", "expressions", "flat"),
    [
        ({}, 45, 10, False),
        ({"use_pca": True}, 6, 10, False),
        ({"use_pca": True, "num_pca_comps": 12, "flat_hand_mean": True}, 12, 10, True),
        ({"num_expression_coeffs": 3, "num_pca_comps": 12}, 45, 3, False),
    ],
)
def test_hands_and_face_of_smplx(change, hand_width, expressions, flat):
    body = build_body_model({"type": "SMPLX", "num_betas": 10, "keypoint_convention": "smplx", **change})
    shapes = body.parameter_shapes()
    assert (shapes["left_hand_pose"], shapes["right_hand_pose"], shapes["expression"]) == (hand_width, hand_width, expressions)
    assert shapes["body_pose"] == 63
    assert body().full_pose.any() != flat


@pytest.mark.parametrize("config", ["SMPL", 5, [CONFIG]])
def test_what_is_neither_config_nor_module(config):
    with pytest.raises(TypeError, match=r"body_model is a (str|int|list), expected a config \(dict\) or a torch module"):
        build_body_model(config)


def test_body_modules_are_still_models(random_data):
    assert isinstance(BodyModel(random_data), torch.nn.Module)
