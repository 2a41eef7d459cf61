"""What a running fit tells about itself."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far a fit has come.

    Attributes:
        stage: Number of the running stage, counted from 0 over all epochs.
        n_stages: Number of stages over all epochs.
        iteration: Outer iterations of the stage that are done.
        n_iterations: Outer iterations that the stage may take.
        loss: Value of the objective.
        terms: Value of each term, by handler key.
        fraction: Estimate of the part of the whole fit that is done, 0 to 1.
    """

    stage: int
    n_stages: int
    iteration: int
    n_iterations: int
    loss: float
    terms: dict[str, float] = field(default_factory=dict)
    fraction: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, for JSON."""
        return asdict(self)


ProgressCallback = Callable[[Progress], None]
"""Called after each iteration; it stops the fit by raising `FitCancelled`."""
