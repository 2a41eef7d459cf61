"""What every loss promises: residuals, reductions, weights."""

import pytest
import torch

from fitting.errors import PresetError
from fitting.handlers import BaseHandler, build_loss
from fitting.losses import LOSSES, Loss, MaxMixturePriorLoss, SmoothJointLoss
from fitting.losses.base import geman_mcclure

N_FRAMES = 4
POSE = ("body_pose", (N_FRAMES, 69))
POINTS = {"pred": (N_FRAMES, 24, 3), "target": (N_FRAMES, 24, 3)}
CONFIDENCE = {"pred_conf": (N_FRAMES, 24), "target_conf": (N_FRAMES, 24)}

SUMS_OF_SQUARES = {
    "keypoints": ({"type": "KeypointMSELoss", "sigma": 0.3}, POINTS | CONFIDENCE | {"keypoint_weight": (24,)}, (N_FRAMES, 24, 3)),
    "keypoints, robust on the error": ({"type": "KeypointMSELoss", "sigma": 0.3, "robust_on": "error"}, POINTS, (N_FRAMES, 24, 3)),
    "limbs": ({"type": "LimbLengthLoss", "convention": "smpl"}, POINTS | CONFIDENCE, (N_FRAMES, 25)),
    "shape": ({"type": "ShapePriorLoss"}, {"betas": (N_FRAMES, 10)}, (N_FRAMES, 10)),
    "pose": ({"type": "PoseRegLoss"}, dict([POSE]), (N_FRAMES, 69)),
    "joint limits, hinges": ({"type": "JointPriorLoss"}, dict([POSE]), (N_FRAMES, 4)),
    "joint limits, body": ({"type": "JointPriorLoss", "use_full_body": True}, dict([POSE]), (N_FRAMES, 63)),
    "joint limits, all": (
        {"type": "JointPriorLoss", "use_full_body": True, "smooth_spine": True, "lock_foot": True, "lock_apose_spine": True},
        dict([POSE]),
        (N_FRAMES, 6 + 63 + 12 + 12),
    ),
    "smoothness": ({"type": "SmoothJointLoss", "loss_func": "L2"}, dict([POSE]), (N_FRAMES,)),
    "hand": ({"type": "HandPosePriorLoss", "side": "left"}, {"hand_pose": (N_FRAMES, 45)}, (N_FRAMES, 45 + 12)),
    "axes": ({"type": "AxisPriorLoss", "tolerance": [1, 2, 3], "joints": [0, 4]}, {"pose": (N_FRAMES, 69)}, (N_FRAMES, 6)),
    "surface": ({"type": "PointDistanceLoss", "sigma": 0.3}, POINTS, (N_FRAMES,)),
    "acceleration": ({"type": "JointAccelerationLoss"}, {"joints": (N_FRAMES, 45, 3)}, (N_FRAMES, 135)),
    "acceleration, robust": ({"type": "JointAccelerationLoss", "sigma": 0.5}, {"joints": (N_FRAMES, 45, 3)}, (N_FRAMES, 135)),
}
OTHERS = {
    "mixture": ({"type": "MaxMixturePriorLoss"}, dict([POSE]), (N_FRAMES,)),
    "smoothness, absolute": ({"type": "SmoothJointLoss", "loss_func": "L1"}, dict([POSE]), (N_FRAMES,)),
}
ALL = SUMS_OF_SQUARES | OTHERS


def case(name, **options):
    config, shapes, shape = ALL[name]
    generator = torch.Generator().manual_seed(3)
    arguments = {
        key: torch.rand(size, generator=generator) if key.endswith(("conf", "weight")) else 0.6 * torch.randn(size, generator=generator)
        for key, size in shapes.items()
    }
    return build_loss({**config, **options}), arguments, shape


class Handler(BaseHandler):
    """Gives the loss what it is given."""

    def __init__(self, loss):
        super().__init__("term")
        self.loss = loss

    def loss_arguments(self, **kwargs):
        return kwargs


@pytest.mark.parametrize("name", ALL)
def test_reductions(name):
    loss, arguments, shape = case(name, reduction="none", loss_weight=2.0)
    elements = loss(**arguments)
    assert elements.shape == shape
    assert (elements != 0).any()
    assert torch.equal(loss(**arguments, reduction_override="mean"), elements.mean())
    assert torch.equal(loss(**arguments, reduction_override="sum"), elements.sum())
    assert torch.equal(case(name, reduction="sum", loss_weight=2.0)[0](**arguments), elements.sum())
    assert torch.equal(case(name, reduction="mean", loss_weight=2.0)[0](**arguments, reduction_override="none"), elements)


