"""Any optimizer of `torch.optim`: LBFGS, Adam, ..."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
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
        config: `type`, a class of `torch.optim` or its name, and its arguments; `scaled` (false) lets it work on tensors divided by
            their scales, so that one step changes the objective alike in all of them. LBFGS then needs far fewer steps.
        grad_clip: Largest norm of the gradient over all tensors, or None. With LBFGS it makes value and gradient
            disagree, which its line search feels; XRMoCap's default is 1.

    Raises:
        PresetError: Unknown type or argument.
    """

    def __init__(self, config: Mapping[str, Any], grad_clip: float | None = None) -> None:
        arguments = dict(config)
        type_ = arguments.pop("type", None)
        self.scaled = bool(arguments.pop("scaled", False))
        if isinstance(type_, type) and issubclass(type_, torch.optim.Optimizer):
            self._class = type_
        elif type_ in OPTIMIZERS:
            self._class = OPTIMIZERS[type_]
        else:
            raise PresetError(f"There is no optimizer of type {type_!r}.", did_you_mean(str(type_), OPTIMIZERS))
        self.name = self._class.__name__
        self.grad_clip = grad_clip
        self._arguments = arguments
        self.new([torch.zeros(1, requires_grad=True)])  # a wrong argument shows now, not after the first stage

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
        return iterate([Steps(self, objective)], n_iter, ftol, on_iteration)

    def new(self, tensors: list[Tensor]) -> torch.optim.Optimizer:
        """A fresh optimizer of some tensors.

        Raises:
            PresetError: It does not take its arguments.
        """
        try:
            return self._class(tensors, **self._arguments)
        except (TypeError, ValueError) as error:
            raise PresetError(
                f"The optimizer {self.name} does not accept {self._arguments} ({error}).", "Correct its arguments."
            ) from error


class Steps:
    """The steps of one optimizer on an objective.

    Args:
        solver: The optimizer and its arguments.
        objective: What is made small.
        names: The free tensors that are changed; all by default.
        terms: The terms of the objective that are made small; all by default.
    """

    def __init__(
        self, solver: TorchOptimizer, objective: Objective, names: Sequence[str] | None = None, terms: Collection[str] | None = None
    ) -> None:
        free = objective.free
        self.names = list(free) if names is None else list(names)
        self._objective, self._terms, self._clip = objective, terms, solver.grad_clip
        self._all = list(free.values())
        scales = objective.scales() if solver.scaled else {}
        self._scaled = {name: _Scaled(free[name], scales[name]) for name in self.names if name in scales}
        self._optimizer = solver.new([self._scaled[name].variable if name in self._scaled else free[name] for name in self.names])

    def step(self) -> tuple[float, dict[str, float]]:
        """One step; gives the loss of the whole objective as it was before, and each of its terms."""
        first: dict[str, Tensor] = {}

        def closure() -> float:
            for tensor in self._all:
                tensor.grad = None
            for item in self._scaled.values():
                item.to_tensor()
            loss, terms = self._objective.loss(self._terms)
            if loss.requires_grad:  # terms of frozen parameters alone have no gradient
                loss.backward()  # type: ignore[no-untyped-call]
            if self._clip is not None:
                torch.nn.utils.clip_grad_norm_(self._all, self._clip)
            for item in self._scaled.values():
                item.take_gradient()
            if not first:  # an optimizer gives back the loss of its first evaluation: these are the terms of the same
                first.update(terms)
            return float(loss.detach())

        loss = float(self._optimizer.step(closure))
        for item in self._scaled.values():
            item.to_tensor()
        terms = {key: float(value) for key, value in first.items()}
        return loss if self._terms is None else sum(terms.values()), terms


def iterate(steps: Sequence[Steps], n_iter: int, ftol: float, on_iteration: IterationCallback | None) -> tuple[int, float]:
    """Lets optimizers step in turn, until the loss changes little; see `TorchOptimizer.minimise`."""
    previous, current, done = float("nan"), float("nan"), 0
    for iteration in range(n_iter):
        for step in steps:
            current, terms = step.step()
        if math.isnan(current):
            raise FittingError(
                f"The loss became not a number; its terms: {', '.join(f'{key} {value:g}' for key, value in terms.items())}.",
                "Lower the learning rate, or look for wrong values in the keypoints.",
            )
        done = iteration + 1
        if on_iteration is not None:
            on_iteration(done, current, terms)
        if iteration > 0 and relative_change(previous, current) < ftol:
            break
        previous = current
    return done, current


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
