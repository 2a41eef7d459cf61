"""What inputs and handlers of observed keypoints share: which points count, and those of the body in the same convention."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..data.conventions import Convention, conversion_matrix, get_convention
from ..errors import FittingError, did_you_mean
from .base import BaseHandler, build_loss
from .conversion import ConversionCache, KeypointConversion


class MatchedKeypointHandler(BaseHandler):
    """A loss between keypoints of the body and those observed.

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
        handler_key: str,
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
        self._conversions = ConversionCache(keypoint_approximate)

    def check_convention(self, convention: Convention, model_convention: str) -> None:
        """Refuses keypoints of which the body has none at all: nothing would be fitted.

        Raises:
            FittingError: No keypoint in common.
        """
        approximate = self._conversions.approximate
        if not conversion_matrix(model_convention, convention, approximate=approximate, derive=approximate).any():
            raise FittingError(
                f"The body has none of the keypoints of {convention.name!r} by the same name ({', '.join(convention.names[:3])}, ...).",
                "The keypoints have other names than the body's."
                if approximate
                else f"Write keypoint_approximate = true for the handler {self.handler_key!r}.",
            )

    def matched(
        self, convention: Convention, model_joints: Tensor, model_joints_convention: str, model_joints_weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The body's (F, K, 3) keypoints in a convention, and their (K,) weights: 0 for those that the body lacks."""
        convert, weights = self._matching(convention, model_joints_convention, model_joints, model_joints_weights)
        return convert(model_joints), weights

    def matching(self, convention: Convention, model_joints_convention: str, model_joints_weights: Tensor) -> tuple[Tensor, Tensor]:
        """(K, K_body) the keypoints of a convention as weighted sums of the body's, and their (K,) weights."""
        convert, weights = self._matching(convention, model_joints_convention, model_joints_weights, model_joints_weights)
        return convert.matrix, weights

    def _matching(
        self, convention: Convention, model_joints_convention: str, like: Tensor, model_joints_weights: Tensor | None
    ) -> tuple[KeypointConversion, Tensor]:
        convert = self._conversions.get(model_joints_convention, convention, like)
        weights = convert.known
        if model_joints_weights is not None:
            weights = weights * (convert.matrix @ model_joints_weights)
        if self.keypoint_weights:
            weights = weights * weights.new_tensor([self.keypoint_weights.get(name, 1.0) for name in convention.names])
        return convert, weights


def observed_only(name: str, keypoints: Tensor, confidence: Tensor, handler_key: str) -> tuple[Tensor, Tensor]:
    """Keypoints (..., D) and their confidence (...), both 0 where a point is not finite or has no confidence.

    Args:
        name: What the keypoints are called, for the error.
        keypoints: (..., D) coordinates.
        confidence: (...) from 0.
        handler_key: Key of the input, for the error.

    Raises:
        FittingError: No point is observed.
    """
    observed = keypoints.isfinite().all(-1) & confidence.isfinite() & (confidence > 0)
    if not observed.any():
        raise FittingError(
            f"No point of {name} for {handler_key!r} is observed: none is finite with a confidence above 0.", "Check the keypoints."
        )
    # Not a number times zero is not a number: unobserved points are made finite before any loss sees them.
    return torch.where(observed[..., None], keypoints, 0.0), torch.where(observed, confidence.to(keypoints.dtype), 0.0)
