import bpy
import numpy as np
import pytest
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


@pytest.mark.parametrize("kind", IMPORTERS)
def test_the_motion_arrives_in_other_programs(scene, tmp_path, kind):
    armature = api.apply_result(random_result(fps=30.0))
    poses = []
    for frame in range(1, 7):
        scene.frame_set(frame)
        poses.append(world_heads(armature))
    path = tmp_path / f"jump.{kind}"
    export.export(armature, path)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 30
    IMPORTERS[kind](str(path))
    (imported,) = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    first = imported.animation_data.action.frame_range[0]
    for offset, pose in enumerate(poses):
        bpy.context.scene.frame_set(int(first) + offset)
        heads = world_heads(imported)
        assert len(heads) == 24
        for name in ("pelvis", "left_wrist", "right_foot", "head"):
            assert np.linalg.norm(heads[name] - pose[name]) < 2e-3, (kind, offset, name)


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
