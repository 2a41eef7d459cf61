import numpy as np
import pytest

from fitting.data.conventions import Convention
from fitting.data.tracks import KeypointTrack, read_track
from fitting.errors import ConventionError, FittingError, TrackError

NAMES = ("left_hip", "right_hip")


def test_defaults():
    track = KeypointTrack(np.ones((3, 24, 3)))
    assert (track.n_frames, track.n_keypoints, track.fps, track.name) == (3, 24, 30.0, "track")
    assert track.names[:2] == ("pelvis", "left_hip")
    assert track.points.dtype == track.confidence.dtype == np.float32
    assert track.observed.all()


def test_what_is_not_observed():
    points = np.ones((1, 6, 3))
    points[0, 0, 2], points[0, 1, 0] = np.nan, -np.inf
    confidence = [[1, 1, 0, -0.5, np.nan, 0.25]]
    track = KeypointTrack(points, confidence, tuple("abcdef"))
    assert track.confidence.tolist() == [[0, 0, 0, 0, 0, 0.25]]
    assert track.observed.tolist() == [[False] * 5 + [True]]
    assert track.points.tolist() == [[[0, 0, 0]] * 5 + [[1, 1, 1]]]


def test_fractions_stay_and_more_than_all_is_all():
    track = KeypointTrack(np.ones((1, 2, 3)), [[0.99, 7.0]], NAMES)
    np.testing.assert_array_equal(track.confidence, np.float32([[0.99, 1.0]]))


def test_given_arrays_are_left_unchanged():
    points, confidence = np.full((1, 2, 3), np.nan, np.float32), np.full((1, 2), 5, np.float32)
    KeypointTrack(points, confidence, NAMES)
    assert np.isnan(points).all()
    assert (confidence == 5).all()


@pytest.mark.parametrize("convention", ["coco", Convention("mine", tuple(f"k{i}" for i in range(17))), [f"k{i}" for i in range(17)]])
def test_conventions(convention):
    track = KeypointTrack(np.ones((1, 17, 3)), convention=convention)
    assert isinstance(track.convention, Convention)
    assert len(track.names) == 17


def test_frames():
    track = KeypointTrack(np.arange(30.0).reshape(5, 2, 3), np.linspace(0.1, 1, 10).reshape(5, 2), NAMES, 60.0, "walk", ("Read.",))
    part = track.frames(1, 3)
    assert (part.n_frames, part.fps, part.name, part.names, part.decisions) == (2, 60.0, "walk", NAMES, ("Read.",))
    np.testing.assert_array_equal(part.points, track.points[1:3])
    np.testing.assert_array_equal(part.confidence, track.confidence[1:3])
    with pytest.raises(TrackError, match="has no frame"):
        track.frames(5, 9)


@pytest.mark.parametrize("read", [KeypointTrack.load, read_track])
@pytest.mark.parametrize("convention", ["coco", [f"k{i}" for i in range(17)]])
def test_saved_and_loaded_exactly(tmp_path, read, convention):
    rng = np.random.default_rng(0)
    points, confidence = rng.normal(size=(4, 17, 3)), rng.random((4, 17))
    confidence[0, 0], points[1, 1] = 0, np.nan
    before = KeypointTrack(points, confidence, convention, 59.94, "Jürgen", ("Read.", "Metres."))
    before.save(tmp_path / "take.npz")
    after = read(tmp_path / "take.npz")
    np.testing.assert_array_equal(after.points, before.points)
    np.testing.assert_array_equal(after.confidence, before.confidence)
    assert (after.convention, after.fps, after.name) == (before.convention, before.fps, before.name)
    assert after.decisions[: len(before.decisions)] == before.decisions


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((np.ones((3, 24)),), TrackError, "points has shape (3, 24), expected (frames, keypoints, 3)."),
        ((np.ones((3, 24, 2)),), TrackError, "points has shape (3, 24, 2), expected (frames, keypoints, 3)."),
        ((np.ones((0, 24, 3)),), TrackError, "The track 'track' has no frame. Export it again with at least one frame."),
        ((np.ones((3, 17, 3)),), TrackError, "points has 17 keypoints, but the convention 'smpl' names 24. Give the convention of"),
        ((np.ones((3, 24, 3)), np.ones((3, 23))), TrackError, "confidence has shape (3, 23), expected (3, 24) as the points have."),
        (([["a"]],), TrackError, "points cannot be turned into an array of numbers ("),
        ((np.ones((1, 24, 3)), [["high"] * 24]), TrackError, "confidence cannot be turned into an array of numbers ("),
        ((np.ones((1, 24, 3)), None, "smpll"), ConventionError, "There is no keypoint convention 'smpll'. Did you mean 'smpl'?"),
        ((np.ones((1, 2, 3)), None, ("a", "a")), ConventionError, "The convention 'custom' has the keypoint 'a' 2 times."),
        ((np.ones((1, 24, 3)), None, "smpl", 0), TrackError, "fps is 0, expected a positive number. Give the frame rate of the recording."),
        ((np.ones((1, 24, 3)), None, "smpl", np.nan), TrackError, "fps is nan, expected a positive number."),
    ],
)
def test_sentences(arguments, error, sentence):
    with pytest.raises(error) as raised:
        KeypointTrack(*arguments)
    assert str(raised.value).startswith(sentence)


def test_one_frame_is_no_motion():
    with pytest.raises(TrackError) as raised:
        KeypointTrack(np.ones((1, 24, 3)), name="pose").require_motion("Do that.")
    assert str(raised.value) == "'pose' has one frame, expected at least two to make a motion. Do that."
    KeypointTrack(np.ones((2, 24, 3))).require_motion("Do that.")


def test_a_file_of_something_else(tmp_path):
    np.savez(tmp_path / "other.npz", points=np.ones((1, 24, 3)), fps=30)
    with pytest.raises(TrackError, match=r"'other.npz' lacks confidence, convention, names. Use fitting.read_track for files of other"):
        KeypointTrack.load(tmp_path / "other.npz")
    with pytest.raises(FittingError, match="There is no file"):
        KeypointTrack.load(tmp_path / "none.npz")
