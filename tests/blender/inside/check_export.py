import bpy
import numpy as np
import pytest
from check_rig import evaluated_vertices
from mathutils.kdtree import KDTree
from synthetic import random_result

from blender_smplify import api, export
from blender_smplify.core import FittingError

IMPORTERS = {
    "bvh": lambda path: bpy.ops.import_anim.bvh(filepath=path, use_fps_scale=False, update_scene_fps=True),
    "fbx": lambda path: bpy.ops.import_scene.fbx(filepath=path),
    "glb": lambda path: bpy.ops.import_scene.gltf(filepath=path),
    "usd": lambda path: bpy.ops.wm.usd_import(filepath=path),
}


def world_heads(armature: bpy.types.Object) -> dict[str, np.ndarray]:
    return {bone.name: np.array(armature.matrix_world @ bone.head) for bone in armature.pose.bones}


def world_vertices() -> np.ndarray:
    """(V, 3) of the skin: the largest mesh, as importers add some of their own and do not all tie it to the armature."""
    skin = max((item for item in bpy.data.objects if item.type == "MESH"), key=lambda item: len(item.data.vertices))
    matrix = np.array(skin.matrix_world)
    return evaluated_vertices(skin) @ matrix[:3, :3].T + matrix[:3, 3]


def farthest(points: np.ndarray, others: np.ndarray) -> float:
    """How far the farthest of some points is from its nearest among others."""
    tree = KDTree(len(others))
    for index, other in enumerate(others):
        tree.insert(other, index)
    tree.balance()
    return max(tree.find(point)[2] for point in points)


@pytest.mark.parametrize("model_type", ["smpl", "smplx"])
@pytest.mark.parametrize("kind", IMPORTERS)
def test_the_motion_arrives_in_other_programs(scene, tmp_path, kind, model_type):
    armature = api.apply_result(random_result(fps=30.0, model_type=model_type))
    poses, skins = [], []
    for frame in range(1, 7):
        scene.frame_set(frame)
        poses.append(world_heads(armature))
        skins.append(world_vertices()[::50])
    n_bones = len(armature.data.bones)
    path = tmp_path / f"jump.{kind}"
    export.export(armature, path)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 30
    IMPORTERS[kind](str(path))
    (imported,) = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    for keys in bpy.data.shape_keys:
        for key in keys.key_blocks:
            key.slider_min, key.slider_max = -10, 10  # Blender's importers stop sliders at 0 and 1; the file has the values
    first = imported.animation_data.action.frame_range[0]
    for offset, (pose, skin) in enumerate(zip(poses, skins, strict=True)):
        bpy.context.scene.frame_set(int(first) + offset)
        heads = world_heads(imported)
        assert len(heads) == n_bones
        tolerance = 5e-3 if kind == "bvh" else 2e-3  # it moves the root only, not the joints that an expression moves
        assert max(np.linalg.norm(heads[name] - pose[name]) for name in pose) < tolerance, offset
        if kind != "bvh":  # it has no skin
            assert farthest(skin, world_vertices()) < 1e-4, offset


def test_keypoints_are_not_exported(tmp_path):
    from synthetic import random_track

    (keypoints,) = api.show_tracks([random_track()], "jump")
    export.export(api.apply_result(random_result(), keypoints=keypoints), tmp_path / "jump.fbx")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(tmp_path / "jump.fbx"))
    assert sorted(item.type for item in bpy.data.objects) == ["ARMATURE", "MESH"]


@pytest.mark.parametrize(("name", "sentence"), [("jump.obj", "Known: '.bvh'"), ("nowhere/jump.fbx", "Cannot write")])
def test_what_cannot_be_written_is_said(tmp_path, name, sentence):
    armature = api.apply_result(random_result())
    with pytest.raises(FittingError, match=sentence):
        export.export(armature, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