@pytest.mark.parametrize("name", ALL)
def test_mean_is_the_default(name):
    loss, arguments, _ = case(name)
    assert (loss.reduction, loss.loss_weight) == ("mean", 1.0)
    assert torch.equal(loss(**arguments), loss(**arguments, reduction_override="none").mean())


@pytest.mark.parametrize("name", ALL)
def test_weights(name):
    loss, arguments, _ = case(name, loss_weight=3.0)
    plain = case(name)[0](**arguments)
    torch.testing.assert_close(loss(**arguments), 3 * plain)
    torch.testing.assert_close(loss(**arguments, loss_weight_override=0.5), 0.5 * plain)
    assert loss(**arguments, loss_weight_override=0.0) == 0
    torch.testing.assert_close(loss(**arguments), 3 * plain, msg="an override holds for one call")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weight", [None, 0.25])
@pytest.mark.parametrize("name", SUMS_OF_SQUARES)
def test_squared_residuals_add_up_to_the_value(name, weight, reduction):
    """One definition for LBFGS and Adam (`forward`) and for solvers of least squares (`residuals`)."""
    loss, arguments, _ = case(name, loss_weight=3.0)
    handler = Handler(loss)
    residuals = handler.residuals(loss_weight_override=weight, reduction_override=reduction, **arguments)
    value = handler(loss_weight_override=weight, reduction_override=reduction, **arguments).sum()
    assert loss.has_residuals
    assert residuals.shape[0] == N_FRAMES
    assert residuals.ndim == 2
    torch.testing.assert_close(residuals.square().sum(), value)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_sum_of_squares_has_no_residuals(name):
    assert not case(name)[0].has_residuals


@pytest.mark.parametrize("name", ALL)
def test_gradients_at_zero_are_finite(name):
    loss, arguments, _ = case(name)
    zeros = {key: torch.zeros_like(value, requires_grad=not key.endswith(("conf", "weight"))) for key, value in arguments.items()}
    loss(**zeros).backward()
    assert all(value.grad is None or value.grad.isfinite().all() for value in zeros.values())


@pytest.mark.parametrize("name", ALL)
def test_one_frame(name):
    loss, arguments, _ = case(name)
    first = {key: value[:1].clone().requires_grad_() if value.ndim > 1 else value for key, value in arguments.items()}
    value = loss(**first)
    assert value.isfinite()
    value.backward()


@pytest.mark.parametrize("type_", list(LOSSES))
def test_every_loss_says_which_reductions_there_are(type_):
    needed = {"LimbLengthLoss": {"convention": "smpl"}, "HandPosePriorLoss": {"side": "left"}, "AxisPriorLoss": {"tolerance": [1, 1, 1]}}
    arguments = needed.get(type_, {})
    with pytest.raises(PresetError, match=r"reduction is 'median', expected 'mean', 'sum' or 'none'"):
        build_loss({"type": type_, "reduction": "median", **arguments})


def test_a_wrong_override_is_an_error():
    loss, arguments, _ = case("pose")
    with pytest.raises(PresetError, match="reduction is 'max'"):
        loss(**arguments, reduction_override="max")


def test_a_loss_of_one_method():
    """A new loss is one class: residuals; weights and reductions come with it."""

    class Cube(Loss):
        def residuals(self, values):
            return values**3

    values = torch.tensor([[1.0, 2.0]])
    assert Cube(reduction="sum", loss_weight=0.5)(values) == 0.5 * (1 + 64)
    assert Cube().has_residuals
    assert not Loss().has_residuals
    with pytest.raises(NotImplementedError, match="Loss is no sum of squares: it has no residuals"):
        Loss()(values)


@pytest.mark.parametrize(("value", "squared"), [(0.0, 0.0), (0.1, 0.01 / 1.0025), (2.0, 2.0), (-2.0, 2.0), (1e6, 4.0)])
def test_geman_mcclure(value, squared):
    """With s = 2: s^2 v^2 / (s^2 + v^2)."""
    residual = geman_mcclure(torch.tensor(value), 2.0).item()
    assert residual**2 == pytest.approx(squared, rel=1e-5)
    assert residual * value >= 0


def test_mixture_and_absolute_smoothness_are_refused_as_residuals():
    for loss in (MaxMixturePriorLoss(), SmoothJointLoss(loss_func="L1")):
        with pytest.raises(ValueError, match=rf"The loss {type(loss).__name__} of 'term' is no sum of squares. Use LBFGS or Adam with it."):
            Handler(loss).residuals(body_pose=torch.zeros(2, 69))
