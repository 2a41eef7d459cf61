import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitting.data.tracks import read_track, read_tracks
from fitting.errors import TrackError

POINTS = np.arange(1, 19, dtype=float).reshape(3, 2, 3)
NAMES = ["left_hip", "right_hip"]
GIVEN: dict[str, Any] = {"units": "m", "up_axis": "y", "fps": 25}


@pytest.mark.parametrize("key", ["keypoints3d", "keypoints", "points", "joints", "positions", "keypoints_3d"])
def test_keys_of_the_points(tmp_path: Path, key: str) -> None:
    np.savez(tmp_path / "a.npz", **{key: POINTS, "names": NAMES, "other": np.zeros(4)})
    track = read_track(tmp_path / "a.npz", **GIVEN)
    assert track.names == tuple(NAMES)
    np.testing.assert_allclose(track.points, POINTS)


@pytest.mark.parametrize("key", ["fps", "frame_rate", "mocap_framerate", "mocap_frame_rate"])
def test_keys_of_the_rate(tmp_path: Path, key: str) -> None:
    np.savez(tmp_path / "a.npz", keypoints=POINTS, names=NAMES, **{key: 48.5})
    assert read_track(tmp_path / "a.npz", units="m").fps == 48.5


@pytest.mark.parametrize("rate", [0.0, -5.0, np.nan, "fast", [1, 2]])
def test_rate_that_is_none(tmp_path: Path, rate: Any) -> None:
    np.savez(tmp_path / "a.npz", keypoints=POINTS, names=NAMES, fps=rate)
    assert "Frame rate: 30 frames per second (assumed; the file does not say)." in read_track(tmp_path / "a.npz", units="m").decisions


@pytest.mark.parametrize("key", ["confidence", "conf", "scores", "keypoint_scores"])
@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 1)])
def test_confidence(tmp_path: Path, key: str, shape: tuple[int, ...]) -> None:
    confidence = np.array([0.5, 1, 0, 0.25, 2, np.nan]).reshape(shape)
    np.savez(tmp_path / "a.npz", keypoints=POINTS, names=NAMES, **{key: confidence})
    track = read_track(tmp_path / "a.npz", **GIVEN)
    np.testing.assert_allclose(track.confidence, [[0.5, 1], [0, 0.25], [1, 0]])
    assert not track.points[1, 0].any()


@pytest.mark.parametrize("given", [None, 0.5])
def test_keypoints_that_the_file_calls_approximate(tmp_path: Path, given: float | None) -> None:
    confidence = {} if given is None else {"confidence": np.full((3, 2), given)}
    np.savez(tmp_path / "a.npz", keypoints=POINTS, names=NAMES, approximate=np.array([True, False]), **confidence)
    track = read_track(tmp_path / "a.npz", **GIVEN)
    np.testing.assert_allclose(track.confidence, np.array([[0.02, 1]] * 3) * (given or 1))
    assert "Confidence: 0.02 for the 1 keypoints that the file calls approximate." in track.decisions


def test_fourth_column_is_the_confidence(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.concatenate([POINTS, np.full((3, 2, 1), 0.5)], -1))
    track = read_track(tmp_path / "a.npy", convention=NAMES, **GIVEN)
    np.testing.assert_allclose(track.confidence, 0.5)
    np.testing.assert_allclose(track.points, POINTS)


def test_one_frame(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POINTS[0].astype(np.float16))
    assert read_track(tmp_path / "a.npy", convention=NAMES, **GIVEN).points.shape == (1, 2, 3)


def test_names_as_bytes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", keypoints=POINTS, joint_names=np.array(NAMES, dtype="S"), units=b"m")
    track = read_track(tmp_path / "a.npz", up_axis="y")
    assert track.names == tuple(NAMES)
    assert "Units: metres (the file says m)." in track.decisions


def test_people_of_xrmocap(tmp_path: Path) -> None:
    """Of three people, the second is never seen."""
    keypoints = np.ones((4, 3, 17, 4), np.float32)
    keypoints[:, 0, :, 0], keypoints[:, 2, :, 0] = 5, 7
    mask = np.ones((4, 3, 17), np.uint8)
    mask[:, 1], mask[0, 2, 3] = 0, 0
    np.savez(tmp_path / "a.npz", keypoints=keypoints, mask=mask, convention="coco")
    first, second = read_tracks(tmp_path / "a.npz", **GIVEN)
    assert [first.name, second.name] == ["a person 0", "a person 1"]
    assert (first.points[..., 0] == 5).all()
    assert second.points[1, 3].tolist() == [7, 1, 1]
    assert (~second.observed).sum() == 1
    assert "1 of 3 people are never seen and left out." in first.decisions


