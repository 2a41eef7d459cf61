"""What the readers find out about units, the up axis, names and the order of plain arrays, from a real run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fitting.data.conventions import get_convention
from fitting.data.tracks import read_track
from fitting.data.tracks.array_convention import guess_convention
from fitting.data.tracks.naming import decide_names
from fitting.data.tracks.units import METRES_PER_UNIT
from fitting.data.tracks.up_axis import ROTATIONS
from fitting.errors import TrackError

Run = tuple[np.ndarray, list[str]]
LEGS = [1, 2, 4, 5, 7, 8]


@pytest.mark.parametrize("keypoints", [range(20), LEGS], ids=["whole body", "legs only"])
@pytest.mark.parametrize("axis", ROTATIONS)
@pytest.mark.parametrize("unit", [unit for unit in METRES_PER_UNIT if unit != "feet"])
def test_units_and_axis_from_the_body(tmp_path: Path, run: Run, unit: str, axis: str, keypoints: list[int]) -> None:
    points, names = run[0][:, keypoints], [run[1][index] for index in keypoints]
    in_file = (points @ np.array(ROTATIONS[axis], np.float32)) / METRES_PER_UNIT[unit]
    np.savez(tmp_path / "a.npz", keypoints=in_file, names=names)
    track = read_track(tmp_path / "a.npz")
    lowest, highest = ("feet", "head") if len(names) == 20 else ("feet", "hips")
    assert f"Units: {unit} (from the size of the body; the file does not say)." in track.decisions
    assert f"Up axis: {axis} (from the {lowest} to the {highest}; the file does not say)." in track.decisions
    np.testing.assert_allclose(track.points, points, atol=1e-4)


@pytest.mark.parametrize("height", [1.0, 2.1])
@pytest.mark.parametrize("unit", ["metres", "centimetres", "millimetres"])
def test_children_and_giants_keep_metric_units(tmp_path: Path, run: Run, unit: str, height: float) -> None:
    np.savez(tmp_path / "a.npz", keypoints=run[0] * height / 1.7 / METRES_PER_UNIT[unit], names=run[1])
    assert f"Units: {unit} (from the size of the body; the file does not say)." in read_track(tmp_path / "a.npz").decisions


@pytest.mark.parametrize(
    ("says", "unit", "sentence"),
    [
        ("mm", "millimetres", "Units: millimetres (the file says mm)."),
        ("m", "millimetres", "Units: millimetres (from the size of the body; the file says m, which would make a body "),
        ("mm", "metres", "Units: metres (from the size of the body; the file says mm, which would make a body 0.00"),
        ("cm", "millimetres", "Units: millimetres (from the size of the body; the file says cm, which would make a body 1"),
        ("V", "centimetres", "Units: centimetres (from the size of the body; the file says 'V', which is unknown)."),
        ("", "centimetres", "Units: centimetres (from the size of the body; the file does not say)."),
    ],
)
def test_units_of_the_file_against_the_body(write_trc: Callable[..., Path], run: Run, says: str, unit: str, sentence: str) -> None:
    track = read_track(write_trc(run[0] / METRES_PER_UNIT[unit], run[1], units=says))
    assert any(decision.startswith(sentence) for decision in track.decisions), track.decisions
    np.testing.assert_allclose(track.points, run[0], atol=1e-5)


def test_size_that_fits_no_unit(tmp_path: Path, run: Run) -> None:
    np.savez(tmp_path / "a.npz", keypoints=run[0] * 5, names=run[1])
    with pytest.raises(
        TrackError, match=r"The units of 'a.npz' cannot be told: the file does not say, and the body would be .* units tall. Give units"
    ):
        read_track(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", keypoints=run[0] * 5, names=run[1], units="m")
    assert any("check it" in decision for decision in read_track(tmp_path / "a.npz").decisions)


def test_units_of_unknown_markers(tmp_path: Path, run: Run) -> None:
    markers = [f"M{index}" for index in range(20)]
    np.savez(tmp_path / "a.npz", keypoints=run[0] * 1000, names=markers)
    decisions = read_track(tmp_path / "a.npz").decisions
    assert "Units: millimetres (from the size of the body; the file does not say)." in decisions
    assert "Up axis: y (assumed; the file does not say, and the body does not tell)." in decisions
    assert "Keypoints that are carried, but not fitted, as their names are unknown: M0, M1, M2, M3, M4, M5 and 14 more." in decisions


def test_small_markers_do_not_contradict_the_file(tmp_path: Path) -> None:
    """A hand in millimetres is no body in centimetres."""
    hand = np.random.default_rng(0).uniform(0, 200, (5, 6, 3))
    np.savez(tmp_path / "a.npz", keypoints=hand, names=list("abcdef"), units="mm")
    assert "Units: millimetres (the file says mm)." in read_track(tmp_path / "a.npz").decisions


def test_one_point_has_no_size(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", keypoints=np.ones((3, 1, 3)), names=["a"])
    assert "Units: metres (assumed; the file does not say)." in read_track(tmp_path / "a.npz").decisions


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        ("z", "Up axis: z (the file says so, although from the feet to the head is y: check it)."),
        ("y", "Up axis: y (the file says so)."),
        ("Y", "Up axis: y (the file says so)."),
        ("up", "Up axis: y (from the feet to the head; the file says 'up', which is unknown)."),
    ],
)
def test_axis_of_the_file(tmp_path: Path, run: Run, says: str, sentence: str) -> None:
    np.savez(tmp_path / "a.npz", keypoints=run[0], names=run[1], up_axis=says)
    assert sentence in read_track(tmp_path / "a.npz").decisions


def test_axis_of_lab_markers(tmp_path: Path) -> None:
    names = ["R.Heel", "R.Toe.Tip", "R.Shank.Upper", "R.Knee", "R.Thigh.Rear", "R.ASIS", "V.Sacral", "R.Acromium"]
    heights = np.array([0.05, 0.03, 0.4, 0.5, 0.7, 1.0, 1.0, 1.4])
    points = np.stack([np.zeros(8), np.full(8, 0.5), heights], -1)[None].repeat(3, 0)
    np.savez(tmp_path / "a.npz", keypoints=points, names=names)
    assert "Up axis: z (from the feet to the shoulders; the file does not say)." in read_track(tmp_path / "a.npz").decisions


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # OpenPose, OpenCap, Pose2Sim
        ("RKnee LBigToe midHip RHip", "right_knee_openpose left_bigtoe_openpose pelvis_openpose right_hip_openpose"),
        ("CHip RShoulder Head LEar", "pelvis_openpose right_shoulder_openpose headtop left_ear_openpose"),
        ("R_Shoulder R_Shoulder_study RShoulder", "right_shoulder_openpose R_Shoulder_study RShoulder"),
        # AMASS, smplx
        ("pelvis left_hip spine1 left_foot left_index1 left_eye_smplhf", "pelvis left_hip spine_1 left_foot left_index_1 left_eyeball"),
        ("Pelvis L_Hip Torso L_Toe R_Thorax L_Hand", "pelvis left_hip spine_1 left_foot right_collar left_hand"),
        # COCO: its hips are not the joints of a body model
        ("nose left_ear left_shoulder left_hip", "nose left_ear left_shoulder left_hip_extra"),
        ("LeftShoulder Left-Elbow left-wrist", "left_shoulder left_elbow left_wrist"),
        # MediaPipe
        ("left_eye_inner mouth_right left_pinky left_hip left_foot_index", "left_eye_4 right_mouth_1 left_pinky_1 left_hip left_foot"),
        # Mixamo: a "shoulder" is a collar bone there
        ("mixamorig:Hips m:LeftUpLeg LeftShoulder LeftArm LeftHandIndex4", "pelvis left_hip LeftShoulder left_shoulder left_index"),
        # laboratory markers: skin, not joints
        ("R.Knee R.Heel R.ASIS C7_study", "R.Knee R.Heel R.ASIS C7_study"),
        ("RKNE LASI", "RKNE LASI"),
        # the vocabulary itself
        ("left_hip_extra headtop unknown", "left_hip_extra headtop unknown"),
    ],
)
def test_names_of_the_tools(raw: str, expected: str) -> None:
    convention, _ = decide_names(raw.split(), np.ones((2, len(raw.split()), 3)), "take")
    assert " ".join(convention.names) == expected
    assert convention.name == "take"


def test_every_known_spelling_leads_to_the_vocabulary() -> None:
    from fitting.data.tracks.naming import _families

    vocabulary = {
        name for convention in ("human_data", "mediapipe_holistic", "mhr70", "coco_wholebody") for name in get_convention(convention).names
    }
    assert len(_families()) == 9
    for family in _families():
        assert set(family.names.values()) <= vocabulary, family.name
        assert family.marks <= set(family.names), family.name


def test_names_of_a_registered_convention() -> None:
    names = get_convention("gta").names
    convention, sentences = decide_names(names, np.ones((2, 100, 3)), "take")
    assert convention == get_convention("gta")
    assert sentences == ["Keypoints: gta (the names are those of this convention)."]


def test_spelling_that_makes_a_registered_convention() -> None:
    raw = (
        "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle "
        "REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel"
    )
    convention, _ = decide_names(raw.split(), np.ones((2, 25, 3)), "take")
    assert convention == get_convention("openpose_25")


@pytest.mark.parametrize(("lift", "name"), [(0.0, "neck_openpose"), (0.01, "neck_openpose"), (0.06, "neck_extra")])
def test_neck_of_detectors(lift: float, name: str) -> None:
    points = np.array([[[0.2, 1.4, 0], [-0.2, 1.4, 0], [0, 1.4 + lift, 0]]])
    convention, _ = decide_names(["LShoulder", "RShoulder", "Neck"], points, "take")
    assert convention.names[2] == name


def as_array(run: Run, name: str) -> np.ndarray:
    """The joints of the run in the order of a convention, made-up points beside them for what the run lacks."""
    points, names = run
    index_of = {spelt.replace("spine", "spine_"): index for index, spelt in enumerate(names)}
    columns = []
    for place, wanted in enumerate(get_convention(name).names):
        plain = wanted.replace("_openpose", "").replace("_extra", "")
        joint = index_of.get(plain, index_of["head"])
        columns.append(points[:, joint] + (0 if plain in index_of else 0.01 * place))
    return np.stack(columns, 1)


@pytest.mark.parametrize(
    "name",
    [
        *("smpl", "smpl_22", "smpl_24", "smpl_45", "smplh", "smplh_52", "smplx", "openpose_25", "openpose_25b", "instavariety", "halpe_26"),
        *("coco", "h36m", "h36m_mmpose", "coco_wholebody", "mpii", "penn_action", "panoptic", "fourdag_19", "mediapipe_body"),
    ],
)
def test_order_of_plain_arrays(run: Run, name: str) -> None:
    convention, sentence = guess_convention(as_array(run, name), "a.npy")
    assert convention.name == name
    assert sentence == f"Keypoints: {name} ({len(convention)} keypoints without names, which make a body in this order)."


def test_order_survives_gaps_and_noise(run: Run) -> None:
    rng = np.random.default_rng(0)
    points = as_array(run, "openpose_25b") + rng.normal(0, 0.02, (len(run[0]), 25, 3))
    points[rng.random(points.shape[:2]) < 0.2] = np.nan
    assert guess_convention(points, "a.npy")[0].name == "openpose_25b"


@pytest.mark.parametrize(
    ("n_keypoints", "message"),
    [
        (3, "'a.npy' has 3 keypoints without names, and no known convention has as many"),
        (24, "'a.npy' has 24 keypoints without names, and they make no body as .*smpl"),
        (42, "'a.npy' has 42 keypoints without names; that may be mano_hands, mano_hands_reorder"),
    ],
)
def test_arrays_in_no_known_order(n_keypoints: int, message: str) -> None:
    points = np.random.default_rng(0).normal(size=(10, n_keypoints, 3))
    with pytest.raises(TrackError, match=message + r".*Give the convention of the data"):
        guess_convention(points, "a.npy")


def test_only_convention_with_that_many(run: Run) -> None:
    faces = np.random.default_rng(0).normal(size=(10, 7, 3))
    assert guess_convention(faces, "a.npy")[0].name == "face3d"
