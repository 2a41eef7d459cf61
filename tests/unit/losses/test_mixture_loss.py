import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from fitting.errors import PresetError
from fitting.losses import MaxMixturePriorLoss

MODELS = Path(__file__).parents[2] / "data" / "models"

LOG = 0.5 * 69 * math.log(2 * math.pi)
"""A constant of the likelihood that stays in the loss, as in XRMoCap; 69 dimensions whatever the mixture has."""

MIXTURE = {
    "means": np.array([[0.0, 0.0], [3.0, 1.0]]),
    "covars": np.array([np.eye(2), np.diag([4.0, 1.0])]),
    "weights": np.array([0.25, 0.75]),
}


@pytest.mark.parametrize(
    ("pose", "expected"),
    [
        ((0.0, 0.0), -math.log(0.25) + LOG),
        ((-1.0, -1.0), 0.5 * (1 + 1) - math.log(0.25) + LOG),
        ((3.0, 1.0), -math.log(0.75) + math.log(2) + LOG),
        ((7.0, 2.0), 0.5 * (16 / 4 + 1) - math.log(0.75) + math.log(2) + LOG),
    ],
)
def test_likelihood_of_the_nearest_gaussian(pose, expected):
    """0.5 d' C^-1 d - log(w sqrt(min det) / sqrt(det)) + constant; determinants are 1 and 4, so their roots 1 and 2."""
    loss = MaxMixturePriorLoss(mixture=MIXTURE, reduction="none")
    assert loss(torch.tensor([pose])).tolist() == pytest.approx([expected], rel=1e-5)


def test_weight_and_mean():
    loss = MaxMixturePriorLoss(mixture=MIXTURE, loss_weight=2.0)
    poses = torch.tensor([[0.0, 0.0], [-1.0, -1.0]])
    assert loss(poses).item() == pytest.approx(2 * (-math.log(0.25) + LOG + 0.5), rel=1e-5)


def test_correlated_gaussian():
    covariance = np.array([[2.0, 0.6], [0.6, 1.0]])
    loss = MaxMixturePriorLoss(mixture={"means": np.zeros((1, 2)), "covars": covariance[None], "weights": np.ones(1)}, reduction="sum")
    pose = np.array([0.7, -0.4])
    assert loss(torch.tensor(pose[None], dtype=torch.float32)).item() == pytest.approx(0.5 * pose @ np.linalg.inv(covariance) @ pose + LOG)


def test_the_shipped_prior():
    """Standing at ease is likelier than a split, and than a knee that bends forwards."""
    loss = MaxMixturePriorLoss(reduction="none")
    poses = torch.zeros(3, 69)
    poses[1, [0, 3]] = torch.tensor([-1.6, 1.6])
    poses[2, 9] = -1.5
    rest, split, broken = loss(poses).tolist()
    assert loss.dimension == 69
    assert rest + 10 < min(split, broken)


def test_a_prior_in_a_folder(tmp_path):
    np.savez(tmp_path / "gmm_02.npz", **MIXTURE)
    pose = torch.tensor([[1.0, 2.0]])
    assert torch.equal(MaxMixturePriorLoss(tmp_path, 2)(pose), MaxMixturePriorLoss(mixture=MIXTURE)(pose))


def test_the_pickle_of_smplify(tmp_path):
    """Written by Python 2.7, as `gmm_08.pkl`; here with two Gaussians over three values."""
    (tmp_path / "gmm_02.pkl").write_bytes(gzip.decompress((MODELS / "gmm_02.pkl.gz").read_bytes()))
    loss = MaxMixturePriorLoss(tmp_path, 2, reduction="none")
    means = np.random.RandomState(20).randint(-256, 257, (2, 3)) / 256  # as tests/data/models/made_bodies.py
    mixture = {"means": means, "covars": np.array([np.eye(3) / 4, np.diag([1.0, 0.5, 0.25])]), "weights": np.array([0.25, 0.75])}
    poses = torch.tensor([[0.0, 0.1, -0.2], [1.0, -1.0, 0.5]])
    assert torch.equal(loss(poses), MaxMixturePriorLoss(mixture=mixture, reduction="none")(poses))


