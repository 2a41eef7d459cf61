"""Builds the rig of a body: armature, skinned mesh, shape keys. Plain functions over bpy, arrays in, objects out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import ArrayLike

from .core import POSE_PARTS, BodyData
from .materials import material

UP_AXIS_TURN = (np.pi / 2, 0.0, 0.0)
"""Rotation of the object that stands data with y up on Blender's floor; the curves keep the fitter's numbers."""
MAX_SHAPE_VALUE = 10.0
"""Blender allows sliders up to here."""
BONE_SHAPE = "SMPLify bone"
BONE_PALETTES = {"left": "THEME04", "right": "THEME01", "middle": "THEME09"}
BODY, HANDS, FACE = "Body", "Hands", "Face"
"""The bone collections of a body that has hands."""
FACE_BONE_AHEAD = Vector((0, 0, 0.05))
"""Jaw and eyes are drawn along the line of sight, metres."""


@contextmanager
def object_mode_kept() -> Iterator[None]:
    """Leaves the user's active object, selection and mode as they were; inside it is object mode."""
    view_layer = bpy.context.view_layer
    active, selected = view_layer.objects.active, list(view_layer.objects.selected)
    mode = active.mode if active else "OBJECT"
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    try:
        yield
    finally:
        for item in list(view_layer.objects.selected):
            item.select_set(False)
        for item in selected:
            item.select_set(True)
        view_layer.objects.active = active
        if mode != "OBJECT" and active:
            bpy.ops.object.mode_set(mode=mode)


def build_armature(
    name: str, bones: Sequence[str], heads: ArrayLike, parents: Sequence[int], collection: bpy.types.Collection, length: float = 0.06
) -> bpy.types.Object:
    """An armature whose rest bones are not rotated, under an object that turns y up into z up.

    Args:
        name: Name of the object.
        bones: J names.
        heads: (J, 3) metres, y up.
        parents: Index of each bone's parent, -1 for none.
        collection: Where the object is put.
        length: Length of each bone in metres. It is for the eye only.
    """
    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    armature.rotation_euler = UP_AXIS_TURN
    bpy.context.scene.collection.objects.link(armature)  # bones are edited in view; the collection may be hidden
    with object_mode_kept():
        bpy.context.view_layer.objects.active = armature
        bpy.ops.object.mode_set(mode="EDIT")
        edit_bones: list[bpy.types.EditBone] = []
        for bone_name, head, parent in zip(bones, np.asarray(heads, float).tolist(), parents, strict=True):
            bone = data.edit_bones.new(bone_name)
            bone.head = head
            bone.tail = (head[0], head[1] + length, head[2])  # along y with roll 0: the rest matrix has no rotation
            bone.roll = 0
            if parent >= 0:
                bone.parent = edit_bones[parent]
            edit_bones.append(bone)
        bpy.ops.object.mode_set(mode="OBJECT")
    if collection != bpy.context.scene.collection:
        bpy.context.scene.collection.objects.unlink(armature)
        collection.objects.link(armature)
    for pose_bone in armature.pose.bones:
        pose_bone.rotation_mode = "QUATERNION"
    return armature


def collect_bones(armature: bpy.types.Object, body: BodyData) -> None:
    """Puts the bones of body, hands and face into collections of their own, which can be hidden; a body without hands needs none."""
    parts = POSE_PARTS[body.model_type]
    if len(parts) > 2:
        kinds = [_kind(part) for part, n_joints in parts for _ in range(n_joints)]
        collections = {kind: armature.data.collections.new(kind) for kind in dict.fromkeys(kinds)}
        for name, kind in zip(body.joint_names, kinds, strict=True):
            collections[kind].assign(armature.data.bones[name])


def _kind(part: str) -> str:
    """The bone collection of a part of the pose."""
    return BODY if part in ("global_orient", "body_pose") else HANDS if part.endswith("_hand_pose") else FACE


def shape_bones(armature: bpy.types.Object) -> None:
    """Draws each bone from its joint to the next one. The bones themselves stay unrotated: this is for the eye only."""
    for pose_bone in armature.pose.bones:
        bone = pose_bone.bone
        limbs = [child for child in bone.children if FACE not in child.collections]
        children = [child for child in limbs if side_of(child.name) == "middle"] or limbs
        if FACE in bone.collections:
            ahead = FACE_BONE_AHEAD
        elif children:
            ahead = sum((child.head_local for child in children), Vector()) / len(children) - bone.head_local
        else:  # the last of a limb goes on as the limb does
            ahead = bone.head_local - bone.parent.head_local if bone.parent else Vector((0, bone.length, 0))
            ahead = ahead.normalized() * min(ahead.length, 0.1)
        pose_bone.custom_shape = _bone_shape()
        pose_bone.use_custom_shape_bone_size = False
        pose_bone.custom_shape_rotation_euler = Vector((0, 1, 0)).rotation_difference(ahead).to_euler()
        pose_bone.custom_shape_scale_xyz = [max(ahead.length, 0.01)] * 3
        pose_bone.color.palette = BONE_PALETTES[side_of(bone.name)]


