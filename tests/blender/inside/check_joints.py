from dataclasses import replace

import bpy
import numpy as np
import pytest
from check_rig import bone_heads, evaluated_vertices
from conftest import data_counts
from synthetic import loose_body, random_result, save_body, skinned_vertices, world_matrices

from blender_smplify import api
from blender_smplify.core import BodyError, FitResult, body_of

EXACT = 1e-5  # metres


def with_shape(result: FitResult, values: np.ndarray) -> FitResult:
    """The same motion of a body of another shape."""
    return replace(result, params={**result.params, "betas": values.astype(np.float32)[None]})


def slide(armature: bpy.types.Object, values: np.ndarray) -> None:
    """What the user does with the sliders of the shape."""
    keys = api.skin_of(armature).data.shape_keys.key_blocks
    for index, value in enumerate(values):
        keys[f"beta_{index}"].value = value
    bpy.context.view_layer.objects.active = armature


def assert_shows(armature: bpy.types.Object, result: FitResult, tolerance: float) -> None:
    body = body_of(result)
    joints, vertices = world_matrices(body, result)[..., :3, 3], skinned_vertices(body, result)
    for frame in range(result.n_frames):
        bpy.context.scene.frame_set(1 + frame)
        assert np.abs(evaluated_vertices(api.skin_of(armature)) - vertices[frame]).max() < tolerance
        if result.model_type != "smplx":  # an expression moves joints a little; the bones stay, so that the skin is exact
            assert np.abs(bone_heads(armature, body.joint_names) - joints[frame]).max() < tolerance


SHAPE = np.array([2.0, -1.5, 1, 0.5, -2, 0, 0, 1.5, 0, 3])


@pytest.mark.parametrize("bones", ["axis_aligned", "anatomical"])
@pytest.mark.parametrize("model_type", ["smpl", "smplh", "smplx"])
def test_joints_follow_the_shape_and_the_motion_stays(model_type, bones):
    result = random_result(model_type=model_type)
    armature = api.apply_result(result, bones=bones)
    slide(armature, SHAPE)
    assert bpy.ops.smplify.update_joints() == {"FINISHED"}
    assert_shows(armature, with_shape(result, SHAPE), EXACT if bones == "axis_aligned" else 5 * EXACT)


def test_the_pelvis_stays_where_transl_has_it(tmp_path):
    """The pelvis of a model file moves with the shape; the keys are those of transl before and after."""
    save_body(tmp_path / "mine.npz", loose_body())
    result = random_result(path=tmp_path / "mine.npz")
    armature = api.apply_result(result)
    slide(armature, SHAPE)
    api.update_joints(armature)
    pelvis = body_of(result).rest_joints(SHAPE)[0]
    assert np.linalg.norm(pelvis - body_of(result).rest_joints(result.betas)[0]) > 0.01
    bpy.context.scene.frame_set(3)
    np.testing.assert_allclose(armature.pose.bones["pelvis"].head, pelvis + result.params["transl"][2], atol=EXACT)
    assert_shows(armature, with_shape(result, SHAPE), 3 * EXACT)  # with pose correctives


def test_a_shape_that_differs_from_frame_to_frame_keeps_its_differences():
    result = random_result(n_betas_rows=6)
    armature = api.apply_result(result)
    moved = result.betas + SHAPE
    slide(armature, moved)
    api.update_joints(armature)
    expected = replace(result, params={**result.params, "betas": (result.params["betas"] + SHAPE).astype(np.float32)})
    joints = world_matrices(body_of(result), expected)[..., :3, 3]
    for frame in range(result.n_frames):
        bpy.context.scene.frame_set(1 + frame)
        assert np.abs(bone_heads(armature, body_of(result).joint_names) - joints[frame]).max() < 1e-4


