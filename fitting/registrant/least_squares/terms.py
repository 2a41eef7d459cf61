"""The terms of a stage in closed form, put together as tensors."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ...handlers.quadratic_terms import PointTerm, QuadraticTerm, RootAccelerationTerm, RotationAccelerationTerm, RotationTerm


@dataclass(frozen=True)
class PointTerms:
    """All distances of carried points; see `PointTerm`.

    Attributes:
        matrix: (N, K).
        target: (3, N, F) metres.
        weight: (N, F).
        sigma: (N, 1) metres, infinite for plain squares.
        keys: For each term its handler key and its rows.
    """

    matrix: Tensor
    target: Tensor
    weight: Tensor
    sigma: Tensor
    keys: tuple[tuple[str, slice], ...]

    @classmethod
    def of(cls, terms: dict[str, PointTerm]) -> "PointTerms | None":
        """The terms put together."""
        if not terms:
            return None
        rows, keys = 0, []
        for key, term in terms.items():
            keys.append((key, slice(rows, rows + len(term.matrix))))
            rows += len(term.matrix)
        sigmas = [
            term.weight.new_full((len(term.matrix), 1), float("inf") if term.sigma is None else term.sigma) for term in terms.values()
        ]
        return cls(
            torch.cat([term.matrix for term in terms.values()]),
            torch.cat([term.target for term in terms.values()], 1).permute(2, 1, 0).contiguous(),
            torch.cat([term.weight for term in terms.values()], 1).mT.contiguous(),
            torch.cat(sigmas),
            tuple(keys),
        ).only_used()

    def only_used(self) -> "PointTerms":
        """Without the rows that no frame gives any weight."""
        used = (self.weight > 0).any(1) & (self.matrix != 0).any(1)
        if bool(used.all()):
            return self
        places = torch.cumsum(used, 0).tolist()
        keys = tuple((key, slice(places[rows.start - 1] if rows.start else 0, places[rows.stop - 1])) for key, rows in self.keys)
        return PointTerms(self.matrix[used], self.target[:, used], self.weight[used], self.sigma[used], keys)

    def part(self, frames: Any) -> "PointTerms":
        """The terms of some frames."""
        return replace(self, target=self.target[..., frames], weight=self.weight[:, frames])


@dataclass(frozen=True)
class RotationPriors:
    """Turns from usual rotations and angular accelerations of the unknown joints, and accelerations of the root.

    Attributes:
        tolerances: By handler key: (3, 3, A, 1) usual rotations and (3, A, 1) shares, zero for joints without.
        accelerations: By handler key: (A, 1) shares.
        root: By handler key: the share.
    """

    tolerances: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    accelerations: dict[str, Tensor] = field(default_factory=dict)
    root: dict[str, float] = field(default_factory=dict)

    @property
    def couples_frames(self) -> bool:
        """Whether a frame depends on its neighbours."""
        return bool(self.accelerations or self.root)


def rotation_priors(terms: dict[str, QuadraticTerm], joints: list[int], n_joints: int, has_transl: bool) -> RotationPriors:
    """The priors of some joints, of all `n_joints` of a body; the root accelerates only where it is sought.

    Args:
        terms: All terms in closed form by handler key.
        joints: The joints that are sought.
        n_joints: Number of joints J.
        has_transl: Whether the translation is sought.
    """
    priors = RotationPriors()
    for key, term in terms.items():
        if isinstance(term, RotationTerm):
            usual = torch.eye(3).to(term.usual).repeat(n_joints, 1, 1)
            shares = term.shares.new_zeros(n_joints, 3)
            usual[term.joints], shares[term.joints] = term.usual, term.shares
            priors.tolerances[key] = (usual[joints].permute(1, 2, 0)[..., None].contiguous(), shares[joints].mT[..., None].contiguous())
        elif isinstance(term, RotationAccelerationTerm) and joints:
            priors.accelerations[key] = term.shares[joints][:, None]
        elif isinstance(term, RootAccelerationTerm) and has_transl:
            priors.root[key] = term.share
    return priors
