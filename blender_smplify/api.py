"""What scripts call, and what the operators call: import tracks, fit them, put the result into the scene."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from . import action, motion, overlay, preferences, rig, session
from .core import (
    BodyData,
    FitResult,
    KeypointTrack,
    Preset,
    Progress,
    ResultError,
    TrackError,
    body_of,
    load_preset,
    read_track,
    read_tracks,
)

METADATA = "smplify"
"""The property of an armature that tells what it was fitted to, and how."""
KEYPOINTS = "smplify_keypoints"
"""The property of an armature that points to the object whose keypoints it was fitted to."""


def import_tracks(
    path: str | Path,
    fps: float | None = None,
    units: str | None = None,
    up_axis: str | None = None,
    convention: str | None = None,
    frame_start: int = 1,
    match_rate: bool = True,
) -> list[bpy.types.Object]:
    """Reads a file of 3D keypoints and shows each person of it.

    Args:
        path: File of any format that the fitter reads.
        fps: Frame rate, where the file has none or a wrong one.
        units: "m", "cm", "mm" or another unit that the fitter knows, where it would guess wrongly.
        up_axis: "x", "y", "z", "-x", "-y" or "-z", where it would guess wrongly.
        convention: Keypoint convention, where the file names no keypoints.
        frame_start: Scene frame of the first frame.
        match_rate: Whether the scene takes over the rate and the length of the take.

    Returns:
        One object for each person; `fit` takes it.

    Raises:
        FittingError: The file cannot be read. The scene is unchanged.
    """
    tracks = read_tracks(path, fps=fps, units=units, up_axis=up_axis, convention=convention)
    return show_tracks(tracks, Path(path).stem, frame_start, match_rate)


def show_tracks(tracks: Sequence[KeypointTrack], name: str, frame_start: int = 1, match_rate: bool = True) -> list[bpy.types.Object]:
    """Shows the people of a take as animated objects, in a collection of the name of the take."""
    collection = _new_collection(name)
    return [overlay.build_overlay(track, collection, _frames(track.n_frames, track.fps, frame_start, match_rate)) for track in tracks]


def fit(
    take: str | Path | KeypointTrack | bpy.types.Object,
    preset: str | Path | Preset = "smplify",
    body: str | Path | None = None,
    gender: str | None = None,
    device: str | None = None,
    python: str | Path | None = None,
    person: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
) -> FitResult:
    """Fits a body to a take, in the worker, and waits for it. The worker stays warm for the next fit.

    Args:
        take: A file, a track, or an object of `import_tracks`.
        preset: Name of a preset (yours or a shipped one), path of a JSON file, or a `Preset`.
        body: File of a body model; the default body if left out.
        gender: "neutral", "male" or "female"; that of the preset if left out.
        device: "auto", "cpu", "cuda", ...; that of the preferences if left out.
        python: The Python that has PyTorch; that of the preferences if left out.
        person: Which person of the file, from 0.
        on_progress: Called with the progress; it stops the fit by raising `FitCancelled`.

    Raises:
        FittingError: A wrong file, preset, body or device, or no Python with PyTorch.
        FitCancelled: `on_progress` has raised it.
    """
    request = session.Request(
        track=_track_of(take, person),
        preset=preset if isinstance(preset, Preset) else load_preset(preset, preferences.user_folder("presets")),
        body=None if body is None else str(body),
        gender=gender,
        device=device or preferences.device(),
    )
    return session.fit_now(request, python, on_progress)


def apply_result(
    result: FitResult,
    name: str | None = None,
    frame_start: int = 1,
    collection: bpy.types.Collection | None = None,
    match_rate: bool = True,
    keypoints: bpy.types.Object | None = None,
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

    Returns:
        The armature; the skin is its child.

    Raises:
        FittingError: The body of the result is not there any more, or does not fit it. The scene is unchanged.
    """
    body = body_of(result)
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
    collection = collection or _new_collection(name)
    armature = rig.build_armature(name, body.joint_names, body.rest_joints(result.betas), body.parents.tolist(), collection)
    rig.collect_bones(armature, body)
    rig.shape_bones(armature)
    skin = rig.build_body_mesh(body, result.betas, armature, f"{name} body", collection)
    frames = overlay.frames_of(keypoints) if keypoints else _frames(result.n_frames, result.fps, frame_start, match_rate)
    action.write_motion(armature, name, body.joint_names, rotations, motion.bone_locations(result, body), frames)
    if expression.any():
        keyed = {rig.expression_name(index): column for index, column in enumerate(expression.T)}
        action.write_shape_values(skin, armature, keyed, frames)
    armature[METADATA] = describe(result, body)
    if keypoints is not None:
        armature[KEYPOINTS] = keypoints
    return armature


