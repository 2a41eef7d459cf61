"""Handlers of 3D keypoints and of the limb lengths between them."""

import copy
import logging
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..data.conventions import Convention, as_convention
from ..errors import FittingError, PresetError
from ..losses import KeypointMSELoss
from .base import HANDLERS, BaseHandler, BaseInput, build_loss
from .conversion import ConversionCache
from .matched_keypoints import MatchedKeypointHandler, observed_only
from .quadratic_terms import PointTerm, QuadraticTerm

DEFAULT_NOISE = 0.004
"""Metres: what a keypoint is off, where nothing is known."""


class Keypoint3dInput(BaseInput):
    """Keypoints of one person in space.

    Args:
        keypoints3d: (F, K, 3) metres; a point that is not finite counts as not observed.
        keypoints3d_convention: Name of their convention, or the convention itself.
        keypoints3d_conf: (F, K) confidence 0 to 1, ones by default.
        handler_key: Key of the handler that takes this input.

    Attributes:
        keypoints3d_noise: (K,) standard deviation of each keypoint along an axis, metres, where it has been estimated.
    """

    def __init__(
        self,
        keypoints3d: Tensor,
        keypoints3d_convention: Convention | str = "human_data",
        keypoints3d_conf: Tensor | None = None,
        handler_key: str = "",
    ) -> None:
        super().__init__(handler_key)
        convention = as_convention(keypoints3d_convention)
        n_keypoints = len(convention.names)
        if keypoints3d.ndim != 3 or tuple(keypoints3d.shape[1:]) != (n_keypoints, 3):
            raise FittingError(
                f"keypoints3d has shape {tuple(keypoints3d.shape)}, expected (frames, {n_keypoints}, 3) for {convention.name!r}.",
                "Give the convention that the keypoints have.",
            )
        if keypoints3d_conf is None:
            keypoints3d_conf = keypoints3d.new_ones(keypoints3d.shape[:2])
        if keypoints3d_conf.shape != keypoints3d.shape[:2]:
            raise FittingError(
                f"keypoints3d_conf has shape {tuple(keypoints3d_conf.shape)}, expected {tuple(keypoints3d.shape[:2])} as the keypoints."
            )
        self.keypoints3d, self.keypoints3d_conf = observed_only("keypoints3d", keypoints3d, keypoints3d_conf, handler_key)
        self.keypoints3d_convention = convention
        self.keypoints3d_noise: Tensor | None = None

    def get_batch_size(self) -> int:
        """Number of frames F."""
        return len(self.keypoints3d)

    def only(self, frames: Tensor) -> "Keypoint3dInput":
        """The same keypoints of some frames (N,)."""
        part = copy.copy(self)
        part.keypoints3d, part.keypoints3d_conf = self.keypoints3d[frames], self.keypoints3d_conf[frames]
        return part

    def no_better_than(self, noise: float) -> "Keypoint3dInput":
        """The same keypoints, none of which counts as more exact than a standard deviation in metres."""
        twin = copy.copy(self)
        known = (
            self.keypoints3d.new_full(self.keypoints3d.shape[1:2], DEFAULT_NOISE)
            if self.keypoints3d_noise is None
            else self.keypoints3d_noise
        )
        twin.keypoints3d_noise = known.clamp_min(noise)
        return twin

    def displaced_by(self, mismatch: Tensor) -> "Keypoint3dInput":
        """The same keypoints, each of which may be so many metres from where the body has it; (K,), or none."""
        if len(mismatch) != self.keypoints3d.shape[1]:
            return self
        twin = self.no_better_than(0)
        assert twin.keypoints3d_noise is not None
        twin.keypoints3d_noise = torch.hypot(twin.keypoints3d_noise, mismatch.to(twin.keypoints3d_noise))
        return twin

    def noise_beside(self, other: "Keypoint3dInput") -> float:
        """How many times as much noise as in another input of the same keypoints is usual here; 1 where none is known."""
        if self.keypoints3d_noise is None or other.keypoints3d_noise is None:
            return 1.0
        seen = (self.keypoints3d_conf > 0).any(0)
        # That of the keypoints that are best off: the others would jitter if all were taken for as noisy as they are.
        return float((self.keypoints3d_noise / other.keypoints3d_noise)[seen].quantile(0.1))

    def initial_keypoints3d(self) -> tuple[Tensor, Tensor, Any]:
        """The keypoints themselves, their confidence and convention."""
        return self.keypoints3d, self.keypoints3d_conf, self.keypoints3d_convention


@HANDLERS.register
class Keypoint3dMSEInput(Keypoint3dInput):
    """Keypoints that the body is drawn to; arguments as `Keypoint3dInput`."""

    def __init__(
        self,
        keypoints3d: Tensor,
        keypoints3d_convention: Convention | str = "human_data",
        keypoints3d_conf: Tensor | None = None,
        handler_key: str = "keypoints3d_mse",
    ) -> None:
        super().__init__(keypoints3d, keypoints3d_convention, keypoints3d_conf, handler_key)


