"""Handler of 2D keypoints, seen by one camera or by several."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ..data.cameras import Camera, triangulate
from ..data.cameras.single_view import place_keypoints
from ..data.conventions import Convention, as_convention
from ..errors import CameraError, FittingError
from .base import HANDLERS, BaseInput
from .matched_keypoints import MatchedKeypointHandler, observed_only
from .projection import Projection

JUMP = 0.3
"""Metres from the median of five frames: farther than a hand moves in two frames of a camera."""


@HANDLERS.register
class MultiviewKeypoint2dMSEInput(BaseInput):
    """Keypoints of one person in the pictures of V calibrated cameras; V may be 1.

    Args:
        cameras: V cameras that stand still, or F * V that move: the V of the first frame, then those of the second.
        keypoints2d: (F, V, K, 2) pixels, or (F, K, 2) of one camera; a point that is not finite counts as not observed.
        keypoints2d_convention: Name of their convention, or the convention itself.
        keypoints2d_conf: (F, V, K) confidence 0 to 1, ones by default; (F, K) for one camera.
        keypoints_weight: (K,) weight of each keypoint, ones by default. XRMoCap takes it and does not use it.
        handler_key: Key of the handler that takes this input.

    Raises:
        FittingError: Arrays that do not fit together.
    """

    def __init__(
        self,
        cameras: Camera | Sequence[Camera],
        keypoints2d: Tensor,
        keypoints2d_convention: Convention | str = "human_data",
        keypoints2d_conf: Tensor | None = None,
        keypoints_weight: Tensor | None = None,
        handler_key: str = "mview_keypoints2d_mse",
    ) -> None:
        super().__init__(handler_key)
        convention = as_convention(keypoints2d_convention)
        if keypoints2d.ndim == 3:
            keypoints2d = keypoints2d[:, None]
        n_keypoints = len(convention.names)
        if keypoints2d.ndim != 4 or tuple(keypoints2d.shape[2:]) != (n_keypoints, 2):
            raise FittingError(
                f"keypoints2d has shape {tuple(keypoints2d.shape)}, expected (frames, views, {n_keypoints}, 2) for {convention.name!r}.",
                "Give the convention that the keypoints have, and one camera for each view.",
            )
        n_frames, n_views = keypoints2d.shape[:2]
        if keypoints2d_conf is None:
            keypoints2d_conf = keypoints2d.new_ones(keypoints2d.shape[:3])
        elif keypoints2d_conf.ndim == 2:
            keypoints2d_conf = keypoints2d_conf[:, None]
        if keypoints2d_conf.shape != keypoints2d.shape[:3]:
            raise FittingError(
                f"keypoints2d_conf has shape {tuple(keypoints2d_conf.shape)}, expected {tuple(keypoints2d.shape[:3])} as the keypoints."
            )
        if keypoints_weight is not None and keypoints_weight.shape != (n_keypoints,):
            raise FittingError(f"keypoints_weight has shape {tuple(keypoints_weight.shape)}, expected ({n_keypoints},).")
        self.cameras = as_cameras(cameras)
        self.projection = Projection(self.cameras, n_views, n_frames, keypoints2d.dtype)
        self.keypoints2d, self.keypoints2d_conf = observed_only("keypoints2d", keypoints2d, keypoints2d_conf, handler_key)
        self.keypoints2d_convention = convention
        self.keypoints_weight = None if keypoints_weight is None else keypoints_weight.to(keypoints2d.dtype)

    def get_batch_size(self) -> int:
        """Number of frames F."""
        return len(self.keypoints2d)

    def to(self, device: torch.device) -> "MultiviewKeypoint2dMSEInput":
        """Moves all tensors to a device, in place; gives the input itself."""
        super().to(device)
        self.projection.to(device)
        return self

    def initial_keypoints3d(self) -> tuple[Tensor, Tensor, Convention]:
        """Keypoints to start from: triangulated, or from one view as far away as the limbs suggest.

        Returns:
            (F, K, 3) metres, 0 where not known; their (F, K) confidence; and their convention.
        """
        pixels, confidence = (value.detach().cpu().double().numpy() for value in (self.keypoints2d, self.keypoints2d_conf))
        n_frames, n_views = confidence.shape[:2]
        if n_views == 1:
            points, certainty = place_keypoints(self.cameras, pixels[:, 0], confidence[:, 0], self.keypoints2d_convention)
        else:
            seen_by, weights = np.moveaxis(pixels, 1, 2), np.moveaxis(confidence, 1, 2)
            if len(self.cameras) == n_views:
                points, certainty = triangulate(self.cameras, seen_by, weights)
            else:
                frames = [triangulate(self.cameras[i * n_views : (i + 1) * n_views], seen_by[i], weights[i]) for i in range(n_frames)]
                points, certainty = (np.stack(values) for values in zip(*frames, strict=True))
        found, known = self.keypoints2d.new_tensor(np.where(certainty[..., None] > 0, points, 0.0)), self.keypoints2d.new_tensor(certainty)
        known = torch.where(_jumps(found, known > 0), 0.0, known) if n_views > 1 else known
        return torch.where(known[..., None] > 0, found, 0.0), known, self.keypoints2d_convention


@HANDLERS.register
class MultiviewKeypoint2dMSEHandler(MatchedKeypointHandler):
    """Distance in pixels between the projected keypoints of the body and those observed; arguments as `MatchedKeypointHandler`.

    `sigma` of the loss is in pixels for `robust_on="error"`, in square pixels for "squared_error".
    """

    def __init__(
        self,
        mse_loss: nn.Module | Mapping[str, Any],
        handler_key: str = "mview_keypoints2d_mse",
        keypoint_approximate: bool = False,
        keypoint_weights: Mapping[str, float] | None = None,
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(mse_loss, handler_key, keypoint_approximate, keypoint_weights, device, logger)

    def check_input(self, related_input: MultiviewKeypoint2dMSEInput, model_convention: str) -> None:
        """Refuses an input of which the body has no keypoint at all: nothing would be fitted.

        Raises:
            FittingError: No keypoint in common.
        """
        self.check_convention(related_input.keypoints2d_convention, model_convention)

    def loss_arguments(
        self,
        related_input: MultiviewKeypoint2dMSEInput,
        model_joints: Tensor,
        model_joints_convention: str,
        model_joints_weights: Tensor | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """Both sides in pixels, (F, V K, 2); keypoints that the body lacks get no weight."""
        keypoints, weights = self.matched(related_input.keypoints2d_convention, model_joints, model_joints_convention, model_joints_weights)
        if related_input.keypoints_weight is not None:
            weights = weights * related_input.keypoints_weight
        n_views = related_input.keypoints2d.shape[1]
        return {
            "pred": related_input.projection(keypoints).flatten(1, 2),
            "target": related_input.keypoints2d.flatten(1, 2),
            "target_conf": related_input.keypoints2d_conf.flatten(1, 2),
            "keypoint_weight": weights.repeat(n_views),
        }


def as_cameras(cameras: Camera | Sequence[Camera]) -> tuple[Camera, ...]:
    """Cameras as a tuple.

    Raises:
        CameraError: Something else.
    """
    given = (cameras,) if isinstance(cameras, Camera) else tuple(cameras)
    for item in given:
        if not isinstance(item, Camera):
            raise CameraError(f"cameras has a {type(item).__name__}, expected Camera.", "Make it with Camera.from_opencv or read_cameras.")
    return given


def _jumps(points: Tensor, known: Tensor) -> Tensor:
    """(F, K) whether a point is far from where most frames around have it: two views that were wrong alike."""
    around = pad(torch.where(known[..., None], points, torch.nan), (0, 0, 0, 0, 2, 2), value=torch.nan)
    windows = around.unfold(0, 5, 1)
    near = (windows - windows.nanmedian(-1, keepdim=True).values).norm(dim=2) < JUMP
    n_near, n_known = near.sum(-1), windows.isfinite().all(2).sum(-1)
    jumps: Tensor = (n_near >= 3) & (2 * n_near > n_known) & ~near[..., 2]
    return jumps
