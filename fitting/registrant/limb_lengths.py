"""Lengths between keypoints that a body keeps whatever its pose: they tell its shape, and noise from motion."""

import torch
from torch import Tensor

from ..body import Body
from ..data.bodies import PARENTS
from ..data.conventions import Convention
from ..handlers.conversion import KeypointConversion

LEAST_NOISE = 0.0005
"""Metres: less is no noise, but rounding."""

_WILD = 3.0
"""Robust standard deviations from the median beyond which one frame's length is left out."""


def noise_of_lengths(body: Body, keypoints: Tensor, confidence: Tensor, convention: Convention) -> float | None:
    """Standard deviation of keypoints along an axis in metres, from how much limb lengths vary from frame to frame.

    Args:
        body: The body.
        keypoints: (F, K, 3) metres.
        confidence: (F, K) confidence, 0 where not observed.
        convention: Convention of the keypoints.

    Returns:
        It, or None where too few lengths are observed.
    """
    first, second = rigid_pairs(body, convention, keypoints)
    squared, seen = squared_lengths(keypoints, confidence, first[1], second[1])
    known = seen.sum(0) >= 4
    if not bool(known.any()):
        return None
    lengths = torch.where(seen, squared.sqrt(), torch.nan)[:, known]
    spread = (lengths - lengths.nanmedian(0).values).abs().nanmedian().item() / 0.6745
    return float((spread**2 / 2 + LEAST_NOISE**2) ** 0.5)  # both ends of a length add to it


def squared_lengths(keypoints: Tensor, confidence: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """(F, L) squared distances between keypoints (L,) and (L,), in square metres, and (F, L) whether both were observed."""
    squared = (keypoints[:, first] - keypoints[:, second]).square().sum(-1)
    return squared, (confidence[:, first] > 0) & (confidence[:, second] > 0)


def debiased_lengths(squared: Tensor, seen: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """(L,) mean lengths in metres and (L,) number of frames that count, of (F, L) squared lengths between noisy points.

    Each axis adds the variance of both ends to the square of a length.
    """
    values = torch.where(seen, squared, torch.nan)
    median = values.nanmedian(0).values
    spread = (values - median).abs().nanmedian(0).values / 0.6745
    kept = seen & ((squared - median).abs() <= _WILD * spread + 1e-6)
    counts = kept.sum(0)
    mean = torch.where(kept, squared, 0.0).sum(0) / counts.clamp_min(1)
    return (mean - 3 * variance).clamp_min(0).sqrt(), counts


def rigid_pairs(body: Body, convention: Convention, like: Tensor) -> tuple[Tensor, Tensor]:
    """(2, L) joint and keypoint of one end of each length, and (2, L) those of the other end.

    Two joints keep their distance where one carries the other, or where one joint carries both.
    """
    convert = KeypointConversion(convention, body.convention, approximate=False, like=like)
    is_single = (convert.matrix != 0).sum(1) == 1
    keypoint_of = {joint: int(convert.matrix[joint].argmax()) for joint in range(body.n_joints) if bool(is_single[joint])}
    parents = PARENTS[body.model_type]
    pairs = []
    for joint in range(body.n_joints):
        together = [joint, *(child for child, parent in enumerate(parents) if parent == joint)]
        observed = [member for member in together if member in keypoint_of]
        pairs += [(a, b) for place, a in enumerate(observed) for b in observed[place + 1 :]]
    ends = [torch.tensor([[pair[end] for pair in pairs], [keypoint_of[pair[end]] for pair in pairs]], dtype=torch.long) for end in (0, 1)]
    return ends[0].to(like.device), ends[1].to(like.device)
