"""Builds the skin of a body: mesh, weights, and shape keys for shape and face."""

import bpy
import numpy as np
from numpy.typing import ArrayLike

from .core import BodyData
from .materials import material

MAX_SHAPE_VALUE = 10.0
"""Blender allows sliders up to here."""


def build_skin(
    body: BodyData, betas: ArrayLike, armature: bpy.types.Object, name: str, collection: bpy.types.Collection
) -> bpy.types.Object:
    """The skin of a body, with a shape key for each shape value and each expression, moved by the armature.

    Args:
        body: The body model.
        betas: (S,) values that the shape keys are set to.
        armature: Built from the joints of the same body and betas.
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
    dirs = [(beta_name(index), body.shapedirs[..., index]) for index in range(body.n_betas)]
    if body.expression_dirs is not None:
        dirs += [(expression_name(index), body.expression_dirs[..., index]) for index in range(body.n_expressions)]
    for name, moves in dirs:
        key = skin.shape_key_add(name=name, from_mix=False)
        key.points.foreach_set("co", np.ascontiguousarray(body.v_template + moves, np.float32).ravel())
        key.slider_min, key.slider_max = -MAX_SHAPE_VALUE, MAX_SHAPE_VALUE
        key.value = 0.0
    for key, value in zip(skin.data.shape_keys.key_blocks[1:], np.asarray(betas, float).ravel(), strict=False):
        key.value = value


def shape_values(skin: bpy.types.Object) -> list[float]:
    """The values of the shape keys of the shape, in order; empty where the object has none."""
    keys = skin.data.shape_keys.key_blocks if skin.type == "MESH" and skin.data.shape_keys else {}
    values: list[float] = []
    while beta_name(len(values)) in keys:
        values.append(float(keys[beta_name(len(values))].value))
    return values


def beta_name(index: int) -> str:
    """Name of the shape key of a shape value."""
    return f"beta_{index}"


def expression_name(index: int) -> str:
    """Name of the shape key of an expression."""
    return f"expression_{index}"
