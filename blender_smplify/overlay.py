"""Shows a keypoint track as an animated object: a bone for each keypoint, carrying a small marker.

Bones keep everything in one object with one action: it plays, renders and can be edited in any Blender, with or without
this extension, and a single switch shows the names.
"""

import json
from typing import Any

import bpy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import action, compat, rig
from .bones import side_of
from .core import Convention, KeypointTrack, as_convention
from .materials import material

KEY = "smplify_track"
"""The property of the object that holds the track itself, so that a saved file can be fitted again."""
MARKER_RADIUS = 0.014
SMALL_RADIUS = 0.004
"""Metres; for hands and faces in detail, where the keypoints lie close together."""
DETAILS = {"left_hand": "left_hand", "right_hand": "right_hand", "head": "mouth"}
"""Parts of the body, with the limbs that only a track in detail has there."""
FACE_MESH = "face_"
"""Names of the points of a face mesh begin so."""
BONE_LENGTH = 0.002
SIDES = ("left", "right", "middle")


def build_overlay(track: KeypointTrack, collection: bpy.types.Collection, frames: ArrayLike) -> bpy.types.Object:
    """An armature whose bones are the keypoints of a track, with markers and limbs as its child.

    Where a keypoint was not observed its marker vanishes, and its limbs pass on a straight line to where it is seen again.
    A keypoint that is never observed gets no bone.

    Args:
        track: What is shown.
        collection: Where the objects are put.
        frames: (F,) scene frame of each frame of the track.
    """
    name = f"{track.name} keypoints"
    shown = np.flatnonzero(track.observed.any(0))
    names = [track.names[index] for index in shown]
    overlay = rig.build_armature(name, names, np.zeros((len(names), 3)), [-1] * len(names), collection, BONE_LENGTH)
    overlay.data.display_type = "WIRE"  # the markers are seen, not the bones
    overlay.show_in_front = True
    convention, positions = as_convention(track.convention), {index: position for position, index in enumerate(shown.tolist())}
    limbs = [(positions[a], positions[b]) for a, b in convention.limbs(None) if a in positions and b in positions]
    _build_markers(f"{name} markers", names, _radii(convention)[shown], limbs, overlay, collection)
    times = np.asarray(frames, float)
    _animate(overlay, names, track.points[:, shown], track.observed[:, shown], times)
    _store_track(overlay, track)
    overlay[KEY]["frame_start"], overlay[KEY]["frame_step"] = times[0], float(np.ptp(times) / max(1, len(times) - 1))
    return overlay


def remove(overlay: bpy.types.Object) -> None:
    """Removes an overlay with its markers, and its collection if nothing else is in it."""
    action, collections = overlay.animation_data.action, overlay.users_collection
    for item in (*overlay.children, overlay):
        data = item.data
        bpy.data.objects.remove(item)
        bpy.data.batch_remove([data])
    if action is not None and not action.users:
        bpy.data.actions.remove(action)
    for collection in collections:
        if collection != bpy.context.scene.collection and not collection.objects and not collection.children:
            bpy.data.collections.remove(collection)


def is_overlay(item: bpy.types.Object | None) -> bool:
    """Whether an object shows a keypoint track."""
    return item is not None and KEY in item


def frames_of(overlay: bpy.types.Object) -> NDArray[np.float64]:
    """(F,) scene frame of each frame of the track."""
    stored = overlay[KEY]
    return np.asarray(stored["frame_start"] + stored["frame_step"] * np.arange(stored["n_frames"]))


def track_facts(overlay: bpy.types.Object) -> dict[str, Any]:
    """What is known of the track of an object: `names`, `convention`, `fps`, `name`, `decisions`, `n_frames`."""
    stored = overlay[KEY]
    return {**json.loads(stored["facts"]), "n_frames": stored["n_frames"]}


