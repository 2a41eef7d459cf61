import numpy as np
import pytest
import torch

from fitting.body import BodyModel, build_body_model, load_body
from fitting.data.bodies import load_default_body
from fitting.data.bodies.export import export_body, model_arrays
from fitting.data.conventions import get_convention
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


class OwnBody(torch.nn.Module):
    """The least that a body of somebody else can be."""

    model_type, gender, name = "smpl", "neutral", "own"
    convention, keypoint_convention, n_joints = get_convention("smpl"), "smpl", 24

    def parameter_shapes(self):
        return {"global_orient": 3}

    effects = full_pose = parts_of_pose = parameter_shapes


def test_a_module_is_handed_back(random_body):
    assert build_body_model(random_body) is random_body
    module = OwnBody()
    assert build_body_model(module) is module


def test_a_module_that_is_no_body():
    with pytest.raises(BodyError, match=r"The module Identity is no body model: it has no convention, effects, .*fitting\.body\.Body"):
        build_body_model(torch.nn.Identity())


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"gendr": "male"}, PresetError, r"body_model has an unknown key 'gendr' for the type 'SMPL'. Did you mean 'gender'\?"),
        ({"type": "STAR"}, PresetError, r"body_model has type = 'STAR', which is not known. Known: 'Anny', 'SMPL', 'SMPLH', 'SMPLX'."),
        ({"use_pca": True}, PresetError, "unknown key 'use_pca' for the type 'SMPL'"),
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


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of a male body of each type, in the layout of `smplx`."""
    folder = tmp_path_factory.mktemp("models")
    for model_type in ("smpl", "smplx"):
        export_body(load_default_body("male", model_type), folder / model_type / f"{model_type.upper()}_MALE.npz")
    return folder


def test_a_file_says_what_it_is(files):
    body = load_body(files / "smplx" / "SMPLX_MALE.npz")
    assert (body.model_type, body.gender, body.name, body.n_betas) == ("smplx", "male", "SMPLX_MALE.npz", 10)
    joints = load_body(gender="male", model_type="smplx", n_betas=10)().joints[:, :55]
    torch.testing.assert_close(body().joints[:, :55], joints, atol=1e-6, rtol=0)
    assert load_body(files, model_type="smpl").model_type == "smpl"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model_type": "smplh"}, "SMPL_MALE.npz' is a model of type 'smpl', but 'smplh' was asked for"),
        ({"gender": "female"}, "SMPL_MALE.npz' is a male body, but gender = 'female' was asked for"),
        ({"n_betas": 11}, "num_betas is 11, but the body 'SMPL_MALE.npz' has 10. Ask for 1 to 10."),
    ],
)
def test_a_file_that_is_something_else(files, options, sentence):
    with pytest.raises(BodyError, match=sentence):
        load_body(files / "smpl" / "SMPL_MALE.npz", **options)


def test_a_file_beside_a_preset(files, caplog):
    """The preset's gender is that of its default body; the file knows its own."""
    body = build_body_model({**CONFIG, "gender": "neutral"}, files / "smpl" / "SMPL_MALE.npz")
    assert (body.gender, body.n_betas, body.keypoint_convention) == ("male", 3, "smpl_45")
    assert not caplog.messages
    with pytest.raises(BodyError, match="'smplx', but 'smpl' was asked for"):
        build_body_model(CONFIG, files / "smplx" / "SMPLX_MALE.npz")
    with pytest.raises(BodyError, match="male body, but gender = 'female'"):
        build_body_model(CONFIG, files / "smpl" / "SMPL_MALE.npz", gender="female")


def test_a_mesh_without_known_keypoints_on_its_surface(tmp_path, caplog):
    arrays = model_arrays(load_default_body())
    for key in ("v_template", "shapedirs", "posedirs", "weights"):
        arrays[key] = np.concatenate([arrays[key], arrays[key][:1]])  # one vertex more: nobody knows where its nose is
    arrays["J_regressor"] = np.concatenate([arrays["J_regressor"], np.zeros((24, 1), np.float32)], 1)
    np.savez(tmp_path / "other.npz", **arrays)
    assert build_body_model(CONFIG, tmp_path / "other.npz").keypoint_convention == "smpl"
    assert caplog.messages == ["The body 'other.npz' has no places for 21 of the keypoints of 'smpl_45' (nose, ..., right_pinky)."]


def test_a_folder_in_a_config(files):
    config = {"type": "SMPLX", "gender": "male", "model_path": str(files)}
    body = build_body_model(config)
    assert (body.name, body.gender, body.n_betas, body.n_expressions) == ("SMPLX_MALE.npz", "male", 10, 10)
    with pytest.raises(BodyError, match="no neutral smplx model"):
        build_body_model({**config, "gender": "neutral"})


def test_the_contour_can_be_left_out():
    config = {"type": "SMPLX", "use_face_contour": False}
    assert build_body_model(config).keypoint_convention == "agora"
    assert build_body_model({**config, "keypoint_convention": "smplx"}).keypoint_convention == "agora"
    with pytest.raises(PresetError, match=r"'smpl_45', but its keypoints are in 'agora'"):
        build_body_model({**config, "keypoint_convention": "smpl_45"})


def test_body_modules_are_still_models(random_data):
    assert isinstance(BodyModel(random_data), torch.nn.Module)
