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
        ({"gendr": "male"}, PresetError, r"body_model has an unknown key 'gendr'. Did you mean 'gender'\?"),
        ({"type": "STAR"}, PresetError, r"body_model has type = 'STAR', which is not known. Known: 'SMPL'."),
        (
            {"keypoint_convention": "coco"},
            PresetError,
            r"keypoint_convention = 'coco', but its keypoints are in 'smpl_45'. Write 'smpl_45'.",
        ),
        ({"gender": "femal"}, BodyError, r"no default body of gender 'femal'. Did you mean 'female'\?"),
        ({"num_betas": 17}, BodyError, r"num_betas is 17, but the body 'default' has 16. Ask for 1 to 16."),
        ({"model_path": "no/such/file.pkl"}, BodyError, r"'no/such/file.pkl'"),
    ],
)
def test_sentences(change, error, sentence):
    with pytest.raises(error, match=sentence):
        build_body_model({**CONFIG, **change})


@pytest.mark.parametrize("config", ["SMPL", 5, [CONFIG]])
def test_what_is_neither_config_nor_module(config):
    with pytest.raises(TypeError, match=r"body_model is a (str|int|list), expected a config \(dict\) or a torch module"):
        build_body_model(config)


def test_body_modules_are_still_models(random_data):
    assert isinstance(BodyModel(random_data), torch.nn.Module)
