"""The shape to begin with: from limb lengths of the whole take, which do not depend on the pose."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..body import Body
from ..data.conventions import Convention
from .limb_lengths import debiased_lengths, rigid_pairs, squared_lengths
from .start import LIMBS

LENGTH_ERROR = 0.004
"""Metres: by which the lengths of a model and of a skeleton of somebody else differ at best."""

TORSO_ERROR = 0.012
"""The same for lengths that are no bone of an arm or a leg: skeletons agree least about the torso."""

DISAGREEMENTS = (0.1, 0.1, 0.05, 0.05, 0.03, 0.03)
"""Metres, step by step: a length that is off by more counts ever less, as the skeletons mean other points. Wide at first: the mean
shape may be far from a person in all of them.
"""

_SHARE = 0.4
"""Share of what a length is off that one of its ends is taken to be off: heads stay upright on skeletons with another spine."""

_BETTER = 0.4
"""Quantile of the lengths to a keypoint that says how well it is placed."""


@dataclass(frozen=True)
class ShapeEstimate:
    """A shape and what is known of it.

    Attributes:
        betas: (1, S) shape values.
        root: (S, S) root of their precision: the squares of `root @ (betas - these)` add up to twice their negative log-likelihood.
        mismatch: (K,) metres by which the lengths to each keypoint differ from those of the body: its skeleton means another point. Zeros
            where nothing is known.
        n_lengths: Number of lengths that were compared.
        uncertainty: Standard deviation of these lengths on the body that was found, metres; 0 without any.
    """

    betas: Tensor
    root: Tensor
    mismatch: Tensor
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
    limbs = [{body.convention.names.index(name) for name in limb} for limb in LIMBS]
    is_bone = [any({int(a), int(b)} < limb for limb in limbs) for a, b in zip(first[0], second[0], strict=True)]
    error = torch.where(torch.tensor(is_bone, dtype=torch.bool, device=keypoints.device), LENGTH_ERROR, TORSO_ERROR).to(keypoints)
    known = (counts > 0) & (lengths > 0.01)
    if not bool(known.any()):
        return replace(unknown_shape(body, keypoints), mismatch=keypoints.new_zeros(keypoints.shape[1]))
    first_joint, second_joint = first[0][known], second[0][known]
    lengths, deviation = lengths[known], (variance / counts.clamp_min(1) + error.square()).sqrt()[known]

    def lengths_of(betas: Tensor) -> Tensor:
        joints: Tensor = body.rest_joints(betas) if hasattr(body, "rest_joints") else body(betas=betas).joints
        lengths: Tensor = (joints[:, first_joint] - joints[:, second_joint]).norm(dim=-1)
        return lengths

    betas, steps = start, 0.5 * torch.eye(n_betas).to(start)
    # Ten unknowns: in double precision on the CPU, which not every device has.
    eye, lengths, deviation = torch.eye(n_betas, dtype=torch.float64), lengths.cpu().double(), deviation.cpu().double()
    for disagreement in DISAGREEMENTS:
        found = lengths_of(torch.cat([betas, betas + steps, betas - steps])).cpu().double()
        residual = found[0] - lengths
        jacobian = (found[1 : n_betas + 1] - found[n_betas + 1 :]).mT
        weight = (1 + (residual / disagreement).square()).pow(-2) / deviation.square()
        hessian = (jacobian.mT * weight) @ jacobian + eye
        gradient = jacobian.mT @ (weight * residual) + betas[0].cpu().double()
        # A body of which lengths are no linear function of its shape may ask for less than a whole step.
        trials = betas - torch.linalg.solve(hessian, gradient).to(betas) * betas.new_tensor([[1.0], [0.5], [0.25], [0.1], [0.0]])
        off = (lengths_of(trials).cpu().double() - lengths).square()
        costs = (off / (1 + off / disagreement**2) / deviation.square()).sum(1) + trials.cpu().double().square().sum(1)
        betas = trials[costs.argmin()][None]
    spread = (jacobian @ torch.linalg.inv(hessian) * jacobian).sum(1).clamp_min(0).mean()
    root = torch.linalg.cholesky(hessian).mT.to(betas)
    found = lengths_of(betas)[0].cpu().double()
    # What is left of a difference when the noise of a mean length is taken off.
    excess = ((found - lengths).square() - (variance / counts.clamp_min(1))[known].cpu().double()).clamp_min(0).sqrt()
    mismatch = _by_keypoint(excess.to(betas), first[1][known], second[1][known], keypoints.shape[1])
    return ShapeEstimate(betas, root, mismatch, len(lengths), float(spread.sqrt()))


def _by_keypoint(excess: Tensor, first: Tensor, second: Tensor, n_keypoints: int) -> Tensor:
    """(K,) by how much the lengths to a keypoint are usually off; of one without lengths, what is usual for all.

    A keypoint is no worse than its better lengths: the others may be the fault of the other end.
    """
    found = excess.new_full((n_keypoints,), float(excess.quantile(_BETTER)))
    for keypoint in range(n_keypoints):
        own = excess[(first == keypoint) | (second == keypoint)]
        if len(own):
            found[keypoint] = own.quantile(_BETTER)
    return _SHARE * found


def unknown_shape(body: Body, like: Tensor) -> ShapeEstimate:
    """The mean shape: what is known without any length."""
    n_betas = body.parameter_shapes()["betas"]
    return ShapeEstimate(like.new_zeros(1, n_betas), torch.eye(n_betas).to(like), like.new_zeros(0), 0, 0.0)
