import numpy as np
import pytest
from scipy.stats import multivariate_normal

from fitting.data.bodies import DEFAULT_BODY_PATH, JOINT_NAMES
from fitting.data.files import read_npz
from tools.build_pose_prior import __main__ as command, mixture
from tools.build_pose_prior.poses import PoseSet

PRIOR_PATH = DEFAULT_BODY_PATH.with_name("pose_prior.npz")


@pytest.fixture(scope="module")
def shipped():
    return read_npz(PRIOR_PATH)


def test_two_clusters_are_found():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal((0, 0, 0), 0.2, (300, 3)), rng.normal((3, 0, 1), (0.1, 0.4, 0.2), (100, 3))])
    prior = mixture.train(points, n_components=2)
    order = np.argsort(prior["means"][:, 0])
    np.testing.assert_allclose(prior["means"][order], [[0, 0, 0], [3, 0, 1]], atol=0.1)
    np.testing.assert_allclose(prior["weights"][order], [0.75, 0.25], atol=1e-3)
    assert {key: value.dtype for key, value in prior.items()} == {"means": np.float32, "chol": np.float16, "weights": np.float32}
    assert prior["chol"].shape == (2, 6)


def test_log_likelihood_is_that_of_scipy():
    rng = np.random.default_rng(1)
    factors = np.tril(rng.normal(size=(2, 3, 3))) + 2 * np.eye(3)
    factors = factors.astype(np.float16).astype(float)
    rows, columns = np.tril_indices(3)
    prior = {"means": rng.normal(size=(2, 3)), "chol": factors[:, rows, columns], "weights": np.array([0.3, 0.7])}
    points = rng.normal(size=(5, 3))
    expected = np.log(
        sum(
            weight * multivariate_normal(mean, factor @ factor.T).pdf(points)
            for mean, factor, weight in zip(prior["means"], factors, prior["weights"], strict=True)
        )
    )
    np.testing.assert_allclose(mixture.log_likelihood(prior, points), expected)


def test_shipped_prior_is_a_mixture(shipped):
    assert shipped["means"].shape == (8, 69)
    assert shipped["chol"].shape == (8, 69 * 70 // 2)
    assert shipped["weights"].sum() == pytest.approx(1, abs=1e-6)
    rows, columns = np.tril_indices(69)
    assert (shipped["chol"][:, rows == columns] > 0.04).all(), "no value is more certain than the regularisation allows"
    assert PRIOR_PATH.stat().st_size < 50_000


def pose(**joints):
    values = np.zeros((24, 3))
    for name, rotvec in joints.items():
        values[JOINT_NAMES["smpl"].index(name)] = rotvec
    return values[1:].reshape(1, -1)


STANDING = {"left_shoulder": (0, 0, -1.1), "right_shoulder": (0, 0, 1.1)}


@pytest.mark.parametrize(
    ("likely", "unlikely"),
    [
        (STANDING, STANDING | {"left_knee": (-1, 0, 0)}),
        (STANDING | {"left_knee": (0.6, 0, 0), "left_hip": (-0.4, 0, 0)}, STANDING | {"left_knee": (0, 0, 1)}),
        (STANDING | {"left_elbow": (0, -0.8, 0)}, STANDING | {"left_elbow": (0, 0.8, 0)}),
        (STANDING, STANDING | {"head": (0, 2.5, 0)}),
        ({}, {"spine2": (1.5, 0, 0)}),
    ],
)
def test_shipped_prior_prefers_human_poses(shipped, likely, unlikely):
    assert mixture.log_likelihood(shipped, pose(**likely))[0] > mixture.log_likelihood(shipped, pose(**unlikely))[0] + 5


def test_shipped_prior_is_symmetric_enough(shipped):
    left, right = pose(left_knee=(1, 0, 0)), pose(right_knee=(1, 0, 0))
    difference = mixture.log_likelihood(shipped, left) - mixture.log_likelihood(shipped, right)
    assert abs(difference[0]) < 5


def test_command_trains_and_reports(tmp_path, capsys):
    rng = np.random.default_rng(0)
    values = np.zeros((120, 24, 3))
    values[:, 1:] = rng.normal(0, 0.1, (120, 23, 3))
    values[0, JOINT_NAMES["smpl"].index("left_knee")] = (3.1, 0, 0)
    np.savez(tmp_path / "p.npz", P=values, seq=np.repeat(np.arange(10), 12))
    assert command.main(["--poses", str(tmp_path / "p.npz"), "--out", str(tmp_path / "prior.npz")]) == 0
    report = capsys.readouterr().out
    assert "120 poses, 1 with impossible knees or ankles left out" in report
    assert "held out: mean" in report
    prior = read_npz(tmp_path / "prior.npz")
    assert prior["means"].shape == (8, 69)
    first = (tmp_path / "prior.npz").read_bytes()
    command.main(["--poses", str(tmp_path / "p.npz"), "--out", str(tmp_path / "again.npz")])
    assert (tmp_path / "again.npz").read_bytes() == first, "the same poses give the same prior"


def test_command_reports_user_errors(tmp_path, capsys):
    assert command.main(["--amc", str(tmp_path), "--out", str(tmp_path / "prior.npz")]) == 2
    assert "no .amc file" in capsys.readouterr().err


def test_pose_set_can_be_indexed():
    poses = PoseSet(np.arange(3 * 69.0).reshape(3, 23, 3), np.array([4, 5, 6]))
    np.testing.assert_array_equal(poses[np.array([2, 0])].sequence, [6, 4])
    assert len(poses) == 3
