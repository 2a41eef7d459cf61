import bpy
import numpy as np
import pytest
from check_export import IMPORTERS, farthest, world_vertices
from check_panels import drawn
from check_rig import evaluated_vertices
from synthetic import loose_body, random_result, save_body, skinned_vertices, with_correctives

from blender_smplify import api, correctives, export, panels
from blender_smplify.core import BodyError, FittingError, body_of, load_default_body

EXACT = 1e-5  # metres


@pytest.fixture(params=["smpl", "smplh", "smplx"])
def result(request, tmp_path):
    """Of a small body of each type, with its own file."""
    path = tmp_path / "mine.npz"
    save_body(path, loose_body(request.param))
    return random_result(model_type=request.param, path=path)


@pytest.fixture
def small(tmp_path):
    save_body(tmp_path / "mine.npz", loose_body("smplx"))
    return random_result(model_type="smplx", path=tmp_path / "mine.npz")


def corrective_keys(skin: bpy.types.Object) -> list[bpy.types.ShapeKey]:
    return [key for key in skin.data.shape_keys.key_blocks if key.name.startswith("pose_")]


def farthest_vertex(armature: bpy.types.Object, expected: np.ndarray) -> float:
    distances = []
    for frame, vertices in enumerate(expected):
        bpy.context.scene.frame_set(1 + frame)
        distances.append(np.abs(evaluated_vertices(api.skin_of(armature)) - vertices).max())
    return max(distances)


@pytest.mark.parametrize(("bones", "tolerance"), [("axis_aligned", EXACT), ("anatomical", 3 * EXACT)])
def test_the_skin_is_corrected_by_the_pose(result, bones, tolerance):
    armature = api.apply_result(result, bones=bones, pose_correctives="ALL")
    body = body_of(result)
    assert len(corrective_keys(api.skin_of(armature))) == 9 * (body.n_joints - 1)
    assert farthest_vertex(armature, skinned_vertices(body, result)) < tolerance


def test_a_body_of_full_size_is_corrected(tmp_path):
    save_body(tmp_path / "large.npz", with_correctives(load_default_body()))
    result = random_result(n_frames=2, path=tmp_path / "large.npz")
    assert farthest_vertex(api.apply_result(result), skinned_vertices(body_of(result), result)) < EXACT


def test_no_python_runs_while_it_plays(small):
    skin = api.skin_of(api.apply_result(small))
    drivers = skin.data.shape_keys.animation_data.drivers
    assert len(drivers) == 486
    assert all(curve.driver.is_simple_expression and curve.driver.is_valid for curve in drivers)


def test_a_pose_by_hand_is_corrected_whatever_the_rotation_mode(small):
    """No quaternion channel is read, but the bone as it stands."""
    armature = api.apply_result(small)
    armature.animation_data_clear()
    bone = armature.pose.bones["left_elbow"]
    bone.rotation_mode = "XYZ"
    bone.rotation_euler = (0.4, -1.1, 0.3)
    bpy.context.view_layer.update()
    turn = np.array(bone.rotation_euler.to_matrix())
    keys = api.skin_of(armature).data.shape_keys.key_blocks
    found = [[keys[f"pose_left_elbow_{row}{column}"].value for column in range(3)] for row in range(3)]
    np.testing.assert_allclose(found, turn - np.eye(3), atol=1e-6)


def test_between_the_keys_the_rotation_is_a_rotation(small, scene):
    armature = api.apply_result(small)
    scene.frame_set(2, subframe=0.5)
    keys = api.skin_of(armature).data.shape_keys.key_blocks
    entries = [[keys[f"pose_right_knee_{row}{column}"].value for column in range(3)] for row in range(3)]
    turn = np.array(entries) + np.eye(3)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)


