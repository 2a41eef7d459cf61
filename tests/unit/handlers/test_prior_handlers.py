import logging

import pytest
import torch

from fitting.errors import PresetError
from fitting.handlers import BaseHandler, BetasPriorHandler, BodyPosePriorHandler, JointMotionHandler, ParameterPriorHandler, build_handler
from fitting.losses import JointAccelerationLoss, PoseRegLoss, ShapePriorLoss

ARGUMENTS = {
    "betas": torch.full((3, 10), 0.5),
    "body_pose": torch.full((3, 69), 0.1),
    "global_orient": torch.full((3, 3), 100.0),
    "model_joints": torch.tensor([0.0, 1.0, 4.0])[:, None, None].expand(3, 45, 3),
    "model_joints_weights": torch.zeros(45),
}


@pytest.mark.parametrize(
    ("handler_class", "loss", "key", "expected"),
    [
        (BetasPriorHandler, ShapePriorLoss(reduction="sum"), "betas_prior", 30 * 0.25),
        (BodyPosePriorHandler, PoseRegLoss(reduction="sum"), "body_pose_prior", 3 * 69 * 0.01),
        (JointMotionHandler, JointAccelerationLoss(reduction="sum"), "joint_motion", 135 * 4.0),
    ],
)
def test_each_gives_its_loss_one_parameter(handler_class, loss, key, expected):
    handler = handler_class(loss)
    assert (handler.handler_key, handler.requires_input(), handler.requires_verts()) == (key, False, False)
    assert handler(**ARGUMENTS).item() == pytest.approx(expected, rel=1e-5)
    assert handler(loss_weight_override=2.0, **ARGUMENTS).item() == pytest.approx(2 * expected, rel=1e-5)
    assert handler(reduction_override="none", **ARGUMENTS).sum().item() == pytest.approx(expected, rel=1e-5)
    assert handler.residuals(**ARGUMENTS).square().sum().item() == pytest.approx(expected, rel=1e-5)


def test_key_and_logger():
    assert BodyPosePriorHandler(PoseRegLoss(), "pose_reg", logger="mine").logger is logging.getLogger("mine")
    logger = logging.getLogger("other")
    handler = BodyPosePriorHandler(PoseRegLoss(), handler_key="pose_reg", logger=logger)
    assert (handler.handler_key, handler.logger) == ("pose_reg", logger)


def test_the_loss_follows_the_handler_to_its_device():
    handler = BodyPosePriorHandler({"type": "JointPriorLoss", "use_full_body": True})
    assert handler.to(torch.device("meta")) is handler
    assert handler.loss.lower.device.type == "meta"


def test_a_handler_without_a_loss_weighs_nothing():
    handler = BaseHandler()
    assert (handler.handler_key, handler.get_loss_weight(), handler.requires_input(), handler.requires_verts()) == (
        "base_handler",
        0,
        True,
        False,
    )
    with pytest.raises(NotImplementedError, match=r"BaseHandler has no loss: set self.loss, or write __call__"):
        handler()
    handler.loss = PoseRegLoss()
    with pytest.raises(NotImplementedError, match=r"BaseHandler needs loss_arguments\(\) or __call__\(\)"):
        handler()


@pytest.mark.parametrize(("parameter", "key"), [("jaw_pose", ""), ("expression", "face")])
def test_a_prior_of_any_parameter(parameter, key):
    handler = build_handler(
        {
            "type": "ParameterPriorHandler",
            "parameter": parameter,
            "handler_key": key,
            "prior_loss": {"type": "PoseRegLoss", "reduction": "sum"},
        }
    )
    assert handler.handler_key == (key or f"{parameter}_prior")
    assert handler(**ARGUMENTS, **{parameter: torch.full((3, 3), 2.0)}).item() == 36
    assert handler.residuals(**{parameter: torch.full((3, 3), 2.0)}).shape == (3, 3)
    with pytest.raises(PresetError, match=rf"prior of '{parameter}', which this body does not have"):
        handler(**ARGUMENTS)


def test_a_parameter_that_no_body_has():
    with pytest.raises(PresetError, match=r"prior of 'jaw_pos', which no body has. Did you mean 'jaw_pose'\?"):
        ParameterPriorHandler(PoseRegLoss(), "jaw_pos")


class Plain(torch.nn.Module):
    """A loss that knows nothing of this package, and calls its argument what it likes."""

    def forward(self, theta, loss_weight_override=None, reduction_override=None):
        return theta.abs().sum() * (1.0 if loss_weight_override is None else loss_weight_override)


def test_a_prior_takes_its_parameter_first():
    handler = BodyPosePriorHandler(Plain())
    assert handler.get_loss_weight() == 1
    assert handler(**ARGUMENTS).item() == pytest.approx(20.7)
    assert handler(loss_weight_override=2.0, **ARGUMENTS).item() == pytest.approx(41.4)
