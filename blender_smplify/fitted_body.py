"""The body of a result in the scene: built, animated, and changed afterwards."""

from collections.abc import Sequence

import bpy

from . import action, bodies, bones as skeleton, correctives, motion, overlay, rig, skin
from .core import BodyError, FitResult, FittingError, ResultError, did_you_mean
from .metadata import KEYPOINTS, METADATA, describe, keypoints_of, metadata


def apply_result(
    result: FitResult,
    name: str | None = None,
    frame_start: int = 1,
    collection: bpy.types.Collection | None = None,
    match_rate: bool = True,
    keypoints: bpy.types.Object | None = None,
    bones: str = skeleton.AXIS_ALIGNED,
    pose_correctives: str = correctives.BODY,
) -> bpy.types.Object:
    """Builds the body of a result and animates it.

    Args:
        result: What a fit has given.
        name: Name of the armature; that of the take by default.
        frame_start: Scene frame of the first frame.
        collection: Where the objects are put; a new one by default.
        match_rate: Whether the scene takes over the rate and the length of the take; otherwise the keys lie where they
            belong in time, between the frames if need be.
        keypoints: The object of `import_tracks` that was fitted: the body joins its collection and plays with it, whatever
            `frame_start` and `match_rate` say; earlier bodies of it are hidden.
        bones: "axis_aligned": rest bones without rotation, as the body model has them, so that curves show its parameters; or
            "anatomical": rest bones along the limbs. The motion is the same.
        pose_correctives: Where the body has them, "ALL", those of the "BODY" without hands and face, which play faster, or "OFF".

    Returns:
        The armature; the skin is its child.

    Raises:
        FittingError: The body of the result is not there any more, or does not fit it. The scene is unchanged.
    """
    bones, level = _one_of(skeleton.BONE_FORMS, bones, "form of bones"), _one_of(correctives.LEVELS, pose_correctives, "level")
    body = bodies.shown_part(bodies.body_of(result), result)
    rotations, expression = result.full_pose, motion.expression(result, body)
    if keypoints is not None and len(overlay.frames_of(keypoints)) != result.n_frames:
        raise ResultError(f"The result has {result.n_frames} frames, but {keypoints.name!r} has others.", "Fit these keypoints again.")
    if rotations.shape[1] != body.n_joints:
        raise ResultError(
            f"The result has {rotations.shape[1]} joints, but the body {body.name!r} has {body.n_joints}.", "Fit the take again."
        )
    name = name or result.name
    if keypoints is not None:
        collection = collection or keypoints.users_collection[0]
        _hide_fits_of(keypoints)
    collection = collection or new_collection(name)
    armature = rig.build_body_armature(body, body.rest_joints(result.betas), name, collection, bones)
    body_skin = skin.build_skin(body, result.betas, armature, f"{name} body", collection)
    rest = rig.rest_rotations(armature, body.joint_names)
    correctives.add_correctives(body_skin, armature, body, rest)
    if correctives.level(body_skin) not in (None, level):
        correctives.set_level(body_skin, level, body.model_type)
    frames = overlay.frames_of(keypoints) if keypoints else action.scene_frames(result.n_frames, result.fps, frame_start, match_rate)
    turns, moves = (motion.in_bone_axes(values, rest) for values in (rotations, motion.bone_locations(result, body)))
    action.write_motion(armature, name, body.joint_names, turns, moves, frames)
    if expression.any():
        keyed = {skin.expression_name(index): column for index, column in enumerate(expression.T)}
        action.write_shape_values(body_skin, armature, keyed, frames)
    armature[METADATA] = describe(result, body, bones)
    if keypoints is not None:
        armature[KEYPOINTS] = keypoints
    return armature


def update_joints(armature: bpy.types.Object) -> None:
    """Moves the rest joints of a body to where they belong in the shape that its shape keys show; the motion stays.

    The pelvis stays where the shape has it, moved by the keys: `transl` keeps its meaning. What stands on other legs than before may
    have to be lifted.

    Args:
        armature: A body of `apply_result`.

    Raises:
        BodyError: No skin with shape keys, or the body file is not there any more. Nothing has changed.
    """
    known = metadata(armature)
    body_skin = skin_of(armature)
    if body_skin is None:
        raise BodyError(f"The armature {armature.name!r} has no skin with shape keys.", "Select a body that was fitted.")
    body, betas = bodies.body_of_rig(known), skin.shape_values(body_skin)
    joints = body.rest_joints(betas)
    form = known.get("bones", skeleton.AXIS_ALIGNED)
    rig.move_joints(armature, body, joints, form)
    if form == skeleton.AXIS_ALIGNED:
        rig.draw_bones(armature, body, joints)
    armature[METADATA]["betas"] = betas


def set_correctives(armature: bpy.types.Object, level: str) -> None:
    """Switches the pose correctives of a body.

    Args:
        armature: A body of `apply_result`.
        level: "ALL", those of the "BODY" without hands and face, which play faster, or "OFF".

    Raises:
        FittingError: The body has none, or the level is unknown.
    """
    body_skin = skin_of(armature)
    if body_skin is None or correctives.level(body_skin) is None:
        raise BodyError(f"The body {armature.name!r} has no pose correctives.", "Fit a body model that has some.")
    correctives.set_level(body_skin, _one_of(correctives.LEVELS, level, "level"), metadata(armature)["model_type"])


def skin_of(armature: bpy.types.Object) -> bpy.types.Object | None:
    """The skin of a fitted body: the child with its shape keys."""
    return next((child for child in armature.children if skin.shape_values(child)), None)


def new_collection(name: str) -> bpy.types.Collection:
    """A new collection in the scene."""
    collection = bpy.data.collections.new(name)
    bpy.context.scene.collection.children.link(collection)
    return collection


def _hide_fits_of(keypoints: bpy.types.Object) -> None:
    """Two bodies in one place cannot be told apart; the earlier ones stay in the file."""
    for item in bpy.context.view_layer.objects:
        if keypoints_of(item) == keypoints:
            for part in (item, *item.children):
                part.hide_set(True)
                part.hide_render = True


def _one_of(known: Sequence[str], value: str, what: str) -> str:
    if value not in known:
        raise FittingError(f"There is no {what} {value!r}.", did_you_mean(str(value), known))
    return value
