import json

import bpy
import numpy as np
import pytest
from check_action import keys_of
from synthetic import random_track

from blender_smplify import api, overlay
from blender_smplify.core import KeypointTrack, as_convention


def show(track: KeypointTrack) -> bpy.types.Object:
    (item,) = api.show_tracks([track], track.name)
    return item


def marker_positions(item: bpy.types.Object) -> dict[str, np.ndarray]:
    return {bone.name: np.array(bone.head) for bone in item.pose.bones}


def test_markers_are_where_the_points_are(scene):
    track = random_track()
    item = show(track)
    for frame in range(track.n_frames):
        scene.frame_set(1 + frame)
        positions = marker_positions(item)
        for index, name in enumerate(track.names[:4]):
            if track.observed[frame, index]:
                np.testing.assert_allclose(positions[name], track.points[frame, index], atol=1e-6)


def test_a_missing_point_has_no_marker_and_never_lies_at_the_origin(scene):
    track = random_track()
    item = show(track)
    assert "right_knee" not in item.pose.bones  # never observed
    scales = []
    for frame in range(track.n_frames):
        scene.frame_set(1 + frame)
        scales.append([item.pose.bones[name].scale.x for name in track.names[:4]])
    np.testing.assert_array_equal(np.array(scales), track.observed[:, :4])
    knee = keys_of(item, "left_knee", "location")[..., 1]
    np.testing.assert_allclose(knee[:, 2], (2 * track.points[1, 1] + track.points[4, 1]) / 3, atol=1e-6)
    ankle = keys_of(item, "left_ankle", "location")[..., 1]
    np.testing.assert_allclose(ankle[:, 0], track.points[1, 2], atol=1e-6)
    np.testing.assert_allclose(ankle[:, -1], track.points[-2, 2], atol=1e-6)


def test_a_marker_is_a_small_ball_of_the_colour_of_its_side(scene):
    track = random_track()
    item = show(track)
    (markers,) = item.children
    scene.frame_set(2)
    mesh = markers.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    hip = np.array([mesh.vertices[index].co for index in range(18)])
    np.testing.assert_allclose(hip.mean(0), track.points[1, 0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(hip - track.points[1, 0], axis=1), overlay.MARKER_RADIUS, atol=1e-6)
    assert [slot.name for slot in mesh.materials] == ["SMPLify left", "SMPLify right", "SMPLify middle"]
    assert mesh.polygons[0].material_index == 0
    assert mesh.polygons[-1].material_index == 2  # the nose
    loose = {tuple(sorted(edge.vertices)) for edge in mesh.edges} & {(0, 18), (18, 36)}
    assert loose == {(0, 18), (18, 36)}  # hip to knee to ankle


def radii_of(item: bpy.types.Object) -> dict[str, float]:
    """The radius of each marker, metres."""
    (markers,) = item.children
    corners = np.array([vertex.co for vertex in markers.data.vertices]).reshape(-1, 18, 3)
    return {group.name: float(np.linalg.norm(ball, axis=1).max()) for group, ball in zip(markers.vertex_groups, corners, strict=True)}


def n_limbs_of(item: bpy.types.Object) -> int:
    """How many edges of the markers belong to no ball."""
    (markers,) = item.children
    return len(markers.data.edges) - 48 * len(markers.vertex_groups)


def test_hands_and_face_in_detail_have_small_markers_and_limbs_of_their_own():
    convention = as_convention("smplx")
    item = show(KeypointTrack(np.random.default_rng(0).normal(size=(2, 144, 3)), None, convention))
    radii = radii_of(item)
    assert {name for name, radius in radii.items() if radius > 0.01} >= {"left_wrist", "right_shoulder", "neck", "left_heel"}
    for name in ("left_index_2", "right_thumb", "nose", "left_eye_3", "mouth_top", "contour_middle"):
        np.testing.assert_allclose(radii[name], overlay.SMALL_RADIUS, rtol=1e-5)
    assert n_limbs_of(item) == len(convention.limbs(None))


@pytest.mark.parametrize("convention", ["coco", "smpl_24", "halpe_26"])
def test_a_few_points_of_head_and_hands_have_markers_like_the_others(convention):
    names = as_convention(convention)
    radii = radii_of(show(KeypointTrack(np.random.default_rng(0).normal(size=(2, len(names), 3)), None, names)))
    np.testing.assert_allclose(list(radii.values()), overlay.MARKER_RADIUS, rtol=1e-5)


def test_a_face_mesh_has_small_markers():
    names = ["left_hip", "face_0", "face_1"]
    radii = radii_of(show(KeypointTrack(np.random.default_rng(0).normal(size=(2, 3, 3)), None, names)))
    np.testing.assert_allclose([radii[name] for name in names], [overlay.MARKER_RADIUS, *2 * [overlay.SMALL_RADIUS]], rtol=1e-5)


def test_names_are_shown_on_demand():
    item = show(random_track())
    assert not item.data.show_names
    assert [bone.name for bone in item.data.bones] == ["left_hip", "left_knee", "left_ankle", "nose"]


def test_the_object_gives_back_the_track_exactly(tmp_path):
    track = random_track()
    name = show(track).name
    path = str(tmp_path / "take.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    again = overlay.read_track(bpy.data.objects[name])
    np.testing.assert_array_equal(again.points, track.points)
    np.testing.assert_array_equal(again.confidence, track.confidence)
    assert (again.names, again.fps, again.name, again.decisions) == (track.names, track.fps, track.name, track.decisions)
    assert again.convention.name == track.convention.name


def test_only_keypoint_objects_are_overlays():
    assert overlay.is_overlay(show(random_track()))
    assert not overlay.is_overlay(bpy.data.objects.new("empty", None))
    assert not overlay.is_overlay(None)


def test_names_with_quotes_are_animated():
    item = show(KeypointTrack(np.ones((2, 1, 3)), None, ['L "knee"'], 30))
    bpy.context.scene.frame_set(1)
    np.testing.assert_allclose(item.pose.bones[0].head, (1, 1, 1))
    assert json.loads(item[overlay.KEY]["facts"])["names"] == ['L "knee"']


def test_a_whole_body_over_five_thousand_frames_is_quick():
    import time

    rng = np.random.default_rng(0)
    track = KeypointTrack(rng.normal(size=(5000, 144, 3)), (rng.random((5000, 144)) > 0.1).astype(np.float32), "smplx")
    started = time.perf_counter()
    show(track)
    assert time.perf_counter() - started < 6  # 0.8 s on an idle machine


def test_removing_leaves_nothing_behind():
    from conftest import data_counts

    before = data_counts()
    item = show(random_track())
    materials = data_counts()["materials"]
    overlay.remove(item)
    assert data_counts() == {**before, "materials": materials}  # those are shared
