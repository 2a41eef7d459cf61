"""Handler of the distance of the body from a camera."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..data.cameras import Camera
from ..data.conventions import get_convention
from ..errors import FittingError
from .base import HANDLERS, BaseHandler, BaseInput, build_loss
from .multiview import as_cameras
from .projection import Projection


@HANDLERS.register
class DepthPriorInput(BaseInput):
    """How far from a camera the pelvis is, as somebody measured or knows it.

    Args:
        cameras: The camera, or F cameras where it moves.
        depth: (F,) metres along the axis of the camera; NaN in frames where it is not known.
        sigma: Standard deviation in metres, one for all frames or (F,).
        handler_key: Key of the handler that takes this input.

    Raises:
        FittingError: Arrays that do not fit together, or a sigma that is not positive.
    """

    def __init__(
        self, cameras: Camera | Sequence[Camera], depth: Tensor, sigma: Tensor | float = 0.1, handler_key: str = "depth_prior"
    ) -> None:
        super().__init__(handler_key)
        if depth.ndim != 1:
            raise FittingError(f"depth has shape {tuple(depth.shape)}, expected (frames,).", "Give one distance for each frame.")
        sigma = torch.as_tensor(sigma, dtype=depth.dtype)
        if sigma.ndim > 1 or sigma.numel() not in (1, len(depth)) or not (sigma > 0).all():
            raise FittingError(f"sigma is {sigma.tolist()}, expected metres above 0.", "Give one for all frames, or one for each.")
        self.depth = depth
        self.sigma = sigma.expand(len(depth)).clone()
        self.projection = Projection(as_cameras(cameras), 1, len(depth), depth.dtype)

    def get_batch_size(self) -> int:
        """Number of frames F."""
        return len(self.depth)

    def to(self, device: torch.device) -> "DepthPriorInput":
        """Moves all tensors to a device, in place; gives the input itself."""
        super().to(device)
        self.projection.to(device)
        return self


@HANDLERS.register
class DepthPriorHandler(BaseHandler):
    """Holds the pelvis at a distance from a camera, where one view alone leaves it open.

    Args:
        prior_loss: The loss or its config.
        handler_key: Key of the term.
        device: See `BaseHandler`.
        logger: See `BaseHandler`.
    """

    def __init__(
        self,
        prior_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "depth_prior",
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(handler_key, device, logger)
        self.loss = build_loss(prior_loss)

    def loss_arguments(
        self, related_input: DepthPriorInput, model_joints: Tensor, model_joints_convention: str, **_: Any
    ) -> dict[str, Tensor]:
        """Depth of the pelvis, what it should be, and how sure that is."""
        pelvis = get_convention(model_joints_convention).index("pelvis")
        depth = related_input.projection.depth(model_joints[:, pelvis : pelvis + 1])
        return {"depth": depth[:, 0, 0], "prior": related_input.depth, "sigma": related_input.sigma}
