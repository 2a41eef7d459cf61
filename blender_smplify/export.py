"""Writes a fitted body for other programs, with Blender's own exporters."""

from collections.abc import Callable
from pathlib import Path

import bpy

from .core import FittingError, atomic_path, did_you_mean


def _fbx(path: str) -> None:
    bpy.ops.export_scene.fbx(
        filepath=path, use_selection=True, add_leaf_bones=False, bake_anim_use_nla_strips=False, bake_anim_use_all_actions=False
    )


def _bvh(path: str) -> None:
    scene = bpy.context.scene
    bpy.ops.export_anim.bvh(filepath=path, frame_start=scene.frame_start, frame_end=scene.frame_end, root_transform_only=True)


def _glb(path: str) -> None:
    bpy.ops.export_scene.gltf(filepath=path, export_format="GLB", use_selection=True, export_animation_mode="ACTIVE_ACTIONS")


def _usd(path: str) -> None:
    bpy.ops.wm.usd_export(filepath=path, selected_objects_only=True, export_animation=True, convert_world_material=False)


EXPORTERS: dict[str, Callable[[str], None]] = {".fbx": _fbx, ".bvh": _bvh, ".glb": _glb, ".usd": _usd}
"""By suffix of the file."""


def export(armature: bpy.types.Object, path: str | Path) -> None:
    """Writes a fitted body and its motion to a file of the kind that its suffix says; the keypoints stay out.

    Args:
        armature: A body of `apply_result`.
        path: The file to write: `.fbx`, `.bvh`, `.glb` or `.usd`.

    Raises:
        FittingError: Unknown suffix, or the file cannot be written.
    """
    path = Path(path)
    exporter = EXPORTERS.get(path.suffix.lower())
    if exporter is None:
        raise FittingError(f"{path.name!r} has the suffix {path.suffix!r}.", did_you_mean(path.suffix, EXPORTERS))
    view_layer = bpy.context.view_layer
    for item in list(view_layer.objects.selected):
        item.select_set(False)
    for item in (armature, *armature.children):
        item.select_set(True)
    view_layer.objects.active = armature
    with atomic_path(path) as temporary:
        exporter(str(temporary))
