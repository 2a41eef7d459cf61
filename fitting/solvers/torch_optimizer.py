"""Any optimizer of `torch.optim`: LBFGS, Adam, ..."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import FittingError, PresetError, did_you_mean
from .objective import Objective

IterationCallback = Callable[[int, float, Mapping[str, float]], None]
"""Called after each outer iteration with its number from 1, the loss and its terms."""

OPTIMIZERS = {
    name: value
    for name, value in vars(torch.optim).items()
    if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
}


def relative_change(previous: float, current: float) -> float:
    """How much a loss has changed: relative above 1, absolute below, as XRMoCap."""
    return abs(previous - current) / max(abs(previous), abs(current), 1.0)


class TorchOptimizer:
    """Makes an objective small with an optimizer of PyTorch.

    Args:
        config: `type`, the name of a class in `torch.optim`, and its arguments; `scaled` (false) lets it work on tensors divided by
            their scales, so that one step changes the objective alike in all of them. LBFGS then needs far fewer steps.
        grad_clip: Largest norm of the gradient over all tensors, or None. With LBFGS it makes value and gradient
            disagree, which its line search feels; XRMoCap's default is 1.

    Raises:
        PresetError: Unknown type or argument.
    """

    def __init__(self, config: Mapping[str, Any], grad_clip: float | None = None) -> None:
        arguments = dict(config)
        name = arguments.pop("type", None)
        self.scaled = bool(arguments.pop("scaled", False))
        if name not in OPTIMIZERS:
            raise PresetError(f"There is no optimizer of type {name!r}.", did_you_mean(str(name), OPTIMIZERS))
        self.name = str(name)
        self.grad_clip = grad_clip
        self._class = OPTIMIZERS[self.name]
        self._arguments = arguments
        self._new([torch.zeros(1, requires_grad=True)])  # a wrong argument shows now, not after the first stage

    def minimise(
        self, objective: Objective, n_iter: int, ftol: float = 1e-4, on_iteration: IterationCallback | None = None
    ) -> tuple[int, float]:
        """Changes the free tensors of the objective in place.

        Args:
            objective: What is made small.
            n_iter: Largest number of outer iterations; one of LBFGS has up to `max_iter` steps of its own.
            ftol: Stops when the relative change of the loss is below; 0 never stops.
            on_iteration: Called after each iteration; what it raises ends the run.

        Returns:
            Iterations done, and the last loss.

        Raises:
            FittingError: The loss became not a number.
        """
        tensors = list(objective.free.values())
        scales = objective.scales() if self.scaled else {}
        scaled = {name: _Scaled(objective.free[name], scale) for name, scale in scales.items()}
        variables = [scaled[name].variable if name in scaled else tensor for name, tensor in objective.free.items()]
        optimizer = self._new(variables)
        terms: dict[str, Tensor] = {}

        def closure() -> float:
            for tensor in tensors:
                tensor.grad = None
            for item in scaled.values():
                item.to_tensor()
            loss, new_terms = objective.loss()
            if loss.requires_grad:  # terms of frozen parameters alone have no gradient
                loss.backward()  # type: ignore[no-untyped-call]
            if self.grad_clip is not None:
                torch.nn.utils.clip_grad_norm_(tensors, self.grad_clip)
            for item in scaled.values():
                item.take_gradient()
            if not terms:  # an optimizer gives back the loss of its first evaluation: these are the terms of the same
                terms.update(new_terms)
            return float(loss.detach())

        previous, current, done = float("nan"), float("nan"), 0
        for iteration in range(n_iter):
            terms.clear()
            current = optimizer.step(closure)
            if math.isnan(current):
                raise FittingError(
                    f"The loss became not a number; its terms: {', '.join(f'{key} {float(value):g}' for key, value in terms.items())}.",
                    "Lower the learning rate, or look for wrong values in the keypoints.",
                )
            done = iteration + 1
            if on_iteration is not None:
                on_iteration(done, current, {key: float(value) for key, value in terms.items()})
            if iteration > 0 and relative_change(previous, current) < ftol:
                break
            previous = current
        for item in scaled.values():
            item.to_tensor()
        return done, current

    def _new(self, tensors: list[Tensor]) -> torch.optim.Optimizer:
        try:
            return self._class(tensors, **self._arguments)
        except (TypeError, ValueError) as error:
            raise PresetError(
                f"The optimizer {self.name} does not accept {self._arguments} ({error}).", "Correct its arguments."
            ) from error


class _Scaled:
    """A variable that stands for a tensor divided by its scale."""

    def __init__(self, tensor: Tensor, scale: Tensor) -> None:
        self.tensor = tensor
        self.scale = scale
        self.variable = (tensor.detach() / scale).requires_grad_()

    def to_tensor(self) -> None:
        self.tensor.data = self.variable.detach() * self.scale

    def take_gradient(self) -> None:
        if self.tensor.grad is not None:
            self.variable.grad = self.tensor.grad * self.scale
