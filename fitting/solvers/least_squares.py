"""What Levenberg-Marquardt needs to know of a problem: sums of squares over frames, and how they change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor


@dataclass
class NormalEquations:
    """Half the gradient and the Gauss-Newton approximation of half the Hessian at one point; D unknowns of each frame, S shared ones.

    Attributes:
        hessian: (F, D, D) block of each frame.
        gradient: (F, D).
        coupling: For each distance n of frames, from 1, the (F - n, D, D) blocks of frame f (rows) and frame f + n (columns); empty where
            frames do not depend on each other.
        cross: (F, D, S) block of each frame and the shared unknowns, or None where nothing is shared.
        shared_hessian: (S, S), or None.
        shared_gradient: (S,), or None.
    """

    hessian: Tensor
    gradient: Tensor
    coupling: tuple[Tensor, ...] = ()
    cross: Tensor | None = None
    shared_hessian: Tensor | None = None
    shared_gradient: Tensor | None = None


class Evaluation(Protocol):
    """A sum of squares at one point."""

    @property
    def costs(self) -> Tensor:
        """(F,) share of each frame."""

    @property
    def terms(self) -> dict[str, Tensor]:
        """Each term by name, (F,)."""


class LeastSquares(Protocol):
    """A sum of squares over frames. Points are opaque to the solver: it gets evaluations and hands them back."""

    @property
    def n_frames(self) -> int:
        """Number of frames F."""

    @property
    def couples_frames(self) -> bool:
        """Whether a step in one frame changes the cost of others."""

    @property
    def has_shared(self) -> bool:
        """Whether there are unknowns that all frames share."""

    def evaluate(self) -> Any:
        """The evaluation at the present point."""

    def normal_equations(self, evaluation: Any) -> NormalEquations:
        """The normal equations at the point of an evaluation."""

    def moved(self, evaluation: Any, step: Tensor, shared_step: Tensor | None) -> Any:
        """The evaluation after a step (F, D) and (S,)."""

    def chosen(self, better: Tensor, trial: Any, current: Any) -> Any:
        """`trial` in the (F,) frames where it is better, else `current`."""

    def keep(self, evaluation: Any) -> None:
        """Makes the point of an evaluation the present one."""

    def can_be_cut(self) -> bool:
        """Whether `part` can be asked for."""

    def part(self, frames: Tensor | slice) -> "LeastSquares":
        """The same problem for some frames, from the present point."""

    def put_back(self, part: Any, frames: Tensor | slice, within: slice) -> None:
        """Takes over the point of a part for the frames that are `within` it."""

    def kernel(self) -> Any | None:
        """A compiled form of the whole problem for this device, with `minimise` as the solver's own; None where there is none."""


def total(costs: Tensor | Sequence[Tensor]) -> float:
    """The sum of the costs, in double precision where the device has it: long takes add up many small numbers."""
    costs = costs if isinstance(costs, Tensor) else sum(costs[1:], start=costs[0])
    return float(costs.double().sum() if costs.device.type != "mps" else costs.sum())
