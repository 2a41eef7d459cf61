"""Tracks of whole bodies: the layout is found by number, by names, or by what the file is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fitting.data.conventions import conversion_matrix, get_convention
from fitting.data.tracks import read_track
from fitting.data.tracks.array_convention import guess_convention
from fitting.data.tracks.naming import decide_names
from fitting.errors import TrackError

Walk = Callable[[str], NDArray[np.float64]]

LAYOUTS = ["coco_wholebody", "openpose_135", "openpose_137", "mediapipe_holistic", "freemocap", "mhr70", "smplh", "smplx"]
WITH_MESH = ["mediapipe_holistic_543", "mediapipe_holistic_553", "freemocap_543", "freemocap_553"]

WRIST_TO_TIP = ("wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip")
HAND = (
    *WRIST_TO_TIP,
    *(
        f"{finger}_{joint}"
        for finger in ("index_finger", "middle_finger", "ring_finger", "pinky")
        for joint in ("mcp", "pip", "dip", "tip")
    ),
)
EYES = [f"{side}_eye{place}" for side in ("left", "right") for place in ("_inner", "", "_outer")]
JOINTS = ("shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel", "foot_index")
POSE = ["nose", *EYES, "left_ear", "right_ear", "mouth_left", "mouth_right"]
POSE += [f"{side}_{joint}" for joint in JOINTS for side in ("left", "right")]


@pytest.mark.parametrize("name", [*LAYOUTS, *WITH_MESH])
def test_plain_array(tmp_path: Path, walk_as: Walk, name: str) -> None:
    np.save(tmp_path / "a.npy", 1000 * walk_as(name))
    track = read_track(tmp_path / "a.npy")
    assert track.convention == get_convention(name)
    assert track.decisions[0] == f"Keypoints: {name} ({len(track.names)} keypoints without names, which make a body in this order)."
    assert "Units: millimetres (from the size of the body; the file does not say)." in track.decisions
    np.testing.assert_allclose(track.points[2], np.nan_to_num(walk_as(name)[2]), atol=1e-6)


@pytest.mark.parametrize("name", LAYOUTS)
def test_mirrored_names_are_mirrored_points(walk_as: Walk, name: str) -> None:
    """The made-up person is symmetrical, so a point at +x is one of the left side, however the layout calls it."""
    points = walk_as(name)[0]
    for keypoint, (x, *_) in zip(get_convention(name).names, points, strict=True):
        if np.isfinite(x) and x != 0:
            assert keypoint.startswith("left" if x > 0 else "right"), keypoint


@pytest.mark.parametrize("count", [75, 543, 553])
def test_hands_that_were_never_seen(walk_as: Walk, count: int) -> None:
    name = {75: "mediapipe_holistic", 543: "mediapipe_holistic_543", 553: "mediapipe_holistic_553"}[count]
    points = walk_as(name)
    points[:, 33:] = np.nan
    assert guess_convention(points, "a.npy")[0].name == name


def test_points_that_are_no_body_as_smplh_or_flame() -> None:
    with pytest.raises(TrackError, match="73 keypoints without names, and they make no body as flame, smplh"):
        guess_convention(np.random.default_rng(0).normal(size=(10, 73, 3)), "a.npy")


@pytest.mark.parametrize(("order", "expected"), [(("left", "right"), "mediapipe_holistic"), (("right", "left"), "freemocap")])
def test_names_of_mediapipe_holistic(order: tuple[str, str], expected: str) -> None:
    raw = [*POSE, *(f"{side}_hand_{point}" for side in order for point in HAND)]
    convention, sentences = decide_names(raw, np.ones((2, 75, 3)), "take")
    assert convention == get_convention(expected)
    assert sentences[0] == f"Keypoints: {expected} (67 of 75 names are known, spelt as by MediaPipe Holistic)."
    assert "carried, but not fitted" in sentences[1]


def test_names_of_the_face_mesh() -> None:
    raw = [*POSE[11:17], "left_hand_thumb_cmc", "face_0033", "face_152", "face_0017", "face_0100"]
    convention, _ = decide_names(raw, np.ones((2, len(raw), 3)), "take")
    assert convention.names[7:] == ("right_eye_1", "contour_middle", "mouth_bottom", "face_0100")


def test_names_of_coco_wholebody() -> None:
    body = [*POSE[:1], "left_eye", "right_eye", "left_ear", "right_ear", *POSE[11:17], *POSE[23:29]]
    feet = [f"{side}_{point}" for side in ("left", "right") for point in ("big_toe", "small_toe", "heel")]
    fingers = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
    hands = [
        [f"{side}_hand_root", *(f"{side}_{finger}{number}" for finger in fingers for number in range(1, 5))] for side in ("left", "right")
    ]
    raw = [*body, *feet, *(f"face-{number}" for number in range(68)), *hands[0], *hands[1]]
    assert decide_names(raw, np.ones((2, 133, 3)), "take")[0] == get_convention("coco_wholebody")


def test_names_of_pose2sim() -> None:
    """Its whole body calls the second point of the thumb, and the first of index and little finger, without a number."""
    raw = "RShoulder RThumb1 RThumb RThumb3 RThumb4 LIndex LIndex2 LMiddle1 LMiddle4 "
    raw += "LPinky Jaw1 Jaw17 EyebrowR1 EyebrowL1 Nose5 REye1 LEye1 Mouth1"
    expected = (
        "right_shoulder_openpose right_thumb_1 right_thumb_2 right_thumb_3 right_thumb left_index_1 left_index_2 left_middle_1 left_middle "
        "left_pinky_1 right_contour_1 left_contour_1 right_eyebrow_1 left_eyebrow_5 right_nose_2 right_eye_1 left_eye_4 right_mouth_1"
    )
    convention, _ = decide_names(raw.split(), np.ones((2, 18, 3)), "take")
    assert " ".join(convention.names) == expected


def test_names_of_sam_3d_body() -> None:
    body = ["nose", "left-eye", "right-eye", "left-ear", "right-ear"]
    body += [f"{side}-{joint}" for joint in ("shoulder", "elbow", "hip", "knee", "ankle") for side in ("left", "right")]
    body += [f"{side}-{point}" for side in ("left", "right") for point in ("big-toe-tip", "small-toe-tip", "heel")]
    ends = ("tip", "first-joint", "second-joint", "third-joint")
    for side in ("right", "left"):
        body += [f"{side}-{finger}-{end}" for finger in ("thumb", "index", "middle", "ring", "pinky") for end in ends] + [f"{side}-wrist"]
    body += [f"{side}-{point}" for point in ("olecranon", "cubital-fossa", "acromion") for side in ("left", "right")]
    assert decide_names([*body, "neck"], np.ones((2, 70, 3)), "take")[0] == get_convention("mhr70")


def test_trc_with_names_of_mediapipe_holistic(write_trc: Callable[..., Path], walk_as: Walk) -> None:
    raw = [*POSE, *(f"{side}_hand_{point}" for side in ("left", "right") for point in HAND)]
    assert read_track(write_trc(walk_as("mediapipe_holistic"), raw)).convention == get_convention("mediapipe_holistic")


def test_sample_of_freemocap(samples: Path, standing: dict[str, NDArray[np.float64]]) -> None:
    track = read_track(samples / "made_freemocap75.npy")
    assert (track.convention, track.points.shape) == (get_convention("freemocap"), (4, 75, 3))
    assert "Units: millimetres (from the size of the body; the file does not say)." in track.decisions
    assert "Up axis: z (from the feet to the head; the file does not say)." in track.decisions
    for name in ("left_index", "right_thumb_2", "left_foot"):
        np.testing.assert_allclose(track.points[0, track.names.index(name)], standing[name], atol=1e-4)


def test_sample_of_sam_3d_body(samples: Path, standing: dict[str, NDArray[np.float64]]) -> None:
    """Centred on the body, y down, z away from the camera; the person faces it from three metres away."""
    track = read_track(samples / "made_sam3d_mhr70.npz")
    assert (track.convention, track.points.shape) == (get_convention("mhr70"), (1, 70, 3))
    assert track.decisions[:4] == (
        "Camera: its axes, with y down; 'pred_cam_t' was added, as SAM 3D Body means it.",
        "Keypoints: mhr70 (the file says so).",
        "Units: metres (the file says m).",
        "Up axis: -y (the file says so).",
    )
    for name in ("nose", "left_index", "right_bigtoe"):
        np.testing.assert_allclose(track.points[0, track.names.index(name)], standing[name] + [0.5, -1, -3], atol=1e-5)
    assert track.observed.sum() == 64  # the made-up person has no acromion, olecranon, cubital fossa
    assert conversion_matrix(track.convention, "smplx", approximate=True).any(1).sum() == 65  # and the pelvis between the hips


def test_frames_of_sam_3d_body(tmp_path: Path, walk_as: Walk) -> None:
    points = walk_as("mhr70") * [1, -1, -1]
    translations = np.array([[0.1 * frame, 1, 3] for frame in range(4)])
    np.savez(tmp_path / "a.npz", pred_keypoints_3d=points, pred_cam_t=translations)
    wrist = get_convention("mhr70").index("left_wrist")
    np.testing.assert_allclose(
        read_track(tmp_path / "a.npz").points[:, wrist], walk_as("mhr70")[:, wrist] + translations * [1, -1, -1], atol=1e-6
    )


def test_camera_of_another_number_of_frames(tmp_path: Path, walk_as: Walk) -> None:
    np.savez(tmp_path / "a.npz", pred_keypoints_3d=walk_as("mhr70"), pred_cam_t=np.ones((3, 3)))
    with pytest.raises(TrackError, match=r"'a.npz' has 'pred_cam_t' of shape \(3, 3\) for 4 frames"):
        read_track(tmp_path / "a.npz")
