import pytest
import torch

from fitting.errors import PresetError
from fitting.losses import JointAccelerationLoss


def path(*xs):
    joints = torch.zeros(len(xs), 2, 3)
    joints[:, 1, 0] = torch.tensor(xs)
    return joints


def test_second_differences_at_inner_frames():
    elements = JointAccelerationLoss(reduction="none")(path(0.0, 1.0, 4.0, 4.0)).reshape(4, 2, 3)
    assert elements[:, 1, 0].tolist() == [0, 4, 9, 0]
    assert elements.sum() == 13


def test_even_motion_costs_nothing():
    assert JointAccelerationLoss()(path(0.0, 0.5, 1.0, 1.5, 2.0)) == 0


def test_robust_form_bounds_a_blow():
    loss = JointAccelerationLoss(reduction="sum", sigma=0.5)
    assert loss(path(0.0, 0.0, 100.0)).item() == pytest.approx(0.25, rel=1e-3)
    assert loss(path(0.0, 0.0, 0.001)).item() == pytest.approx(1e-6, rel=1e-3)


@pytest.mark.parametrize("n_frames", [1, 2])
def test_too_few_frames_for_an_acceleration(n_frames):
    joints = torch.randn(n_frames, 2, 3).requires_grad_()
    value = JointAccelerationLoss(reduction="none")(joints)
    assert torch.equal(value, torch.zeros(n_frames, 6))
    value.sum().backward()
    assert torch.equal(joints.grad, torch.zeros_like(joints))


@pytest.mark.parametrize("sigma", [0, -0.1])
def test_wrong_sigma(sigma):
    with pytest.raises(PresetError, match=rf"JointAccelerationLoss has sigma = {sigma}, expected a number above 0, or null"):
        JointAccelerationLoss(sigma=sigma)
