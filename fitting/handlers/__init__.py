"""Handlers and inputs: the terms of a fit, by `handler_key`."""

from .base import HANDLERS, BaseHandler, BaseInput, build_handler, build_loss
from .depth import DepthPriorHandler, DepthPriorInput
from .keypoints import Keypoint3dLimbLenHandler, Keypoint3dLimbLenInput, Keypoint3dMSEHandler, Keypoint3dMSEInput
from .multiview import MultiviewKeypoint2dMSEHandler, MultiviewKeypoint2dMSEInput
from .priors import BetasPriorHandler, BodyPosePriorHandler, JointMotionHandler, ParameterPriorHandler, ShapeEstimateHandler
from .rotations import JointToleranceHandler, RootAccelerationHandler, RotationAccelerationHandler
from .surface import MeshHandler, PointCloudHandler
from .surface_inputs import MeshInput, PointCloudInput

__all__ = [
    "HANDLERS",
    "BaseHandler",
    "BaseInput",
    "BetasPriorHandler",
    "BodyPosePriorHandler",
    "DepthPriorHandler",
    "DepthPriorInput",
    "JointMotionHandler",
    "JointToleranceHandler",
    "Keypoint3dLimbLenHandler",
    "Keypoint3dLimbLenInput",
    "Keypoint3dMSEHandler",
    "Keypoint3dMSEInput",
    "MeshHandler",
    "MeshInput",
    "MultiviewKeypoint2dMSEHandler",
    "MultiviewKeypoint2dMSEInput",
    "ParameterPriorHandler",
    "PointCloudHandler",
    "PointCloudInput",
    "RootAccelerationHandler",
    "RotationAccelerationHandler",
    "ShapeEstimateHandler",
    "build_handler",
    "build_loss",
]
