"""Losses between the lengths of limbs."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..data.conventions import as_convention
from ..errors import PresetError, did_you_mean
from .base import LOSSES, Loss, Reduction


@LOSSES.register
class LimbLengthLoss(Loss):
    """Difference between the lengths of limbs, which do not depend on the pose.

    Args:
        convention: Convention of the keypoints that are compared.
        reduction: "mean" divides by frames and limbs.
        loss_weight: Factor of the loss.
        eps: Not used; accepted from XRMoCap's configs.
        limbs: Pairs of keypoint names. By default all limbs of the convention, as XRMoCap; three of them are not rigid.

    Raises:
        PresetError: A limb ends at a keypoint that the convention lacks.
    """

    limb_index: Tensor

    def __init__(
        self,
        convention: str,
        reduction: Reduction = "mean",
        loss_weight: float = 1.0,
        eps: float = 1e-4,
        limbs: Sequence[Sequence[str]] | None = None,
    ) -> None:
        super().__init__(reduction, loss_weight)
        self.convention = convention
        self.eps = eps
        known = as_convention(convention)
        if limbs is None:
            pairs = [(int(start), int(end)) for start, end in known.limbs()]
        else:
            for name in (name for limb in limbs for name in limb):
                if name not in known.names:
                    raise PresetError(f"LimbLengthLoss: {convention!r} has no keypoint {name!r}.", did_you_mean(name, known.names))
            pairs = [(known.names.index(start), known.names.index(end)) for start, end in limbs]
        if not pairs:
            raise PresetError(f"LimbLengthLoss: the convention {convention!r} has no limbs.", "Name them with limbs=[[start, end], ...].")
        self.register_buffer("limb_index", torch.tensor(pairs).mT.contiguous())

    def residuals(self, pred: Tensor, target: Tensor, pred_conf: Tensor | None = None, target_conf: Tensor | None = None) -> Tensor:
        """(F, L) differences of lengths in metres, times the root of the confidence of the limb.

        Args:
            pred: (F, K, 3) keypoints of the body, in the convention of this loss.
            target: (F, K, 3) observed keypoints.
            pred_conf: (F, K) confidence of `pred`, ones by default.
            target_conf: (F, K) confidence of `target`, ones by default.
        """
        residuals = self._lengths(target) - self._lengths(pred)
        for confidence in (pred_conf, target_conf):
            if confidence is not None:
                start, end = self.limb_index
                # A limb is known as well as its worse end.
                residuals = residuals * torch.minimum(confidence[:, start], confidence[:, end]).sqrt()
        return residuals

    def _lengths(self, keypoints: Tensor) -> Tensor:
        start, end = self.limb_index
        squared = (keypoints[:, end] - keypoints[:, start]).square().sum(-1)
        return squared.clamp_min(1e-12).sqrt()  # the bound keeps the gradient finite where both ends coincide
