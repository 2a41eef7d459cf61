"""Priors of hands and face: which way joints may turn, and how far."""

import pytest
import torch

from fitting.data.bodies import JOINT_NAMES, load_default_body
from fitting.errors import PresetError
from fitting.losses import AxisPriorLoss, HandPosePriorLoss

FINGERS = [name.removeprefix("left_") for name in JOINT_NAMES["smplh"][22:37]]
SIDES = ("left", "right")


def cost(side, joint, turn):
    pose = torch.zeros(1, 15, 3)
    pose[0, FINGERS.index(joint)] = torch.tensor(turn)
    return HandPosePriorLoss(side, reduction="sum")(pose.flatten(1)).item()


def mirrored(turn):
    x, y, z = turn
    return (x, -y, -z)


@pytest.mark.parametrize(("side", "sign"), [("left", -1.0), ("right", 1.0)])
def test_a_finger_curls_but_does_not_bend_backwards(side, sign):
    for joint in ("index1", "middle2", "ring3", "pinky1"):
        assert cost(side, joint, (0, 0, 0.9 * sign)) < 3 < cost(side, joint, (0, 0, -0.9 * sign))
    assert cost(side, "thumb1", (0, 0, 0.6)) == pytest.approx(cost(side, "thumb1", (0, 0, -0.6)))


def test_a_finger_spreads_at_its_root_only_and_hardly_twists():
    spread = (0, 0.25, 0)
    assert cost("left", "index1", spread) < 2
    assert cost("left", "index2", spread) > 20
    assert cost("left", "index1", (0.25, 0, 0)) > 20


@pytest.mark.parametrize("joint", ["index1", "pinky2", "thumb1", "thumb3"])
@pytest.mark.parametrize("turn", [(0.1, 0.2, -0.3), (-0.2, 0.1, 1.0)])
def test_the_right_hand_is_the_mirror_image(joint, turn):
    assert cost("left", joint, turn) == pytest.approx(cost("right", joint, mirrored(turn)), rel=1e-5)


def test_the_body_curls_that_way():
    """The relaxed hand of the body is bent about the same axis, in the same sense."""
    for sign, mean in zip((-1, 1), load_default_body(model_type="smplh").hand_mean, strict=True):
        assert (sign * mean.reshape(15, 3)[:12, 2] > 0.1).all()


def test_components_are_refused():
    with pytest.raises(PresetError, match=r"for hand poses of 45 values, but the body has 6. Set use_pca to false"):
        HandPosePriorLoss("left")(torch.zeros(1, 6))
    with pytest.raises(PresetError, match=r"side = 'lft'. Known: 'left', 'right'"):
        HandPosePriorLoss("lft")


def test_axes_of_some_joints():
    loss = AxisPriorLoss([0.5, 0.1, 1], reduction="none", joints=[1])
    pose = torch.tensor([[9.0, 9, 9, 1, 1, 1]])
    torch.testing.assert_close(loss(pose), torch.tensor([[4.0, 100, 1]]))
    assert AxisPriorLoss([1, 1, 1], reduction="none")(pose).shape == (1, 6)


@pytest.mark.parametrize("tolerance", [[1, 2], [1, 0, 1], [1, -1, 1]])
def test_tolerances(tolerance):
    with pytest.raises(PresetError, match="expected three angles above 0"):
        AxisPriorLoss(tolerance)
