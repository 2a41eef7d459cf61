import bpy
import numpy as np
import pytest
from check_export import IMPORTERS, world_heads
from check_rig import bone_heads, evaluated_vertices
from synthetic import random_result, skinned_vertices

from blender_smplify import api, bones, export
from blender_smplify.core import FittingError, body_of

TOLERANCE = 1e-4  # metres


def axes(armature: bpy.types.Object, name: str) -> np.ndarray:
    """(3, 3) the x, y and z axes of a rest bone in columns."""
    return np.array(armature.data.bones[name].matrix_local.to_3x3())


@pytest.mark.parametrize("model_type", ["smpl", "smplh", "smplx"])
def test_bones_along_the_limbs_move_as_the_result_says(scene, model_type):
    result = random_result(model_type=model_type)
    armature = api.apply_result(result, bones="anatomical")
    body = body_of(result)
    expected = skinned_vertices(body, result)
    for frame in range(result.n_frames):
        scene.frame_set(1 + frame)
        if model_type != "smplx":  # an expression moves joints a little; the bones stay, so that the skin is exact
            assert np.abs(bone_heads(armature, body.joint_names) - result.joints[frame]).max() < TOLERANCE
        assert np.abs(evaluated_vertices(api.skin_of(armature)) - expected[frame]).max() < TOLERANCE


def test_both_forms_have_the_same_heads(scene):
    result = random_result(model_type="smplx")
    first, second = (api.apply_result(result, bones=form) for form in bones.BONE_FORMS)
    names = body_of(result).joint_names
    for frame in range(1, 7):
        scene.frame_set(frame)
        assert np.abs(bone_heads(first, names) - bone_heads(second, names)).max() < TOLERANCE


def test_bones_reach_to_their_child():
    armature = api.apply_result(random_result(model_type="smplx"), bones="anatomical")
    rest = {bone.name: bone for bone in armature.data.bones}
    for name, child in (("left_hip", "left_knee"), ("right_elbow", "right_wrist"), ("pelvis", "spine1"), ("left_index2", "left_index3")):
        np.testing.assert_allclose(rest[name].tail_local, rest[child].head_local, atol=1e-5)
    assert all(bone.length >= 0.0099 for bone in armature.data.bones)
    assert all(pose_bone.custom_shape is None for pose_bone in armature.pose.bones)


@pytest.mark.parametrize(
    ("name", "towards"),
    [
        *((f"{side}_{joint}", towards) for side in ("left", "right") for joint, towards in (
            ("knee", (0, 0, -1)), ("hip", (0, 0, -1)), ("elbow", (0, 0, 1)), ("index2", (0, -1, 0)), ("ankle", (0, 1, 0)))),
        *(("spine2", (0, 0, 1)), ("neck", (0, 0, 1)), ("jaw", (0, 1, 0))),
    ],
)  # fmt: skip
def test_about_its_x_axis_a_bone_bends_as_the_body_does(name, towards):
    """A small turn about +x moves the tip of the bone along its z axis."""
    armature = api.apply_result(random_result(model_type="smplx"), bones="anatomical")
    assert axes(armature, name)[:, 2] @ towards > 0.7
    np.testing.assert_allclose(np.linalg.det(axes(armature, name)), 1, atol=1e-5)


def test_left_and_right_are_mirror_images():
    armature = api.apply_result(random_result(model_type="smplx"), bones="anatomical")
    mirror = np.diag([-1.0, 1, 1])
    for bone in armature.data.bones:
        if bone.name.startswith("left_"):
            left, right = axes(armature, bone.name), axes(armature, bone.name.replace("left_", "right_", 1))
            np.testing.assert_allclose(mirror @ left[:, 1:], right[:, 1:], atol=2e-2)


@pytest.mark.parametrize("kind", ["bvh", "fbx", "glb"])
def test_bones_along_the_limbs_arrive_in_other_programs(scene, tmp_path, kind):
    armature = api.apply_result(random_result(fps=30.0), bones="anatomical")
    poses = []
    for frame in range(1, 7):
        scene.frame_set(frame)
        poses.append(world_heads(armature))
    export.export(armature, tmp_path / f"jump.{kind}")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 30
    IMPORTERS[kind](str(tmp_path / f"jump.{kind}"))
    (imported,) = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    first = int(imported.animation_data.action.frame_range[0])
    for offset, pose in enumerate(poses):
        bpy.context.scene.frame_set(first + offset)
        heads = world_heads(imported)
        assert max(np.linalg.norm(heads[name] - pose[name]) for name in pose) < 2e-3, offset


def test_the_panel_chooses_the_form(monkeypatch):
    from synthetic import random_track

    from blender_smplify import session

    (keypoints,) = api.show_tracks([random_track(n_frames=6)], "jump")
    bpy.context.scene.smplify.bones = "anatomical"
    monkeypatch.setattr(session.state, "finished", [(session.Request(random_track(), None, overlay=keypoints.name), random_result())])
    assert bpy.ops.smplify.apply_result() == {"FINISHED"}
    assert api.metadata(bpy.context.active_object)["bones"] == "anatomical"
    assert abs(axes(bpy.context.active_object, "left_elbow")[0, 1]) > 0.9


def test_an_unknown_form_is_told_and_changes_nothing():
    with pytest.raises(FittingError, match=r"There is no form of bones 'anatomic'\. Did you mean 'anatomical'"):
        api.apply_result(random_result(), bones="anatomic")
    assert len(bpy.data.objects) == 0
