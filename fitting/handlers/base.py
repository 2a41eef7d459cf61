"""Handlers bring the parameters of the body and an input together for a loss; inputs hold what was observed."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import FittingError
from ..losses import LOSSES, Loss
from ..registry import Registry
from .quadratic_terms import QuadraticTerm

HANDLERS: Registry[Any] = Registry("handler")
"""Handlers and inputs by class name; a new one is added with `@HANDLERS.register`."""


class BaseInput:
    """What was observed, for the handler of the same key.

    Args:
        handler_key: Key of the handler that takes this input.
    """

    def __init__(self, handler_key: str) -> None:
        self.handler_key = handler_key

    def get_batch_size(self) -> int:
        """Number of frames F."""
        raise NotImplementedError(f"{type(self).__name__} needs get_batch_size().")

    def initial_keypoints3d(self) -> tuple[Tensor, Tensor, Any] | None:
        """Keypoints (F, K, 3) in space, metres, their confidence (F, K) and convention, for a fit to begin with; None where it has none."""
        return None

    def only(self, frames: Tensor) -> "BaseInput | None":
        """The same input for some frames (N,), or None where it cannot be cut: a stage on some frames then takes all of them."""
        return None

    def no_better_than(self, noise: float) -> "BaseInput":
        """The same input, of which nothing counts as more exact than a standard deviation in metres; where it knows of any."""
        return self

    def displaced_by(self, mismatch: Tensor) -> "BaseInput":
        """The same input, whose (K,) keypoints may be so many metres from where the body has them; where it knows of any."""
        return self

    def noise_beside(self, other: Any) -> float:
        """How many times as much noise as in another input of the same keypoints is usual here; 1 where none is known."""
        return 1.0

    def to(self, device: torch.device) -> "BaseInput":
        """Moves all tensors to a device, in place; gives the input itself."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))
        return self


class BaseHandler:
    """One term of the objective.

    A subclass that uses a `Loss` writes `loss_arguments`; any other writes `__call__`.

    Args:
        handler_key: Name of the term in stages and reports; it takes the input of the same key.
        device: Accepted from XRMoCap's configs; the registrant moves the handler to its own device.
        logger: Logger or its name.
    """

    def __init__(
        self,
        handler_key: str = "base_handler",
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        self.handler_key = handler_key
        self.device = device
        self.logger = logger if isinstance(logger, logging.Logger) else logging.getLogger(logger or "fitting")
        self.loss: nn.Module | None = None

    def requires_input(self) -> bool:
        """Whether the handler is used only with an input of its key."""
        return True

    def requires_verts(self) -> bool:
        """Whether the handler needs the vertices of the body."""
        return False

    def get_loss_weight(self) -> float:
        """Weight of the loss where a stage gives none."""
        return 0.0 if self.loss is None else float(getattr(self.loss, "loss_weight", 1.0))

    def check_input(self, related_input: Any, model_convention: str) -> None:
        """Raises FittingError for an input that this handler cannot use; called once, before a fit.

        Args:
            related_input: The input of the same key.
            model_convention: Convention of the body's keypoints.
        """

    def loss_arguments(self, *args: Any, **kwargs: Any) -> Mapping[str, Any] | tuple[Any, ...]:
        """Arguments of the loss, by name or in their order, from the keyword arguments of `__call__`."""
        raise NotImplementedError(f"{type(self).__name__} needs loss_arguments() or __call__().")

    def __call__(
        self,
        loss_weight_override: float | None = None,
        reduction_override: str | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Value of the term.

        Args:
            loss_weight_override: Weight of this call.
            reduction_override: Reduction of this call.
            kwargs: `related_input`, `model_vertices` (F, V, 3), `model_joints` (F, K, 3), `model_joints_convention`,
                `model_joints_weights` (K,), and each parameter of the body by its name.
        """
        loss = self._require_loss()
        overrides = {"loss_weight_override": loss_weight_override, "reduction_override": reduction_override}
        positional, named = self._arguments(kwargs)
        value: Tensor = loss(*positional, **named, **overrides)
        return value

    def residuals(
        self,
        loss_weight_override: float | None = None,
        reduction_override: str | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """(F, R) residuals whose squares add up to the value of the term.

        Raises:
            FittingError: The loss of this handler is no sum of squares.
        """
        loss = self._require_loss()
        if not isinstance(loss, Loss) or not loss.has_residuals:
            raise FittingError(
                f"The loss {type(loss).__name__} of {self.handler_key!r} is no sum of squares.", "Use LBFGS or Adam with it."
            )
        positional, named = self._arguments(kwargs)
        residuals = loss.residuals(*positional, **named)
        weight = loss.loss_weight if loss_weight_override is None else loss_weight_override
        count = loss.elements(residuals).numel() if (reduction_override or loss.reduction) == "mean" else 1
        scaled: Tensor = residuals.flatten(1) * (weight / count) ** 0.5
        return scaled

    def frame_reach(self) -> int:
        """How many frames before and after its own a row of `residuals` depends on."""
        return int(getattr(self.loss, "frame_reach", 0))

    def quadratic_term(self, *args: Any, **kwargs: Any) -> QuadraticTerm | None:
        """The term in a form that solvers know by heart, or None: then its derivatives come from its residuals.

        Args:
            args: Not used.
            kwargs: `factor`, what the sum of squares is multiplied with; and all of `__call__` but parameters, keypoints and vertices.
        """
        return None

    def to(self, device: torch.device) -> "BaseHandler":
        """Moves the loss to a device; gives the handler itself."""
        self.device = device
        if self.loss is not None:
            self.loss.to(device)
        return self

    def _arguments(self, kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """The arguments of the loss in their order, and by name."""
        arguments = self.loss_arguments(**kwargs)
        return (arguments, {}) if isinstance(arguments, tuple) else ((), arguments)

    def _require_loss(self) -> nn.Module:
        if self.loss is None:
            raise NotImplementedError(f"{type(self).__name__} has no loss: set self.loss, or write __call__().")
        return self.loss


class UnobservedHandler(BaseHandler):
    """A loss of the body alone, which needs no input.

    Args:
        prior_loss: The loss or its config.
        handler_key: Key of the term.
        device: See `BaseHandler`.
        logger: See `BaseHandler`.
    """

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        handler_key: str,
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(handler_key, device, logger)
        self.loss = build_loss(prior_loss)

    def requires_input(self) -> bool:
        """Whether the handler is used only with an input of its key: never."""
        return False


def build_loss(config: Mapping[str, Any] | nn.Module) -> nn.Module:
    """A loss from its config, such as `dict(type="KeypointMSELoss", sigma=100)`; a module is handed back as it is.

    Raises:
        PresetError: Unknown type, unknown or missing argument.
        TypeError: Neither a config nor a module.
    """
    if not isinstance(config, Mapping | nn.Module):
        raise TypeError(f"The loss is a {type(config).__name__}, expected a config (dict) or a torch module.")
    return LOSSES.build(config)


def build_handler(config: Mapping[str, Any] | BaseHandler | BaseInput, **defaults: Any) -> Any:
    """A handler or an input from its config; an object is handed back as it is.

    Args:
        config: `type` (a name or the class itself) and the arguments of the constructor.
        defaults: Arguments that are used where the config lacks them and the constructor knows them.

    Raises:
        PresetError: Unknown type, unknown or missing argument.
        TypeError: Neither a config nor a handler or an input.
    """
    if not isinstance(config, Mapping | BaseHandler | BaseInput):
        raise TypeError(f"The handler is a {type(config).__name__}, expected a config (dict), a BaseHandler or a BaseInput.")
    return HANDLERS.build(config, **defaults)
