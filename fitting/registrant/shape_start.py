"""The shape to begin with: from limb lengths of the whole take, which do not depend on the pose."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..body import Body
from ..data.bodies import PARENTS
from ..data.conventions import Convention
from ..handlers.conversion import KeypointConversion

LENGTH_ERROR = 0.002
"""Metres: by which the lengths of a model and of a skeleton of somebody else differ at best."""

DISAGREEMENT = 0.012
"""Metres: a length that is off by more than this counts ever less: the two skeletons mean other points."""

_N_STEPS = 4
_WILD = 3.0
"""Robust standard deviations from the median beyond which one frame's length is left out."""


@dataclass(frozen=True)
class ShapeEstimate:
    """A shape and what is known of it.

    Attributes:
        betas: (1, S) shape values.
        root: (S, S) root of their precision: the squares of `root @ (betas - these)` add up to twice their negative log-likelihood.
        n_lengths: Number of lengths that were compared.
        uncertainty: Standard deviation of these lengths on the body that was found, metres; 0 without any.
    """

    betas: Tensor
    root: Tensor
    n_lengths: int
    uncertainty: float


def shape_from_lengths(body: Body, keypoints: Tensor, confidence: Tensor, convention: Convention, noise: Tensor) -> ShapeEstimate:
    """The most likely shape for the limb lengths of a take, with a standard normal prior of the shape values.

    Noise makes distances longer on average: the squares of lengths are freed from it before they are averaged.

    Args:
        body: The body.
        keypoints: (F, K, 3) metres.
        confidence: (F, K) confidence, 0 where not observed.
        convention: Convention of the keypoints.
        noise: (K,) standard deviation of each keypoint along an axis, metres.
    """
    first, second = _rigid_pairs(body, convention, keypoints)
    n_betas = body.parameter_shapes()["betas"]
    start = keypoints.new_zeros(1, n_betas)
    squared = (keypoints[:, first[1]] - keypoints[:, second[1]]).square().sum(-1)
    seen = (confidence[:, first[1]] > 0) & (confidence[:, second[1]] > 0)
    variance = noise[first[1]].square() + noise[second[1]].square()
    lengths, counts = _debiased(squared, seen, variance)
    known = (counts > 0) & (lengths > 0.01)
    if not bool(known.any()):
        return unknown_shape(body, keypoints)
    first_joint, second_joint = first[0][known], second[0][known]
    lengths, deviation = lengths[known], (variance / counts.clamp_min(1) + LENGTH_ERROR**2).sqrt()[known]

    def lengths_of(betas: Tensor) -> Tensor:
        joints = body(betas=betas).joints
        return (joints[:, first_joint] - joints[:, second_joint]).norm(dim=-1)

    betas, steps = start, 0.5 * torch.eye(n_betas).to(start)
    eye = torch.eye(n_betas, dtype=torch.float64)
    for _ in range(_N_STEPS):
        found = lengths_of(torch.cat([betas, betas + steps, betas - steps]))
        residual = (found[0] - lengths).double()
        jacobian = (found[1 : n_betas + 1] - found[n_betas + 1 :]).mT.double()
        weight = (1 + (residual / DISAGREEMENT).square()).pow(-2) / deviation.double().square()
        hessian = (jacobian.mT * weight) @ jacobian + eye.to(jacobian.device)
        gradient = jacobian.mT @ (weight * residual) + betas[0].double()
        betas = betas - torch.linalg.solve(hessian, gradient)[None].to(betas)
    spread = (jacobian @ torch.linalg.inv(hessian) * jacobian).sum(1).clamp_min(0).mean()
    root = torch.linalg.cholesky(hessian).mT.to(betas)
    return ShapeEstimate(betas, root, len(lengths), float(spread.sqrt()))


def unknown_shape(body: Body, like: Tensor) -> ShapeEstimate:
    """The mean shape: what is known without any length."""
    n_betas = body.parameter_shapes()["betas"]
    return ShapeEstimate(like.new_zeros(1, n_betas), torch.eye(n_betas).to(like), 0, 0.0)


def _debiased(squared: Tensor, seen: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
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


def _rigid_pairs(body: Body, convention: Convention, like: Tensor) -> tuple[Tensor, Tensor]:
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