@pytest.mark.parametrize("bones", ["axis_aligned", "anatomical"])
def test_there_and_back_again_is_where_it_was(bones):
    result = random_result(model_type="smplx")
    armature = api.apply_result(result, bones=bones)
    rest = {bone.name: (np.array(bone.matrix_local), bone.length) for bone in armature.data.bones}
    for values in (SHAPE, result.betas):
        slide(armature, values)
        api.update_joints(armature)
    for bone in armature.data.bones:
        np.testing.assert_allclose(np.array(bone.matrix_local), rest[bone.name][0], atol=1e-6)
        assert bone.length == pytest.approx(rest[bone.name][1], abs=1e-5)


def test_bones_are_drawn_to_the_new_joints():
    armature = api.apply_result(random_result())
    slide(armature, SHAPE)
    api.update_joints(armature)
    rest = {bone.name: np.array(bone.head_local) for bone in armature.data.bones}
    length = armature.pose.bones["left_knee"].custom_shape_scale_xyz[1]
    assert length == pytest.approx(np.linalg.norm(rest["left_ankle"] - rest["left_knee"]), abs=1e-5)


def test_it_is_one_step_that_can_be_undone():
    armature = api.apply_result(random_result())
    before, name = np.array(armature.data.bones["left_ankle"].head_local), armature.name
    slide(armature, SHAPE)
    bpy.ops.ed.undo_push(message="slid")
    assert bpy.ops.smplify.update_joints("EXEC_DEFAULT", True) == {"FINISHED"}
    after = np.array(bpy.data.objects[name].data.bones["left_ankle"].head_local)
    assert np.abs(after - before).max() > 0.01
    bpy.ops.ed.undo()
    armature = bpy.data.objects[name]
    np.testing.assert_allclose(armature.data.bones["left_ankle"].head_local, before, atol=1e-7)
    np.testing.assert_allclose(api.metadata(armature)["betas"], random_result().betas, atol=1e-6)


def test_the_armature_knows_its_shape_and_its_scene_stays_as_it_was():
    armature = api.apply_result(random_result())
    skin = api.skin_of(armature)
    slide(armature, SHAPE)
    bpy.context.view_layer.objects.active = skin
    armature.hide_set(True)
    before = data_counts()
    assert bpy.ops.smplify.update_joints() == {"FINISHED"}
    assert data_counts() == before
    assert armature.hide_get()
    assert bpy.context.active_object == skin
    np.testing.assert_allclose(api.metadata(armature)["betas"][:10], SHAPE, atol=1e-6)


def test_a_body_in_an_excluded_collection_is_updated():
    collection = bpy.data.collections.new("hidden")
    bpy.context.scene.collection.children.link(collection)
    bpy.context.view_layer.layer_collection.children["hidden"].exclude = True
    result = random_result()
    armature = api.apply_result(result, collection=collection)
    slide_without_selecting = api.skin_of(armature).data.shape_keys.key_blocks
    slide_without_selecting["beta_0"].value = 3
    api.update_joints(armature)
    shape = np.array([3, *result.betas[1:]])
    np.testing.assert_allclose(armature.data.bones["head"].head_local, body_of(result).rest_joints(shape)[15], atol=1e-6)
    assert [item.name for item in armature.users_collection] == ["hidden"]


def test_a_renamed_bone_and_a_lost_skin_are_told():
    armature = api.apply_result(random_result())
    bpy.context.view_layer.objects.active = armature
    armature.data.bones["left_knee"].name = "knee.L"
    with pytest.raises(RuntimeError, match="has no bone 'left_knee' any more"):
        bpy.ops.smplify.update_joints()
    bpy.data.objects.remove(api.skin_of(armature))
    with pytest.raises(BodyError, match="has no skin with shape keys"):
        api.update_joints(armature)


def test_only_fitted_bodies_have_joints_to_update():
    assert not bpy.ops.smplify.update_joints.poll()
    bpy.context.view_layer.objects.active = api.apply_result(random_result())
    assert bpy.ops.smplify.update_joints.poll()
