import bpy
import numpy as np
import pytest
from mathutils import Vector
from synthetic import random_result, skinned_vertices

from blender_smplify import api, rig
from blender_smplify.core import BodyError, FitResult, ResultError, body_of

TOLERANCE = 1e-4  # metres
EXACT = 1e-5


def bone_heads(armature: bpy.types.Object, names: tuple[str, ...]) -> np.ndarray:
    return np.array([armature.pose.bones[name].head for name in names])


def skin_of(armature: bpy.types.Object) -> bpy.types.Object:
    (skin,) = armature.children
    return skin


def evaluated_vertices(item: bpy.types.Object) -> np.ndarray:
    mesh = item.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    vertices = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", vertices)
    return vertices.reshape(-1, 3)


@pytest.mark.parametrize(("model_type", "gender"), [("smpl", "neutral"), ("smpl", "female"), ("smplh", "male"), ("smplx", "neutral")])
def test_bones_and_skin_follow_the_result(scene, model_type, gender):
    result = random_result(model_type=model_type, gender=gender)
    body = body_of(result)
    armature = api.apply_result(result)
    expected = skinned_vertices(body, result)
    for frame in range(result.n_frames):
        scene.frame_set(1 + frame)
        # An expression moves the joints of the head a little; the bones stay, so that the skin is exact.
        tolerance = 3e-3 if model_type == "smplx" else EXACT
        assert np.abs(bone_heads(armature, body.joint_names) - result.joints[frame]).max() < tolerance
        assert np.abs(evaluated_vertices(skin_of(armature)) - expected[frame]).max() < EXACT


def test_joints_are_followed_when_the_shape_differs_from_frame_to_frame(scene):
    result = random_result(n_betas_rows=6)
    armature = api.apply_result(result)
    for frame in range(result.n_frames):
        scene.frame_set(1 + frame)
        assert np.abs(bone_heads(armature, body_of(result).joint_names) - result.joints[frame]).max() < TOLERANCE


def test_joints_are_followed_when_shape_and_face_change(scene):
    result = random_result(n_betas_rows=6, model_type="smplx")
    armature = api.apply_result(result)
    for frame in range(result.n_frames):
        scene.frame_set(1 + frame)
        assert np.abs(bone_heads(armature, body_of(result).joint_names) - result.joints[frame]).max() < 3e-3


def test_up_is_z_in_the_world(scene):
    result = random_result()
    armature = api.apply_result(result)
    scene.frame_set(1)
    world = np.array(armature.matrix_world @ armature.pose.bones["pelvis"].head)
    x, y, z = result.joints[0, 0]
    np.testing.assert_allclose(world, [x, -z, y], atol=TOLERANCE)


@pytest.mark.parametrize("model_type", ["smpl", "smplh", "smplx"])
def test_rest_bones_are_not_rotated_and_have_the_parents_of_the_body(model_type):
    result = random_result(model_type=model_type)
    body = body_of(result)
    armature = api.apply_result(result)
    assert {bone.name for bone in armature.data.bones} == set(body.joint_names)
    for joint, name in enumerate(body.joint_names):
        bone = armature.data.bones[name]
        np.testing.assert_allclose(np.array(bone.matrix_local.to_3x3()), np.eye(3), atol=1e-6)
        np.testing.assert_allclose(bone.head_local, body.rest_joints(result.betas)[joint], atol=1e-6)
        assert (bone.parent.name if bone.parent else None) == (body.joint_names[body.parents[joint]] if joint else None)
        assert armature.pose.bones[name].rotation_mode == "QUATERNION"


def test_the_skin_has_the_surface_of_the_body():
    result = random_result()
    body = body_of(result)
    mesh = skin_of(api.apply_result(result)).data
    assert (len(mesh.vertices), len(mesh.polygons)) == (body.n_vertices, len(body.quads))
    assert list(mesh.polygons[100].vertices) == body.quads[100].tolist()
    assert all(polygon.use_smooth for polygon in mesh.polygons)
    np.testing.assert_allclose(mesh.uv_layers[0].uv[401].vector, body.uv[body.uv_quads[100, 1]], atol=1e-6)
    keys = mesh.shape_keys.key_blocks
    assert [key.name for key in keys] == ["Basis", *(f"beta_{index}" for index in range(body.n_betas))]
    np.testing.assert_allclose([key.value for key in keys[1:11]], result.betas, atol=1e-6)
    assert {(key.slider_min, key.slider_max) for key in keys[1:]} == {(-10, 10)}


def test_the_face_has_a_shape_key_for_each_expression():
    result = random_result(model_type="smplx")
    body = body_of(result)
    keys = skin_of(api.apply_result(result)).data.shape_keys.key_blocks
    assert [key.name for key in keys][17:] == [f"expression_{index}" for index in range(10)]
    assert {(key.slider_min, key.slider_max) for key in keys[1:]} == {(-10, 10)}
    points = np.empty(3 * body.n_vertices, np.float32)
    keys["expression_3"].points.foreach_get("co", points)
    np.testing.assert_allclose(points.reshape(-1, 3), body.v_template + body.expression_dirs[..., 3], atol=1e-6)