def describe(result: FitResult, body: BodyData) -> dict[str, Any]:
    """What is kept with the armature: the body, the fit, and how good it is (millimetres)."""
    worst = max(result.residual_by_keypoint().items(), key=lambda item: item[1], default=("", float("nan")))
    return {
        "version": version(),
        "take": result.name,
        "model_type": body.model_type,
        "gender": body.gender,
        "body": body.name,
        "betas": [float(value) for value in result.betas],
        "preset": result.preset,
        "fps": result.fps,
        "n_frames": result.n_frames,
        "summary": result.summary(),
        "report": "\n".join(result.report),
        "mean_residual_mm": 1000 * result.mean_residual(),
        "worst_keypoint": worst[0],
        "worst_keypoint_mm": 1000 * worst[1],
    }


def metadata(armature: bpy.types.Object) -> Mapping[str, Any]:
    """What `apply_result` has kept with an armature; empty for any other object."""
    return armature[METADATA].to_dict() if METADATA in armature else {}


def fitted_armature(item: bpy.types.Object | None) -> bpy.types.Object | None:
    """The armature that `apply_result` has made, from itself or from its skin."""
    while item is not None and METADATA not in item:
        item = item.parent
    return item


def keypoints_of(item: bpy.types.Object) -> bpy.types.Object | None:
    """The object of the keypoints that an armature was fitted to."""
    keypoints = item.get(KEYPOINTS)
    return keypoints if isinstance(keypoints, bpy.types.Object) else None


@cache
def version() -> str:
    """Version of the extension."""
    with (Path(__file__).parent / "blender_manifest.toml").open("rb") as manifest:
        return str(tomllib.load(manifest)["version"])


def _track_of(take: str | Path | KeypointTrack | bpy.types.Object, person: int) -> KeypointTrack:
    if isinstance(take, KeypointTrack):
        return take
    if isinstance(take, bpy.types.Object):
        if not overlay.is_overlay(take):
            raise TrackError(f"The object {take.name!r} shows no keypoints.", "Give an object that import_tracks has made.")
        return overlay.read_track(take)
    return read_track(take, person)


def _hide_fits_of(keypoints: bpy.types.Object) -> None:
    """Two bodies in one place cannot be told apart; the earlier ones stay in the file."""
    for item in bpy.context.view_layer.objects:
        if keypoints_of(item) == keypoints:
            for part in (item, *item.children):
                part.hide_set(True)
                part.hide_render = True


def _frames(n_frames: int, fps: float, frame_start: int, match_rate: bool) -> NDArray[np.float64]:
    scene = bpy.context.scene
    if match_rate:
        action.set_scene_rate(scene, fps)
    frames = action.frame_numbers(scene, n_frames, fps, frame_start)
    if match_rate:
        scene.frame_start, scene.frame_end = frame_start, int(frames[-1])
    return frames


def _new_collection(name: str) -> bpy.types.Collection:
    collection = bpy.data.collections.new(name)
    bpy.context.scene.collection.children.link(collection)
    return collection
