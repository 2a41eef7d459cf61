import json

import bpy
import pytest

from blender_smplify import preset_library, properties
from blender_smplify.core import Preset, list_presets, load_preset


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
    fits = {f"fit_{parameter}": True for parameter in ("global_orient", "transl", "body_pose", "betas")}
    defaults = {"n_iter": 1, "ftol": 1e-4, **fits}  # a key that is left out has its default
    for stage, wanted in zip(edited.stages, original.stages, strict=True):
        given = {key: value for key, value in wanted.items() if value is not None and (key in fits or value is not False)}
        assert stage == {**defaults, **given}


def test_a_fresh_scene_uses_the_preset_as_it_is(scene):
    assert len(scene.smplify.stages) == 0
    assert preset_library.chosen(scene.smplify).to_dict() == load_preset("smplify").to_dict()


def test_all_keys_of_a_stage_survive(scene, own_presets):
    stage = {
        **{"n_iter": 7, "ftol": 1e-05, "fit_global_orient": False, "fit_transl": True, "fit_body_pose": False, "fit_betas": True},
        **{"data_weight": 0.005, "data_reduction": "mean", "body_weight": 0.5, "hip_weight": 2.0, "use_shoulder_hip_only": True},
    }
    values = {"handlers": [{"handler_key": "data", "type": "X"}, {"handler_key": "prior", "type": "Y"}], "stages": [stage]}
    (own_presets / "mine.json").write_text(json.dumps(values))
    bpy.ops.smplify.preset_load(name="mine")
    assert preset_library.chosen(scene.smplify) == Preset.from_dict(values, "mine")


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
        (set(), "Nothing"),
    ],
)
def test_a_stage_is_called_by_what_it_fits(scene, fitted, title):
    stage = scene.smplify.stages.add()
    for parameter in ("global_orient", "transl", "body_pose", "betas"):
        setattr(stage, f"fit_{parameter}", parameter in fitted)
    assert properties.stage_title(stage) == title
