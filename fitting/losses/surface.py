"""Losses between surfaces."""

from torch import Tensor

from ..errors import PresetError
from .base import LOSSES, Loss, Reduction


@LOSSES.register
class PointDistanceLoss(Loss):
    """Robust distance between points of the body and points observed (Geman-McClure): small distances count as their square.

    A frame counts as the mean over its points, so that a dense scan weighs as much as a sparse one.

    Args:
        reduction: "sum" adds frames up, "mean" takes their mean, "none" gives one number for each frame.
        loss_weight: Factor of the loss.
        sigma: Where the robust function bends, metres: a point much further away than this is an outlier.
    """

    def __init__(self, reduction: Reduction = "mean", loss_weight: float = 1.0, sigma: float = 0.05) -> None:
        super().__init__(reduction, loss_weight)
        if not sigma > 0:
            raise PresetError(f"PointDistanceLoss has sigma = {sigma!r}, expected a number above 0.", "Correct the value.")
        self.sigma = sigma

    def residuals(self, pred: Tensor, target: Tensor, weight: Tensor | None = None, normals: Tensor | None = None) -> Tensor:
        """(F, N, 3) residuals, or (F, N, 1) along the normals.

        Args:
            pred: (F, N, 3) points of the body, metres.
            target: (F, N, 3) observed points, metres; where the weight is 0, any finite value.
            weight: (F, N) share of each point in its frame, of sum 1; 1 / N by default.
            normals: (F, N, 3) unit vectors: only the distance along them counts, so that a surface may slide along the other.
        """
        error = pred - target
        if normals is not None:
            error = (error * normals).sum(-1, keepdim=True)
        # Geman-McClure of the length of the vector, not of each coordinate: an outlier is one in all directions.
        robust = error * (1 + (error / self.sigma).square().sum(-1, keepdim=True)).rsqrt()
        return robust * (error.shape[1] ** -0.5 if weight is None else weight.sqrt()[..., None])

    def elements(self, squares: Tensor) -> Tensor:
        """(F,) one element for each frame: the sum over its points, whose shares add up to 1."""
        return squares.flatten(1).sum(1)
