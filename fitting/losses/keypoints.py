"""Losses between keypoints."""

from typing import Literal

from torch import Tensor

from ..errors import PresetError
from .base import LOSSES, Loss, Reduction, geman_mcclure


@LOSSES.register
class KeypointMSELoss(Loss):
    """Robust distance of keypoints (Geman-McClure): small errors count as their square, large ones are bounded.

    Args:
        reduction: "mean" divides by the number of coordinates; confidence never enters the divisor.
        loss_weight: Factor of the loss.
        sigma: Where the robust function bends: in metres for "error" and "distance", in square metres for "squared_error".
        robust_on: What is made robust. "squared_error" as XRMoCap: below sigma the loss is the fourth power
            of the distance, so it stops short of good data. "error" is the textbook function of each coordinate: the square
            below sigma. "distance" is that of the whole distance, which does not depend on the axes.
    """

    def __init__(
        self,
        reduction: Reduction = "mean",
        loss_weight: float = 1.0,
        sigma: float = 1.0,
        robust_on: Literal["squared_error", "error", "distance"] = "squared_error",
    ) -> None:
        super().__init__(reduction, loss_weight)
        if not sigma > 0:
            raise PresetError(f"KeypointMSELoss has sigma = {sigma!r}, expected a number above 0.", "Correct the value.")
        if robust_on not in ("squared_error", "error", "distance"):
            raise PresetError(f"KeypointMSELoss has robust_on = {robust_on!r}.", "Known: 'squared_error', 'error', 'distance'.")
        self.sigma = sigma
        self.robust_on = robust_on

    def residuals(
        self,
        pred: Tensor,
        target: Tensor,
        pred_conf: Tensor | None = None,
        target_conf: Tensor | None = None,
        keypoint_weight: Tensor | None = None,
    ) -> Tensor:
        """(F, K, D) residuals.

        Args:
            pred: (F, K, D) keypoints of the body.
            target: (F, K, D) observed keypoints; where the confidence is 0, any finite value.
            pred_conf: (F, K) confidence of `pred`, ones by default.
            target_conf: (F, K) confidence of `target`, ones by default.
            keypoint_weight: (K,) weight of each keypoint, ones by default.
        """
        error = pred - target
        if self.robust_on == "distance":
            residuals = error * (1 + (error / self.sigma).square().sum(-1, keepdim=True)).rsqrt()
        else:
            residuals = geman_mcclure(error if self.robust_on == "error" else error.square(), self.sigma)
        for weight in (keypoint_weight, pred_conf, target_conf):
            if weight is not None:
                residuals = residuals * weight.sqrt()[..., None]
        return residuals
