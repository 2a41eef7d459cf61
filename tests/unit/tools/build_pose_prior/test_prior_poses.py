from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fitting.data.bodies import JOINT_NAMES, PARENTS, load_default_body
from fitting.errors import TrackError
from tools.build_pose_prior.poses import (
    BODY_JOINTS,
    PoseSet,
    jittered,
    mirrored,
    read_cmu_folder,
    read_poses,
    skeleton_of,
    split,
    thinned,
    with_collars,
    without_faults,
)
from tools.build_pose_prior.retarget import CMU_BONES, to_smpl

LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")


def joint(name):
    return BODY_JOINTS.index(name)


def turn(name, rotvec, n=1):
    poses = np.zeros((n, 23, 3))
    poses[:, joint(name)] = rotvec
    return poses


def limb_directions():
    """Directions of the limbs of the default body, by CMU's bone names."""
    rest = dict(zip(JOINT_NAMES["smpl"], load_default_body().joints_template.astype(float), strict=True))
    chain = ("hip", "knee", "ankle", "foot"), ("shoulder", "elbow", "wrist", "hand")
    pairs = [(start, end) for names in chain for start, end in pairwise(names)]
    return {
        CMU_BONES[f"{side}_{start}"]: rest[f"{side}_{end}"] - rest[f"{side}_{start}"] for side in ("left", "right") for start, end in pairs
    }


def random_rotations(n_frames=4, seed=0):
    """World rotations of CMU's bones and the local SMPL rotations that they come from."""
    local = Rotation.from_rotvec(np.random.default_rng(seed).normal(0, 0.4, (n_frames * 24, 3)))
    local = local.as_matrix().reshape(n_frames, 24, 3, 3)
    local[:, 22:] = np.eye(3)  # hands
    world = local.copy()
    for i, parent in enumerate(PARENTS["smpl"]):
        if parent >= 0:
            world[:, i] = world[:, parent] @ local[:, i]
    return {CMU_BONES[name]: world[:, i] for i, name in enumerate(JOINT_NAMES["smpl"]) if name in CMU_BONES}, local


def test_retargeting_keeps_rotations_where_the_rest_poses_agree():
    rotations, local = random_rotations()
    poses = to_smpl(rotations, limb_directions())
    np.testing.assert_allclose(Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(4, 24, 3, 3), local, atol=1e-6)


def test_retargeting_keeps_the_directions_of_limbs():
    """A skeleton whose thighs are spread at rest: its own rotation and ours bring both to the same direction."""
    directions = limb_directions()
    spread = Rotation.from_rotvec([0, 0, 0.35]).as_matrix()
    rotations, _ = random_rotations()
    for side, angle in (("l", spread), ("r", spread.T)):
        directions[f"{side}femur"] = angle @ directions[f"{side}femur"]
    poses = to_smpl(rotations, directions)
    pelvis, hip = (Rotation.from_rotvec(poses[:, JOINT_NAMES["smpl"].index(name)]).as_matrix() for name in ("pelvis", "left_hip"))
    ours = (pelvis @ hip) @ limb_directions()["lfemur"]
    np.testing.assert_allclose(ours, rotations["lfemur"] @ directions["lfemur"], atol=1e-6)


def write_cmu(folder, n_frames=25):
    folder.mkdir(parents=True, exist_ok=True)
    bones, frames = [], []
    directions = limb_directions()
    for name in sorted(set(CMU_BONES.values()) - {"root"}):
        direction = " ".join(f"{value:.6f}" for value in directions.get(name, (0, 1, 0)))
        bones.append(f"begin\nname {name}\ndirection {direction}\naxis 0 0 0 XYZ\ndof rx ry rz\nend")
    chain = {"lfemur": "root", "ltibia": "lfemur", "lfoot": "ltibia", "ltoes": "lfoot", "lowerback": "root"}
    others = [name for name in set(CMU_BONES.values()) - {"root", *chain}]
    hierarchy = [f"{parent} {child}" for child, parent in chain.items()] + ["root " + " ".join(others)]
    (folder / "07.asf").write_text("\n".join([":bonedata", *bones, ":hierarchy", "begin", *hierarchy, "end"]))
    for frame in range(n_frames):
        frames += [str(frame + 1), "root 0 0 0 0 0 0", f"lfemur {-frame} 0 0", f"ltibia {2 * frame} 0 0"]
    (folder / "07_05.amc").write_text("\n".join([":DEGREES", *frames]))


def test_cmu_folder_is_read(tmp_path):
    write_cmu(tmp_path / "subjects/07")
    poses = read_cmu_folder(tmp_path)
    assert poses.poses.shape == (3, 23, 3)  # frames 0, 12 and 24
    np.testing.assert_array_equal(poses.sequence, 0)
    np.testing.assert_allclose(poses.poses[2, joint("left_hip")], np.deg2rad([-24, 0, 0]), atol=1e-5)
    np.testing.assert_allclose(poses.poses[2, joint("left_knee")], np.deg2rad([48, 0, 0]), atol=1e-5)
    np.testing.assert_allclose(poses.poses[:, joint("right_knee")], 0, atol=1e-6)


def test_folder_without_motion(tmp_path):
    with pytest.raises(TrackError, match=r"no \.amc file"):
        read_cmu_folder(tmp_path)


