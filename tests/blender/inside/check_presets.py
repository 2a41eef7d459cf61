import json

import bpy
import pytest

from blender_smplify import preset_library, properties
from blender_smplify.core import PARAMETERS, Preset, list_presets, load_preset


@pytest.fixture(autouse=True)
def own_presets(tmp_path, monkeypatch):
    monkeypatch.setattr(preset_library, "folder", lambda create=False: tmp_path)
    preset_library.refresh()
    return tmp_path


@pytest.mark.parametrize("name", sorted(list_presets()))
def test_a_shipped_preset_goes_through_the_panel_unchanged(scene, name):
    assert bpy.ops.smplify.preset_load(name=name) == {"FINISHED"}
    original, edited = load_preset(name), preset_library.chosen(scene.smplify)
    assert edited.to_dict()["handlers"] == original.to_dict()["handlers"]
    fits = {f"fit_{parameter}": True for parameter in PARAMETERS[original.type]}
    defaults = {"n_iter": 1, "ftol": 1e-4, **fits}  # a key that is left out has its default
    for stage, wanted in zip(edited.stages, original.stages, strict=True):
        given = {key: value for key, value in wanted.items() if value is not None and (key in fits or value is not False)}
        assert stage == {**defaults, **given}


def test_a_fresh_scene_uses_the_preset_as_it_is(scene):
    assert len(scene.smplify.stages) == 0
    assert preset_library.chosen(scene.smplify).to_dict() == load_preset("smplify").to_dict()


def test_all_keys_of_a_stage_survive(scene, own_presets):
    stage = {
        **{
            "n_iter": 7,
            "ftol": 1e-05,
            "max_frames": 60,
            "least_noise": 0.005,
            "fit_global_orient": False,
            "fit_transl": True,
            "fit_body_pose": False,
            "fit_betas": True,
        },
        **{"data_weight": 0.005, "data_reduction": "mean", "body_weight": 0.5, "hip_weight": 2.0, "use_shoulder_hip_only": True},
    }
    values = {"handlers": [{"handler_key": "data", "type": "X"}, {"handler_key": "prior", "type": "Y"}], "stages": [stage]}
    (own_presets / "mine.json").write_text(json.dumps(values))
    bpy.ops.smplify.preset_load(name="mine")
    assert preset_library.chosen(scene.smplify) == Preset.from_dict(values, "mine")


WHOLE_BODY = {
    "type": "SMPLifyX",
    "description": "All of it.",
    "body_model": {"type": "SMPLX", "gender": "female", "num_betas": 10, "num_expression_coeffs": 10, "use_pca": False},
    "optimizer": {"type": "LBFGS", "max_iter": 20},
    "handlers": [
        {"handler_key": "data", "type": "Keypoint3dMSEHandler", "mse_loss": {"type": "KeypointMSELoss", "sigma": 100}},
        {"handler_key": "face", "type": "ParameterPriorHandler", "parameter": "expression", "prior_loss": {"type": "ShapePriorLoss"}},
    ],
    "stages": [
        {
            **{"n_iter": 3, "ftol": 0.001, "fit_global_orient": True, "fit_transl": True, "fit_body_pose": True, "fit_betas": False},
            **{"fit_left_hand_pose": True, "fit_right_hand_pose": False, "fit_expression": True, "fit_jaw_pose": False},
            **{"fit_leye_pose": True, "fit_reye_pose": False, "face_weight": 2.0, "hand_weight": 0.5, "face_reduction": "sum"},
        }
    ],
}


def as_type(registrant: str) -> dict:
    fits = [f"fit_{parameter}" for parameter in PARAMETERS[registrant]]
    stages = [{key: value for key, value in stage.items() if key in fits or key[:4] != "fit_"} for stage in WHOLE_BODY["stages"]]
    return {**WHOLE_BODY, "type": registrant, "stages": stages}


@pytest.mark.parametrize("registrant", PARAMETERS)
def test_a_preset_of_any_type_is_edited_copied_and_saved_whole(scene, own_presets, registrant):
    values = as_type(registrant)
    if registrant != "SMPLifyX":
        values["handlers"] = values["handlers"][:1]
        del values["stages"][0]["face_weight"], values["stages"][0]["face_reduction"]
    (own_presets / "mine.json").write_text(json.dumps(values))
    bpy.ops.smplify.preset_load(name="mine")
    assert properties.fit_keys(scene.smplify) == [f"fit_{parameter}" for parameter in PARAMETERS[registrant]]
    bpy.ops.smplify.stage_add()
    scene.smplify.stages[1].n_iter = 8
    bpy.ops.smplify.preset_save(name="copy")
    (stage,) = values["stages"]
    assert json.loads((own_presets / "copy.json").read_text()) == {**values, "stages": [stage, {**stage, "n_iter": 8}]}