def test_convention_of_the_file_that_does_not_fit(tmp_path: Path, run: tuple[np.ndarray, list[str]]) -> None:
    points = np.zeros((len(run[0]), 24, 3), np.float32)
    points[:, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 17, 18, 19, 20, 21]] = run[0]
    np.savez(tmp_path / "a.npz", keypoints=points[:, None], convention="skel_24")
    track = read_track(tmp_path / "a.npz")
    assert track.names[4] == "left_knee"
    assert track.decisions[:2] == (
        "The file says 'skel_24', which does not fit its 24 keypoints.",
        "Keypoints: smpl (24 keypoints without names, which make a body in this order).",
    )


def save_object_npy(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def save_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"keypoints": POINTS.tolist()}))


def save_absurd_header(path: Path) -> None:
    np.save(path, POINTS)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"(3, 2, 3)", b"(999999999, 999999, 3)").replace(b" " * 13 + b"\n", b"\n"))


def save_cut(path: Path) -> None:
    np.save(path, POINTS)
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (lambda path: path.write_bytes(b""), "'a.npy' is empty"),
        (lambda path: path.write_bytes(bytes(range(256)) * 20), "'a.npy' is not a readable array"),
        (save_object_npy, "'a.npy' is not a readable array"),
        (save_pickle, "'a.npy' is not a readable array"),
        (save_absurd_header, "'a.npy' is not a readable array"),
        (save_cut, "'a.npy' is not a readable array"),
        (lambda path: np.save(path, np.ones((4, 75))), r"'a.npy' has shape \(4, 75\), expected \(frames, keypoints, 3\)"),
        (lambda path: np.save(path, np.ones((4, 17, 2))), r"'a.npy' has shape \(4, 17, 2\)"),
        (lambda path: np.save(path, np.ones(3)), r"'a.npy' has shape \(3,\)"),
        (lambda path: np.save(path, np.ones((0, 17, 3))), "'a.npy' holds 0 frames of 1 people with 17 keypoints"),
        (lambda path: np.save(path, np.full((2, 17, 3), "a")), "'a.npy' has the type <U1, expected numbers"),
        (lambda path: np.save(path, np.ones((2, 17, 3), complex)), "'a.npy' has the type complex128"),
        (lambda path: np.save(path, np.full((2, 17, 3), np.nan)), "'a.npy' has no point that was observed"),
    ],
)
def test_what_is_no_array_of_points(tmp_path: Path, save: Any, message: str) -> None:
    save(tmp_path / "a.npy")
    with pytest.raises(TrackError, match=message):
        read_track(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"poses": np.zeros((3, 72)), "trans": np.zeros((3, 3))}, "'a.npz' holds no keypoints; its arrays: poses, trans"),
        ({"keypoints": POINTS, "names": ["a"]}, "'a.npz' names 1 keypoints, but has points of 2"),
        ({"keypoints": POINTS, "names": ["a", "a"]}, "'a' names the keypoint 'a' twice"),
        ({"keypoints": POINTS, "names": NAMES, "conf": np.ones(3)}, r"'a.npz' has confidence of shape \(3,\)"),
        ({"keypoints": POINTS[..., :2], "names": NAMES}, r"'keypoints' in 'a.npz' has shape \(3, 2, 2\)"),
        ({"keypoints": POINTS, "names": NAMES, "mask": np.zeros((3, 2))}, "'a.npz' has no point that was observed"),
    ],
)
def test_archives_without_points(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(TrackError, match=message):
        read_track(tmp_path / "a.npz")


def test_archive_of_objects(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", keypoints=np.array([{"a": 1}], dtype=object))
    with pytest.raises(TrackError, match=r"'a.npz' holds no keypoints; its arrays: none that can be read"):
        read_track(tmp_path / "a.npz")


@pytest.mark.parametrize("data", [b"PK\3\4 no archive", bytes(range(256)) * 20])
def test_garbage_named_npz(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(TrackError, match=r"'a.npz' is not a readable .npz file"):
        read_track(tmp_path / "a.npz")


def test_archive_with_an_absurd_header(tmp_path: Path) -> None:
    save_absurd_header(tmp_path / "keypoints.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(tmp_path / "keypoints.npy", "keypoints.npy")
    with pytest.raises(TrackError, match=r"'a.npz' is not a readable .npz file"):
        read_track(tmp_path / "a.npz")


def test_archive_named_npy(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", keypoints=POINTS, names=NAMES)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    assert read_track(tmp_path / "a.npy", **GIVEN).n_frames == 3
