"""Handlers of 3D keypoints and of the limb lengths between them."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..data.conventions import Convention, as_convention, conversion_matrix, get_convention
from ..errors import FittingError, did_you_mean
from .base import HANDLERS, BaseHandler, BaseInput, build_loss
from .conversion import KeypointConversion


class _Keypoint3dInput(BaseInput):
    """Keypoints of one person in space.

    Args:
        keypoints3d: (F, K, 3) metres; a point that is not finite counts as not observed.
        keypoints3d_convention: Name of their convention, or the convention itself.
        keypoints3d_conf: (F, K) confidence 0 to 1, ones by default.
        handler_key: Key of the handler that takes this input.
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
        observed = keypoints3d.isfinite().all(-1) & keypoints3d_conf.isfinite() & (keypoints3d_conf > 0)
        # Not a number times zero is not a number: unobserved points are made finite before any loss sees them.
        self.keypoints3d = torch.where(observed[..., None], keypoints3d, 0.0)
        self.keypoints3d_conf = torch.where(observed, keypoints3d_conf.to(keypoints3d.dtype), 0.0)
        self.keypoints3d_convention = convention

    def get_batch_size(self) -> int:
        """Number of frames F."""
        return len(self.keypoints3d)

    def initial_keypoints3d(self) -> tuple[Tensor, Tensor, Any]:
        """The keypoints themselves, their confidence and convention."""
        return self.keypoints3d, self.keypoints3d_conf, self.keypoints3d_convention


@HANDLERS.register
class Keypoint3dMSEInput(_Keypoint3dInput):
    """Keypoints that the body is drawn to; arguments as `_Keypoint3dInput`."""

    def __init__(
        self,
        keypoints3d: Tensor,
        keypoints3d_convention: Convention | str = "human_data",
        keypoints3d_conf: Tensor | None = None,
        handler_key: str = "keypoints3d_mse",
    ) -> None:
        super().__init__(keypoints3d, keypoints3d_convention, keypoints3d_conf, handler_key)


@HANDLERS.register
class Keypoint3dLimbLenInput(_Keypoint3dInput):
    """Keypoints whose limb lengths the body takes; arguments as `_Keypoint3dInput`."""

    def __init__(
        self,
        keypoints3d: Tensor,
        keypoints3d_convention: Convention | str = "human_data",
        keypoints3d_conf: Tensor | None = None,
        handler_key: str = "keypoints3d_limb_len",
    ) -> None:
        super().__init__(keypoints3d, keypoints3d_convention, keypoints3d_conf, handler_key)


class _ConversionCache:
    """The last conversion of a handler: it is the same for every evaluation of a fit."""

    def __init__(self, approximate: bool) -> None:
        self.approximate = approximate
        self._key: tuple[Any, ...] = ()
        self._conversion: KeypointConversion | None = None

    def get(self, source: Any, target: Any, like: Tensor) -> KeypointConversion:
        key = (source, target, like.dtype, like.device)
        if self._conversion is None or key != self._key:
            self._key, self._conversion = key, KeypointConversion(source, target, self.approximate, like)
        return self._conversion


@HANDLERS.register
class Keypoint3dMSEHandler(BaseHandler):
    """Distance between the keypoints of the body and those observed, compared in the convention of the observation.

    Args:
        mse_loss: The loss or its config.
        handler_key: Key of the term.
        keypoint_approximate: Keypoints of similar meaning (`neck` and `neck_openpose`) stand for each other, and
            those that are defined by others (the middle of the hips) are computed from them.
        keypoint_weights: Weight of single keypoints, by name; 1 for the others. For points that skeletons define differently.
        device: See `BaseHandler`.
        logger: See `BaseHandler`.
    """

    def __init__(
        self,
        mse_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "keypoints3d_mse",
        keypoint_approximate: bool = False,
        keypoint_weights: Mapping[str, float] | None = None,
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(handler_key, device, logger)
        self.loss = build_loss(mse_loss)
        self.keypoint_weights = dict(keypoint_weights or {})
        known = get_convention("human_data").names
        for name in self.keypoint_weights:
            if name not in known:
                raise FittingError(f"keypoint_weights of {handler_key!r} names {name!r}, which is no keypoint.", did_you_mean(name, known))
        self._conversions = _ConversionCache(keypoint_approximate)

    def check_input(self, related_input: Keypoint3dMSEInput, model_convention: str) -> None:
        """Refuses an input of which the body has no keypoint at all: nothing would be fitted.

        Raises:
            FittingError: No keypoint in common.
        """
        convention = related_input.keypoints3d_convention
        approximate = self._conversions.approximate
        if not conversion_matrix(model_convention, convention, approximate=approximate, derive=approximate).any():
            raise FittingError(
                f"The body has none of the keypoints of {convention.name!r} by the same name ({', '.join(convention.names[:3])}, ...).",
                "The keypoints have other names than the body's."
                if approximate
                else f"Write keypoint_approximate = true for the handler {self.handler_key!r}.",
            )

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
        convert = self._conversions.get(model_joints_convention, convention, model_joints)
        weights = convert.known
        if model_joints_weights is not None:
            weights = weights * (convert.matrix @ model_joints_weights)
        if self.keypoint_weights:
            weights = weights * weights.new_tensor([self.keypoint_weights.get(name, 1.0) for name in convention.names])
        return {
            "pred": convert(model_joints),
            "target": related_input.keypoints3d,
            "target_conf": related_input.keypoints3d_conf,
            "keypoint_weight": weights,
        }


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
        self._model_conversions = _ConversionCache(keypoint_approximate)
        self._input_conversions = _ConversionCache(keypoint_approximate)

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
