"""Projection by cameras in PyTorch: differentiable, for all frames and views at once."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..data.cameras import Camera
from ..data.cameras.distortion import brown_conrady
from ..errors import CameraError

NEAR = 0.1
"""Metres in front of a camera within which points count as too near to be seen."""


class Projection(nn.Module):
    """V cameras that stand still, or one set of V for each frame.

    Args:
        cameras: V cameras, or F * V, those of the first frame first.
        n_views: V.
        n_frames: F.
        dtype: Precision of the cameras.

    Raises:
        CameraError: Neither V nor F * V cameras.
    """

    rotation: Tensor
    translation: Tensor
    matrix: Tensor
    distortion: Tensor
    valid_radius: Tensor

    def __init__(self, cameras: Sequence[Camera], n_views: int, n_frames: int, dtype: torch.dtype) -> None:
        super().__init__()
        if len(cameras) not in (n_views, n_frames * n_views):
            raise CameraError(
                f"There are {len(cameras)} cameras for {n_views} views of {n_frames} frames.",
                f"Give {n_views}, or {n_frames * n_views} for cameras that move: those of the first frame first.",
            )
        self.is_distorted = any(camera.distortion.any() for camera in cameras)
        for key in ("rotation", "translation", "matrix", "distortion", "valid_radius"):
            values = torch.tensor([getattr(camera, key).tolist() if key != "valid_radius" else camera.valid_radius for camera in cameras])
            self.register_buffer(key, torch.unflatten(values.to(dtype), 0, (-1, n_views)))

    def depth(self, points: Tensor) -> Tensor:
        """(F, V, N) metres along the axis of each camera of (F, N, 3) points; negative behind it."""
        along = (self.rotation[:, :, None, 2] * points[:, None]).sum(-1)
        return along + self.translation[..., 2:]

    def forward(self, points: Tensor) -> Tensor:
        """(F, V, N, 2) pixels of (F, N, 3) points in metres.

        A point behind a camera has no image; it gets one far outside, which moves in as the point comes forward.
        """
        x, y, depth = (torch.einsum("fvij,fnj->ifvn", self.rotation.expand(len(points), -1, -1, -1), points) + self._shift()).unbind(0)
        # Continued smoothly from NEAR on, down to half of it: the slope goes on pointing to the front; that of 1 / depth would turn.
        depth = torch.where(depth > NEAR, depth, 0.5 * NEAR * (1 + NEAR / (3 * NEAR - 2 * depth.clamp_max(NEAR))))
        x, y = x / depth, y / depth
        if self.is_distorted:
            x, y = self._distorted(x, y)
        (fx, skew, cx), (_, fy, cy) = (row.unbind(-2) for row in self.matrix[..., :2, :, None].unbind(-3))
        return torch.stack([fx * x + skew * y + cx, fy * y + cy], -1)

    def _distorted(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        squared_radius = self.valid_radius[..., None].square()
        # Beyond the valid radius points go on straight out, as in the numpy form.
        beyond = ((x.square() + y.square()) / squared_radius).clamp_min(1).sqrt()
        x, y = brown_conrady(x / beyond, y / beyond, self.distortion[..., None, :].unbind(-1))
        return x * beyond, y * beyond

    def _shift(self) -> Tensor:
        return self.translation.movedim(-1, 0)[..., None]
