"""Handlers of terms that need the parameters of the body alone."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..data.parameters import PARAMETERS
from ..errors import PresetError, did_you_mean
from ..losses import ShapeEstimateLoss, ShapePriorLoss
from .base import HANDLERS, UnobservedHandler
from .quadratic_terms import FrameTerm, QuadraticTerm, SharedTerm


class _PriorHandler(UnobservedHandler):
    """A loss of one parameter; arguments as `UnobservedHandler`."""

    parameter = ""

    def loss_arguments(self, **kwargs: Any) -> tuple[Tensor, ...]:
        """The parameter: a prior takes it first, whatever it calls it.

        Raises:
            PresetError: The body that is fitted does not have it.
        """
        if self.parameter not in kwargs:
            raise PresetError(
                f"{self.handler_key!r} is a prior of {self.parameter!r}, which this body does not have.",
                f"Remove it, or set {self.handler_key}_weight to 0.",
            )
        return (kwargs[self.parameter],)


@HANDLERS.register
class BetasPriorHandler(_PriorHandler):
    """A prior of the shape; arguments as `UnobservedHandler`."""

    parameter = "betas"

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "betas_prior",
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(prior_loss, handler_key, device, logger)


@HANDLERS.register
class ShapeEstimateHandler(_PriorHandler):
    """How far the shape is from what the limb lengths of the whole take say; arguments as `UnobservedHandler`."""

    parameter = "betas"

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "shape_estimate",
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(prior_loss, handler_key, device, logger)

    def loss_arguments(self, **kwargs: Any) -> tuple[Tensor, ...]:
        """The shape, and the estimate with the root of its precision."""
        return (*super().loss_arguments(**kwargs), *kwargs["shape_estimate"])

    def quadratic_term(self, factor: float, shape_estimate: tuple[Tensor, Tensor], **_: Any) -> QuadraticTerm | None:
        """The term as solvers know it; see `BaseHandler.quadratic_term`."""
        if type(self.loss) is not ShapeEstimateLoss:
            return None
        estimate, root = shape_estimate
        return SharedTerm(self.parameter, estimate[0], root * factor**0.5)


@HANDLERS.register
class BodyPosePriorHandler(_PriorHandler):
    """A prior of the body pose; arguments as `UnobservedHandler`."""

    parameter = "body_pose"

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "body_pose_prior",
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(prior_loss, handler_key, device, logger)


@HANDLERS.register
class ParameterPriorHandler(_PriorHandler):
    """A prior of any one parameter of the body: of the jaw, of a hand, of the expression.

    Args:
        prior_loss: The loss or its config.
        parameter: Name of the parameter: "jaw_pose", "left_hand_pose", "expression", ...
        handler_key: Key of the term; the name of the parameter with "_prior" by default.
        device: See `BaseHandler`.
        logger: See `BaseHandler`.

    Raises:
        PresetError: No body has such a parameter.
    """

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        parameter: str,
        handler_key: str = "",
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(prior_loss, handler_key or f"{parameter}_prior", device, logger)
        known = {name for names in PARAMETERS.values() for name in names}
        if parameter not in known:
            raise PresetError(f"{self.handler_key!r} is a prior of {parameter!r}, which no body has.", did_you_mean(parameter, known))
        self.parameter = parameter

    def quadratic_term(self, factor: float, **_: Any) -> QuadraticTerm | None:
        """The term as solvers know it; see `BaseHandler.quadratic_term`."""
        return FrameTerm(self.parameter, factor**0.5) if type(self.loss) is ShapePriorLoss else None


@HANDLERS.register
class JointMotionHandler(UnobservedHandler):
    """A loss of the motion of the skeleton's joints and keypoints; arguments as `UnobservedHandler`."""

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "joint_motion",
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(prior_loss, handler_key, device, logger)

    def loss_arguments(self, **kwargs: Any) -> tuple[Tensor]:
        """The keypoints of the body, in its own convention."""
        return (kwargs["model_joints"],)
