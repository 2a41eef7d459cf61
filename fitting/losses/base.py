"""The residual contract: a loss gives residuals, and this class squares, weighs and reduces them."""

from typing import Any, Literal

from torch import Tensor, nn

from ..errors import PresetError
from ..registry import Registry

Reduction = Literal["mean", "sum", "none"]

LOSSES: Registry[nn.Module] = Registry("loss")
"""The losses by class name; a new one is added with `@LOSSES.register`."""


def check_reduction(reduction: str) -> None:
    """Raises PresetError unless `reduction` is "mean", "sum" or "none"."""
    if reduction not in ("mean", "sum", "none"):
        raise PresetError(f"reduction is {reduction!r}, expected 'mean', 'sum' or 'none'.", "Correct the value.")


class Loss(nn.Module):
    """A sum of squares, unless `forward` is written anew.

    A subclass writes `residuals`. One that is no sum of squares writes `forward` alone; it then works with LBFGS and Adam.

    Args:
        reduction: How elements become the value: their mean, their sum, or not at all.
        loss_weight: Factor of the loss.
    """

    frame_reach = 0
    """How many frames before and after its own a row of the residuals depends on; Levenberg-Marquardt needs to know."""

    def __init__(self, reduction: Reduction = "mean", loss_weight: float = 1.0) -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction
        self.loss_weight = loss_weight

    def residuals(self, *args: Any, **kwargs: Any) -> Tensor:
        """(F, ...) residuals before weight and reduction; the square of each is one element of the loss."""
        raise NotImplementedError(f"{type(self).__name__} is no sum of squares: it has no residuals.")

    @property
    def has_residuals(self) -> bool:
        """Whether the loss is a sum of squares."""
        return type(self).residuals is not Loss.residuals

    def forward(
        self,
        *args: Any,
        loss_weight_override: float | None = None,
        reduction_override: Reduction | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """The loss; arguments are those of `residuals`.

        Args:
            args: For `residuals`.
            loss_weight_override: Used for this call in place of `loss_weight`.
            reduction_override: Used for this call in place of `reduction`.
            kwargs: For `residuals`.
        """
        elements = self.elements(self.residuals(*args, **kwargs).square())
        return self.reduced(elements, loss_weight_override, reduction_override)

    def elements(self, squares: Tensor) -> Tensor:
        """The elements over which the mean is taken: the squares themselves, unless a loss groups them."""
        return squares

    def reduced(self, elements: Tensor, loss_weight: float | None, reduction: Reduction | None) -> Tensor:
        """Weighs and reduces the elements of the loss."""
        reduction = self.reduction if reduction is None else reduction
        check_reduction(reduction)
        weighted = elements * (self.loss_weight if loss_weight is None else loss_weight)
        if reduction == "mean":
            return weighted.mean()
        return weighted.sum() if reduction == "sum" else weighted


def geman_mcclure(values: Tensor, sigma: float) -> Tensor:
    """Residuals whose square is the robust function of Geman and McClure, s^2 v^2 / (s^2 + v^2): v^2 below sigma, at most s^2."""
    return values * (1 + (values / sigma).square()).rsqrt()
