"""Priors of the shape."""

from torch import Tensor

from .base import LOSSES, Loss


@LOSSES.register
class ShapePriorLoss(Loss):
    """Squares of the shape values: draws the body to the mean shape."""

    def residuals(self, betas: Tensor) -> Tensor:
        """(F, S) shape values as they are.

        Args:
            betas: (F, S) shape values.
        """
        return betas


@LOSSES.register
class ShapeEstimateLoss(Loss):
    """How far the shape is from what the limb lengths of the whole take say, as a share of how well they say it."""

    def residuals(self, betas: Tensor, estimate: Tensor, root: Tensor) -> Tensor:
        """(F, S) differences over their standard deviations; all frames together count as one observation.

        Args:
            betas: (F, S) shape values.
            estimate: (1, S) estimated shape values.
            root: (S, S) root of their precision.
        """
        shares: Tensor = (betas - estimate) @ root.mT / len(betas) ** 0.5
        return shares
