"""What keypoints are worth before a fit sees them: how noisy each of them is, and which points are outliers in time."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..body import Body
from ..data.conventions import Convention
from ..handlers import BaseInput
from ..handlers.keypoints import DEFAULT_NOISE, Keypoint3dInput
from .limb_lengths import LEAST_NOISE, noise_of_lengths

LEAST_JUMP = 0.06
"""Metres: a point nearer than this to where its neighbours in time put it is no outlier."""

_WINDOW = 7
_ENOUGH = 12
"""Frames below which a small jitter may be chance."""

_USUAL_HURRY = 3.0
"""Below this, motion is as quick as motion can be."""


@dataclass(frozen=True)
class Observations:
    """The inputs of a fit and what they are worth; the given inputs stay as they are.

    Attributes:
        inputs: By handler key, with the noise of their keypoints, and without outliers where these were asked for.
        hurry: How many times quicker than usual the motion changes, from 1: of frames that have nothing to do with each other, hundreds.
        notes: Sentences about what was found.
    """

    inputs: dict[str, BaseInput]
    hurry: float
    notes: list[str]


def observations(inputs: Mapping[str, BaseInput], body: Body, gate_outliers: bool) -> Observations:
    """What keypoints are worth.

    Args:
        inputs: The inputs by handler key.
        body: The body, whose limbs keep their lengths: how these vary in the keypoints tells noise from motion.
        gate_outliers: Whether points far from where their neighbours in time put them count as not observed.
    """
    found, hurries = dict(inputs), [1.0]
    notes: list[str] = []
    for key, item in inputs.items():
        if isinstance(item, Keypoint3dInput):
            twin = copy.copy(item)
            points, confidence = item.keypoints3d, item.keypoints3d_conf
            jitter = jitter_of(points, confidence > 0)
            twin.keypoints3d_noise, hurry = noise_and_hurry(body, points, confidence, item.keypoints3d_convention, jitter)
            hurries.append(hurry)
            if gate_outliers:
                outlying = outliers(points, confidence > 0, jitter)
                twin.keypoints3d_conf = torch.where(outlying, 0.0, confidence)
                count = int(outlying.sum())
                if count and not notes:
                    notes.append(f"Outliers left out: {count} of {int((confidence > 0).sum())} points.")
            found[key] = twin
    return Observations(found, max(hurries), notes)


def noise_and_hurry(body: Body, points: Tensor, confidence: Tensor, convention: Convention, jitter: Tensor) -> tuple[Tensor, float]:
    """(K,) standard deviation of each keypoint along an axis in metres, and how many times quicker than usual the motion changes.

    Quick motion jitters like noise, but leaves the lengths of limbs alone.

    Args:
        body: The body.
        points: (F, K, 3) metres.
        confidence: (F, K) confidence, 0 where not observed.
        convention: Convention of the keypoints.
        jitter: (K,) from `jitter_of`.
    """
    of_lengths = noise_of_lengths(body, points, confidence, convention)
    if of_lengths is None:
        return jitter, 1.0
    known = jitter[(confidence > 0).any(0)].median()
    hurry = max(1.0, float(known / (1.5 * of_lengths)))
    return jitter.clamp_max(3 * of_lengths), hurry if hurry > _USUAL_HURRY else 1.0


def jitter_of(points: Tensor, seen: Tensor) -> Tensor:
    """(K,) how much each keypoint jitters along an axis in metres, noise or not, from its robust third differences in time.

    A third difference of independent noise has twenty times its variance, and that of most motion is small. What no take shows, how far a
    model is from a person at best, is added.

    Args:
        points: (F, K, 3) metres.
        seen: (F, K) whether a point is observed.
    """
    unknown = points.new_full((points.shape[1],), DEFAULT_NOISE)
    if len(points) < 4:
        return unknown
    difference = points.diff(n=3, dim=0)
    whole = seen[3:] & seen[2:-1] & seen[1:-2] & seen[:-3]
    difference = torch.where(whole[..., None], difference, torch.nan)
    spread = difference.abs().transpose(0, 1).flatten(1).nanmedian(1).values / (0.6745 * 20**0.5)
    found = (spread.square() + LEAST_NOISE**2).sqrt()
    return torch.where(whole.any(0), found if len(points) >= _ENOUGH else torch.maximum(found, unknown), unknown)


def outliers(points: Tensor, seen: Tensor, jitter: Tensor) -> Tensor:
    """(F, K) points that are far both from the median of their neighbours in time and from the curve through these.

    Either test alone takes a quick motion for an outlier: the median at the turning point of a kick, the curve beside an outlier.

    Args:
        points: (F, K, 3) metres.
        seen: (F, K) whether a point is observed.
        jitter: (K,) from `jitter_of`.
    """
    if len(points) < _WINDOW:
        return torch.zeros_like(seen)
    limit = torch.maximum(5 * jitter, points.new_tensor(LEAST_JUMP))
    known = torch.where(seen[..., None], points, torch.nan)
    median = _continued(known, _WINDOW // 2).unfold(0, _WINDOW, 1).nanmedian(-1).values
    far = (points - median).norm(dim=-1) > limit
    if not bool((far & seen).any()):
        return torch.zeros_like(seen)
    near = torch.where((far | ~seen)[..., None], median, points)  # neighbours that are suspects themselves do not testify
    is_outlier: Tensor = far & seen
    for neighbours in (near, torch.where(seen[..., None], points, median)):  # of a quick motion the suspects are right
        padded = _continued(neighbours, 2)
        curve = (4 * (padded[1:-3] + padded[3:-1]) - padded[:-4] - padded[4:]) / 6
        is_outlier = is_outlier & ((points - curve).norm(dim=-1) > limit)
    return is_outlier


def _continued(points: Tensor, n_frames: int) -> Tensor:
    """(F + 2 n, K, 3) points that go on at both ends as they came: mirrored through the first and the last."""
    before, after = points[1 : n_frames + 1].flip(0), points[-n_frames - 1 : -1].flip(0)
    return torch.cat([2 * points[:1] - before, points, 2 * points[-1:] - after])


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
