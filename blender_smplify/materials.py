"""Materials, one of each for the whole file."""

from collections.abc import Sequence

import bpy

from . import compat

COLOURS = {
    "left": (0.02, 0.25, 0.9),
    "right": (0.9, 0.1, 0.03),
    "middle": (0.95, 0.6, 0.02),
    "body": (0.35, 0.55, 0.8),
    "ground": (0.28, 0.28, 0.28),
}
"""Linear RGB. Keypoints have the colour of their side of the body."""


def material(name: str, roughness: float = 0.5) -> bpy.types.Material:
    """The material of a name in `COLOURS`, as the user may have changed it since."""
    full_name = f"SMPLify {name}"
    found = bpy.data.materials.get(full_name)
    return found or _new_material(full_name, COLOURS[name], roughness)


def _new_material(name: str, colour: Sequence[float], roughness: float) -> bpy.types.Material:
    new = bpy.data.materials.new(name)
    new.diffuse_color = (*colour, 1)  # what the solid view shows
    shader = compat.node_tree_of(new).nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Roughness"].default_value = roughness
    return new
