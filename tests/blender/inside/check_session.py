import time

import bpy
import numpy as np
import pytest
from conftest import data_counts
from synthetic import quick_preset

from blender_smplify import api, overlay, preset_library, session
from blender_smplify.core import SAMPLE_TAKE, FitCancelled, FittingError, KeypointTrack, PythonError, body_of, read_track

SECONDS = 120


@pytest.fixture(scope="module")
def track() -> KeypointTrack:
    return read_track(SAMPLE_TAKE).frames(0, 12)


@pytest.fixture
def keypoints(track) -> bpy.types.Object:
    (item,) = api.show_tracks([track], "walk")
    return item


def listen(until) -> None:
    """Does what Blender's timer does; in background there is none."""
    end = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < end, session.state
        time.sleep(0.02)
        session._listen()


def test_scripts_fit_and_wait(track):
    progress = []
    result = api.fit(track, on_progress=progress.append)
    assert result.n_frames == 12
    assert result.mean_residual(main_only=True) < 0.05
    assert progress[-1].stage == progress[-1].n_stages - 1
    fractions = [step.fraction for step in progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0


def test_the_operator_does_what_the_api_does(track, keypoints):
    bpy.ops.smplify.select_track(name=keypoints.name)
    bpy.ops.smplify.preset_load(name="smplify")
    settings = bpy.context.scene.smplify
    settings.gender = "male"
    for stage in settings.stages:
        stage.n_iter = 1
    expected = api.fit(track, preset_library.chosen(settings), gender="male")
    assert bpy.ops.smplify.fit() == {"FINISHED"}
    armature = bpy.context.active_object
    assert api.keypoints_of(armature) == keypoints
    known = api.metadata(armature)
    assert known["gender"] == "male"
    assert known["mean_residual_mm"] == pytest.approx(1000 * expected.mean_residual(), rel=1e-3)
    bpy.context.scene.frame_set(5)
    names = [bone.name for bone in armature.pose.bones]
    heads = {name: np.array(armature.pose.bones[name].head) for name in names}
    for joint, name in enumerate(body_of(expected).joint_names):
        np.testing.assert_allclose(heads[name], expected.joints[4, joint], atol=1e-3)


def test_a_fit_in_the_background_ends_in_the_scene(keypoints):
    preset = quick_preset()
    session.start([session.Request(overlay.read_track(keypoints), preset, overlay=keypoints.name)])
    assert session.state.running is not None
    assert not bpy.ops.smplify.fit.poll()
    listen(lambda: session.state.running is None)
    assert session.state.message == ""
    assert session.state.finished == []
    assert api.keypoints_of(bpy.context.active_object) == keypoints


def test_people_are_fitted_one_after_the_other(track):
    items = api.show_tracks([track, track.frames(0, 6)], "pair")
    preset = quick_preset()
    session.start([session.Request(overlay.read_track(item), preset, overlay=item.name) for item in items])
    listen(lambda: session.state.running is None)
    fitted = [item for item in bpy.data.objects if api.METADATA in item]
    assert sorted(api.metadata(item)["n_frames"] for item in fitted) == [6, 12]


def test_a_cancelled_fit_changes_nothing(keypoints):
    before = data_counts()
    session.start([session.Request(overlay.read_track(keypoints), quick_preset(), overlay=keypoints.name)])
    assert bpy.ops.smplify.cancel() == {"FINISHED"}
    assert not bpy.ops.smplify.cancel.poll()
    listen(lambda: session.state.running is None)
    assert (session.state.message, session.state.finished) == ("", [])
    assert data_counts() == before
    assert bpy.ops.smplify.fit.poll()


def test_a_script_stops_a_fit_by_an_exception(track):
    def stop(_progress):
        raise FitCancelled

    with pytest.raises(FitCancelled):
        api.fit(track, quick_preset(), on_progress=stop)


def test_another_file_is_not_given_the_result_of_the_old_one(keypoints):
    session.start([session.Request(overlay.read_track(keypoints), quick_preset(), overlay=keypoints.name)])
    bpy.ops.wm.read_homefile(use_empty=True)
    listen(lambda: session.state.running is None)
    assert data_counts()["objects"] == 0
    assert (session.state.message, session.state.finished) == ("", [])


def test_a_result_waits_when_its_keypoints_are_gone(keypoints):
    session.start([session.Request(overlay.read_track(keypoints), quick_preset(), overlay=keypoints.name)])
    bpy.data.objects.remove(keypoints)
    listen(lambda: session.state.running is None)
    assert api.METADATA in bpy.context.active_object  # it comes without them
    assert api.keypoints_of(bpy.context.active_object) is None


def test_a_wrong_device_is_told_as_it_is(track, keypoints):
    with pytest.raises(FittingError, match="cuda:77"):
        api.fit(track, quick_preset(), device="cuda:77")
    session.start([session.Request(track, quick_preset(), device="cuda:77", overlay=keypoints.name)])
    listen(lambda: session.state.running is None)
    assert "cuda:77" in session.state.message


def test_without_a_python_that_has_pytorch_nothing_happens(keypoints, monkeypatch, tmp_path):
    monkeypatch.setenv("SMPLIFY_PYTHON", str(tmp_path / "python"))
    before = data_counts()
    with pytest.raises(PythonError, match="There is no file"):
        api.fit(keypoints)
    with pytest.raises(RuntimeError, match="There is no file"):
        bpy.ops.smplify.fit()
    assert data_counts() == before
    assert session.state.running is None


def test_progress_is_told_in_words():
    message = {"stage": 1, "n_stages": 3, "iteration": 4, "n_iterations": 10, "eta": None}
    assert session.progress_text(message) == "Stage 2/3, iteration 4/10"
    assert session.progress_text({**message, "eta": 12.4}) == "Stage 2/3, iteration 4/10, 12 s left"
    assert session.progress_text({**message, "eta": 200.0}).endswith("3 min left")
