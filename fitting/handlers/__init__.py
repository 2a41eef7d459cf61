"""Handlers and inputs: the terms of a fit, by `handler_key`."""

from .base import HANDLERS, BaseHandler, BaseInput, build_handler, build_loss
from .keypoints import Keypoint3dLimbLenHandler, Keypoint3dLimbLenInput, Keypoint3dMSEHandler, Keypoint3dMSEInput
from .priors import BetasPriorHandler, BodyPosePriorHandler, JointMotionHandler

__all__ = [
    "HANDLERS",
    "BaseHandler",
    "BaseInput",
    "BetasPriorHandler",
    "BodyPosePriorHandler",
    "JointMotionHandler",
    "Keypoint3dLimbLenHandler",
    "Keypoint3dLimbLenInput",
    "Keypoint3dMSEHandler",
    "Keypoint3dMSEInput",
    "build_handler",
    "build_loss",
]
