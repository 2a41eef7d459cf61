"""Pose correctives: the bulges and folds that a body model adds to a bent skin, as shape keys that follow the bones by themselves.

A joint corrects the skin by the nine entries of its rotation matrix, less those of the unit matrix. Each of them is a polynomial of the
quaternion of the bone, short enough for Blender to evaluate without Python. Drivers read the bone as it stands, after constraints.
"""

from collections.abc import Iterator

import bpy
import numpy as np
from numpy.typing import NDArray

from . import bones as skeleton
from .core import BodyData

ALL, BODY, OFF = "ALL", "BODY", "OFF"
LEVELS = (ALL, BODY, OFF)
"""Correctives of all joints; of the joints of the body but not of hands and face, which is faster; none."""
LEVEL = "smplify_correctives"
"""The property of a skin that tells the level."""
PREFIX = "pose_"
FLAT = 1e-7
"""Metres: a corrective that moves no vertex further gets no key. A model may have a place for them and no values."""
LARGEST = 2.0
"""No entry of a rotation matrix differs more from the unit matrix."""
AXES = "xyz"


def add_correctives(skin: bpy.types.Object, armature: bpy.types.Object, body: BodyData, rest: NDArray[np.float64]) -> None:
    """Gives a skin the pose correctives of its body; a body without them changes nothing.

    Args:
        skin: Made by `build_skin` from the same body.
        armature: Moves the skin.
        body: The body model.
        rest: (J, 3, 3) rotations of the rest bones. The keys belong to the axes of the bones, also where these are turned.
    """
    if body.posedirs is None:
        return
    for joint, name in enumerate(body.joint_names[1:], start=1):
        dirs = _in_bone_axes(body.posedirs[..., 9 * (joint - 1) : 9 * joint], rest[joint])
        for entry in range(9):
            if np.abs(dirs[..., entry]).max() > FLAT:
                row, column = divmod(entry, 3)
                key = skin.shape_key_add(name=f"{PREFIX}{name}_{row}{column}", from_mix=False)
                key.points.foreach_set("co", np.ascontiguousarray(body.v_template + dirs[..., entry], np.float32).ravel())
                key.slider_min, key.slider_max = -LARGEST, LARGEST
                key.value = 0.0
                _follow(key, armature, name, row, column)
    if next(_keys(skin), None) is not None:
        skin[LEVEL] = ALL  # so far


def level(skin: bpy.types.Object) -> str | None:
    """How many correctives of a skin are on, one of `LEVELS`; None where it has none."""
    return skin.get(LEVEL)


def set_level(skin: bpy.types.Object, new: str, model_type: str) -> None:
    """Switches correctives of a skin on and off; those that are off cost no time.

    Args:
        skin: A skin with correctives.
        new: One of `LEVELS`.
        model_type: Type of the body.
    """
    kinds = skeleton.kinds(model_type)
    drivers = {curve.data_path: curve for curve in skin.data.shape_keys.animation_data.drivers}
    for key, joint in _keys(skin):
        is_on = new == ALL or (new == BODY and kinds.get(joint, skeleton.BODY) == skeleton.BODY)
        key.mute = not is_on
        if not is_on:
            key.value = 0.0  # exporters do not all know of muting
        driver = drivers.get(key.path_from_id("value"))
        if driver is not None:
            driver.mute = not is_on
    skin[LEVEL] = new
    skin.data.shape_keys.update_tag()


def _keys(skin: bpy.types.Object) -> Iterator[tuple[bpy.types.ShapeKey, str]]:
    """The correctives among the shape keys, with the joints that they belong to."""
    for key in skin.data.shape_keys.key_blocks if skin.data.shape_keys else ():
        if key.name.startswith(PREFIX):
            yield key, key.name.removeprefix(PREFIX).rsplit("_", 1)[0]


def _in_bone_axes(dirs: NDArray[np.float32], rest: NDArray[np.float64]) -> NDArray[np.float32]:
    """(V, 3, 9) correctives of a joint for the rotation of its bone instead: R = r R' r^T is linear in the entries of R'."""
    if np.array_equal(rest, np.eye(3)):
        return dirs
    return np.asarray(dirs @ np.kron(rest, rest).astype(np.float32), np.float32)


def _follow(key: bpy.types.ShapeKey, armature: bpy.types.Object, bone: str, row: int, column: int) -> None:
    """Drives a key by an entry of the rotation matrix of a bone, less that of the unit matrix."""
    driver = key.driver_add("value").driver
    driver.type = "SCRIPTED"
    if row == column:
        names = AXES.replace(AXES[row], "")
        driver.expression = "-2*({0}*{0}+{1}*{1})".format(*names)
    else:
        names = f"{AXES[row]}{AXES[column]}{AXES[3 - row - column]}w"
        sign = "-" if (column - row) % 3 == 1 else "+"
        driver.expression = "2*({0}*{1}{4}{3}*{2})".format(*names, sign)
    for name in names:
        variable = driver.variables.new()
        variable.name, variable.type = name, "TRANSFORMS"
        target = variable.targets[0]
        target.id, target.bone_target = armature, bone
        target.transform_type, target.rotation_mode = f"ROT_{name.upper()}", "QUATERNION"
        target.transform_space = "LOCAL_SPACE"