def test_a_pickle_that_would_run_a_program(tmp_path):
    (tmp_path / "gmm_08.pkl").write_bytes(b"cos\nsystem\n(S'touch canary'\ntR.")
    with pytest.raises(PresetError, match=r"'gmm_08.pkl' asks for os.system, which no model file needs; it was not run."):
        MaxMixturePriorLoss(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["gmm_08.pkl"]


def test_the_npz_comes_before_the_pickle(tmp_path):
    np.savez(tmp_path / "gmm_02.npz", **MIXTURE)
    (tmp_path / "gmm_02.pkl").write_bytes(b"")
    assert MaxMixturePriorLoss(tmp_path, 2).dimension == 2


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("means", np.zeros(2), "float64 of shape (2,)"),
        ("means", np.full((2, 2), np.nan), "float64 of shape (2, 2)"),
        ("covars", np.zeros((2, 3, 3)), "float64 of shape (2, 3, 3)"),
        ("weights", np.ones(3), "float64 of shape (3,)"),
        ("weights", np.array(["a", "b"]), "<U1 of shape (2,)"),
    ],
)
def test_a_mixture_whose_arrays_disagree(tmp_path, key, value, found):
    np.savez(tmp_path / "gmm_02.npz", **(MIXTURE | {key: value}))
    with pytest.raises(PresetError) as raised:
        MaxMixturePriorLoss(tmp_path, 2)
    assert str(raised.value) == (
        f"{key} of the pose prior 'gmm_02.npz' is {found}, expected finite numbers. Give means (M, D), covars (M, D, D) and weights (M)."
    )


def test_the_prior_of_smpl_serves_bodies_without_its_two_hands():
    """What is left is the same Gaussian mixture as if it were given for 63 values."""
    rng = np.random.default_rng(0)
    roots = np.eye(69) + 0.1 * rng.normal(size=(2, 69, 69))
    full = {"means": rng.normal(size=(2, 69)), "covars": roots @ roots.transpose(0, 2, 1), "weights": np.array([0.3, 0.7])}
    without = {"means": full["means"][:, :63], "covars": full["covars"][:, :63, :63], "weights": full["weights"]}
    pose = torch.as_tensor(rng.normal(size=(5, 63)), dtype=torch.float32)
    expected = MaxMixturePriorLoss(mixture=without, reduction="none")(pose)
    torch.testing.assert_close(MaxMixturePriorLoss(mixture=full, reduction="none")(pose), expected)


@pytest.mark.parametrize("width", [62, 2])
def test_a_body_with_other_joints(width):
    with pytest.raises(PresetError) as raised:
        MaxMixturePriorLoss()(torch.zeros(1, width))
    assert str(raised.value) == (
        f"The pose prior is for 69 pose values, but the body has {width}. Use a prior trained for this body, or set pose_prior_weight to 0."
    )


def test_a_folder_of_another_machine(caplog):
    pose = torch.ones(1, 69)
    assert torch.equal(MaxMixturePriorLoss(prior_folder="xrmocap_data/body_models")(pose), MaxMixturePriorLoss()(pose))
    assert caplog.messages == ["There is no prior_folder 'xrmocap_data/body_models' here: the pose prior of this package is used."]


def test_sentences(tmp_path):
    with pytest.raises(PresetError, match=r"The pose prior has 8 Gaussians, not 4. Correct num_gaussians."):
        MaxMixturePriorLoss(num_gaussians=4)
    with pytest.raises(
        PresetError, match=r"There is neither 'gmm_08.npz' nor 'gmm_08.pkl' in '.*'. Correct prior_folder or num_gaussians."
    ):
        MaxMixturePriorLoss(prior_folder=tmp_path)
    np.savez(tmp_path / "gmm_08.npz", means=np.zeros(3))
    with pytest.raises(PresetError, match=r"The pose prior 'gmm_08.npz' lacks covars, weights."):
        MaxMixturePriorLoss(prior_folder=tmp_path)
    with pytest.raises(PresetError, match="use_merged = false, which is not supported"):
        MaxMixturePriorLoss(use_merged=False)
