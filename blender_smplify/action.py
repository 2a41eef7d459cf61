"""Writes motion as animation curves, in bulk."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import bpy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import compat

Floats = NDArray[np.float64]

SMALLEST_MOVE = 1e-6
"""Metres: a bone that moves less against its parent gets no curves for it."""


def axis_angle_to_quaternion_wxyz(axis_angle: ArrayLike) -> Floats:
    """Quaternions (F, ..., 4) of rotations (F, ..., 3) in radians, without a change of sign from frame to frame.

    q and -q are one rotation, but a curve from one to the other would swing the bone right round.
    """
    vectors = np.asarray(axis_angle, np.float64)
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    # sinc keeps the quotient sin(angle / 2) / angle exact down to an angle of 0.
    quaternion = np.concatenate([np.cos(angle / 2), 0.5 * np.sinc(angle / (2 * np.pi)) * vectors], axis=-1)
    turns = (quaternion[1:] * quaternion[:-1]).sum(-1) < 0
    quaternion[1:][np.cumsum(turns, axis=0) % 2 == 1] *= -1
    return np.asarray(quaternion)


def set_scene_rate(scene: bpy.types.Scene, fps: float) -> None:
    """Sets the frame rate exactly: Blender's is a whole number divided by a float."""
    scene.render.fps = max(1, math.ceil(round(fps, 6)))
    scene.render.fps_base = scene.render.fps / fps


def scene_rate(scene: bpy.types.Scene) -> float:
    """Frames per second of the scene."""
    return float(scene.render.fps / scene.render.fps_base)


def frame_numbers(scene: bpy.types.Scene, n_frames: int, fps: float, frame_start: float) -> Floats:
    """(F,) scene frames of the samples of a take; whole numbers where the scene runs at the take's rate."""
    stride = scene_rate(scene) / fps
    if math.isclose(stride, 1, rel_tol=1e-5):
        stride = 1.0
    return frame_start + stride * np.arange(n_frames)


def scene_frames(n_frames: int, fps: float, frame_start: int, match_rate: bool) -> Floats:
    """(F,) scene frames of a take; the scene takes over its rate and its length if they are to match."""
    scene = bpy.context.scene
    if match_rate:
        set_scene_rate(scene, fps)
    frames = frame_numbers(scene, n_frames, fps, frame_start)
    if match_rate:
        scene.frame_start, scene.frame_end = frame_start, int(frames[-1])
    return frames


def write_curves(curves: Any, data_path: str, frames: ArrayLike, values: ArrayLike, group: str, interpolation: str = "LINEAR") -> None:
    """Writes one curve for each component of a property.

    Args:
        curves: Holder of the curves, from `compat.new_action`.
        data_path: Blender's path of the property.
        frames: (F,) scene frames, rising.
        values: (F, C) values, finite.
        group: Name under which the curves are listed.
        interpolation: "LINEAR" or "CONSTANT".
    """
    columns = np.asarray(values, np.float32).T
    keys = np.empty((columns.shape[1], 2), np.float32)
    keys[:, 0] = frames
    kinds = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items
    kind = np.full(len(keys), kinds[interpolation].value, np.uint8)  # Blender takes bytes faster than its own 32 bits
    channels = curves.groups.get(group) or curves.groups.new(group)
    for index, column in enumerate(columns):
        keys[:, 1] = column
        curve = curves.fcurves.new(data_path, index=index)
        curve.group = channels
        curve.keyframe_points.add(len(keys))
        curve.keyframe_points.foreach_set("co", keys.ravel())
        curve.keyframe_points.foreach_set("interpolation", kind)
        curve.update()


def bone_path(bone: str, prop: str) -> str:
    """Blender's path of a property of a pose bone."""
    return f'pose.bones["{bpy.utils.escape_identifier(bone)}"].{prop}'


def write_motion(
    armature: bpy.types.Object,
    name: str,
    bones: Sequence[str],
    rotations: ArrayLike,
    locations: ArrayLike,
    frames: ArrayLike,
) -> None:
    """Gives an armature a new action. Locations are keyed for the root, and for bones that move.

    Args:
        armature: What is moved.
        name: Name of the action.
        bones: J bone names, the root first.
        rotations: (F, J, 3) axis-angle relative to the parent, radians, in the axes of the rest bones.
        locations: (F, J, 3) of the bones against their rest place, metres, in the same axes.
        frames: (F,) scene frames, rising.
    """
    curves = compat.new_action(armature, name)
    quaternions = axis_angle_to_quaternion_wxyz(rotations)
    moves = np.asarray(locations, np.float64)
    for index, bone in enumerate(bones):
        if index == 0 or np.abs(moves[:, index]).max() > SMALLEST_MOVE:
            write_curves(curves, bone_path(bone, "location"), frames, moves[:, index], bone)
        write_curves(curves, bone_path(bone, "rotation_quaternion"), frames, quaternions[:, index], bone)


def write_shape_values(skin: bpy.types.Object, armature: bpy.types.Object, values: Mapping[str, ArrayLike], frames: ArrayLike) -> None:
    """Animates shape keys of a skin, together with its armature.

    Args:
        skin: A mesh with shape keys.
        armature: What moves the skin; it has an action.
        values: (F,) values for each shape key, by its name.
        frames: (F,) scene frames, rising.
    """
    curves = compat.join_action(skin.data.shape_keys, armature)
    for name, column in values.items():
        path = f'key_blocks["{bpy.utils.escape_identifier(name)}"].value'
        write_curves(curves, path, frames, np.asarray(column)[:, None], "Shape Keys")
