from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitting.data.conventions import Convention
from fitting.data.tracks import KeypointTrack, read_track, read_tracks
from fitting.errors import ConventionError, TrackError

UP_TO_Y = {  # what a point one unit above the floor and two units to the side must become
    "y": lambda x, y, z: (x, y, z),
    "-y": lambda x, y, z: (x, -y, -z),
    "z": lambda x, y, z: (x, z, -y),
    "-z": lambda x, y, z: (x, -z, y),
    "x": lambda x, y, z: (-y, x, z),
    "-x": lambda x, y, z: (y, -x, z),
}


@pytest.mark.parametrize("axis", UP_TO_Y)
def test_given_axis(tmp_path: Path, axis: str) -> None:
    points = np.random.default_rng(0).normal(size=(5, 4, 3))
    np.save(tmp_path / "a.npy", points)
    track = read_track(tmp_path / "a.npy", up_axis=axis.upper(), units="m", convention=list("abcd"))
    np.testing.assert_allclose(track.points, np.stack(UP_TO_Y[axis](*np.moveaxis(points, -1, 0)), -1), atol=1e-6)
    assert f"Up axis: {axis} (as given)." in track.decisions
    # A rotation, not a mirror: the volume that three points span keeps its sign.
    assert np.linalg.det(track.points[0, :3]) == pytest.approx(np.linalg.det(points[0, :3]), rel=1e-4)


@pytest.mark.parametrize(
    ("units", "metres", "name"),
    [
        ("m", 1, "metres"),
        ("cm", 0.01, "centimetres"),
        ("MM", 0.001, "millimetres"),
        ("Millimeters", 0.001, "millimetres"),
        ("inch", 0.0254, "inches"),
        ("ft", 0.3048, "feet"),
        ("cmu", 0.0564444, "CMU units"),
        (0.5, 0.5, "0.5 m each"),
        ("0.5", 0.5, "0.5 m each"),
    ],
)
def test_given_units(tmp_path: Path, units: str | float, metres: float, name: str) -> None:
    points = np.random.default_rng(0).normal(size=(5, 4, 3))
    np.savez(tmp_path / "a.npz", keypoints=points, names=list("abcd"), units="mm")
    track = read_track(tmp_path / "a.npz", up_axis="y", units=units)
    np.testing.assert_allclose(track.points, points * metres, rtol=1e-5)
    assert f"Units: {name} (as given)." in track.decisions


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"units": "furlong"}, "units is 'furlong'"),
        ({"units": -1.0}, "units is -1.0"),
        ({"units": float("nan")}, "units is nan"),
        ({"up_axis": "w"}, "up_axis is 'w', expected one of x, y, z, -x, -y, -z"),
        ({"fps": 0}, "fps is 0, expected a positive number"),
        ({"fps": "fast"}, "fps is 'fast'"),
        ({"fps": float("inf")}, "fps is inf"),
        ({"convention": "smpl"}, "has 25 keypoints, but the convention 'smpl' names 24"),
    ],
)
def test_wrong_overrides(samples: Path, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(TrackError, match=message):
        read_tracks(samples / "plain_xyz_body25b.npy", **overrides)


def test_unknown_convention(samples: Path) -> None:
    with pytest.raises(ConventionError, match="Did you mean 'openpose_25"):
        read_tracks(samples / "plain_xyz_body25b.npy", convention="openpos_25")


def test_given_convention_wins(samples: Path) -> None:
    names = [f"k{index}" for index in range(21)]
    track = read_track(samples / "pose2sim_balancing.trc", convention=names)
    assert track.names == tuple(names)
    assert track.decisions[0] == "Keypoints: custom (as given)."


def test_given_rate_wins(samples: Path) -> None:
    track = read_track(samples / "pose2sim_balancing.trc", fps=24)
    assert track.fps == 24
    assert "Frame rate: 24 frames per second (as given)." in track.decisions


def test_path_as_text(samples: Path) -> None:
    assert read_track(str(samples / "pose2sim_balancing.trc")).n_frames == 100


@pytest.mark.parametrize("person", [1, -1])
def test_person_that_is_not_there(samples: Path, person: int) -> None:
    with pytest.raises(TrackError, match=f"'pose2sim_balancing.trc' has 1 person, but person {person} was asked for"):
        read_track(samples / "pose2sim_balancing.trc", person)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.trc", r"There is no file '.*nowhere.trc'"),
        ("folder.trc", r"folder.trc' is a folder, expected a file of one of the kinds .*\.npy, \.npz, \.trc"),
        ("take.xyz", r"'take.xyz' has the suffix '.xyz', expected one of .*\.npy, \.npz, \.trc"),
        ("take", r"'take' has the suffix '', expected one of"),
    ],
)
def test_paths_that_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.trc").mkdir()
    for file_name in ("take.xyz", "take"):
        (tmp_path / file_name).write_text("1 2 3")
    with pytest.raises(TrackError, match=message):
        read_tracks(tmp_path / name)


def test_suffix_in_upper_case(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "TAKE.TRC"
    path.write_bytes((samples / "pose2sim_balancing.trc").read_bytes())
    assert read_track(path).fps == 60


def test_own_file_comes_back_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    track = KeypointTrack(
        points=rng.normal(size=(6, 3, 3)),
        confidence=rng.random((6, 3)),
        convention=Convention("mine", ("left_hip", "R.ASIS", "neck")),
        fps=29.97,
        name="Ann",
        decisions=("Units: metres (the file says m).",),
    )
    track.save(tmp_path / "a.npz")
    (loaded,) = read_tracks(tmp_path / "a.npz")
    np.testing.assert_array_equal(loaded.points, track.points)
    np.testing.assert_array_equal(loaded.confidence, track.confidence)
    for attribute in ("convention", "fps", "name", "decisions"):
        assert getattr(loaded, attribute) == getattr(track, attribute)


def test_own_file_with_another_rate(tmp_path: Path) -> None:
    track = KeypointTrack(np.random.default_rng(1).normal(size=(6, 2, 3)), convention=["left_hip", "R.ASIS"], fps=30)
    track.save(tmp_path / "a.npz")
    loaded = read_track(tmp_path / "a.npz", fps=60)
    np.testing.assert_array_equal(loaded.points, track.points)
    assert (loaded.fps, loaded.names) == (60, track.names)


def test_an_archive_that_wants_a_newer_reader(tmp_path: Path) -> None:
    """Python's zip reader has an error of its own for it."""
    path = tmp_path / "take.npz"
    KeypointTrack(np.zeros((2, 17, 3)), np.ones((2, 17)), "coco", 30).save(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 64  # the version that is needed, in the first entry of the directory
    path.write_bytes(data)
    with pytest.raises(TrackError, match=r"'take.npz' is not a readable .npz file"):
        read_tracks(path)
