import bpy
import numpy as np
import pytest
from conftest import data_counts
from synthetic import random_result, random_track

from blender_smplify import action, api, overlay, session
from blender_smplify.core import SAMPLE_TAKE
from blender_smplify.keypoint_operators import shown_track


@pytest.fixture
def take(tmp_path) -> str:
    path = tmp_path / "jump.npz"
    random_track().save(path)
    return str(path)


def test_importing_is_what_the_api_does(take):
    by_api = overlay.read_track(api.import_tracks(take)[0])
    assert bpy.ops.smplify.import_track(filepath=take) == {"FINISHED"}
    item = shown_track(bpy.context)
    assert item == bpy.context.active_object
    by_operator = overlay.read_track(item)
    np.testing.assert_array_equal(by_operator.points, by_api.points)
    assert (by_operator.fps, by_operator.names, by_operator.decisions) == (by_api.fps, by_api.names, by_api.decisions)
    assert [collection.name for collection in bpy.data.collections] == ["jump", "jump.001"]


def test_what_the_user_says_of_the_file_counts(take, scene):
    bpy.ops.smplify.import_track(filepath=take, units="cm", up_axis="z", use_fps=True, fps=50)
    track = overlay.read_track(shown_track(bpy.context))
    x, y, z = random_track().points[0, 0] / 100
    np.testing.assert_allclose(track.points[0, 0], [x, z, -y], atol=1e-6)
    assert track.fps == 50
    assert action.scene_rate(scene) == pytest.approx(50)


def test_a_scene_may_keep_its_rate(take, scene):
    action.set_scene_rate(scene, 24)
    bpy.ops.smplify.import_track(filepath=take, match_rate=False)
    assert action.scene_rate(scene) == 24
    frames = overlay.frames_of(shown_track(bpy.context))
    np.testing.assert_allclose(frames, 1 + np.arange(6) * 24 / 29.97, rtol=1e-6)
    armature = api.apply_result(random_result(), keypoints=shown_track(bpy.context))
    np.testing.assert_allclose(armature.animation_data.action.frame_range, frames[[0, -1]], rtol=1e-6)


