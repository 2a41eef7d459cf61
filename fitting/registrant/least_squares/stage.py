"""A stage as a sum of squares: where it stands and what that costs.

Distances of points that joints carry, quadratic priors of rotations and accelerations are known in closed form (`terms`), and so is how
they change (`derivatives`). All other terms are asked for their residuals (`generic_terms`). Frames come last, as in `body.posed_points`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...body.posed_points import Placed, cross, product, turned_back
from ...data.bodies import JOINT_NAMES
from ...handlers.quadratic_terms import (
    FrameTerm,
    PointTerm,
    QuadraticTerm,
    RotationTerm,
    SharedTerm,
)
from ...rotations import axis_angle_to_matrix, rotation_log
from ...solvers.least_squares import NormalEquations
from .carriers import Carriers, can_be_placed
from .derivatives import normal_equations
from .generic_terms import GenericTerms
from .terms import PointTerms, rotation_priors
from .unknowns import Point, Unknowns

MAX_TURN = 1.0
"""Radians: no joint turns further in one step."""


@dataclass(frozen=True)
class StageEvaluation:
    """A stage at one point.

    Attributes:
        point: The point.
        costs: (F,) share of each frame.
        terms: (F,) of each term.
        placed: The posed skeleton, or None where no term needs it.
        pairs: (3, Q, F) what joints and pairs carry of the keypoints, without the translation.
        residuals: (3, N, F) distances of the points, metres.
        turns: By handler key: (3, A, F) turns from usual rotations.
        steps: (3, A, F - 1) turns from each frame to the next, where accelerations count.
    """

    point: Point
    costs: Tensor
    terms: dict[str, Tensor]
    placed: Placed | None
    pairs: Tensor | None
    residuals: Tensor | None
    turns: dict[str, Tensor]
    steps: Tensor | None


class StageLeastSquares:
    """A stage as `solvers.LeastSquares`.

    Args:
        unknowns: What is sought.
        point: Where it begins.
        terms: Terms in closed form, by handler key.
        generic: All other terms, or None.
    """

    def __init__(
        self,
        unknowns: Unknowns,
        point: Point,
        terms: dict[str, QuadraticTerm],
        generic: GenericTerms | None = None,
    ) -> None:
        self.unknowns, self.point, self.generic = unknowns, point, generic
        self.points = PointTerms.of({key: term for key, term in terms.items() if isinstance(term, PointTerm)})
        self.carriers = Carriers(unknowns.body) if can_be_placed(unknowns.body) else None
        if generic is None:
            self._drop_unobserved(terms)
        self.priors = rotation_priors(terms, unknowns.joints, point.rotations.shape[2], "transl" in unknowns.frame_values)
        self.shared = {key: term for key, term in terms.items() if isinstance(term, SharedTerm)}
        self.frame_terms = {key: term for key, term in terms.items() if isinstance(term, FrameTerm)}
        self.frames: Any = slice(None)
        self.on_evaluation: Callable[[dict[str, Tensor] | None], None] | None = None
        self.spread: tuple[Tensor, Tensor] | None = None

    # --- what a solver asks for

    @property
    def n_frames(self) -> int:
        """Number of frames F."""
        return self.point.rotations.shape[-1]

    @property
    def couples_frames(self) -> bool:
        """Whether a step in one frame changes the cost of others."""
        return (self.priors.couples_frames and self.n_frames > 2) or (self.generic is not None and self.generic.reach > 0)

    @property
    def has_shared(self) -> bool:
        """Whether there are unknowns that all frames share."""
        return bool(self.unknowns.shared_values)

    def evaluate(self) -> StageEvaluation:
        """The evaluation at the present point."""
        return self._evaluated(self.point)

    def normal_equations(self, evaluation: StageEvaluation) -> NormalEquations:
        """The normal equations at the point of an evaluation."""
        return normal_equations(self, evaluation)

    def moved(self, evaluation: StageEvaluation, step: Tensor, shared_step: Tensor | None) -> StageEvaluation:
        """The evaluation after a step (F, D) and (S,)."""
        point, joints = evaluation.point, self.unknowns.joints
        rotations = point.rotations
        n_turns = 3 * len(joints)
        if joints:
            turns = torch.unflatten(step[:, :n_turns].mT, 0, (3, -1))
            if evaluation.placed is not None:
                turns = turned_back(evaluation.placed.world[:, :, joints], turns)
            turns = turns * (MAX_TURN / turns.norm(dim=0).clamp_min(MAX_TURN))
            rotations = rotations.clone()
            rotations[:, :, joints] = _proper(product(point.rotations[:, :, joints], axis_angle_to_matrix(turns, 0)))
        values = point.values + step[:, n_turns:].mT
        shared = point.shared if shared_step is None else point.shared + shared_step
        return self._evaluated(Point(rotations, values, shared))

    def chosen(self, better: Tensor, trial: StageEvaluation, current: StageEvaluation) -> StageEvaluation:
        """`trial` in the (F,) frames where it is better, else `current`; only where frames are not coupled."""

        def pick(a: Tensor, b: Tensor) -> Tensor:
            return torch.where(better, a, b) if a.shape[-1] == len(better) else a

        placed = trial.placed
        if placed is not None and current.placed is not None:
            placed = Placed(*(pick(a, b) for a, b in zip(vars(placed).values(), vars(current.placed).values(), strict=True)))
        return StageEvaluation(
            trial.point.chosen(better, current.point),
            pick(trial.costs, current.costs),
            {key: pick(value, current.terms[key]) for key, value in trial.terms.items()},
            placed,
            None if trial.pairs is None or current.pairs is None else pick(trial.pairs, current.pairs),
            None if trial.residuals is None or current.residuals is None else pick(trial.residuals, current.residuals),
            {key: pick(value, current.turns[key]) for key, value in trial.turns.items()},
            None,
        )

    def keep(self, evaluation: StageEvaluation) -> None:
        """Makes the point of an evaluation the present one."""
        self.point = evaluation.point

    def can_be_cut(self) -> bool:
        """Whether `part` can be asked for: other terms hold inputs of all frames."""
        return self.generic is None and not self.has_shared and not self.unknowns.by_components

    def part(self, frames: Tensor | slice) -> "StageLeastSquares":
        """The same stage for some frames, from the present point."""
        part = object.__new__(StageLeastSquares)
        part.__dict__.update(self.__dict__)
        every = torch.arange(self.n_frames, device=self.point.rotations.device)
        part.frames = every[frames] if isinstance(self.frames, slice) else self.frames[frames]
        part.point = Point(self.point.rotations[..., frames], self.point.values[:, frames], self.point.shared)
        part.points = None if self.points is None else self.points.part(frames)
        return part

    def put_back(self, part: "StageLeastSquares", frames: Tensor | slice, within: slice) -> None:
        """Takes over the point of a part for the frames that are `within` it."""
        places = torch.arange(self.n_frames, device=self.point.rotations.device)[frames][within]
        rotations, values = self.point.rotations.clone(), self.point.values.clone()
        rotations[..., places] = part.point.rotations[..., within]
        values[:, places] = part.point.values[:, within]
        self.point = Point(rotations, values, self.point.shared)

    def with_best_expression(self) -> None:
        """Moves to the best expression of each frame, all else kept: keypoints depend on it linearly."""
        evaluation = self.evaluate()
        assert self.points is not None
        assert self.carriers is not None
        assert evaluation.placed is not None
        assert evaluation.residuals is not None
        columns, used = self.carriers.moved_by_expression(evaluation.placed, self.points.matrix)  # (F, N', 3, E), (N',)
        weighted = columns * self.robust(evaluation.residuals)[1][used].mT[..., None, None]
        hessian = columns.flatten(1, 2).mT @ weighted.flatten(1, 2)
        gradient = (weighted.flatten(1, 2).mT @ evaluation.residuals[:, used].permute(2, 1, 0).flatten(1)[..., None])[..., 0]
        start = self.place_of("expression")
        places = slice(start, start + columns.shape[-1])
        for term in self.frame_terms.values():
            if term.name == "expression":
                hessian.diagonal(dim1=1, dim2=2).add_(term.share**2)
                gradient += term.share**2 * evaluation.point.values[places].mT
        hessian.diagonal(dim1=1, dim2=2).add_(1e-6)
        values = evaluation.point.values.clone()
        values[places] -= torch.linalg.solve(hessian, gradient).mT
        better = self._evaluated(Point(evaluation.point.rotations, values, evaluation.point.shared))
        self.keep(self.chosen(better.costs < evaluation.costs, better, evaluation))

    def kernel(self) -> Any | None:
        """A compiled form of the whole stage, where there is one."""
        from .compiled import compiled  # noqa: PLC0415 - it builds on this module

        return compiled(self)

    @property
    def has_single_priors(self) -> bool:
        """Whether there is one tolerance, one acceleration of turns and one of the root at most, as the kernels want it."""
        return all(len(terms) <= 1 for terms in (self.priors.tolerances, self.priors.accelerations, self.priors.root))

    def shared_estimate(self) -> tuple[Tensor, Tensor]:
        """(S,) what is known of the shared unknowns, and (R, S) the root of its precision: of all terms about them together."""
        like, n_shared = self.point.shared, len(self.point.shared)
        roots, right = [like.new_zeros(1, n_shared)], [like.new_zeros(1)]
        for term in self.shared.values():
            root = like.new_zeros(len(term.root), n_shared)
            root[:, self.columns_of(term)] = term.root
            roots.append(root)
            right.append(term.root @ term.usual)
        stacked, sides = torch.cat(roots), torch.cat(right)
        usual = torch.linalg.lstsq(stacked.double(), sides.double()[:, None], driver="gelsd").solution[:, 0]
        return usual.to(like), stacked

    def prior_tables(self, n_joints: int) -> tuple[Tensor, Tensor, Tensor, float]:
        """(J, 3, 3) usual rotations, (J, 3) shares of tolerances, (J,) shares of accelerations, and that of the root; zeros where none."""
        like, joints = self.point.rotations, self.unknowns.joints
        usual, shares, pace = torch.eye(3).to(like).repeat(n_joints, 1, 1), like.new_zeros(n_joints, 3), like.new_zeros(n_joints)
        for its_usual, its_shares in self.priors.tolerances.values():
            usual[joints], shares[joints] = its_usual[..., 0].permute(2, 0, 1), its_shares[..., 0].mT
        for its_pace in self.priors.accelerations.values():
            pace[joints] = its_pace[:, 0]
        return usual, shares, pace, next(iter(self.priors.root.values()), 0.0)

    @property
    def has_fixed_levers(self) -> bool:
        """Whether what joints carry does not depend on the pose."""
        assert self.carriers is not None
        return self.carriers.has_fixed_levers

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of all joints."""
        return JOINT_NAMES[self.unknowns.body.model_type]

    # --- costs

    def _evaluated(self, point: Point) -> StageEvaluation:
        terms: dict[str, Tensor] = {}
        if self.on_evaluation is not None:
            self.on_evaluation(None)
        placed = pairs = residuals = None
        values = self.unknowns.values_at(point)
        if self.carriers is not None:
            placed = self.carriers.place(self.unknowns.rotations_at(point), self.value("betas", values), self.value("expression", values))
            pairs = self.carriers.pairs(placed)
        if self.points is not None:
            assert pairs is not None
            residuals = self._input_points(pairs, self.value("transl", values)) - self.points.target
            costs = self.robust(residuals)[0]
            terms |= {key: costs[rows].sum(0) for key, rows in self.points.keys}
        turns = {}
        moving = point.rotations[:, :, self.unknowns.joints]
        for key, (usual, shares) in self.priors.tolerances.items():
            turns[key] = rotation_log(product(usual.transpose(0, 1), moving))
            terms[key] = (turns[key] * shares).square().sum((0, 1))
        steps = None
        if self.priors.couples_frames and self.n_frames > 2:
            terms |= self._acceleration_costs(point, moving)
            steps = rotation_log(product(moving[..., :-1].transpose(0, 1), moving[..., 1:])) if self.priors.accelerations else None
            for key, shares in self.priors.accelerations.items():
                assert steps is not None
                terms[key] = _inner((steps.diff(dim=-1) * shares).square().sum((0, 1)))
        for key, term in self.frame_terms.items():
            terms[key] = (values[term.name] * term.share).square().sum(1)
        for key, shared in self.shared.items():
            residual = shared.root @ (point.shared[self.columns_of(shared)] - shared.usual)
            terms[key] = (residual.square().sum() / self.n_frames).expand(self.n_frames)
        if self.generic is not None:
            terms |= self.generic.costs(self, point, pairs)
        zero = point.rotations.new_zeros(self.n_frames)
        costs = torch.stack([zero, *terms.values()]).sum(0)
        if self.on_evaluation is not None:
            self.on_evaluation(terms)
        return StageEvaluation(point, costs, terms, placed, pairs, residuals, turns, steps)

    def _acceleration_costs(self, point: Point, moving: Tensor) -> dict[str, Tensor]:
        return {key: _inner((point.values[:3].diff(n=2, dim=-1) * share).square().sum(0)) for key, share in self.priors.root.items()}

    def place_of(self, name: str) -> int:
        """Where a parameter begins among those of a frame that are no rotations."""
        names = list(self.unknowns.frame_values)
        return sum(self.unknowns.frame_values[other] for other in names[: names.index(name)])

    def columns_of(self, term: SharedTerm) -> slice:
        """Which of the shared unknowns a term is about."""
        start = 0
        for name, width in self.unknowns.shared_values.items():
            if name == term.name:
                return slice(start, start + width)
            start += width
        raise KeyError(term.name)

    def robust(self, residuals: Tensor) -> tuple[Tensor, Tensor]:
        """(N, F) costs of the points, and (N, F) weights that make their squares change as the costs do."""
        assert self.points is not None
        squared = residuals.square().sum(0)
        share = 1 / (1 + squared / self.points.sigma.square())
        return self.points.weight * squared * share, self.points.weight * share.square()

    def value(self, name: str, values: dict[str, Tensor]) -> Tensor | None:
        """A parameter that is no rotation, of the frames of this part."""
        if name in values:
            return values[name]
        value = self.unknowns.parameters.get(name)
        return value if value is None or len(value) == 1 else value.detach()[self.frames]

    def keypoints(self, pairs: Tensor, transl: Tensor | None) -> Tensor:
        """(3, K, F) keypoints of the body, metres."""
        assert self.carriers is not None
        points: Tensor = self.carriers.to_keypoints @ pairs
        return points if transl is None else points + transl.mT[:, None]

    def _input_points(self, pairs: Tensor, transl: Tensor | None) -> Tensor:
        """(3, N, F) the points that are compared."""
        assert self.points is not None
        assert self.carriers is not None
        matrix = self.points.matrix @ self.carriers.to_keypoints
        points: Tensor = matrix @ pairs
        return points if transl is None else points + self.points.matrix.sum(1)[:, None] * transl.mT[:, None]

    def _drop_unobserved(self, terms: dict[str, Any]) -> None:
        """Joints that turn no point with any weight are set to their usual rotation, where there is one, and left there."""
        if self.points is None or self.carriers is None:
            return
        moved = self.carriers.joints_moving(self.points.matrix)
        unobserved = [joint for joint in self.unknowns.joints if joint not in moved]
        rotations = self.point.rotations.clone()
        for term in terms.values():
            if isinstance(term, RotationTerm):
                for joint, usual in zip(term.joints.tolist(), term.usual, strict=True):
                    if joint in unobserved:
                        rotations[:, :, joint] = usual[..., None]
        self.point = Point(rotations, self.point.values, self.point.shared)
        self.unknowns.keep_only(sorted(moved))


def _inner(costs: Tensor) -> Tensor:
    """(F,) costs of the frames between the first and the last, (F - 2,), with zeros for these two."""
    return torch.nn.functional.pad(costs, (1, 1))


def _proper(rotations: Tensor) -> Tensor:
    """(3, 3, ...) rotation matrices without the rounding errors of many products: one step towards the nearest rotation."""
    x, y = rotations[0], rotations[1]
    # Half of what the first two rows are off each other and off length one, then the third row anew.
    overlap = 0.5 * (x * y).sum(0)
    x, y = x - overlap * y, y - overlap * x
    x, y = x * (1.5 - 0.5 * x.square().sum(0)), y * (1.5 - 0.5 * y.square().sum(0))
    return torch.stack([x, y, cross(x, y)])
