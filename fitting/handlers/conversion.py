"""Conversion of keypoints in PyTorch, for handlers and for the start of a fit."""

from typing import Any

import torch
from torch import Tensor

from ..data.conventions import conversion_matrix


class KeypointConversion:
    """Keypoints of one convention as weighted sums of those of another, on the device where they are needed.

    Args:
        source: Convention of the keypoints that are there.
        target: Convention that is wanted.
        approximate: Keypoints of similar meaning stand for each other, and those defined by others are computed.
        like: A tensor of the device and the precision that are needed.

    Attributes:
        matrix: (K_target, K_source) weights.
        known: (K_target,) 1 where a keypoint has a source, else 0.
    """

    def __init__(self, source: Any, target: Any, approximate: bool, like: Tensor) -> None:
        matrix = torch.as_tensor(conversion_matrix(source, target, approximate=approximate, derive=approximate))
        self.matrix = matrix.to(like)
        self.known = (self.matrix != 0).any(1).to(like.dtype)

    def __call__(self, keypoints: Tensor) -> Tensor:
        """(F, K_target, 3) converted keypoints; zero where there is no source."""
        # Frames last: one product of matrices, where `matrix @ keypoints` would be one small product for each frame.
        return (self.matrix @ keypoints.permute(2, 1, 0)).permute(2, 1, 0)

    def confidence(self, confidence: Tensor) -> Tensor:
        """(F, K_target) smallest confidence of the sources of each keypoint; 0 where it has none."""
        used = (self.matrix != 0)[None]
        return torch.where(used, confidence[:, None], torch.inf).min(-1).values.nan_to_num(posinf=0.0)


class ConversionCache:
    """The last conversion of a handler: it is the same for every evaluation of a fit.

    Args:
        approximate: As for `KeypointConversion`.
    """

    def __init__(self, approximate: bool) -> None:
        self.approximate = approximate
        self._key: tuple[Any, ...] = ()
        self._conversion: KeypointConversion | None = None

    def get(self, source: Any, target: Any, like: Tensor) -> KeypointConversion:
        """The conversion from one convention to another, on the device and in the precision of a tensor."""
        key = (source, target, like.dtype, like.device)
        if self._conversion is None or key != self._key:
            self._key, self._conversion = key, KeypointConversion(source, target, self.approximate, like)
        return self._conversion
