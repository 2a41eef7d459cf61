"""Builds the armature of a body, and moves its joints. Plain functions over bpy, arrays in, objects out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import ArrayLike, NDArray

from . import bones as skeleton
from .bones import side_of
from .core import BodyData, BodyError

Floats = NDArray[np.float64]

UP_AXIS_TURN = (np.pi / 2, 0.0, 0.0)
"""Rotation of the object that stands data with y up on Blender's floor; the curves keep the fitter's numbers."""
BONE_SHAPE = "SMPLify bone"
BONE_PALETTES = {"left": "THEME04", "right": "THEME01", "middle": "THEME09"}


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


@contextmanager
def bones_edited(armature: bpy.types.Object) -> Iterator[bpy.types.ArmatureEditBones]:
    """Gives the bones of an armature for editing, wherever it lies: bones are edited in view, and its collection may be hidden."""
    in_view = bpy.context.scene.collection
    is_guest = armature.name not in in_view.objects
    if is_guest:
        in_view.objects.link(armature)
    hidden, disabled = armature.hide_get(), armature.hide_viewport
    try:
        with object_mode_kept():
            armature.hide_viewport = False
            armature.hide_set(False)
            bpy.context.view_layer.objects.active = armature
            bpy.ops.object.mode_set(mode="EDIT")
            try:
                yield armature.data.edit_bones
            finally:
                bpy.ops.object.mode_set(mode="OBJECT")
    finally:
        armature.hide_set(hidden)
        armature.hide_viewport = disabled
        if is_guest:
            in_view.objects.unlink(armature)


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
    collection.objects.link(armature)
    with bones_edited(armature) as edit_bones:
        made: list[bpy.types.EditBone] = []
        for bone_name, head, parent in zip(bones, np.asarray(heads, float).tolist(), parents, strict=True):
            bone = edit_bones.new(bone_name)
            bone.head = head
            bone.tail = (head[0], head[1] + length, head[2])  # along y with roll 0: the rest matrix has no rotation
            bone.roll = 0
            if parent >= 0:
                bone.parent = made[parent]
            made.append(bone)
    for pose_bone in armature.pose.bones:
        pose_bone.rotation_mode = "QUATERNION"
    return armature


def build_body_armature(body: BodyData, joints: ArrayLike, name: str, collection: bpy.types.Collection, form: str) -> bpy.types.Object:
    """The armature of a body, drawn along the limbs.

    Args:
        body: The body model.
        joints: (J, 3) in the T-pose, metres.
        name: Name of the object.
        collection: Where the object is put.
        form: One of `BONE_FORMS`.
    """
    armature = build_armature(name, body.joint_names, joints, body.parents.tolist(), collection)
    collect_bones(armature, body)
    colour_bones(armature)
    if form == skeleton.ANATOMICAL:
        turn_bones(armature, body, joints)
    else:
        draw_bones(armature, body, joints)
    return armature


def collect_bones(armature: bpy.types.Object, body: BodyData) -> None:
    """Puts the bones of body, hands and face into collections of their own, which can be hidden; a body without hands needs none."""
    kinds = skeleton.kinds(body.model_type)
    if len(set(kinds.values())) > 1:
        collections = {kind: armature.data.collections.new(kind) for kind in dict.fromkeys(kinds.values())}
        for name, kind in kinds.items():
            collections[kind].assign(armature.data.bones[name])


def turn_bones(armature: bpy.types.Object, body: BodyData, joints: ArrayLike) -> None:
    """Turns the rest bones along the limbs; about its own x axis each bends as the body does.

    Args:
        armature: Built by `build_armature` from the same joints; without any motion yet.
        body: Tells which joint follows which.
        joints: (J, 3) in the T-pose, metres.
    """
    with bones_edited(armature) as edit_bones:
        for name, ahead, bend in zip(body.joint_names, skeleton.limbs(body, joints), skeleton.bend_directions(body), strict=True):
            bone = edit_bones[name]
            bone.tail = bone.head + Vector(ahead)
            bone.align_roll(Vector(bend))


def move_joints(armature: bpy.types.Object, body: BodyData, joints: ArrayLike, form: str) -> None:
    """Moves the rest joints; the directions of the rest bones stay, so that the keys of the motion keep their meaning.

    Args:
        armature: Built from the joints of another shape of the same body.
        body: Names the joints.
        joints: (J, 3) in the T-pose, metres.
        form: One of `BONE_FORMS`: bones along the limbs become as long as these.

    Raises:
        BodyError: A bone of the body is missing, or the armature belongs to another file.
    """
    if armature.data.library or armature.data.override_library:
        raise BodyError(f"The armature {armature.name!r} belongs to another file.", "Update it there, or make it local.")
    missing = [name for name in body.joint_names if name not in armature.data.bones]
    if missing:
        raise BodyError(f"The armature {armature.name!r} has no bone {missing[0]!r} any more.", "Give the bone its name back.")
    heads = np.asarray(joints, float)
    lengths = np.linalg.norm(skeleton.limbs(body, heads), axis=1)
    with bones_edited(armature) as edit_bones:
        for name, head, length in zip(body.joint_names, heads, lengths.tolist(), strict=True):
            bone = edit_bones[name]
            ahead = bone.vector.normalized() * length if form == skeleton.ANATOMICAL else bone.vector
            bone.use_connect = False
            bone.head, bone.tail = Vector(head), Vector(head) + ahead


def rest_rotations(armature: bpy.types.Object, bones: Sequence[str]) -> Floats:
    """(J, 3, 3) rotation of each rest bone: its x, y and z axes in columns."""
    return np.array([armature.data.bones[name].matrix_local.to_3x3() for name in bones], float)


def colour_bones(armature: bpy.types.Object) -> None:
    """Gives the bones the colours of their side of the body."""
    for pose_bone in armature.pose.bones:
        pose_bone.color.palette = BONE_PALETTES[side_of(pose_bone.name)]


def draw_bones(armature: bpy.types.Object, body: BodyData, joints: ArrayLike) -> None:
    """Draws unrotated bones from each joint to the next one. The bones themselves stay as they are: this is for the eye only."""
    for name, limb in zip(body.joint_names, skeleton.limbs(body, joints), strict=True):
        pose_bone, ahead = armature.pose.bones[name], Vector(limb)
        pose_bone.custom_shape = _bone_shape()
        pose_bone.use_custom_shape_bone_size = False
        pose_bone.custom_shape_rotation_euler = Vector((0, 1, 0)).rotation_difference(ahead).to_euler()
        pose_bone.custom_shape_scale_xyz = [ahead.length] * 3


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
