import pytest
import torch

from fitting.errors import PresetError
from fitting.handlers import build_loss
from fitting.losses import PointDistanceLoss

SIGMA = 0.1


@pytest.fixture
def points():
    generator = torch.Generator().manual_seed(0)
    weight = torch.rand(3, 20, generator=generator)
    return {
        "pred": 0.1 * torch.randn(3, 20, 3, generator=generator),
        "target": 0.1 * torch.randn(3, 20, 3, generator=generator),
        "weight": weight / weight.sum(1, keepdim=True),
        "normals": torch.nn.functional.normalize(torch.randn(3, 20, 3, generator=generator), dim=-1),
    }


def robust(squares):
    return SIGMA**2 * squares / (SIGMA**2 + squares)


def test_a_frame_is_the_mean_of_the_robust_squares_of_its_distances(points):
    del points["weight"], points["normals"]
    found = PointDistanceLoss("none", sigma=SIGMA)(**points)
    expected = robust((points["pred"] - points["target"]).square().sum(-1)).mean(1)
    torch.testing.assert_close(found, expected)


def test_weights_are_shares_of_the_frame(points):
    del points["normals"]
    found = PointDistanceLoss("none", sigma=SIGMA)(**points)
    expected = (points["weight"] * robust((points["pred"] - points["target"]).square().sum(-1))).sum(1)
    torch.testing.assert_close(found, expected)


def test_with_normals_only_the_distance_along_them_counts(points):
    found = PointDistanceLoss("none", sigma=SIGMA)(**points)
    along = ((points["pred"] - points["target"]) * points["normals"]).sum(-1)
    torch.testing.assert_close(found, (points["weight"] * robust(along.square())).sum(1))


@pytest.mark.parametrize(("reduction", "expected"), [("sum", 3 * 2 * 0.01), ("mean", 2 * 0.01), ("none", [2 * 0.01] * 3)])
@pytest.mark.parametrize("n_points", [1, 50])
def test_neither_density_nor_coordinates_enter_the_value(reduction, expected, n_points):
    """Each point is 0.1 m off; the sigma is too large to matter."""
    pred = torch.tensor([0.0, 0.1, 0.0]).expand(3, n_points, 3)
    loss = build_loss({"type": "PointDistanceLoss", "reduction": reduction, "loss_weight": 2.0, "sigma": 1e3})
    torch.testing.assert_close(loss(pred, torch.zeros_like(pred)), torch.tensor(expected))


@pytest.mark.parametrize("distance", [10.0, 1e4])
def test_an_outlier_is_bounded_and_hardly_pulls(distance):
    pred = torch.tensor([[[distance, 0.0, 0.0]]], requires_grad=True)
    value = PointDistanceLoss(sigma=SIGMA)(pred, torch.zeros(1, 1, 3))
    value.backward()
    assert value.item() == pytest.approx(SIGMA**2, rel=1e-3)
    assert pred.grad.abs().max() < 1e-4


def test_points_without_weight_reach_neither_value_nor_gradient(points):
    points["weight"][:, 5:] = 0
    points["pred"].requires_grad_()
    loss = PointDistanceLoss("sum", sigma=SIGMA)
    value = loss(**points)
    value.backward()
    assert torch.equal(points["pred"].grad[:, 5:], torch.zeros(3, 15, 3))
    assert (points["pred"].grad[:, :5] != 0).any(-1).all()
    points["target"][:, 5:] = 1e6
    assert torch.equal(loss(**points), value)


@pytest.mark.parametrize("sigma", [0, -1.0, float("nan")])
def test_sigma_is_above_zero(sigma):
    with pytest.raises(PresetError, match=r"PointDistanceLoss has sigma = .*, expected a number above 0"):
        PointDistanceLoss(sigma=sigma)
