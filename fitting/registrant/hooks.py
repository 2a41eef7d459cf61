"""Hooks: what is called while a registrant works. They look on; a hook stops a fit by raising an exception."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import PresetError
from ..registry import Registry
from .least_squares.stage import StageLeastSquares
from .problem import Problem

EVENTS = ("before_optimize", "before_stage", "before_evaluate", "after_evaluate", "after_stage", "after_optimize")
"""What is told: a fit, a stage or an evaluation of the objective begins or ends."""

HOOKS: Registry[Any] = Registry("hook")
"""The hooks by class name; a new one is added with `@HOOKS.register`."""

Hook = Any
"""An object with methods of the names in `EVENTS`, or a callable `hook(event, registrant, **what)`."""


class SMPLifyBaseHook:
    """A hook that does nothing: a subclass writes the methods that it needs.

    All arguments but the registrant come by name. `input_list` are the inputs and `optim_param` the parameters by name, not to be
    changed; `stage_config` holds the keys of the stage, `epoch_idx` and `stage_idx`; `loss_dict` each term by its handler key and
    `total_loss`.
    """

    def before_optimize(self, registrant: Any, **what: Any) -> None:
        """A fit begins; `input_list`, `optim_param`."""

    def before_stage(self, registrant: Any, **what: Any) -> None:
        """A stage begins; `input_list`, `optim_param`, `stage_config`."""

    def before_evaluate(self, registrant: Any, **what: Any) -> None:
        """The objective is about to be evaluated; `input_list`, `optim_param`."""

    def after_evaluate(self, registrant: Any, **what: Any) -> None:
        """The objective has been evaluated; `input_list`, `optim_param`, `loss_dict`."""

    def after_stage(self, registrant: Any, **what: Any) -> None:
        """A stage has ended; `input_list`, `optim_param`, `stage_config`, `loss_dict`."""

    def after_optimize(self, registrant: Any, **what: Any) -> None:
        """A fit has ended; `input_list`, `optim_param`."""


@HOOKS.register
class SMPLifyVerboseHook(SMPLifyBaseHook):
    """Logs the losses of a registrant that is verbose: after each stage, or after each evaluation as well (`info_level` "step")."""

    def after_evaluate(self, registrant: Any, **what: Any) -> None:
        """Logs the losses of an evaluation."""
        if registrant.verbose and registrant.info_level == "step":
            registrant.logger.info(_listed(what["loss_dict"]))

    def after_stage(self, registrant: Any, **what: Any) -> None:
        """Logs the losses at the end of a stage."""
        if registrant.verbose:
            stage = what["stage_config"]
            registrant.logger.info("epoch %d, stage %d: %s", stage["epoch_idx"], stage["stage_idx"], _listed(what["loss_dict"]))


class HookList:
    """The hooks of a registrant, called in their order.

    Args:
        registrant: Handed to each hook.
        hooks: Hooks or their configs.

    Raises:
        PresetError: Something that is no hook, or an unknown type.
    """

    def __init__(self, registrant: Any, hooks: Sequence[Mapping[str, Any] | Hook]) -> None:
        self._registrant = registrant
        self._hooks: list[Hook] = []
        for hook in hooks:
            self.add(hook)

    def __contains__(self, hook_class: type) -> bool:
        return any(isinstance(hook, hook_class) for hook in self._hooks)

    def add(self, hook: Mapping[str, Any] | Hook) -> None:
        """Adds a hook behind the others."""
        built = HOOKS.build(hook)
        if not callable(built) and not any(callable(getattr(built, event, None)) for event in EVENTS):
            raise PresetError(
                f"A hook is a {type(built).__name__}, expected a callable, or an object with methods such as before_stage.",
                f"Its methods may be: {', '.join(EVENTS)}.",
            )
        self._hooks.append(built)

    def listeners(self, event: str) -> list[Callable[..., Any]]:
        """The functions that are called at an event."""
        found: list[Callable[..., Any]] = []
        for hook in self._hooks:
            method = getattr(hook, event, None)
            if callable(method):
                if getattr(type(hook), event, None) is not getattr(SMPLifyBaseHook, event):
                    found.append(method)
            elif callable(hook) and not any(hasattr(hook, other) for other in EVENTS):
                found.append(lambda registrant, hook=hook, **what: hook(event, registrant, **what))
        return found

    def call(self, event: str, **what: Any) -> None:
        """Tells all hooks of an event."""
        for listener in self.listeners(event):
            listener(self._registrant, **what)


class WatchedProblem:
    """An objective whose evaluations hooks are told of.

    Args:
        problem: The objective.
        hooks: Who is told.
        given: What they are told beside the losses: `input_list`, `optim_param`.
    """

    def __init__(self, problem: Problem, hooks: HookList, given: Mapping[str, Any]) -> None:
        self._problem, self._hooks, self._given = problem, hooks, given
        self._watched = bool(hooks.listeners("before_evaluate") or hooks.listeners("after_evaluate"))
        self.free = problem.free
        self.has_terms = bool(problem.terms)
        self.scales = problem.scales

    def loss(self, only: Collection[str] | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """As `Problem.loss`."""
        if not self._watched:
            return self._problem.loss(only)
        self._hooks.call("before_evaluate", **self._given)
        total, terms = self._problem.loss(only)
        self._hooks.call("after_evaluate", **self._given, loss_dict=_with_total(terms))
        return total, terms

    def least_squares(self) -> StageLeastSquares:
        """As `Problem.least_squares`; hooks of evaluations are told of each."""
        problem = self._problem.least_squares()
        if self._watched:
            problem.on_evaluation = self._evaluated
        return problem

    def take(self, solved: StageLeastSquares) -> None:
        """As `Problem.take`."""
        self._problem.take(solved)

    def _evaluated(self, terms: Mapping[str, Tensor] | None) -> None:
        """An evaluation is about to begin (None), or has ended with these terms, (F,) each."""
        if terms is None:
            self._hooks.call("before_evaluate", **self._given)
        else:
            self._hooks.call("after_evaluate", **self._given, loss_dict=_with_total({key: value.sum() for key, value in terms.items()}))

    def losses(self) -> dict[str, Tensor]:
        """Each term at the present parameters by its handler key, and `total_loss`."""
        with torch.no_grad():
            return _with_total(self.loss()[1])


def _with_total(terms: Mapping[str, Tensor]) -> dict[str, Any]:
    return {**terms, "total_loss": sum(terms.values())}


def _listed(losses: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {float(value):.6g}" for key, value in losses.items() if getattr(value, "ndim", 0) == 0)
