"""What a solver needs to know of a problem."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from torch import Tensor

from .least_squares import LeastSquares


class Objective(Protocol):
    """A function of some tensors that is to be made small."""

    @property
    def free(self) -> Mapping[str, Tensor]:
        """The tensors that may change, by name; leaves that require gradients."""

    def loss(self, only: Collection[str] | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The value at the present tensors, of all terms or of some `only`; and each of all terms by name, without gradients."""

    def scales(self) -> Mapping[str, Tensor]:
        """For free tensors whose entries differ much in their effect: a change that matters, broadcast to the tensor."""

    def least_squares(self) -> LeastSquares:
        """The function as a sum of squares; raises FittingError where a term is none."""

    def take(self, solved: Any) -> None:
        """Takes over the present point of what `least_squares` has given."""