def test_another_preset_brings_the_switches_of_its_type(scene, own_presets):
    (own_presets / "mine.json").write_text(json.dumps(WHOLE_BODY))
    bpy.ops.smplify.preset_load(name="mine")
    bpy.ops.smplify.preset_load(name="smplify")
    assert len(properties.fit_keys(scene.smplify)) == 4
    assert not any(stage.fit_expression or stage.fit_left_hand_pose for stage in scene.smplify.stages)
    assert {key for stage in preset_library.chosen(scene.smplify).stages for key in stage if key.startswith("fit_")} == set(
        properties.fit_keys(scene.smplify)
    )


def test_with_an_optimizer_for_each_parameter_a_stage_fits_what_it_names(scene, own_presets):
    values = {**as_type("SMPLify"), "optimizer": {"individual_optimizer": True}, "stages": [{"n_iter": 1, "fit_betas": True}]}
    values["handlers"] = values["handlers"][:1]
    (own_presets / "mine.json").write_text(json.dumps(values))
    bpy.ops.smplify.preset_load(name="mine")
    (stage,) = preset_library.chosen(scene.smplify).stages
    assert [key for key, value in stage.items() if value is True] == ["fit_betas"]


def test_stages_are_added_moved_and_removed(scene):
    bpy.ops.smplify.preset_load(name="smplify")
    settings = scene.smplify
    n_iters = [stage.n_iter for stage in settings.stages]
    settings.active_stage = 0
    settings.stages[0].n_iter = 99
    bpy.ops.smplify.stage_add()
    assert [stage.n_iter for stage in settings.stages] == [99, 99, *n_iters[1:]]
    settings.stages[1].n_iter = 5
    bpy.ops.smplify.stage_move(direction="DOWN")
    assert [stage.n_iter for stage in settings.stages][:3] == [99, n_iters[1], 5]
    assert settings.active_stage == 2
    bpy.ops.smplify.stage_remove()
    assert [stage.n_iter for stage in settings.stages] == [99, *n_iters[1:]]
    for _ in n_iters[1:]:
        bpy.ops.smplify.stage_remove()
    assert not bpy.ops.smplify.stage_remove.poll()
    assert len(preset_library.chosen(settings).stages) == 1


def test_a_saved_preset_can_be_chosen_and_deleted(scene, own_presets):
    bpy.ops.smplify.preset_load(name="smplify")
    scene.smplify.stages[0].n_iter = 3
    bpy.ops.smplify.preset_save(name="my fit")
    assert load_preset("my fit", own_presets).stages[0]["n_iter"] == 3
    assert (scene.smplify.preset, "my fit" in preset_library.listed) == ("my fit", True)
    bpy.ops.smplify.preset_remove()
    assert list(own_presets.iterdir()) == []
    assert "my fit" not in preset_library.listed


@pytest.mark.parametrize(
    ("operator", "arguments", "sentence"),
    [
        ("preset_load", {"name": "smplfy"}, "There is no preset 'smplfy'.*Did you mean 'smplify'"),
        ("preset_save", {"name": "../evil"}, "is no name for a preset"),
        ("preset_save", {"name": ""}, "is no name for a preset"),
        ("preset_save", {"name": "smplify"}, "comes with the extension"),
        ("preset_remove", {}, "is not a preset of your own"),
    ],
)
def test_mistakes_are_one_sentence(operator, arguments, sentence, own_presets):
    with pytest.raises(RuntimeError, match=sentence):
        getattr(bpy.ops.smplify, operator)(**arguments)
    assert list(own_presets.iterdir()) == []


def test_stage_buttons_wait_for_stages():
    assert not bpy.ops.smplify.stage_add.poll()
    assert not bpy.ops.smplify.stage_move.poll()


@pytest.mark.parametrize(
    ("fitted", "title"),
    [
        ({"betas"}, "Shape"),
        ({"body_pose", "global_orient"}, "Pose"),
        ({"body_pose", "betas"}, "Shape and pose"),
        ({"transl"}, "Place"),
        ({"transl", "betas"}, "Shape and place"),
        ({"left_hand_pose"}, "Hands"),
        ({"jaw_pose", "leye_pose"}, "Face"),
        ({"body_pose", "betas", "right_hand_pose", "expression"}, "Shape, pose, hands and face"),
        (set(), "Nothing"),
    ],
)
def test_a_stage_is_called_by_what_it_fits(scene, fitted, title):
    stage = scene.smplify.stages.add()
    for parameter in PARAMETERS["SMPLifyX"]:
        setattr(stage, f"fit_{parameter}", parameter in fitted)
    assert properties.stage_title(stage) == title