def _bone_shape() -> bpy.types.Object:
    """A slim octahedron from the origin to (0, 1, 0), in no collection; one for the whole file."""
    shape = bpy.data.objects.get(BONE_SHAPE)
    if shape is None:
        mesh = bpy.data.meshes.new(BONE_SHAPE)
        corners = [(0, 0, 0), (0.08, 0.12, 0), (0, 0.12, 0.08), (-0.08, 0.12, 0), (0, 0.12, -0.08), (0, 1, 0)]
        ring = [1, 2, 3, 4]
        faces = [(end, a, b) for end in (0, 5) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)]
        mesh.from_pydata(corners, [], faces)
        shape = bpy.data.objects.new(BONE_SHAPE, mesh)
    return shape


def side_of(name: str) -> str:
    """The side of the body that the name of a joint or a keypoint speaks of: "left", "right" or "middle"."""
    return next((side for side in ("left", "right") if side in name.lower()), "middle")


def build_body_mesh(
    body: BodyData, betas: ArrayLike, armature: bpy.types.Object, name: str, collection: bpy.types.Collection
) -> bpy.types.Object:
    """The skin of a body, with a shape key for each shape value and each expression, moved by the armature.

    Args:
        body: The body model.
        betas: (S,) values that the shape keys are set to.
        armature: Built by `build_armature` from the joints of the same body and betas.
        name: Name of the object.
        collection: Where the object is put.
    """
    mesh = _surface(body, name)
    skin = bpy.data.objects.new(name, mesh)
    collection.objects.link(skin)
    skin.parent = armature
    _add_weights(skin, body)
    _add_shape_keys(skin, body, betas)
    modifier = skin.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    return skin


def _surface(body: BodyData, name: str) -> bpy.types.Mesh:
    polygons = body.faces if body.quads is None else body.quads
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(body.n_vertices)
    mesh.vertices.foreach_set("co", np.ascontiguousarray(body.v_template, np.float32).ravel())
    mesh.loops.add(polygons.size)
    mesh.loops.foreach_set("vertex_index", polygons.astype(np.int32).ravel())
    mesh.polygons.add(len(polygons))
    mesh.polygons.foreach_set("loop_start", np.arange(0, polygons.size, polygons.shape[1], dtype=np.int32))
    if body.uv is not None and body.uv_quads is not None and body.quads is not None:
        layer = mesh.uv_layers.new(name="UVMap")
        layer.uv.foreach_set("vector", np.ascontiguousarray(body.uv[body.uv_quads], np.float32).ravel())
    mesh.update(calc_edges=True)
    mesh.validate()
    mesh.shade_smooth()
    mesh.materials.append(material("body"))
    mesh.materials.append(material("body"))
    return mesh


def _add_weights(skin: bpy.types.Object, body: BodyData) -> None:
    for joint, joint_name in enumerate(body.joint_names):
        group = skin.vertex_groups.new(name=joint_name)
        vertices = np.flatnonzero(body.weights[:, joint])
        for vertex, weight in zip(vertices.tolist(), body.weights[vertices, joint].tolist(), strict=True):
            group.add((vertex,), weight, "REPLACE")


def _add_shape_keys(skin: bpy.types.Object, body: BodyData, betas: ArrayLike) -> None:
    skin.shape_key_add(name="Basis", from_mix=False)
    skin.data.shape_keys.name = skin.name  # under which its keyframes are listed
    dirs = [(f"beta_{index}", body.shapedirs[..., index]) for index in range(body.n_betas)]
    if body.expression_dirs is not None:
        dirs += [(expression_name(index), body.expression_dirs[..., index]) for index in range(body.n_expressions)]
    for name, moves in dirs:
        key = skin.shape_key_add(name=name, from_mix=False)
        key.points.foreach_set("co", (body.v_template + moves).ravel())
        key.slider_min, key.slider_max = -MAX_SHAPE_VALUE, MAX_SHAPE_VALUE
        key.value = 0.0
    for key, value in zip(skin.data.shape_keys.key_blocks[1:], np.asarray(betas, float).ravel(), strict=False):
        key.value = value


def expression_name(index: int) -> str:
    """Name of the shape key of an expression."""
    return f"expression_{index}"