@HANDLERS.register
class Keypoint3dLimbLenInput(Keypoint3dInput):
    """Keypoints whose limb lengths the body takes; arguments as `Keypoint3dInput`."""

    def __init__(
        self,
        keypoints3d: Tensor,
        keypoints3d_convention: Convention | str = "human_data",
        keypoints3d_conf: Tensor | None = None,
        handler_key: str = "keypoints3d_limb_len",
    ) -> None:
        super().__init__(keypoints3d, keypoints3d_convention, keypoints3d_conf, handler_key)


@HANDLERS.register
class Keypoint3dMSEHandler(MatchedKeypointHandler):
    """Distance between the keypoints of the body and those observed, in the convention of the latter; see `MatchedKeypointHandler`.

    Args:
        mse_loss: As for `MatchedKeypointHandler`.
        handler_key: As for `MatchedKeypointHandler`.
        keypoint_approximate: As for `MatchedKeypointHandler`.
        keypoint_weights: As for `MatchedKeypointHandler`.
        noise: What a keypoint is usually off, in metres: distances count as shares of it, so that other terms need not know the layout.
            "estimated" takes that of the input, keypoint by keypoint, or 4 mm; None takes distances in metres.
        device: See `BaseHandler`.
        logger: See `BaseHandler`.

    Raises:
        PresetError: A wrong `noise`.
    """

    def __init__(
        self,
        mse_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "keypoints3d_mse",
        keypoint_approximate: bool = False,
        keypoint_weights: Mapping[str, float] | None = None,
        noise: float | Literal["estimated"] | None = None,
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(mse_loss, handler_key, keypoint_approximate, keypoint_weights, device, logger)
        is_number = isinstance(noise, int | float) and not isinstance(noise, bool)
        if not (noise is None or noise == "estimated" or (is_number and noise > 0)):
            raise PresetError(f"{handler_key!r} has noise = {noise!r}.", "Give metres above 0, 'estimated', or null.")
        self.noise = noise

    def check_input(self, related_input: Keypoint3dMSEInput, model_convention: str) -> None:
        """Refuses an input of which the body has no keypoint at all: nothing would be fitted.

        Raises:
            FittingError: No keypoint in common.
        """
        self.check_convention(related_input.keypoints3d_convention, model_convention)

    def loss_arguments(
        self,
        related_input: Keypoint3dMSEInput,
        model_joints: Tensor,
        model_joints_convention: str,
        model_joints_weights: Tensor | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """Both sides in the convention of the input; keypoints that the body lacks get no weight."""
        convention = related_input.keypoints3d_convention
        keypoints, weights = self.matched(convention, model_joints, model_joints_convention, model_joints_weights)
        weights = weights / self._variance(related_input)
        return {
            "pred": keypoints,
            "target": related_input.keypoints3d,
            "target_conf": related_input.keypoints3d_conf,
            "keypoint_weight": weights,
        }

    def quadratic_term(
        self,
        factor: float,
        related_input: Keypoint3dMSEInput,
        model_joints_convention: str,
        model_joints_weights: Tensor,
        **_: Any,
    ) -> QuadraticTerm | None:
        """The term as solvers know it; see `BaseHandler.quadratic_term`."""
        if type(self.loss) is not KeypointMSELoss or self.loss.robust_on != "distance":
            return None
        matrix, weights = self.matching(related_input.keypoints3d_convention, model_joints_convention, model_joints_weights)
        weight = factor * weights / self._variance(related_input) * related_input.keypoints3d_conf
        return PointTerm(matrix, related_input.keypoints3d, weight, self.loss.sigma)

    def _variance(self, related_input: Keypoint3dMSEInput) -> Tensor | float:
        """Square of what a keypoint is usually off, (K,) or one number."""
        if self.noise is None:
            return 1.0
        if self.noise == "estimated":
            estimated = related_input.keypoints3d_noise
            return DEFAULT_NOISE**2 if estimated is None else estimated.square()
        return float(self.noise) ** 2


@HANDLERS.register
class Keypoint3dLimbLenHandler(BaseHandler):
    """Difference of limb lengths, compared in the convention of the loss.

    Args:
        loss: The loss or its config.
        handler_key: Key of the term.
        keypoint_approximate: As for `Keypoint3dMSEHandler`.
        device: See `BaseHandler`.
        logger: See `BaseHandler`.
    """

    def __init__(
        self,
        loss: nn.Module | Mapping[str, Any],
        handler_key: str = "keypoints3d_limb_len",
        keypoint_approximate: bool = False,
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(handler_key, device, logger)
        self.loss = build_loss(loss)
        self._model_conversions = ConversionCache(keypoint_approximate)
        self._input_conversions = ConversionCache(keypoint_approximate)

    def loss_arguments(
        self, related_input: Keypoint3dLimbLenInput, model_joints: Tensor, model_joints_convention: str, **_: Any
    ) -> dict[str, Any]:
        """Both sides in the convention of the loss; part weights do not count."""
        convention = self._require_loss().convention
        from_model = self._model_conversions.get(model_joints_convention, convention, model_joints)
        from_input = self._input_conversions.get(related_input.keypoints3d_convention, convention, model_joints)
        return {
            "pred": from_model(model_joints),
            "target": from_input(related_input.keypoints3d),
            "pred_conf": from_model.known.expand(len(model_joints), -1),
            "target_conf": from_input.confidence(related_input.keypoints3d_conf),
        }
