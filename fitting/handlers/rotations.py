"""Handlers of losses of the joint rotations and of the way of the root."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..losses.rotation_terms import JointToleranceLoss, RootAccelerationLoss, RotationAccelerationLoss
from .base import HANDLERS, UnobservedHandler
from .quadratic_terms import QuadraticTerm, RootAccelerationTerm, RotationAccelerationTerm, RotationTerm


@HANDLERS.register
class JointToleranceHandler(UnobservedHandler):
    """How far joints are from where they usually are, the fingers and the face included; arguments as `UnobservedHandler`."""

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "joint_tolerance",
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(prior_loss, handler_key, device, logger)

    def loss_arguments(
        self, model_full_pose: Tensor, model_rest_pose: Tensor, model_joint_names: tuple[str, ...], **_: Any
    ) -> dict[str, Any]:
        """The pose, the rest pose and the names of the joints."""
        return {"full_pose": model_full_pose, "rest_pose": model_rest_pose, "joint_names": model_joint_names}

    def quadratic_term(self, factor: float, model_rest_pose: Tensor, model_joint_names: tuple[str, ...], **_: Any) -> QuadraticTerm | None:
        """The term as solvers know it; see `BaseHandler.quadratic_term`."""
        if type(self.loss) is not JointToleranceLoss:
            return None
        joints, usual, shares = self.loss.usual(model_rest_pose, model_joint_names)
        return RotationTerm(joints, usual, shares * factor**0.5)


@HANDLERS.register
class RotationAccelerationHandler(UnobservedHandler):
    """The angular acceleration of all joints; arguments as `UnobservedHandler`."""

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "rotation_acceleration",
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(prior_loss, handler_key, device, logger)

    def loss_arguments(
        self, model_full_pose: Tensor, model_joint_names: tuple[str, ...], fps: float, hurry: float = 1.0, **_: Any
    ) -> dict[str, Any]:
        """The pose, the names of the joints, the frame rate and how quick the motion is."""
        return {"full_pose": model_full_pose, "joint_names": model_joint_names, "fps": fps, "hurry": hurry}

    def quadratic_term(
        self, factor: float, model_rest_pose: Tensor, model_joint_names: tuple[str, ...], fps: float, hurry: float = 1.0, **_: Any
    ) -> QuadraticTerm | None:
        """The term as solvers know it; see `BaseHandler.quadratic_term`."""
        if type(self.loss) is not RotationAccelerationLoss:
            return None
        return RotationAccelerationTerm(self.loss.shares(model_rest_pose, model_joint_names, fps, hurry) * factor**0.5)


@HANDLERS.register
class RootAccelerationHandler(UnobservedHandler):
    """The acceleration of the body through space; arguments as `UnobservedHandler`."""

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "root_acceleration",
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(prior_loss, handler_key, device, logger)

    def loss_arguments(self, transl: Tensor, fps: float, hurry: float = 1.0, **_: Any) -> dict[str, Any]:
        """The translation, the frame rate and how quick the motion is."""
        return {"transl": transl, "fps": fps, "hurry": hurry}

    def quadratic_term(self, factor: float, fps: float, hurry: float = 1.0, **_: Any) -> QuadraticTerm | None:
        """The term as solvers know it; see `BaseHandler.quadratic_term`."""
        if type(self.loss) is not RootAccelerationLoss:
            return None
        return RootAccelerationTerm(self.loss.share(fps, hurry) * factor**0.5)
