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
