"""Losses: what a fit makes small. One file for each family; each loss is residuals, where it is a sum of squares."""

from .base import LOSSES, Loss
from .keypoints import KeypointMSELoss
from .limbs import LimbLengthLoss
from .mixture import MaxMixturePriorLoss
from .motion import JointAccelerationLoss
from .pose import JointPriorLoss, PoseRegLoss, SmoothJointLoss
from .shape import ShapePriorLoss

__all__ = [
    "LOSSES",
    "JointAccelerationLoss",
    "JointPriorLoss",
    "KeypointMSELoss",
    "LimbLengthLoss",
    "Loss",
    "MaxMixturePriorLoss",
    "PoseRegLoss",
    "ShapePriorLoss",
    "SmoothJointLoss",
]