def test_several_files_are_imported_together_or_not_at_all(take, tmp_path):
    random_track(name="walk").save(tmp_path / "walk.npz")
    bpy.ops.smplify.import_track(directory=str(tmp_path), files=[{"name": "jump.npz"}, {"name": "walk.npz"}])
    assert {item.name for item in bpy.data.objects if overlay.is_overlay(item)} == {"jump keypoints", "walk keypoints"}
    before = data_counts()
    with pytest.raises(RuntimeError, match="There is no file"):
        bpy.ops.smplify.import_track(directory=str(tmp_path), files=[{"name": "jump.npz"}, {"name": "gone.npz"}])
    assert data_counts() == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"filepath": "/nowhere/take.trc"}, "There is no file"),
        ({"filepath": __file__}, "has the suffix '.py'"),
        ({"filepath": str(SAMPLE_TAKE), "convention": "coco"}, "has 20 keypoints, but the convention 'coco' names 17"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence_and_changes_nothing(arguments, sentence):
    before = data_counts()
    with pytest.raises(RuntimeError) as raised:
        bpy.ops.smplify.import_track(**arguments)
    message = str(raised.value).strip()
    assert sentence in message
    assert message.startswith("Error: ")
    assert "\n" not in message
    assert data_counts() == before


def test_the_sample_is_a_click_away():
    assert bpy.ops.smplify.import_sample() == {"FINISHED"}
    facts = overlay.track_facts(shown_track(bpy.context))
    assert (facts["name"], facts["n_frames"], facts["fps"]) == ("walk", 517, 120)


def test_fitting_needs_keypoints():
    assert not bpy.ops.smplify.fit.poll()
    assert not bpy.ops.smplify.cancel.poll()
    assert not bpy.ops.smplify.apply_result.poll()
    api.show_tracks([random_track()], "jump")
    assert bpy.ops.smplify.fit.poll()


def test_the_panel_follows_what_is_selected():
    first, second = (api.show_tracks([random_track(name=name)], name)[0] for name in ("jump", "walk"))
    bpy.context.view_layer.objects.active = None
    assert shown_track(bpy.context) is None
    assert not bpy.ops.smplify.fit.poll()  # which of the two?
    assert bpy.ops.smplify.select_track(name=first.name) == {"FINISHED"}
    assert shown_track(bpy.context) == first
    armature = api.apply_result(random_result(), keypoints=second)
    bpy.context.view_layer.objects.active = armature.children[0]
    assert shown_track(bpy.context) == second
    bpy.context.view_layer.objects.active = None
    assert shown_track(bpy.context) == first  # the one used last


def test_keypoints_are_removed_and_their_body_stays():
    (keypoints,) = api.show_tracks([random_track()], "jump")
    armature = api.apply_result(random_result(), keypoints=keypoints)
    assert bpy.ops.smplify.remove_track(name=keypoints.name) == {"FINISHED"}
    assert [item.name for item in bpy.context.scene.objects] == ["jump", "jump body"]
    assert api.keypoints_of(armature) is None
    bpy.context.view_layer.objects.active = armature
    assert shown_track(bpy.context) is None
    for operator in (bpy.ops.smplify.remove_track, bpy.ops.smplify.select_track):
        with pytest.raises(RuntimeError, match="There are no keypoints named 'gone'"):
            operator(name="gone")


def test_a_body_that_was_parented_still_leads_to_its_keypoints():
    first, second = (api.show_tracks([random_track(name=name)], name)[0] for name in ("jump", "walk"))
    armature = api.apply_result(random_result(), keypoints=second)
    armature.parent = first
    bpy.context.view_layer.objects.active = armature
    assert shown_track(bpy.context) == second


@pytest.mark.parametrize("model_type", ["smpl", "smplx"])
def test_applying_is_one_step_that_can_be_undone(model_type):
    (keypoints,) = api.show_tracks([random_track(n_frames=6)], "jump")
    result = random_result(model_type=model_type)
    session.state.finished.append((session.Request(random_track(), None, overlay=keypoints.name), result))
    bpy.ops.ed.undo_push(message="before")
    before = data_counts()
    assert bpy.ops.smplify.apply_result("EXEC_DEFAULT", True) == {"FINISHED"}
    assert session.state.finished == []
    armature = bpy.context.active_object
    assert (armature.name, armature.users_collection[0].name) == ("jump", "jump")
    assert data_counts()["actions"] > before["actions"]
    bpy.ops.ed.undo()
    assert data_counts() == before
    bpy.ops.ed.redo()
    assert bpy.context.active_object.name == "jump"


def test_a_new_fit_hides_the_earlier_one():
    (keypoints,) = api.show_tracks([random_track()], "jump")
    first = api.apply_result(random_result(), keypoints=keypoints)
    second = api.apply_result(random_result(seed=1), keypoints=keypoints)
    other = api.apply_result(random_result(seed=2))
    parts = [(item, part) for item in (first, second, other) for part in (item, *item.children)]
    assert [part.hide_get() for _, part in parts] == [True, True, False, False, False, False]
    assert [part.hide_render for _, part in parts] == [True, True, False, False, False, False]


def test_a_result_of_another_length_is_refused():
    (keypoints,) = api.show_tracks([random_track(n_frames=8)], "jump")
    session.state.finished.append((session.Request(random_track(), None, overlay=keypoints.name), random_result()))
    before = data_counts()
    with pytest.raises(RuntimeError, match="The result has 6 frames"):
        bpy.ops.smplify.apply_result()
    assert data_counts() == before
    session.state.finished.clear()


def test_the_file_menu_and_the_window_take_keypoint_files():
    handler = bpy.types.FileHandler.bl_rna_get_subclass_py("SMPLIFY_FH_track")
    assert handler.bl_import_operator == "smplify.import_track"
    assert set(handler.bl_file_extensions.split(";")) >= {".trc", ".npz", ".npy"}
    assert any("import_entry" in function.__name__ for function in bpy.types.TOPBAR_MT_file_import._dyn_ui_initialize())


def test_one_frame_is_fitted_only_as_a_single_pose(tmp_path):
    random_track(n_frames=1, name="photo").save(tmp_path / "photo.npz")
    bpy.ops.smplify.import_track(filepath=str(tmp_path / "photo.npz"))
    before = data_counts()
    with pytest.raises(RuntimeError, match=r"'photo' has one frame, expected at least two to make a motion\. Press 'Fit Single Pose'"):
        bpy.ops.smplify.fit()
    assert data_counts() == before