def test_skeleton_without_cmu_bones(tmp_path):
    (tmp_path / "a.asf").write_text(":bonedata\nbegin\nname lfemur\ndirection 0 -1 0\naxis 0 0 0 XYZ\nend\n:hierarchy\nroot lfemur\n")
    (tmp_path / "a.amc").write_text("1\nroot 0 0 0 0 0 0\n")
    with pytest.raises(TrackError, match=r"lacks .*'lhumerus'"):
        read_cmu_folder(tmp_path)


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["07.asf", "08.asf"], "07.asf"), (["0.asf", "07.asf"], "07.asf"), (["other.asf"], "other.asf")],
)
def test_skeleton_of_a_motion(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).touch()
    assert skeleton_of(tmp_path / "07_05.amc").name == expected


@pytest.mark.parametrize("names", [[], ["a.asf", "b.asf"]])
def test_skeleton_that_is_not_clear(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(TrackError, match=r"No \.asf belongs"):
        skeleton_of(tmp_path / "07_05.amc")


def test_pose_file(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 24, 3))
    np.savez(tmp_path / "p.npz", P=values, seq=[0, 0, 1, 1, 1], names=["a", "b"])
    poses = read_poses(tmp_path / "p.npz")
    np.testing.assert_array_equal(poses.poses, values[:, 1:])
    np.testing.assert_array_equal(poses.sequence, [0, 0, 1, 1, 1])


@pytest.mark.parametrize("arrays", [{"P": np.zeros((2, 24, 3))}, {"P": np.zeros((2, 23, 3)), "seq": np.zeros(2)}])
def test_pose_file_of_another_shape(tmp_path, arrays):
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(TrackError, match=r"'p\.npz' holds .*P \(N, 24, 3\)"):
        read_poses(tmp_path / "p.npz")


def test_impossible_knees_and_ankles_are_left_out():
    poses = np.concatenate([turn("left_knee", [degrees * np.pi / 180, 0, 0]) for degrees in (10, 160, 170)])
    poses = np.concatenate([poses, turn("right_ankle", [0, 1.5, 0])])
    kept = without_faults(PoseSet(poses, np.arange(4)))
    np.testing.assert_array_equal(kept.sequence, [0, 1])


@pytest.mark.parametrize(("side", "sign"), [("left", 1), ("right", -1)])
def test_collar_takes_a_quarter_of_the_rise(side, sign):
    """The arm straight up is 90 degrees over the horizontal, 135 over where the collar begins to rise."""
    poses = with_collars(turn(f"{side}_shoulder", [0, 0, sign * np.pi / 2]))
    quarter = np.deg2rad(135) / 4
    np.testing.assert_allclose(poses[0, joint(f"{side}_collar")], [0, 0, sign * quarter], atol=1e-12)
    np.testing.assert_allclose(poses[0, joint(f"{side}_shoulder")], [0, 0, sign * (np.pi / 2 - quarter)], atol=1e-12)


def test_hanging_arms_leave_the_collars():
    poses = with_collars(turn("left_shoulder", [0, 0, -np.pi / 2]))
    np.testing.assert_allclose(poses[0, joint("left_collar")], 0, atol=1e-12)


def test_split_keeps_sequences_whole():
    sequence = np.repeat(np.arange(10), 3)
    poses = PoseSet(np.arange(30 * 69, dtype=float).reshape(30, 23, 3), sequence)
    learnt, held_out = split(poses, np.random.default_rng(0))
    assert len(set(held_out.sequence)) == 2
    assert set(learnt.sequence) == set(range(10)) - set(held_out.sequence)
    assert len(learnt) + len(held_out) == 30


def test_thinned_spreads_and_keeps_short_sequences():
    angles = np.array([0.0, 0.01, 0.02, 0.03, 1.0, 0.5, 0.2])
    poses = turn("neck", [1, 0, 0], 7) * angles[:, None, None]
    result = thinned(PoseSet(poses, np.array([0, 0, 0, 0, 0, 0, 1])), n_poses=3)
    np.testing.assert_allclose(result.poses[:, joint("neck"), 0], [0, 1.0, 0.5, 0.2])
    np.testing.assert_array_equal(result.sequence, [0, 0, 0, 1])


def test_thinned_stops_at_equal_poses():
    assert len(thinned(PoseSet(np.zeros((5, 23, 3)), np.zeros(5, int)), n_poses=3)) == 3


def test_mirrored():
    poses = turn("left_elbow", [0.1, 0.2, 0.3]) + turn("spine1", [1, 2, 3])
    result = mirrored(poses)
    np.testing.assert_allclose(result[0, joint("right_elbow")], [0.1, -0.2, -0.3])
    np.testing.assert_allclose(result[0, joint("left_elbow")], 0)
    np.testing.assert_allclose(result[0, joint("spine1")], [1, -2, -3])
    np.testing.assert_array_equal(mirrored(result), poses)


def test_jitter_is_wider_where_little_is_seen():
    result = jittered(np.ones((1000, 23, 3)), np.random.default_rng(0), copies=2)
    assert result.shape == (2000, 23, 3)
    spread = np.rad2deg(result.std(axis=(0, 2)))
    assert spread[joint("left_knee")] == pytest.approx(2, rel=0.1)
    assert spread[joint("left_foot")] == pytest.approx(5, rel=0.1)
    np.testing.assert_allclose(spread[[joint("right_collar"), joint("right_hand")]], 8, rtol=0.1)
    np.testing.assert_allclose(result.mean(axis=0), 1, atol=0.02)
