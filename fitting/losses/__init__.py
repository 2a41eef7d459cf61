"""Losses: what a fit makes small. One file for each family; each loss is residuals, where it is a sum of squares."""

from .base import LOSSES, Loss
from .depth import DepthPriorLoss
from .hands import AxisPriorLoss, HandPosePriorLoss
from .keypoints import KeypointMSELoss
from .limbs import LimbLengthLoss
from .mixture import MaxMixturePriorLoss
from .motion import JointAccelerationLoss
from .pose import JointPriorLoss, PoseRegLoss, SmoothJointLoss
from .rotation_terms import JointToleranceLoss, RootAccelerationLoss, RotationAccelerationLoss
from .shape import ShapeEstimateLoss, ShapePriorLoss
from .surface import PointDistanceLoss

__all__ = [
    "LOSSES",
    "AxisPriorLoss",
    "DepthPriorLoss",
    "HandPosePriorLoss",
    "JointAccelerationLoss",
    "JointPriorLoss",
    "JointToleranceLoss",
    "KeypointMSELoss",
    "LimbLengthLoss",
    "Loss",
    "MaxMixturePriorLoss",
    "PointDistanceLoss",
    "PoseRegLoss",
    "RootAccelerationLoss",
    "RotationAccelerationLoss",
    "ShapeEstimateLoss",
    "ShapePriorLoss",
    "SmoothJointLoss",
]
