import math

import numpy as np
import pytest
import torch

from fitting.errors import PresetError
from fitting.losses import MaxMixturePriorLoss

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
    with pytest.raises(PresetError, match=r"There is no file '.*gmm_08.npz'"):
        MaxMixturePriorLoss(prior_folder=tmp_path)
    np.savez(tmp_path / "gmm_08.npz", means=np.zeros(3))
    with pytest.raises(PresetError, match=r"The pose prior 'gmm_08.npz' lacks covars, weights."):
        MaxMixturePriorLoss(prior_folder=tmp_path)
    with pytest.raises(PresetError, match="use_merged = false, which is not supported"):
        MaxMixturePriorLoss(use_merged=False)
