import json
from pathlib import Path

import numpy as np
import pytest

from fitting.data.conventions import conversion_matrix, get_convention
from fitting.data.conversion import convert_keypoints
from fitting.data.keypoints import Keypoints
from fitting.data.tracks import KeypointTrack
from fitting.errors import ConventionError, TrackError

PARITY = Path(__file__).parents[2] / "parity" / "data"
MAPPINGS = json.loads((PARITY / "convention_mappings.json").read_text())


@pytest.mark.parametrize("key", MAPPINGS)
def test_matrix_equals_the_reference(key: str) -> None:
    pair, _, approximate = key.partition(" ")
    src, dst = (get_convention(name) for name in pair.split("->"))
    expected = np.zeros((len(dst), len(src)), np.float32)
    expected[MAPPINGS[key]["dst"], MAPPINGS[key]["src"]] = 1
    matrix = conversion_matrix(src, dst, approximate=bool(approximate), derive=False)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, expected)


def test_only_same_names_unless_approximate() -> None:
    np.testing.assert_array_equal(conversion_matrix("coco", "smpl"), conversion_matrix("coco", "smpl", derive=False))
    assert not conversion_matrix("openpose_25", "smpl").any()


@pytest.mark.parametrize(
    ("src", "dst", "target", "sources"),
    [
        # a detector's pelvis and neck are middles by definition, so the joint of the body model does not stand for them
        ("smpl_45", "openpose_25", "pelvis_openpose", ("left_hip", "right_hip")),
        ("smpl_45", "openpose_25", "neck_openpose", ("left_shoulder", "right_shoulder")),
        ("smpl", "h36m", "pelvis_extra", ("left_hip", "right_hip")),
        ("openpose_25b", "openpose_25", "neck_openpose", ("left_shoulder_openpose", "right_shoulder_openpose")),
        # a point that is there is taken as it is
        ("openpose_25", "panoptic", "neck_openpose", ("neck_openpose",)),
        # an alias wins over the middle
        ("openpose_25", "smpl", "pelvis", ("pelvis_openpose",)),
        ("openpose_25b", "smpl", "neck", ("neck_extra",)),
        # nothing else is there
        ("coco", "smpl", "pelvis", ("left_hip_extra", "right_hip_extra")),
        ("coco", "smpl", "neck", ("left_shoulder", "right_shoulder")),
        ("coco", "smpl", "head", ()),
    ],
)
def test_derived_points(src: str, dst: str, target: str, sources: tuple[str, ...]) -> None:
    row = conversion_matrix(src, dst, approximate=True)[get_convention(dst).index(target)]
    weights = {get_convention(src).names[index]: row[index] for index in np.flatnonzero(row)}
    assert weights == pytest.approx({source: 1 / len(sources) for source in sources})


def test_a_middle_needs_both_ends() -> None:
    matrix = conversion_matrix(["left_hip", "left_shoulder"], ["pelvis", "neck_openpose", "left_hip_extra"], approximate=True)
    np.testing.assert_array_equal(matrix, [[0, 0], [0, 0], [1, 0]])


def test_sample_of_the_reference_exactly() -> None:
    keypoints3d = Keypoints.fromfile(PARITY / "sample_keypoints3d_coco.npz")
    expected = Keypoints.fromfile(PARITY / "sample_keypoints3d_coco_to_smpl.npz")
    converted = convert_keypoints(keypoints=keypoints3d, dst="smpl")
    assert converted.get_convention() == "smpl"
    np.testing.assert_array_equal(converted.get_keypoints(), expected.get_keypoints())
    np.testing.assert_array_equal(converted.get_mask(), expected.get_mask())
    assert converted.get_mask().dtype == np.uint8
    assert (converted.get_frame_number(), converted.get_person_number(), converted.get_keypoints_number()) == (4, 2, 24)


def test_derived_point_of_keypoints() -> None:
    values = np.array([[0, 0, 0, 0.5], [2, 4, 6, 0.25], [2, 0, 0, 0.9]], np.float32)[None, None]
    keypoints = Keypoints(
        np.repeat(values, 2, axis=0), mask=np.array([[[1, 1, 1]], [[1, 0, 1]]]), convention=["left_hip", "right_hip", "a"]
    )
    pelvis = convert_keypoints(keypoints, ["pelvis", "b"], approximate=True)
    np.testing.assert_allclose(pelvis.get_keypoints()[:, 0], [[[1, 2, 3, 0.25], [0] * 4], [[0] * 4, [0] * 4]])
    np.testing.assert_array_equal(pelvis.get_mask()[:, 0], [[1, 0], [0, 0]])


