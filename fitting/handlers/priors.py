"""Handlers of terms that need the parameters of the body alone."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .base import HANDLERS, BaseHandler, build_loss


class _PriorHandler(BaseHandler):
    """A loss of one parameter.

    Args:
        prior_loss: The loss or its config.
        handler_key: Key of the term.
        device: See `BaseHandler`.
        logger: See `BaseHandler`.
    """

    parameter = ""

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        handler_key: str,
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(handler_key, device, logger)
        self.loss = build_loss(prior_loss)

    def requires_input(self) -> bool:
        """Whether the handler is used only with an input of its key: never."""
        return False

    def loss_arguments(self, **kwargs: Any) -> dict[str, Tensor]:
        """The parameter under its own name."""
        return {self.parameter: kwargs[self.parameter]}


@HANDLERS.register
class BetasPriorHandler(_PriorHandler):
    """A prior of the shape; arguments as `_PriorHandler`."""

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
class BodyPosePriorHandler(_PriorHandler):
    """A prior of the body pose; arguments as `_PriorHandler`."""

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
class JointMotionHandler(_PriorHandler):
    """A loss of the motion of the skeleton's joints and keypoints; arguments as `_PriorHandler`."""

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "joint_motion",
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(prior_loss, handler_key, device, logger)

    def loss_arguments(self, **kwargs: Any) -> dict[str, Tensor]:
        """The keypoints of the body, in its own convention."""
        return {"joints": kwargs["model_joints"]}
