"""Losses of the motion of the whole body through space."""

import torch
from torch import Tensor

from ..errors import PresetError
from .base import LOSSES, Loss, Reduction, geman_mcclure


@LOSSES.register
class JointAccelerationLoss(Loss):
    """Robust squares of the acceleration of joints in space: takes out jitter, the root's too, and leaves even motion alone.

    Args:
        reduction: "mean" divides by the number of coordinates.
        loss_weight: Factor of the loss.
        sigma: Where the robust function (Geman-McClure) bends, in metres per squared frame: a blow or a cut is no jitter.
            None takes the plain square.
    """

    frame_reach = 1

    def __init__(self, reduction: Reduction = "mean", loss_weight: float = 1.0, sigma: float | None = None) -> None:
        super().__init__(reduction, loss_weight)
        if sigma is not None and not sigma > 0:
            raise PresetError(f"JointAccelerationLoss has sigma = {sigma!r}, expected a number above 0, or null.", "Correct the value.")
        self.sigma = sigma

    def residuals(self, joints: Tensor) -> Tensor:
        """(F, 3 K) second differences in metres per squared frame; 0 for the first and the last frame.

        Args:
            joints: (F, K, 3) metres.
        """
        points = joints.flatten(1)
        if len(points) < 3:
            return 0 * points  # no acceleration yet, but still a function of the joints
        edge = torch.zeros_like(points[:1])
        acceleration = points[2:] - 2 * points[1:-1] + points[:-2]
        if self.sigma is not None:
            acceleration = geman_mcclure(acceleration, self.sigma)
        return torch.cat([edge, acceleration, edge])
