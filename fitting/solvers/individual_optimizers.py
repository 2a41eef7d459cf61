"""An optimizer of its own for each parameter."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import PresetError, did_you_mean
from .objective import Objective
from .torch_optimizer import IterationCallback, Steps, TorchOptimizer, iterate

DEFAULT = "default_optimizer"


class IndividualOptimizers:
    """Makes an objective small with several optimizers that step in turn.

    Args:
        config: `individual_optimizer`; for each parameter that has an optimizer of its own `{parameter}_optimizer`, with `type` and
            arguments; `default_optimizer` for all others.
        grad_clip: Largest norm of the gradient over all tensors, or None.
        parameters: Names of all parameters.
        terms_of: The terms that the optimizer of a parameter makes small; all terms for a parameter that is left out.

    Raises:
        PresetError: Unknown key, type or argument.
    """

    def __init__(
        self, config: Mapping[str, Any], grad_clip: float | None, parameters: Sequence[str], terms_of: Mapping[str, Sequence[str]]
    ) -> None:
        names = {f"{name}_optimizer": name for name in parameters}
        known = ("individual_optimizer", DEFAULT, *names)
        for key, value in config.items():
            if key not in known:
                raise PresetError(f"optimizer has an unknown key {key!r} beside individual_optimizer.", did_you_mean(key, known))
            if key != "individual_optimizer" and not isinstance(value, Mapping):
                raise PresetError(f"optimizer has {key} = {value!r}, expected {{...}} with a 'type'.", "Correct the value.")
        self._own = {names[key]: TorchOptimizer(value, grad_clip) for key, value in config.items() if key in names}
        self._default = TorchOptimizer(config[DEFAULT], grad_clip) if DEFAULT in config else None
        self._terms_of = terms_of

    def minimise(
        self, objective: Objective, n_iter: int, ftol: float = 1e-4, on_iteration: IterationCallback | None = None
    ) -> tuple[int, float]:
        """Changes the free tensors of the objective in place; see `TorchOptimizer.minimise`.

        Raises:
            PresetError: A free parameter has no optimizer.
        """
        others = [name for name in objective.free if name not in self._own]
        if others and self._default is None:
            raise PresetError(f"No optimizer is given for {', '.join(others)}.", f"Add {others[0]}_optimizer, or {DEFAULT}.")
        steps = [Steps(solver, objective, [name], self._terms_of.get(name)) for name, solver in self._own.items() if name in objective.free]
        if others and self._default is not None:
            steps.append(Steps(self._default, objective, others))
        return iterate(steps, n_iter, ftol, on_iteration)
