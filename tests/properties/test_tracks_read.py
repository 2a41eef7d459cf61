"""What is written to a track file comes back in metres, y up; and whatever a file holds, the readers fail by a sentence only."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from fitting.data.tracks import read_track, read_tracks
from fitting.data.tracks.units import METRES_PER_UNIT
from fitting.data.tracks.up_axis import ROTATIONS
from fitting.errors import FittingError

SAMPLES = Path(__file__).parents[1] / "data" / "tracks"
UNITS = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "in": "inches"}

in_one_folder = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def trc_text(points: np.ndarray, names: list[str], *, units: str, fps: float, blank: str, comma: bool, line_end: str) -> str:
    head = [
        "PathFileType\t4\t(X/Y/Z)\ttake.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{fps}\t{fps}\t{len(points)}\t{len(names)}\t{units}\t{fps}\t1\t{len(points)}",
        "Frame#\tTime\t" + "\t\t\t".join(names),
        "\t\t" + "\t".join(f"{axis}{index}" for index in range(1, len(names) + 1) for axis in "XYZ"),
        "",
    ]
    rows = []
    for index, frame in enumerate(points):
        cells = [blank if np.isnan(value) else f"{value:.5f}" for value in frame.reshape(-1)]
        rows.append("\t".join([str(index + 1), f"{index / fps:.6f}", *cells]))
    text = line_end.join(rows)
    return line_end.join(head) + line_end + (text.replace(".", ",") if comma else text) + line_end


@st.composite
def points_with_gaps(draw: st.DrawFn) -> np.ndarray:
    """(F, K, 3) numbers that five decimals hold, a point or more of which is there; NaN is a gap."""
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 5)), 3)
    ticks = draw(hnp.arrays(np.int64, shape, elements=st.integers(1, 3 * 10**5)))
    signs = draw(hnp.arrays(np.int64, shape, elements=st.sampled_from([-1, 1])))
    gaps = draw(hnp.arrays(bool, shape[:2]))
    points = np.where(gaps[..., None], np.nan, ticks * signs / 1e5)
    points[0, 0] = ticks[0, 0] * signs[0, 0] / 1e5
    return points


@in_one_folder
@given(
    points=points_with_gaps(),
    units=st.sampled_from(sorted(UNITS)),
    axis=st.sampled_from(sorted(ROTATIONS)),
    fps=st.sampled_from([24.0, 29.97, 60.0, 120.0, 1000.0]),
    blank=st.sampled_from(["", " ", "NaN", "nan"]),
    comma=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_trc_round_trip(
    *, tmp_path: Path, points: np.ndarray, units: str, axis: str, fps: float, blank: str, comma: bool, line_end: str
) -> None:
    names = [f"marker_{index}" for index in range(points.shape[1])]
    path = tmp_path / "take.trc"
    path.write_bytes(trc_text(points, names, units="m", fps=fps, blank=blank, comma=comma, line_end=line_end).encode())
    track = read_track(path, units=units, up_axis=axis)
    seen = np.isfinite(points).all(-1)
    expected = np.where(seen[..., None], points, 0) @ np.array(ROTATIONS[axis], float).T * METRES_PER_UNIT[UNITS[units]]
    np.testing.assert_array_equal(track.observed, seen)
    np.testing.assert_allclose(track.points, expected, atol=1e-5)
    assert track.names == tuple(names)
    assert track.fps == pytest.approx(fps)


@in_one_folder
@given(
    unit=st.sampled_from(sorted(UNITS.values())),
    axis=st.sampled_from(sorted(ROTATIONS)),
    heading=st.floats(-3.1, 3.1),
    offset=st.tuples(*[st.floats(-20, 20)] * 3),
    data=st.data(),
)
def test_units_and_axis_are_found_wherever_the_body_is(
    *, tmp_path: Path, unit: str, axis: str, heading: float, offset: tuple[float, float, float], data: st.DataObject
) -> None:
    with np.load(SAMPLES / "cmu_02_03_run.npz") as file:
        points, names = file["keypoints"][::25].astype(float), file["names"]
    cos, sin = np.cos(heading), np.sin(heading)
    points = points @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T + offset
    gaps = data.draw(hnp.arrays(bool, points.shape[:2], fill=st.just(False)))
    gaps[0] = False
    np.savez(
        tmp_path / "take.npz",
        keypoints=np.where(gaps[..., None], np.nan, points @ np.array(ROTATIONS[axis], float)) / METRES_PER_UNIT[unit],
        names=names,
    )
    track = read_track(tmp_path / "take.npz")
    assert any(decision.startswith(f"Units: {unit} (from") for decision in track.decisions)
    assert any(decision.startswith(f"Up axis: {axis} (from") for decision in track.decisions)
    np.testing.assert_allclose(track.points[~gaps], points[~gaps], atol=2e-4)


def read_or_say_why(path: Path) -> None:
    said, tracks = "", []
    try:
        tracks = read_tracks(path)
    except FittingError as error:
        said = str(error)
    assert bool(tracks) != bool(said)
    assert not said or (repr(path.name) in said and "\n" not in said)
    for track in tracks:
        assert np.isfinite(track.points).all()
        assert track.observed.any()


@in_one_folder
@given(suffix=st.sampled_from([".trc", ".npy", ".npz"]), data=st.binary(max_size=300))
def test_any_bytes(tmp_path: Path, suffix: str, data: bytes) -> None:
    (tmp_path / f"take{suffix}").write_bytes(data)
    read_or_say_why(tmp_path / f"take{suffix}")


@in_one_folder
@given(
    file_name=st.sampled_from(["pose2sim_balancing.trc", "plain_xyz_body25b.npy", "cmu_02_03_run.npz"]),
    start=st.one_of(st.integers(0, 600), st.integers(0, 200_000)),
    removed=st.one_of(st.integers(0, 20), st.just(10**6)),
    added=st.binary(max_size=20),
)
def test_damaged_files(tmp_path: Path, file_name: str, start: int, removed: int, added: bytes) -> None:
    data = (SAMPLES / file_name).read_bytes()
    start %= len(data)
    (tmp_path / file_name).write_bytes(data[:start] + added + data[start + removed :])
    read_or_say_why(tmp_path / file_name)
