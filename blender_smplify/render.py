"""A picture of a fitted body: camera, light and ground, as a still or as a beginning for the user's own."""

from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from . import compat
from .core import atomic_path
from .materials import material

SIZE = (960, 720)
N_CYCLES_SAMPLES = 12
N_POSES = 40
"""Poses of the clip that are looked at."""
NEAR = 0.3
"""Poses in which the body is nearer than this (metres) to where it is in the picture fit into it too."""
MARGIN = 0.2
"""Metres around the joints: the body is thicker than its skeleton."""
GROUND_SIZE = 500.0
"""Metres to each side: the horizon is far away."""
SIDEWAYS, DOWNWARDS = np.radians(35), np.radians(12)
"""How far the camera stands to the side of the front, and how far it looks down."""


def render_still(path: str | Path, armature: bpy.types.Object, frame: int | None = None) -> int:
    """Renders one frame of a fitted body; adds a camera, lights and a ground to the scene.

    Args:
        path: The picture to write, PNG.
        armature: A body of `apply_result`.
        frame: Scene frame; by default the one in which arms and legs reach out furthest.

    Returns:
        The frame.

    Raises:
        FittingError: The picture cannot be written.
    """
    scene = bpy.context.scene
    first, last = armature.animation_data.action.frame_range
    frames = np.unique(np.linspace(first, last, N_POSES).round().astype(int))
    poses = {int(number): _joints(armature, int(number)) for number in frames}
    frame = max(poses, key=lambda number: np.ptp(poses[number], axis=0).sum()) if frame is None else frame
    poses[frame] = _joints(armature, frame)
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y = SIZE
    render.image_settings.file_format = "PNG"
    scene.cycles.samples, scene.cycles.max_bounces = N_CYCLES_SAMPLES, 2
    scene.cycles.use_denoising, scene.cycles.denoising_prefilter, scene.cycles.denoising_quality = True, "FAST", "FAST"
    _add_set(armature, poses, frame)
    scene.frame_set(frame)
    with atomic_path(path) as temporary:
        render.filepath = str(temporary)
        bpy.ops.render.render(write_still=True)
    render.filepath = str(Path(path).absolute())
    return frame


def _joints(armature: bpy.types.Object, frame: int) -> NDArray[np.float64]:
    """(J, 3) metres in the world."""
    bpy.context.scene.frame_set(frame)
    return np.array([armature.matrix_world @ bone.head for bone in armature.pose.bones])


def _add_set(armature: bpy.types.Object, poses: dict[int, NDArray[np.float64]], frame: int) -> None:
    scene = bpy.context.scene
    collection = bpy.data.collections.new("Render")
    scene.collection.children.link(collection)
    floor = min(_lowest(armature, number) for number in (*list(poses)[:: max(1, len(poses) // 8)], frame))
    middle = poses[frame].mean(0)

    ground = bpy.data.meshes.new("Ground")
    ground.from_pydata([(x * GROUND_SIZE, y * GROUND_SIZE, 0) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))], [], [(0, 1, 2, 3)])
    ground.materials.append(material("ground", roughness=0.9))
    collection.objects.link(item := bpy.data.objects.new("Ground", ground))
    item.location = (middle[0], middle[1], floor)

    front = _front(armature, frame)
    heading = np.arctan2(front[1], front[0]) + SIDEWAYS
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    collection.objects.link(camera)
    camera.rotation_euler = (np.pi / 2 - DOWNWARDS, 0, heading + np.pi / 2)
    scene.camera = camera
    near = np.concatenate([pose for pose in poses.values() if np.linalg.norm(pose.mean(0) - middle) < NEAR])
    corners = (near[:, None] + MARGIN * np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])).reshape(-1)
    camera.location, _ = camera.camera_fit_coords(bpy.context.evaluated_depsgraph_get(), corners.tolist())

    sun = bpy.data.lights.new("Sun", "SUN")
    sun.energy, sun.angle = 3.0, 0.35  # a wide sun makes soft shadows
    collection.objects.link(lamp := bpy.data.objects.new("Sun", sun))
    lamp.rotation_euler = (np.radians(45), 0, heading + np.radians(90 + 50))  # from above, to the right of the camera
    scene.world = scene.world or bpy.data.worlds.new("World")
    background = compat.node_tree_of(scene.world).nodes.get("Background")
    background.inputs["Color"].default_value = (0.8, 0.87, 1.0, 1)
    background.inputs["Strength"].default_value = 0.55


def _front(armature: bpy.types.Object, frame: int) -> NDArray[np.float64]:
    """Horizontal direction in which the body looks."""
    bpy.context.scene.frame_set(frame)
    left, right = (np.array(armature.matrix_world @ armature.pose.bones[f"{side}_hip"].head) for side in ("left", "right"))
    front = np.cross(left - right, [0, 0, 1])
    length = np.linalg.norm(front)
    return np.array([0.0, -1.0, 0.0]) if length < 1e-6 else front / length


def _lowest(armature: bpy.types.Object, frame: int) -> float:
    """Height of the lowest point of the skin."""
    bpy.context.scene.frame_set(frame)
    graph = bpy.context.evaluated_depsgraph_get()
    lowest = float("inf")
    for skin in armature.children:
        mesh = skin.evaluated_get(graph).data
        vertices = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", vertices)
        heights = vertices.reshape(-1, 3) @ np.array(skin.matrix_world)[2, :3] + skin.matrix_world[2][3]
        lowest = min(lowest, float(heights.min()))
    return lowest
