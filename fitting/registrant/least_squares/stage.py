"""A stage as a sum of squares: costs and normal equations of all its terms.

Distances of points that joints carry, quadratic priors of rotations and accelerations are written down in closed form. All other terms are
asked for their residuals, whose derivatives come from forward-mode differentiation, pushed through the closed form of the keypoints.

Frames come last where joints are posed (see `body.posed_points`) and first where matrices are multiplied. The unknown turns are about the
axes of the world: component first, then joint.
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
from ...rotations import axis_angle_to_matrix, inverse_right_jacobian, rotation_log
from ...solvers.least_squares import NormalEquations
from .carriers import Carriers, can_be_placed
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
        self._spread: tuple[Tensor, Tensor] | None = None

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
        weighted = columns * self._robust(evaluation.residuals)[1][used].mT[..., None, None]
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
            root[:, self._columns(term)] = term.root
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
            costs = self._robust(residuals)[0]
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
            residual = shared.root @ (point.shared[self._columns(shared)] - shared.usual)
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

    def _columns(self, term: SharedTerm) -> slice:
        """Which of the shared unknowns a term is about."""
        start = 0
        for name, width in self.unknowns.shared_values.items():
            if name == term.name:
                return slice(start, start + width)
            start += width
        raise KeyError(term.name)

    def _robust(self, residuals: Tensor) -> tuple[Tensor, Tensor]:
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

    # --- derivatives

    def normal_equations(self, evaluation: StageEvaluation) -> NormalEquations:
        """The normal equations at the point of an evaluation."""
        n_joints, n_frames = len(self.unknowns.joints), self.n_frames
        n_values, n_shared = len(evaluation.point.values), len(evaluation.point.shared)
        n_all = 3 * n_joints + n_values + n_shared
        hessian = evaluation.costs.new_zeros(n_frames, n_all, n_all)
        gradient = evaluation.costs.new_zeros(n_frames, n_all)
        self._add_points(evaluation, hessian, gradient)
        self._add_tolerances(evaluation, hessian, gradient)
        coupling = self._coupling(evaluation, hessian, gradient)
        if self.generic is not None:
            coupling = self.generic.add(self, evaluation, hessian, gradient, coupling)
        own = n_all - n_shared
        for term in self.frame_terms.values():
            begin = 3 * n_joints + self.place_of(term.name)
            places = slice(begin, begin + self.unknowns.frame_values[term.name])
            gradient[:, places] += term.share**2 * self.unknowns.values_at(evaluation.point)[term.name]
            hessian[:, places, places].diagonal(dim1=1, dim2=2).add_(term.share**2)
        for shared in self.shared.values():
            columns = self._columns(shared)
            places = slice(own + columns.start, own + columns.stop)
            difference = evaluation.point.shared[columns] - shared.usual
            gradient[0, places] += shared.root.mT @ (shared.root @ difference)
            hessian[0, places, places] += shared.root.mT @ shared.root
        if not n_shared:
            return NormalEquations(hessian, gradient, coupling)
        return NormalEquations(
            hessian[:, :own, :own].contiguous(),
            gradient[:, :own].contiguous(),
            tuple(blocks[:, :own, :own] for blocks in coupling),
            hessian[:, :own, own:].contiguous(),
            hessian[:, own:, own:].sum(0),
            gradient[:, own:].sum(0),
        )

    def _add_points(self, evaluation: StageEvaluation, hessian: Tensor, gradient: Tensor) -> None:
        if self.points is None:
            return
        assert evaluation.residuals is not None
        weight = self._robust(evaluation.residuals)[1].mT  # (F, N)
        n_joints = len(self.unknowns.joints)
        forces = [evaluation.residuals.permute(2, 1, 0)[..., None]]  # (F, N, 3, 1), then how the points move with other unknowns
        moved = self._moved_points(evaluation)
        if moved is not None:
            forces.append(moved)
        weighted = torch.cat(forces, -1) * weight[..., None, None]
        if n_joints:
            levers = self._levers(evaluation)  # (F, 3 A, N)
            moments = (levers * weight[:, None]) @ levers.mT
            moments = torch.unflatten(torch.unflatten(moments, 1, (3, n_joints)), 3, (3, n_joints))
            block = torch.unflatten(torch.unflatten(hessian[:, : 3 * n_joints, : 3 * n_joints], 1, (3, n_joints)), 3, (3, n_joints))
            # (d_j . d_i) 1 - d_i d_j', summed over the points: how two turns work against each other.
            block.sub_(moments.transpose(1, 3))
            trace = moments[:, 0, :, 0] + moments[:, 1, :, 1] + moments[:, 2, :, 2]
            block.diagonal(dim1=1, dim2=3).add_(trace[..., None])
            torques = torch.unflatten(
                torch.unflatten(levers @ weighted.flatten(2), 2, weighted.shape[2:]), 1, (3, n_joints)
            )  # (F, 3, A, 3, 1 + E)
            turning = torch.stack([torques[:, (c + 1) % 3, :, (c + 2) % 3] - torques[:, (c + 2) % 3, :, (c + 1) % 3] for c in range(3)], 1)
            turning = turning.flatten(1, 2)
            gradient[:, : 3 * n_joints] += turning[..., 0]
            hessian[:, : 3 * n_joints, 3 * n_joints :] += turning[..., 1:]
            hessian[:, 3 * n_joints :, : 3 * n_joints] += turning[..., 1:].mT
        if moved is not None:
            own = moved.flatten(1, 2).mT @ weighted.flatten(1, 2)
            gradient[:, 3 * n_joints :] += own[..., 0]
            hessian[:, 3 * n_joints :, 3 * n_joints :] += own[..., 1:]

    def _levers(self, evaluation: StageEvaluation) -> Tensor:
        """(F, 3 A, N) the way from each unknown joint to what it carries of each point."""
        assert self.points is not None
        assert self.carriers is not None
        assert evaluation.placed is not None
        assert evaluation.pairs is not None
        joints = self.unknowns.joints
        if self._spread is None:
            self._spread = self.carriers.spread(self.points.matrix, joints)
        spread, by_weight = self._spread
        levers = torch.unflatten(evaluation.pairs.permute(2, 0, 1) @ spread.mT, 2, (len(joints), -1))
        if evaluation.placed.weight.shape[-1] == 1:
            return levers.flatten(1, 2)
        # The weights change from frame to frame: so does how much of a point turns with a joint.
        carried = torch.unflatten(self.carriers.weights(evaluation.placed).mT @ by_weight.mT, 1, (len(joints), -1))
        places = evaluation.placed.joints[:, joints].permute(2, 0, 1)
        return (levers - places[..., None] * carried[:, None]).flatten(1, 2)

    def _moved_points(self, evaluation: StageEvaluation) -> Tensor | None:
        """(F, N, 3, E + S) how the points move with the unknowns that are no turns."""
        assert self.points is not None
        columns = self.moved_keypoints(evaluation)
        return None if columns is None else torch.unflatten(self.points.matrix @ columns.flatten(2), 2, columns.shape[2:])

    def moved_keypoints(self, evaluation: StageEvaluation) -> Tensor | None:
        """(F, K, 3, E + S) how the keypoints of the body move with the unknowns that are no turns."""
        assert self.carriers is not None
        assert evaluation.placed is not None
        names = {**self.unknowns.frame_values, **self.unknowns.shared_values}
        if not names:
            return None
        n_keypoints, columns = len(self.carriers.to_keypoints), {}
        if "transl" in names:
            eye = torch.eye(3).to(evaluation.costs)
            columns["transl"] = eye.expand(self.n_frames, n_keypoints, 3, 3)
        if "betas" in names or "expression" in names:
            values = self.unknowns.values_at(evaluation.point)
            by_shape = self.carriers.moved_by_shape(evaluation.placed, self.value("betas", values))
            columns["betas"] = by_shape[..., : self.unknowns.body.parameter_shapes()["betas"]]
            columns["expression"] = by_shape[..., columns["betas"].shape[-1] :]
        for name in names:
            if name not in columns:  # a hand by a few components
                columns[name] = self._moved_by_components(evaluation, name)
        return torch.cat([columns[name] for name in names], -1)

    def _moved_by_components(self, evaluation: StageEvaluation, name: str) -> Tensor:
        """(F, K, 3, C) how the keypoints move with the components of a part of the pose."""
        assert evaluation.placed is not None
        values = self.unknowns.parameters_at(evaluation.point)
        part = values[name].expand(self.n_frames, -1)
        pose_parts = {other: values[other] for other in self.unknowns.body.parts_of_pose(torch.zeros(1, 3 * self.unknowns.body.n_joints))}
        width, like = part.shape[1], part
        base = self.unknowns.body.full_pose(pose_parts)
        unit = torch.eye(width).to(like)
        directions = torch.stack([self.unknowns.body.full_pose({**pose_parts, name: part + unit[i]}) - base for i in range(width)], -1)
        joints = torch.nonzero(torch.unflatten(directions.abs().sum((0, 2)), 0, (-1, 3)).sum(1))[:, 0].tolist()
        pose = torch.unflatten(base, 1, (-1, 3))[:, joints].permute(2, 1, 0)
        inverse = inverse_right_jacobian(pose).permute(3, 2, 0, 1)  # d log / d turn, from the right
        local = torch.linalg.solve(inverse, torch.unflatten(directions, 1, (-1, 3))[:, joints])  # (F, n, 3, C)
        world = evaluation.placed.world[:, :, joints].permute(3, 2, 0, 1) @ local
        by_turn = self.turned_keypoints(evaluation, joints)  # (F, K, 3, 3, n)
        return torch.einsum("fkacn,fncw->fkaw", by_turn, world)

    def turned_keypoints(self, evaluation: StageEvaluation, joints: list[int]) -> Tensor:
        """(F, K, 3, 3, A) how the keypoints of the body move with turns of joints about the axes of the world."""
        assert self.carriers is not None
        assert evaluation.placed is not None
        assert evaluation.pairs is not None
        levers = self.carriers.levers(evaluation.placed, evaluation.pairs, joints)  # (F, 3, A, K)
        zero = torch.zeros_like(levers[:, 0])
        x, y, z = levers.unbind(1)
        # -[d]x: a turn w moves the point by w x d.
        rows = torch.unflatten(torch.stack([zero, z, -y, -z, zero, x, y, -x, zero], 1), 1, (3, 3))  # (F, 3, 3, A, K)
        return rows.permute(0, 4, 1, 2, 3)

    def keypoint_jacobian(self, evaluation: StageEvaluation) -> Tensor:
        """(F, K, 3, D + S) how the keypoints of the body move with all unknowns."""
        turns = self.turned_keypoints(evaluation, self.unknowns.joints).flatten(3)
        moved = self.moved_keypoints(evaluation)
        return turns if moved is None else torch.cat([turns, moved], -1)

    def _add_tolerances(self, evaluation: StageEvaluation, hessian: Tensor, gradient: Tensor) -> None:
        for key, (_, shares) in self.priors.tolerances.items():
            turns = evaluation.turns[key]
            change = product(inverse_right_jacobian(turns), self.to_local(evaluation)) * shares[:, None]
            self._add_turns(hessian, gradient, change, turns * shares)

    def to_local(self, evaluation: StageEvaluation) -> Tensor:
        """(3, 3, A, F) from axes of the world to those of each unknown joint."""
        joints = self.unknowns.joints
        if evaluation.placed is None:
            eye = torch.eye(3).to(evaluation.costs)
            return eye[..., None, None].expand(-1, -1, len(joints), self.n_frames)
        return evaluation.placed.world[:, :, joints].transpose(0, 1)

    def _add_turns(self, hessian: Tensor, gradient: Tensor, change: Tensor, residuals: Tensor) -> None:
        """Adds a residual of three numbers for each joint (3, A, F) that changes by (3, 3, A, F) with its turn."""
        n_joints = change.shape[2]
        gradient[:, : 3 * n_joints] += turned_back(change, residuals).flatten(0, 1).mT
        _joint_blocks(hessian, n_joints).add_(product(change.transpose(0, 1), change).permute(3, 0, 1, 2))

    def _coupling(self, evaluation: StageEvaluation, hessian: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
        """Adds accelerations; gives the blocks that couple a frame to the next and the one after it."""
        if not (self.priors.couples_frames and self.n_frames > 2):
            return ()
        n_joints, n_frames = len(self.unknowns.joints), self.n_frames
        near, far = (hessian.new_zeros(n_frames - n, *hessian.shape[1:]) for n in (1, 2))
        for shares in self.priors.accelerations.values():
            assert evaluation.steps is not None
            local = self.to_local(evaluation)
            inverse = inverse_right_jacobian(evaluation.steps)
            ahead = product(inverse, local[..., 1:]) * shares  # how the step to a frame changes with that frame
            back = product(inverse.transpose(0, 1), local[..., :-1]) * -shares  # and with the frame before
            residual = evaluation.steps.diff(dim=-1) * shares
            first, last = -back[..., :-1], ahead[..., 1:]
            middle = back[..., 1:] - ahead[..., :-1]
            parts = (first, middle, last)
            for place, change in enumerate(parts):
                frames = slice(place, n_frames - 2 + place)
                gradient[frames, : 3 * n_joints] += turned_back(change, residual).flatten(0, 1).mT
                _joint_blocks(hessian[frames], n_joints).add_(product(change.transpose(0, 1), change).permute(3, 0, 1, 2))
            _joint_blocks(near[:-1], n_joints).add_(product(first.transpose(0, 1), middle).permute(3, 0, 1, 2))
            _joint_blocks(near[1:], n_joints).add_(product(middle.transpose(0, 1), last).permute(3, 0, 1, 2))
            _joint_blocks(far, n_joints).add_(product(first.transpose(0, 1), last).permute(3, 0, 1, 2))
        transl = slice(3 * n_joints, 3 * n_joints + 3)
        for share in self.priors.root.values():
            acceleration = evaluation.point.values[:3].diff(n=2, dim=-1).mT * share**2
            for offset, factor in enumerate((1.0, -2.0, 1.0)):
                frames = slice(offset, n_frames - 2 + offset)
                gradient[frames, transl] += factor * acceleration
                hessian[frames, transl, transl].diagonal(dim1=1, dim2=2).add_(factor**2 * share**2)
            for blocks, frames, factor in ((near, slice(None, -1), -2.0), (near, slice(1, None), -2.0), (far, slice(None), 1.0)):
                blocks[frames, transl, transl].diagonal(dim1=1, dim2=2).add_(factor * share**2)
        return near, far

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


def _joint_blocks(hessian: Tensor, n_joints: int) -> Tensor:
    """(F, 3, 3, A) a view of the blocks of each joint with itself."""
    turns = torch.unflatten(torch.unflatten(hessian[:, : 3 * n_joints, : 3 * n_joints], 1, (3, n_joints)), 3, (3, n_joints))
    return turns.diagonal(dim1=2, dim2=4)


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
