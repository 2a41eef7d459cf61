"""The facts of the sample files: what is read must be what is in them."""

from pathlib import Path

import numpy as np
import pytest

from fitting.data.conventions import get_convention
from fitting.data.tracks import read_track, read_tracks


def test_pose2sim_trc(samples: Path) -> None:
    (track,) = read_tracks(samples / "pose2sim_balancing.trc")
    assert (track.n_frames, track.n_keypoints, track.fps, track.name) == (100, 21, 60, "pose2sim_balancing")
    knee = track.points[50, track.names.index("right_knee_openpose")]
    np.testing.assert_allclose(knee, [-0.52234, 0.75411, -0.85151], atol=1e-5)
    assert track.observed.all()
    assert "headtop" in track.names
    assert "neck_extra" in track.names  # 6 cm above the middle of the shoulders
    assert set(track.names) <= set(get_convention("human_data").names)
    assert track.decisions == (
        "Keypoints: pose2sim_balancing (21 of 21 names are known, spelt as by OpenPose).",
        "Neck: the base of the head, as it is not the middle of the shoulders.",
        "Units: metres (the file says m).",
        "Up axis: y (from the feet to the head; the file does not say).",
        "Frame rate: 60 frames per second (the file says so).",
    )


def test_cmu_npz(samples: Path) -> None:
    track = read_track(samples / "cmu_02_03_run.npz")
    assert (track.n_frames, track.n_keypoints, track.fps) == (173, 20, 120)
    assert track.names[:7] == ("pelvis", "left_hip", "right_hip", "spine_1", "left_knee", "right_knee", "spine_2")
    with np.load(samples / "cmu_02_03_run.npz") as file:
        np.testing.assert_array_equal(track.points, file["keypoints"])
    assert track.observed.all()
    assert "Units: metres (the file says m)." in track.decisions
    assert "Up axis: y (the file says so)." in track.decisions


def test_xrmocap_npz(samples: Path) -> None:
    track = read_track(samples / "xrmocap_keypoints3d_openpose25.npz", fps=60)
    assert track.convention == get_convention("openpose_25")
    assert (track.n_frames, track.fps) == (100, 60)
    with np.load(samples / "xrmocap_keypoints3d_openpose25.npz") as file:
        keypoints, mask = file["keypoints"][:, 0], file["mask"][:, 0] > 0
    x, y, z, confidence = np.moveaxis(keypoints, -1, 0)
    np.testing.assert_array_equal(track.observed, mask)
    assert (~track.observed).sum(0)[[0, 16, 18]].tolist() == [6, 4, 12]  # nose, left eye, left ear
    np.testing.assert_allclose(track.points[mask], np.stack([x, z, -y], -1)[mask], atol=1e-6)
    np.testing.assert_allclose(track.confidence, np.where(mask, confidence, 0))
    assert not track.points[~mask].any()
    assert "Units: metres (from the size of the body; the file does not say)." in track.decisions
    assert "Up axis: z (from the feet to the head; the file does not say)." in track.decisions
    assert "Frame rate: 60 frames per second (as given)." in track.decisions


def test_plain_npy(samples: Path) -> None:
    track = read_track(samples / "plain_xyz_body25b.npy")
    assert track.convention == get_convention("openpose_25b")
    assert (track.n_frames, track.n_keypoints) == (100, 25)
    assert int((~track.observed).sum()) == 22
    assert track.decisions == (
        "Keypoints: openpose_25b (25 keypoints without names, which make a body in this order).",
        "Units: metres (from the size of the body; the file does not say).",
        "Up axis: z (from the feet to the head; the file does not say).",
        "Frame rate: 30 frames per second (assumed; the file does not say).",
    )


@pytest.mark.parametrize("file_name", ["plain_xyz_body25b.npy", "xrmocap_keypoints3d_openpose25.npz"])
def test_three_files_of_one_take_agree(samples: Path, file_name: str) -> None:
    """Heights do not depend on the heading, in which the files differ."""
    trc, other = read_track(samples / "pose2sim_balancing.trc"), read_track(samples / file_name)
    shared = [name for name in trc.names if name in other.names]
    assert len(shared) >= 19
    heights = [track.points[:, [track.names.index(name) for name in shared], 1] for track in (trc, other)]
    seen = other.observed[:, [other.names.index(name) for name in shared]]
    assert np.abs(heights[0] - heights[1])[seen].mean() < 0.01
