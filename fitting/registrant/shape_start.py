"""The shape to begin with: from limb lengths of the whole take, which do not depend on the pose."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..body import Body
from ..data.conventions import Convention
from .limb_lengths import debiased_lengths, rigid_pairs, squared_lengths

LENGTH_ERROR = 0.004
"""Metres: by which the lengths of a model and of a skeleton of somebody else differ at best."""

DISAGREEMENT = 0.012
"""Metres: a length that is off by more than this counts ever less: the two skeletons mean other points."""

_N_STEPS = 4


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
    first, second = rigid_pairs(body, convention, keypoints)
    n_betas = body.parameter_shapes()["betas"]
    start = keypoints.new_zeros(1, n_betas)
    squared, seen = squared_lengths(keypoints, confidence, first[1], second[1])
    variance = noise[first[1]].square() + noise[second[1]].square()
    lengths, counts = debiased_lengths(squared, seen, variance)
    known = (counts > 0) & (lengths > 0.01)
    if not bool(known.any()):
        return unknown_shape(body, keypoints)
    first_joint, second_joint = first[0][known], second[0][known]
    lengths, deviation = lengths[known], (variance / counts.clamp_min(1) + LENGTH_ERROR**2).sqrt()[known]

    def lengths_of(betas: Tensor) -> Tensor:
        joints: Tensor = body.rest_joints(betas) if hasattr(body, "rest_joints") else body(betas=betas).joints
        lengths: Tensor = (joints[:, first_joint] - joints[:, second_joint]).norm(dim=-1)
        return lengths

    betas, steps = start, 0.5 * torch.eye(n_betas).to(start)
    # Ten unknowns: in double precision on the CPU, which not every device has.
    eye, lengths, deviation = torch.eye(n_betas, dtype=torch.float64), lengths.cpu().double(), deviation.cpu().double()
    for _ in range(_N_STEPS):
        found = lengths_of(torch.cat([betas, betas + steps, betas - steps])).cpu().double()
        residual = found[0] - lengths
        jacobian = (found[1 : n_betas + 1] - found[n_betas + 1 :]).mT
        weight = (1 + (residual / DISAGREEMENT).square()).pow(-2) / deviation.square()
        hessian = (jacobian.mT * weight) @ jacobian + eye
        gradient = jacobian.mT @ (weight * residual) + betas[0].cpu().double()
        betas = betas - torch.linalg.solve(hessian, gradient)[None].to(betas)
    spread = (jacobian @ torch.linalg.inv(hessian) * jacobian).sum(1).clamp_min(0).mean()
    root = torch.linalg.cholesky(hessian).mT.to(betas)
    return ShapeEstimate(betas, root, len(lengths), float(spread.sqrt()))


def unknown_shape(body: Body, like: Tensor) -> ShapeEstimate:
    """The mean shape: what is known without any length."""
    n_betas = body.parameter_shapes()["betas"]
    return ShapeEstimate(like.new_zeros(1, n_betas), torch.eye(n_betas).to(like), 0, 0.0)
