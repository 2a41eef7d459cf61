import pytest
import torch

from fitting.errors import PresetError
from fitting.losses import KeypointMSELoss

PRED = torch.tensor([[[0.3, 0.0, 0.0], [0.0, 0.0, 2.0]]])
TARGET = torch.zeros(1, 2, 3)


def test_robust_on_the_squared_error_as_xrmocap():
    """With s = 0.5 and e = 0.09: s^2 e^2 / (s^2 + e^2), the fourth power of a small distance."""
    elements = KeypointMSELoss(reduction="none", sigma=0.5)(PRED, TARGET)
    expected = torch.zeros(1, 2, 3)
    expected[0, 0, 0] = 0.25 * 0.09**2 / (0.25 + 0.09**2)
    expected[0, 1, 2] = 0.25 * 16 / (0.25 + 16)
    torch.testing.assert_close(elements, expected)


def test_robust_on_the_error():
    """With s = 0.5 and d = 0.3: s^2 d^2 / (s^2 + d^2), the square of a small distance."""
    elements = KeypointMSELoss(reduction="none", sigma=0.5, robust_on="error")(PRED, TARGET)
    expected = torch.zeros(1, 2, 3)
    expected[0, 0, 0] = 0.25 * 0.09 / (0.25 + 0.09)
    expected[0, 1, 2] = 0.25 * 4 / (0.25 + 4)
    torch.testing.assert_close(elements, expected)


@pytest.mark.parametrize(("robust_on", "power"), [("squared_error", 4), ("error", 2)])
def test_growth_of_small_errors(robust_on, power):
    loss = KeypointMSELoss(reduction="sum", sigma=100, robust_on=robust_on)
    small, double = (loss(torch.full((1, 1, 1), distance), torch.zeros(1, 1, 1)).item() for distance in (0.01, 0.02))
    assert small == pytest.approx(0.01**power, rel=1e-5)
    assert double / small == pytest.approx(2**power, rel=1e-4)


def test_confidence_and_weight_are_factors():
    generator = torch.Generator().manual_seed(0)
    pred, target = torch.randn(2, 5, 4, 3, generator=generator)
    pred_conf, target_conf = torch.rand(2, 5, 4, generator=generator)
    weight = torch.rand(4, generator=generator)
    loss = KeypointMSELoss(reduction="none", loss_weight=10.0)
    expected = loss(pred, target) * (pred_conf * target_conf * weight)[..., None]
    torch.testing.assert_close(loss(pred, target, pred_conf, target_conf, weight), expected)


def test_confidence_never_enters_the_divisor():
    loss = KeypointMSELoss(sigma=100, robust_on="error")
    confidence = torch.tensor([[1.0, 0.0]])
    assert loss(PRED, TARGET, target_conf=confidence).item() == pytest.approx(0.09 / 6, rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"sigma": 0}, "KeypointMSELoss has sigma = 0, expected a number above 0"),
        ({"sigma": -1.0}, "sigma = -1.0"),
        ({"sigma": float("nan")}, "sigma = nan"),
        ({"robust_on": "axes"}, "robust_on = 'axes'. Known: 'squared_error', 'error', 'distance'."),
    ],
)
def test_sentences(arguments, sentence):
    with pytest.raises(PresetError, match=sentence):
        KeypointMSELoss(**arguments)
