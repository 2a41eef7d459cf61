from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fitting.data.tracks import read_track
from fitting.errors import TrackError

POINTS = np.arange(1, 19, dtype=float).reshape(3, 2, 3) / 10
NAMES = ["RHip", "LHip"]
EXPECTED = ("right_hip_openpose", "left_hip_openpose")

WriteTrc = Callable[..., Path]


def read(path: Path, **overrides: object):  # type: ignore[no-untyped-def]
    return read_track(path, **{"units": "m", "up_axis": "y", **overrides})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(str, id="as it should be"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="Windows line ends"),
        pytest.param(lambda text: text.replace("\n", "\r"), id="old Mac line ends"),
        pytest.param(lambda text: "\ufeff" + text, id="byte order mark"),
        pytest.param(lambda text: text.replace("\n", "\t\t\n"), id="trailing tabs"),
        pytest.param(lambda text: text.rstrip("\n"), id="no last line end"),
        pytest.param(lambda text: text + "\n\n", id="blank lines at the end"),
        pytest.param(lambda text: text.replace("\n\n", "\n"), id="no blank line before the frames"),
        pytest.param(lambda text: text.replace("0.", "0,").replace("1.", "1,"), id="decimal commas"),
        pytest.param(lambda text: text.replace("\t\t\tLHip", "\tLHip"), id="names without gaps"),
        pytest.param(lambda text: text.replace("PathFileType\t4\t", "PathFileType  4\t"), id="blanks in the first line"),
        pytest.param(lambda text: "\n".join(text.split("\n")[1:]), id="no first line"),
        pytest.param(lambda text: text.replace("\t", "  "), id="blanks for tabs"),
        pytest.param(lambda text: text.replace("1\t0.0", "7\t0.0"), id="first frame is not 1"),
    ],
)
def test_variants_of_one_file(write_trc: WriteTrc, change: Callable[[str], str]) -> None:
    track = read(write_trc(POINTS, NAMES, change=change))
    assert track.names == EXPECTED
    assert track.fps == 60
    np.testing.assert_allclose(track.points, POINTS, atol=1e-6)
    assert track.observed.all()


@pytest.mark.parametrize("blank", ["\t\t", " \t \t ", "NaN\tNaN\tNaN", "nan\tnan\tnan", "0\t0\t0", "0.00000\t-0.0\t0", "0.7\t\t0.9"])
@pytest.mark.parametrize("at_the_end", [False, True])
def test_missing_points(write_trc: WriteTrc, blank: str, at_the_end: bool) -> None:
    first, last = "0.700000\t0.800000\t0.900000", "1.000000\t1.100000\t1.200000"
    track = read(write_trc(POINTS, NAMES, change=lambda text: text.replace(last if at_the_end else first, blank)))
    expected = np.ones((3, 2), bool)
    expected[1, int(at_the_end)] = False
    np.testing.assert_array_equal(track.observed, expected)
    np.testing.assert_allclose(track.points[expected], POINTS[expected], atol=1e-6)


@pytest.mark.parametrize(
    ("rate", "times", "fps", "noticed"),
    [
        ("60", [0, 1 / 60, 2 / 60], 60, ""),
        ("60", [1 / 60, 2 / 60, 3 / 60], 60, ""),
        ("60", [0, 0.017, 0.033], 60, ""),  # rounded to milliseconds
        ("60", [0, 1 / 60, 1], 2, "The header says 60 frames per second, but the times of the frames make 2: these count."),
        ("30", [0, 0.01, 0.02], 100, "The header says 30 frames per second, but the times of the frames make 100: these count."),
        ("", [0, 0.02, 0.04], 50, ""),
        ("0", [0, 0.02, 0.04], 50, ""),
        ("?", [0, 0.02, 0.04], 50, ""),
        ("60", [0, 0, 0], 60, ""),
        ("60", [0.2, 0.1, 0], 60, ""),
        ("", [0, 0, 0], 30, "Frame rate: 30 frames per second (assumed; the file does not say)."),
    ],
)
def test_frame_rate(write_trc: WriteTrc, rate: str, times: list[float], fps: float, noticed: str) -> None:
    track = read(write_trc(POINTS, NAMES, rate=rate, times=times))
    assert track.fps == pytest.approx(fps)
    assert not noticed or noticed in track.decisions


def test_a_gap_in_time_is_no_other_rate(write_trc: WriteTrc) -> None:
    points = np.ones((5, 2, 3))
    assert read(write_trc(points, NAMES, rate="100", times=[0, 0.01, 0.02, 0.03, 0.9])).fps == 100


def test_header_that_counts_wrongly(write_trc: WriteTrc) -> None:
    path = write_trc(POINTS, NAMES, n_frames=9, change=lambda text: text.replace("9\t2\tm", "9\t5\tm"))
    decisions = read(path).decisions
    assert "The header says 9 frames, the file has 3." in decisions
    assert "The header says 5 markers, the file names 2." in decisions


def test_file_that_was_cut_off(write_trc: WriteTrc) -> None:
    path = write_trc(POINTS, NAMES, change=lambda text: text[:-15])
    with pytest.raises(
        TrackError, match=rf"{path.name!r} is cut off in frame 3; its header promises 3\. Copy it again, or export it again\."
    ):
        read(path)


def test_names_that_repeat_or_are_missing(write_trc: WriteTrc) -> None:
    assert read(write_trc(np.ones((2, 4, 3)), ["R.Knee", "", "R.Knee", "R.Knee"])).names == ("R.Knee", "unnamed_2", "R.Knee_2", "R.Knee_3")


def test_dotted_lab_markers_stay_as_they_are(write_trc: WriteTrc) -> None:
    track = read(write_trc(np.ones((2, 3, 3)), ["R.ASIS", "R.Knee", "R.Heel"]))
    assert track.names == ("R.ASIS", "R.Knee", "R.Heel")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "'take.trc' is empty"),
        (lambda text: "hello", "'take.trc' has no line that begins with 'Frame#'"),
        (lambda text: text[:120], "'take.trc' has no line that begins with 'Frame#'"),
        (lambda text: text[: text.index("RHip")], "Line 4 of 'take.trc' names no marker"),
        (lambda text: text[: text.index("Y2")], "'take.trc' has a header, but no frame"),
        (lambda text: text.replace("0.100000", "oops"), "Line 7 of 'take.trc' has 'oops' where a number belongs"),
        (lambda text: text.replace("0.100000", "0.1\t0.1"), "Line 7 of 'take.trc' has 9 values, but 2 markers take 8"),
        (lambda text: "\0\1\2" * 100, "'take.trc' holds binary data"),
        (lambda text: "Ä" * 5000, "no line that begins with 'Frame#'"),
    ],
)
def test_what_is_no_trc_file(write_trc: WriteTrc, change: Callable[[str], str], message: str) -> None:
    with pytest.raises(TrackError, match=message):
        read(write_trc(POINTS, NAMES, change=change))


def test_nothing_observed(write_trc: WriteTrc) -> None:
    with pytest.raises(TrackError, match=r"'take.trc' has no point that was observed"):
        read(write_trc(np.zeros((3, 2, 3)), NAMES))
