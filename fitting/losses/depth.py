"""Loss of the distance from a camera, which one view alone does not tell."""

import torch
from torch import Tensor

from .base import LOSSES, Loss


@LOSSES.register
class DepthPriorLoss(Loss):
    """How far the body is from where it should be along the axis of a camera, in standard deviations."""

    def residuals(self, depth: Tensor, prior: Tensor, sigma: Tensor) -> Tensor:
        """(F, 1) residuals; 0 in frames without a prior.

        Args:
            depth: (F,) metres from the camera.
            prior: (F,) metres expected, NaN in frames where nothing is.
            sigma: (F,) standard deviation, metres.
        """
        known = prior.isfinite()
        return torch.where(known, (depth - torch.where(known, prior, 0.0)) / sigma, 0.0)[:, None]
