"""What a solver needs to know of a problem."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor


class Objective(Protocol):
    """A function of some tensors that is to be made small."""

    @property
    def free(self) -> Mapping[str, Tensor]:
        """The tensors that may change, by name; leaves that require gradients."""

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """The value at the present tensors, and each of its terms by name."""

    def scales(self) -> Mapping[str, Tensor]:
        """For free tensors whose entries differ much in their effect: a change that matters, broadcast to the tensor."""