def test_track_keeps_rate_name_and_fractions() -> None:
    points = np.arange(12, dtype=np.float32).reshape(2, 2, 3) + 1
    track = KeypointTrack(points, [[0.5, 0.75], [1, 0]], ["left_shoulder_openpose", "right_shoulder_openpose"], fps=50, name="Ann")
    converted = convert_keypoints(track, ["neck", "left_shoulder", "right_shoulder", "nose"], approximate=True)
    assert (converted.fps, converted.name, converted.names[0]) == (50, "Ann", "neck")
    np.testing.assert_allclose(converted.confidence, [[0.5, 0.5, 0.75, 0], [0, 1, 0, 0]])
    np.testing.assert_allclose(converted.points[0], [[2.5, 3.5, 4.5], [1, 2, 3], [4, 5, 6], [0, 0, 0]])
    np.testing.assert_allclose(converted.points[1], [[0, 0, 0], [7, 8, 9], [0, 0, 0], [0, 0, 0]])
    assert track.names == ("left_shoulder_openpose", "right_shoulder_openpose")  # the given one is unchanged


def test_neither_track_nor_keypoints() -> None:
    with pytest.raises(ConventionError, match="was given dict, expected Keypoints or KeypointTrack"):
        convert_keypoints({}, "smpl")  # type: ignore[call-overload]


def test_keypoints_of_numbers_without_mask() -> None:
    keypoints = Keypoints(np.ones((2, 1, 17, 3), int), convention="coco")
    assert keypoints.get_mask().tolist() == np.ones((2, 1, 17)).tolist()
    assert keypoints.get_keypoints().dtype == np.float32


def test_keypoints_that_are_not_finite_are_masked() -> None:
    values = np.ones((1, 1, 2, 4), np.float32)
    values[0, 0, 1, 2] = np.nan
    assert Keypoints(values, convention=["a", "b"]).get_mask().tolist() == [[[1, 0]]]


@pytest.mark.parametrize("names", ["coco", [f"k{index}" for index in range(17)]])
def test_keypoints_file_and_back(tmp_path: Path, names: str | list[str]) -> None:
    rng = np.random.default_rng(0)
    keypoints = Keypoints(rng.random((3, 2, 17, 4), np.float32), rng.integers(0, 2, (3, 2, 17)), names)
    keypoints.dump(tmp_path / "keypoints.npz")
    loaded = Keypoints.fromfile(tmp_path / "keypoints.npz")
    np.testing.assert_array_equal(loaded.get_keypoints(), keypoints.get_keypoints())
    np.testing.assert_array_equal(loaded.get_mask(), keypoints.get_mask())
    assert loaded.convention == keypoints.convention


@pytest.mark.parametrize(
    ("shape", "mask_shape", "message"),
    [
        ((2, 17, 3), None, r"shape \(2, 17, 3\), expected"),
        ((2, 1, 17, 5), None, r"shape \(2, 1, 17, 5\), expected"),
        ((2, 1, 16, 3), None, "16 keypoints, but the convention 'coco' names 17"),
        ((2, 1, 17, 3), (2, 17), r"mask has shape \(2, 17\)"),
    ],
)
def test_keypoints_that_do_not_fit(shape: tuple[int, ...], mask_shape: tuple[int, ...] | None, message: str) -> None:
    with pytest.raises(TrackError, match=message):
        Keypoints(np.ones(shape), None if mask_shape is None else np.ones(mask_shape), "coco")


def test_keypoints_of_text() -> None:
    with pytest.raises(TrackError, match="expected numbers"):
        Keypoints(np.full((1, 1, 17, 3), "a"), convention="coco")


def test_file_without_convention(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", keypoints=np.ones((1, 1, 17, 4)))
    with pytest.raises(TrackError, match=r"'a.npz' lacks convention"):
        Keypoints.fromfile(tmp_path / "a.npz")
