import bpy
import numpy as np
import pytest
from synthetic import random_result, rotation_matrices

from blender_smplify import action, api, compat
from blender_smplify.core import FitResult

RATES = [23.976, 24.0, 29.476, 29.97, 59.94006, 120.0, 1000.0, 0.5]


def keys_of(armature: bpy.types.Object, bone: str, prop: str) -> np.ndarray:
    """(C, F, 2) times and values of the curves of a property."""
    path = action.bone_path(bone, prop)
    curves = sorted((curve for curve in compat.curves_of(armature) if curve.data_path == path), key=lambda curve: curve.array_index)
    keys = np.empty((len(curves), 2 * len(curves[0].keyframe_points)), np.float32)
    for row, curve in zip(keys, curves, strict=True):
        curve.keyframe_points.foreach_get("co", row)
    return keys.reshape(len(curves), -1, 2)


def test_quaternions_are_the_same_rotations():
    vectors = np.random.default_rng(0).normal(size=(50, 4, 3)) * 3
    w, x, y, z = np.moveaxis(action.axis_angle_to_quaternion_wxyz(vectors), -1, 0)
    matrices = np.stack(
        [
            *(1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
            *(2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
            *(2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
        ],
        axis=-1,
    ).reshape(50, 4, 3, 3)
    np.testing.assert_allclose(matrices, rotation_matrices(vectors), atol=1e-12)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1.0])
def test_small_rotations_are_exact(scale):
    vector = np.array([[0.3, -0.2, 0.1]]) * scale
    np.testing.assert_allclose(
        action.axis_angle_to_quaternion_wxyz(vector)[0, 1:],
        np.sin(np.linalg.norm(vector) / 2) * vector[0] / max(np.linalg.norm(vector), 1e-300),
    )


def test_quaternions_do_not_change_sign_on_the_way():
    turns = np.linspace(0, 6 * np.pi, 100)[:, None, None] * np.array([0, 1, 0])
    wrapped = (np.linalg.norm(turns, axis=-1, keepdims=True) + np.pi) % (2 * np.pi) - np.pi  # jumps from +pi to -pi
    quaternions = action.axis_angle_to_quaternion_wxyz(wrapped * np.array([0, 1, 0]))
    steps = np.abs(np.diff(quaternions, axis=0)).max()
    assert steps < 0.1
    assert np.abs(quaternions[-1] - quaternions[0]).max() == pytest.approx(2)  # three turns: -q, reached smoothly


@pytest.mark.parametrize("fps", RATES)
def test_the_rate_is_exact(scene, fps):
    action.set_scene_rate(scene, fps)
    assert action.scene_rate(scene) == pytest.approx(fps, rel=1e-6)
    assert scene.render.fps >= fps


def test_keys_lie_on_whole_frames_from_the_start_frame(scene):
    result = random_result(fps=29.97)
    armature = api.apply_result(result, frame_start=101)
    keys = keys_of(armature, "pelvis", "location")
    assert keys[0, :, 0].tolist() == [101, 102, 103, 104, 105, 106]
    np.testing.assert_allclose(keys[..., 1].T, result.params["transl"], atol=1e-6)
    assert (scene.frame_start, scene.frame_end) == (101, 106)
    assert action.scene_rate(scene) == pytest.approx(29.97, rel=1e-6)


def test_a_scene_may_keep_its_rate(scene):
    action.set_scene_rate(scene, 24)
    scene.frame_end = 77
    armature = api.apply_result(random_result(fps=120), match_rate=False)
    np.testing.assert_allclose(keys_of(armature, "pelvis", "location")[0, :, 0], 1 + np.arange(6) * 24 / 120, atol=1e-6)
    assert (scene.render.fps, scene.frame_end) == (24, 77)


def test_all_bones_are_keyed_linearly_and_listed_by_name():
    armature = api.apply_result(random_result())
    curves = list(compat.curves_of(armature))
    assert len(curves) == 24 * 4 + 3
    assert {curve.group.name for curve in curves} == {bone.name for bone in armature.data.bones}
    assert {key.interpolation for curve in curves for key in curve.keyframe_points} == {"LINEAR"}
    assert all(curve.is_valid for curve in curves)


def test_locations_are_keyed_only_where_a_bone_moves():
    armature = api.apply_result(random_result(model_type="smplx"))
    moved = {curve.group.name for curve in compat.curves_of(armature) if curve.data_path.endswith("location")}
    assert moved == {"pelvis", "head", "jaw"}  # an expression moves the joints of head and jaw
    assert len(compat.curves_of(armature)) == 55 * 4 + 3 * 3


def test_the_face_is_keyed_in_the_action_of_the_bones():
    result = random_result(model_type="smplx", fps=120)
    armature = api.apply_result(result, frame_start=11)
    (skin,) = armature.children
    curves = list(compat.curves_of(skin.data.shape_keys))
    assert [curve.data_path for curve in curves] == [f'key_blocks["expression_{index}"].value' for index in range(10)]
    assert all(curve.is_valid and curve.group.name == "Shape Keys" for curve in curves)
    keys = np.array([[key.co for key in curve.keyframe_points] for curve in curves])
    assert keys[0, :, 0].tolist() == [11, 12, 13, 14, 15, 16]
    np.testing.assert_allclose(keys[..., 1].T, result.params["expression"], atol=1e-6)
    shares = hasattr(armature.animation_data.action, "slots")  # before Blender 4.4 an action has room for one data-block
    assert len(bpy.data.actions) == (1 if shares else 2)
    assert (skin.data.shape_keys.animation_data.action == armature.animation_data.action) == shares


@pytest.mark.parametrize(("values", "n_curves"), [(np.zeros((6, 10)), 0), (np.zeros((1, 4)), 0), (np.full((1, 4), 2.0), 10)])
def test_a_face_that_keeps_still_has_no_curves(scene, values, n_curves):
    result = random_result(model_type="smplx")
    params = {**result.params, "expression": values.astype(np.float32)}
    armature = api.apply_result(FitResult(**{**vars(result), "params": params}))
    (skin,) = armature.children
    assert len(compat.curves_of(skin.data.shape_keys)) == n_curves
    scene.frame_set(3)
    shown = [key.value for key in skin.data.shape_keys.key_blocks if key.name.startswith("expression")]
    np.testing.assert_allclose(shown, np.pad(values[0], (0, 10 - values.shape[1])))


def test_curves_of_an_object_without_animation_are_none():
    assert list(compat.curves_of(bpy.data.objects.new("still", None))) == []


def test_ten_thousand_frames_are_written_in_bulk():
    import time

    n_frames = 10_000
    armature = api.apply_result(random_result(n_frames=2, model_type="smplx"))
    armature.animation_data_clear()
    started = time.perf_counter()
    names = [bone.name for bone in armature.data.bones]
    action.write_motion(armature, "long", names, np.zeros((n_frames, 55, 3)), np.zeros((n_frames, 55, 3)), np.arange(n_frames))
    assert time.perf_counter() - started < 10  # key by key it takes half an hour
    assert keys_of(armature, "head", "rotation_quaternion").shape == (4, n_frames, 2)