def read_track(overlay: bpy.types.Object) -> KeypointTrack:
    """The track that an object shows, exactly as it was imported."""
    stored, facts = overlay[KEY], track_facts(overlay)
    shape = (stored["n_frames"], stored["n_keypoints"])
    return KeypointTrack(
        points=np.array(stored["points"], np.float32).reshape(*shape, 3),
        confidence=np.array(stored["confidence"], np.float32).reshape(shape),
        convention=Convention(facts["convention"], tuple(facts["names"])),
        fps=facts["fps"],
        name=facts["name"],
        decisions=tuple(facts["decisions"]),
    )


def _store_track(overlay: bpy.types.Object, track: KeypointTrack) -> None:
    """Keeps a track with its object."""
    convention = as_convention(track.convention)
    facts = {"names": track.names, "convention": convention.name, "fps": track.fps, "name": track.name, "decisions": track.decisions}
    overlay[KEY] = {
        "facts": json.dumps(facts),
        "n_frames": track.n_frames,
        "n_keypoints": track.n_keypoints,
        "points": np.ascontiguousarray(track.points, np.float32).ravel(),
        "confidence": np.ascontiguousarray(track.confidence, np.float32).ravel(),
    }


def _animate(
    overlay: bpy.types.Object,
    names: list[str],
    points: NDArray[np.float32],
    observed: NDArray[np.bool_],
    frames: NDArray[np.float64],
) -> None:
    curves = compat.new_action(overlay, overlay.name)
    for index, name in enumerate(names):
        seen = observed[:, index]
        track = np.stack([np.interp(frames, frames[seen], points[seen, index, axis]) for axis in range(3)], axis=1)
        action.write_curves(curves, action.bone_path(name, "location"), frames, track, name)
        if not seen.all():
            changes = np.flatnonzero(np.diff(seen, prepend=~seen[:1]))
            scale = np.repeat(seen[changes, None].astype(np.float32), 3, axis=1)
            action.write_curves(curves, action.bone_path(name, "scale"), frames[changes], scale, name, "CONSTANT")


def _radii(convention: Convention) -> NDArray[np.float64]:
    """(K,) radius of the marker of each keypoint, metres."""
    small = {index for part, limbs in DETAILS.items() if convention.limbs(limbs) for index in convention.part(part)}
    small |= {index for index, name in enumerate(convention.names) if name.startswith(FACE_MESH)}
    return np.array([SMALL_RADIUS if index in small else MARKER_RADIUS for index in range(len(convention))])


def _build_markers(
    name: str,
    names: list[str],
    radii: NDArray[np.float64],
    limbs: list[tuple[int, int]],
    overlay: bpy.types.Object,
    collection: bpy.types.Collection,
) -> bpy.types.Object:
    corners, faces = _ball()
    n_corners = len(corners)
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(
        (radii[:, None, None] * corners).reshape(-1, 3).tolist(),
        [(a * n_corners, b * n_corners) for a, b in limbs],
        (np.arange(len(names))[:, None, None] * n_corners + faces).reshape(-1, 3).tolist(),
    )
    for side in SIDES:
        mesh.materials.append(material(side))
    sides = [SIDES.index(side_of(keypoint)) for keypoint in names]
    mesh.polygons.foreach_set("material_index", np.repeat(sides, len(faces)).astype(np.int32))
    mesh.update()
    mesh.shade_smooth()
    markers = bpy.data.objects.new(name, mesh)
    collection.objects.link(markers)
    markers.parent = overlay
    markers.show_in_front = True
    for index, keypoint in enumerate(names):
        markers.vertex_groups.new(name=keypoint).add(range(index * n_corners, (index + 1) * n_corners), 1, "REPLACE")
    markers.modifiers.new("Armature", "ARMATURE").object = overlay
    return markers


def _ball() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Corners (18, 3) and triangles (32, 3) of a ball of radius 1: an octahedron, each face cut in four."""
    corners = [np.array(corner, float) for corner in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))]
    middles: dict[frozenset[int], int] = {}

    def middle(a: int, b: int) -> int:
        edge = frozenset((a, b))
        if edge not in middles:
            middles[edge] = len(corners)
            corners.append((corners[a] + corners[b]) / np.sqrt(2))
        return middles[edge]

    faces = []
    for a, b, c in ((0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)):
        ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
        faces += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.array(corners), np.array(faces)