@pytest.mark.parametrize(
    ("model_type", "counts"), [("smpl", {}), ("smplh", {"Body": 22, "Hands": 30}), ("smplx", {"Body": 22, "Face": 3, "Hands": 30})]
)
def test_body_hands_and_face_have_bone_collections(model_type, counts):
    armature = api.apply_result(random_result(model_type=model_type))
    collections = armature.data.collections
    assert {collection.name: len(collection.bones) for collection in collections} == counts
    if counts:
        assert {"left_index1", "right_thumb3"} <= set(collections["Hands"].bones.keys())
        assert "left_wrist" in collections["Body"].bones


def test_bones_are_drawn_along_the_limbs_also_where_fingers_and_face_begin():
    armature = api.apply_result(random_result(model_type="smplx"))

    def ahead(name: str) -> np.ndarray:
        pose_bone = armature.pose.bones[name]
        direction = pose_bone.custom_shape_rotation_euler.to_matrix() @ Vector((0, 1, 0))
        return np.array(direction * pose_bone.custom_shape_scale_xyz[1])

    rest = {bone.name: np.array(bone.head_local) for bone in armature.data.bones}
    np.testing.assert_allclose(ahead("left_index1"), rest["left_index2"] - rest["left_index1"], atol=1e-5)
    knuckles = np.mean([rest[f"left_{finger}1"] for finger in ("index", "middle", "pinky", "ring", "thumb")], axis=0)
    np.testing.assert_allclose(ahead("left_wrist"), knuckles - rest["left_wrist"], atol=1e-5)
    assert ahead("head")[1] > 0.05  # up, not to the jaw
    np.testing.assert_allclose(ahead("right_eye_smplhf"), [0, 0, 0.05], atol=1e-6)  # where it looks


def test_the_scene_is_left_as_the_user_had_it():
    mesh = bpy.data.meshes.new("cube")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    cube = bpy.data.objects.new("cube", mesh)
    bpy.context.scene.collection.objects.link(cube)
    bpy.context.view_layer.objects.active = cube
    cube.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    api.apply_result(random_result())
    assert bpy.context.view_layer.objects.active == cube
    assert [item.name for item in bpy.context.view_layer.objects.selected] == ["cube"]
    assert cube.mode == "EDIT"


def test_a_hidden_collection_takes_a_rig():
    collection = bpy.data.collections.new("hidden")
    bpy.context.scene.collection.children.link(collection)
    bpy.context.view_layer.layer_collection.children["hidden"].exclude = True
    armature = api.apply_result(random_result(), collection=collection)
    assert [item.name for item in armature.users_collection] == ["hidden"]
    assert len(armature.data.bones) == 24


def test_two_takes_lie_in_collections_of_their_own():
    first, second = api.apply_result(random_result(), name="Ada"), api.apply_result(random_result(seed=1), name="Ben")
    assert (first.name, second.name) == ("Ada", "Ben")
    assert [item.users_collection[0].name for item in (first, second)] == ["Ada", "Ben"]
    assert len([item for item in bpy.data.objects if item.name.startswith(rig.BONE_SHAPE)]) == 1


def test_metadata_tells_what_was_fitted():
    result = random_result()
    known = api.metadata(api.apply_result(result))
    assert (known["model_type"], known["gender"], known["preset"], known["take"]) == ("smpl", "neutral", "smplify", "jump")
    assert known["version"] == api.version()
    assert known["mean_residual_mm"] == pytest.approx(15, abs=1e-4)
    assert (known["worst_keypoint"], round(known["worst_keypoint_mm"], 3)) == ("right_knee", 20)
    np.testing.assert_allclose(known["betas"], result.betas, atol=1e-6)
    assert api.metadata(bpy.data.objects.new("empty", None)) == {}


def test_a_saved_file_plays_the_same(scene, tmp_path):
    result = random_result(model_type="smplx")
    api.apply_result(result, name="Ada")
    path = str(tmp_path / "take.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    armature = bpy.data.objects["Ada"]
    bpy.context.scene.frame_set(4)
    assert np.abs(evaluated_vertices(skin_of(armature)) - skinned_vertices(body_of(result), result)[3]).max() < EXACT
    assert api.metadata(armature)["preset"] == "smplify"
    assert armature.pose.bones["spine1"].custom_shape is not None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"body": {"model_type": "smplx", "gender": "neutral", "name": "mine.npz"}}, BodyError),
        ({"params": {"body_pose": np.zeros((6, 60), np.float32)}}, ResultError),
        ({"params": {"expression": np.ones((6, 11), np.float32)}}, ResultError),
    ],
)
def test_a_result_that_fits_no_body_changes_nothing(change, error):
    from conftest import data_counts

    result = random_result(model_type="smplx")
    if "params" in change:
        change = {"params": {**result.params, **change["params"]}}
    before = data_counts()
    with pytest.raises(error):
        api.apply_result(FitResult(**{**vars(result), **change}))
    assert data_counts() == before