@pytest.mark.parametrize(("level", "n_on"), [("ALL", 486), ("BODY", 189), ("OFF", 0)])
def test_fewer_correctives_play_faster(small, level, n_on):
    armature = api.apply_result(small, pose_correctives="ALL")
    skin = api.skin_of(armature)
    bpy.context.view_layer.objects.active = skin
    bpy.context.scene.frame_set(2)
    assert bpy.ops.smplify.set_correctives(level=level) == {"FINISHED"}
    keys = corrective_keys(skin)
    bpy.context.scene.frame_set(3)
    assert sum(not key.mute for key in keys) == n_on
    assert sum(not curve.mute for curve in skin.data.shape_keys.animation_data.drivers) == n_on
    assert all(key.value == 0 for key in keys if key.mute)
    assert correctives.level(skin) == level
    assert bpy.ops.smplify.set_correctives(level="ALL") == {"FINISHED"}
    assert farthest_vertex(armature, skinned_vertices(body_of(small), small)) < EXACT


@pytest.mark.parametrize(("arguments", "n_on"), [({}, 189), ({"pose_correctives": "ALL"}, 486), ({"pose_correctives": "OFF"}, 0)])
def test_those_of_the_body_are_on_unless_told_otherwise(small, arguments, n_on):
    skin = api.skin_of(api.apply_result(small, **arguments))
    assert sum(not key.mute for key in corrective_keys(skin)) == n_on


def test_a_saved_file_plays_the_same(small, tmp_path):
    armature = api.apply_result(small, name="Ada", pose_correctives="ALL")
    expected = skinned_vertices(body_of(small), small)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "take.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "take.blend"), use_scripts=False)
    armature = bpy.data.objects["Ada"]
    assert farthest_vertex(armature, expected) < EXACT


@pytest.mark.parametrize("kind", ["fbx", "glb", "usd"])
@pytest.mark.parametrize("bones", ["axis_aligned", "anatomical"])
def test_correctives_arrive_in_other_programs(tmp_path, kind, bones):
    save_body(tmp_path / "mine.npz", loose_body())
    result = random_result(path=tmp_path / "mine.npz", fps=30.0)
    armature = api.apply_result(result, bones=bones)
    skins = []
    for frame in range(1, 7):
        bpy.context.scene.frame_set(frame)
        skins.append(world_vertices()[:78])  # the last two are in no face
    export.export(armature, tmp_path / f"jump.{kind}")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 30
    IMPORTERS[kind](str(tmp_path / f"jump.{kind}"))
    for key in (key for keys in bpy.data.shape_keys for key in keys.key_blocks):
        key.slider_min, key.slider_max = -10, 10  # Blender's importers stop sliders at 0 and 1; the file has the values
    (imported,) = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    first = int(imported.animation_data.action.frame_range[0])
    for offset, skin in enumerate(skins):
        bpy.context.scene.frame_set(first + offset)
        assert farthest(skin, world_vertices()) < 1e-4, offset


def test_a_body_without_correctives_has_none_to_switch():
    armature = api.apply_result(random_result())
    assert correctives.level(api.skin_of(armature)) is None
    with pytest.raises(BodyError, match="has no pose correctives"):
        api.set_correctives(armature, "OFF")


def test_correctives_of_zeros_get_no_keys(tmp_path):
    body = loose_body()
    body.posedirs[:] = 0
    body.posedirs[:, 1, 9] = 0.01
    save_body(tmp_path / "mine.npz", body)
    armature = api.apply_result(random_result(path=tmp_path / "mine.npz"))
    assert [key.name for key in corrective_keys(api.skin_of(armature))] == ["pose_right_hip_00"]


def test_an_unknown_level_is_told(small):
    with pytest.raises(FittingError, match=r"There is no level 'SOME'\."):
        api.apply_result(small, pose_correctives="SOME")
    assert len(bpy.data.objects) == 0


def test_the_panel_shows_which_are_on(small):
    bpy.context.view_layer.objects.active = api.apply_result(small)
    lines = drawn(panels.SMPLIFY_PT_result)
    assert lines[lines.index("Pose Correctives") :][:4] == ["Pose Correctives", "[All]", "[Body]", "[Off]"]
    bpy.context.view_layer.objects.active = api.apply_result(random_result())
    assert "Pose Correctives" not in drawn(panels.SMPLIFY_PT_result)
