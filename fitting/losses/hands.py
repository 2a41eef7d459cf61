"""Priors of the face and the hands: what joints there can do, and seldom do."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ..errors import PresetError
from .base import LOSSES, Loss, Reduction

N_FINGER_JOINTS = 15
"""Joints of a hand, from the palm outwards: three of the index, the middle, the little and the ring finger, then of the thumb."""

FINGER_KNUCKLE = (0.05, 0.2, 0.6)
FINGER_HINGE = (0.05, 0.05, 0.6)
THUMB_BASE = (0.4, 0.5, 0.5)
THUMB_HINGE = (0.1, 0.5, 0.3)
"""How far a joint usually turns about the axes of the T-pose, in radians: along the finger, spreading it, curling it. The thumb
lies across the other fingers, so that it curls about the second axis more than about the third."""

BACKWARDS = 0.5
"""Radians from the relaxed hand at which the curl of a finger is at the end of its way back."""


@LOSSES.register
class HandPosePriorLoss(Loss):
    """Draws a hand to the relaxed one: fingers curl freely, spread a little, hardly twist, and do not bend backwards.

    The angles are those from the relaxed hand (`flat_hand_mean` false), axis-angle of all finger joints.

    Args:
        side: "left" or "right".
        reduction: "mean" divides by frames and residuals.
        loss_weight: Factor of the loss.
    """

    tolerance: Tensor

    def __init__(self, side: Literal["left", "right"], reduction: Reduction = "mean", loss_weight: float = 1.0) -> None:
        super().__init__(reduction, loss_weight)
        if side not in ("left", "right"):
            raise PresetError(f"HandPosePriorLoss has side = {side!r}.", "Known: 'left', 'right'.")
        self.side = side
        # In the T-pose with the palm down, the fingers of the left hand curl about -z, those of the right hand about +z.
        self.curl = -1.0 if side == "left" else 1.0
        finger = (FINGER_KNUCKLE, FINGER_HINGE, FINGER_HINGE)
        self.register_buffer("tolerance", torch.tensor([*4 * finger, THUMB_BASE, THUMB_HINGE, THUMB_HINGE]))

    def residuals(self, hand_pose: Tensor) -> Tensor:
        """(F, 45 + 12) angles as shares of what is usual, then how far the four fingers are bent backwards.

        Args:
            hand_pose: (F, 45) axis-angle, radians.

        Raises:
            PresetError: Not the axis-angle of 15 joints.
        """
        if hand_pose.shape[1] != 3 * N_FINGER_JOINTS:
            raise PresetError(
                f"HandPosePriorLoss is for hand poses of {3 * N_FINGER_JOINTS} values, but the body has {hand_pose.shape[1]}.",
                "Set use_pca to false in body_model, or use PoseRegLoss, which takes components.",
            )
        angles = torch.unflatten(hand_pose, 1, (N_FINGER_JOINTS, 3))
        backwards = torch.expm1(5 * (-self.curl * angles[:, :12, 2] - BACKWARDS).clamp_min(0))
        return torch.cat([(angles / self.tolerance).flatten(1), backwards], 1)


@LOSSES.register
class AxisPriorLoss(Loss):
    """Squares of joint angles, each as a share of what is usual about its axis: a jaw opens, but hardly turns.

    Args:
        tolerance: What is usual about the three axes, radians.
        reduction: "mean" divides by frames and angles.
        loss_weight: Factor of the loss.
        joints: Places of single joints in the pose, from 0; all by default.
    """

    shares: Tensor

    def __init__(
        self,
        tolerance: Sequence[float],
        reduction: Reduction = "mean",
        loss_weight: float = 1.0,
        joints: Sequence[int] | None = None,
    ) -> None:
        super().__init__(reduction, loss_weight)
        if len(tolerance) != 3 or not all(value > 0 for value in tolerance):
            raise PresetError(f"AxisPriorLoss has tolerance = {tolerance!r}, expected three angles above 0.", "Correct the value.")
        self.joints = slice(None) if joints is None else list(joints)
        self.register_buffer("shares", 1 / torch.tensor([float(value) for value in tolerance]))

    def residuals(self, pose: Tensor) -> Tensor:
        """(F, 3 N) angles of N joints as shares of what is usual.

        Args:
            pose: (F, 3 J) axis-angle, radians.
        """
        return (torch.unflatten(pose, 1, (-1, 3))[:, self.joints] * self.shares).flatten(1)
