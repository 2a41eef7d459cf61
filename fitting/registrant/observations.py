"""What keypoints are worth before a fit sees them: how noisy each of them is, and which points are outliers in time."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from ..handlers import BaseInput
from ..handlers.keypoints import DEFAULT_NOISE, Keypoint3dInput

LEAST_NOISE = 0.0005
"""Metres: no model of a body is exact to less."""

LEAST_JUMP = 0.06
"""Metres: a point nearer than this to where its neighbours in time put it is no outlier."""

_WINDOW = 7
_ENOUGH = 12
"""Frames below which noise is not estimated."""


def prepared(inputs: Mapping[str, BaseInput], gate_outliers: bool) -> tuple[dict[str, BaseInput], list[str]]:
    """The inputs of a fit with the noise of their keypoints, and without outliers; the given ones stay as they are.

    Args:
        inputs: The inputs by handler key.
        gate_outliers: Whether points far from where their neighbours in time put them count as not observed.

    Returns:
        The inputs, and sentences about what was found.
    """
    found, notes = dict(inputs), []
    for key, item in inputs.items():
        if isinstance(item, Keypoint3dInput):
            twin = copy.copy(item)
            points, confidence = item.keypoints3d, item.keypoints3d_conf
            noise = noise_of(points, confidence > 0)
            twin.keypoints3d_noise = noise
            if gate_outliers:
                outlying = outliers(points, confidence > 0, noise)
                twin.keypoints3d_conf = torch.where(outlying, 0.0, confidence)
                count = int(outlying.sum())
                if count and not notes:
                    notes.append(f"Outliers left out: {count} of {int((confidence > 0).sum())} points.")
            found[key] = twin
    return found, notes


def noise_of(points: Tensor, seen: Tensor) -> Tensor:
    """(K,) standard deviation of each keypoint along an axis in metres, from its robust third differences in time.

    A third difference of independent noise has twenty times its variance, and that of motion is small. What no take shows, how far a model
    is from a person at best, is added.

    Args:
        points: (F, K, 3) metres.
        seen: (F, K) whether a point is observed.
    """
    unknown = points.new_full((points.shape[1],), DEFAULT_NOISE)
    if len(points) < _ENOUGH:
        return unknown
    difference = points.diff(n=3, dim=0)
    whole = seen[3:] & seen[2:-1] & seen[1:-2] & seen[:-3]
    difference = torch.where(whole[..., None], difference, torch.nan)
    spread = difference.abs().transpose(0, 1).flatten(1).nanmedian(1).values / (0.6745 * 20**0.5)
    return torch.where(whole.sum(0) >= _ENOUGH - 3, (spread.square() + LEAST_NOISE**2).sqrt(), unknown)


def outliers(points: Tensor, seen: Tensor, noise: Tensor) -> Tensor:
    """(F, K) points that are far both from the median of their neighbours in time and from the curve through these.

    Either test alone takes a quick motion for an outlier: the median at the turning point of a kick, the curve beside an outlier.

    Args:
        points: (F, K, 3) metres.
        seen: (F, K) whether a point is observed.
        noise: (K,) standard deviation along an axis, metres.
    """
    if len(points) < _WINDOW:
        return torch.zeros_like(seen)
    limit = torch.maximum(5 * noise, points.new_tensor(LEAST_JUMP))
    known = torch.where(seen[..., None], points, torch.nan)
    edge = _WINDOW // 2
    padded = torch.cat([known[:1].expand(edge, -1, -1), known, known[-1:].expand(edge, -1, -1)])
    median = padded.unfold(0, _WINDOW, 1).nanmedian(-1).values
    far = (points - median).norm(dim=-1) > limit
    if not bool((far & seen).any()):
        return torch.zeros_like(seen)
    near = torch.where((far | ~seen)[..., None], median, points)  # neighbours that are suspects themselves do not testify
    padded = torch.cat([near[:1].expand(2, -1, -1), near, near[-1:].expand(2, -1, -1)])
    curve = (4 * (padded[1:-3] + padded[3:-1]) - padded[:-4] - padded[4:]) / 6
    return far & seen & ((points - curve).norm(dim=-1) > limit)


def filled(points: Tensor, seen: Tensor) -> Tensor:
    """(F, K, 3) points with gaps in time closed by straight lines; a keypoint that is never seen stays as it is.

    Args:
        points: (F, K, 3) metres.
        seen: (F, K) whether a point is observed.
    """
    n_frames = len(points)
    frame = torch.arange(n_frames, device=points.device)[:, None]
    before = torch.where(seen, frame, -1).cummax(0).values
    after = (n_frames - 1) - torch.where(seen.flip(0), frame, -1).cummax(0).values.flip(0)  # n_frames where none follows
    before_known, after_known = before >= 0, after < n_frames
    first, last = torch.where(before_known, before, after), torch.where(after_known, after, before)
    first, last = first.clamp(0, n_frames - 1), last.clamp(0, n_frames - 1)
    share = (frame - first).to(points) / (last - first).clamp_min(1)
    index = [places[..., None].expand(-1, -1, 3) for places in (first, last)]
    start, end = (points.gather(0, places) for places in index)
    return torch.where(seen[..., None] | ~seen.any(0)[:, None], points, start + share[..., None] * (end - start))
