"""How a stage changes: its normal equations in closed form, and how keypoints move with the unknowns.

The unknown turns are about the axes of the world: component first, then joint. Frames come last where joints are posed and first where
matrices are multiplied.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...body.posed_points import product, turned_back
from ...rotations import inverse_right_jacobian
from ...solvers.least_squares import NormalEquations

if TYPE_CHECKING:
    from .stage import StageEvaluation, StageLeastSquares


def normal_equations(stage: "StageLeastSquares", evaluation: "StageEvaluation") -> NormalEquations:
    """The normal equations at the point of an evaluation."""
    n_joints, n_frames = len(stage.unknowns.joints), stage.n_frames
    n_values, n_shared = len(evaluation.point.values), len(evaluation.point.shared)
    n_all = 3 * n_joints + n_values + n_shared
    hessian = evaluation.costs.new_zeros(n_frames, n_all, n_all)
    gradient = evaluation.costs.new_zeros(n_frames, n_all)
    _add_points(stage, evaluation, hessian, gradient)
    _add_tolerances(stage, evaluation, hessian, gradient)
    coupling = _coupling(stage, evaluation, hessian, gradient)
    if stage.generic is not None:
        coupling = stage.generic.add(stage, evaluation, hessian, gradient, coupling)
    own = n_all - n_shared
    for term in stage.frame_terms.values():
        begin = 3 * n_joints + stage.place_of(term.name)
        places = slice(begin, begin + stage.unknowns.frame_values[term.name])
        gradient[:, places] += term.share**2 * stage.unknowns.values_at(evaluation.point)[term.name]
        hessian[:, places, places].diagonal(dim1=1, dim2=2).add_(term.share**2)
    for shared in stage.shared.values():
        columns = stage.columns_of(shared)
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


def _add_points(stage: "StageLeastSquares", evaluation: "StageEvaluation", hessian: Tensor, gradient: Tensor) -> None:
    if stage.points is None:
        return
    assert evaluation.residuals is not None
    weight = stage.robust(evaluation.residuals)[1].mT  # (F, N)
    n_joints = len(stage.unknowns.joints)
    forces = [evaluation.residuals.permute(2, 1, 0)[..., None]]  # (F, N, 3, 1), then how the points move with other unknowns
    moved = _moved_points(stage, evaluation)
    if moved is not None:
        forces.append(moved)
    weighted = torch.cat(forces, -1) * weight[..., None, None]
    if n_joints:
        levers = _levers(stage, evaluation)  # (F, 3 A, N)
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


def _levers(stage: "StageLeastSquares", evaluation: "StageEvaluation") -> Tensor:
    """(F, 3 A, N) the way from each unknown joint to what it carries of each point."""
    assert stage.points is not None
    assert stage.carriers is not None
    assert evaluation.placed is not None
    assert evaluation.pairs is not None
    joints = stage.unknowns.joints
    if stage.spread is None:
        stage.spread = stage.carriers.spread(stage.points.matrix, joints)
    spread, by_weight = stage.spread
    levers = torch.unflatten(evaluation.pairs.permute(2, 0, 1) @ spread.mT, 2, (len(joints), -1))
    if evaluation.placed.weight.shape[-1] == 1:
        return levers.flatten(1, 2)
    # The weights change from frame to frame: so does how much of a point turns with a joint.
    carried = torch.unflatten(stage.carriers.weights(evaluation.placed).mT @ by_weight.mT, 1, (len(joints), -1))
    places = evaluation.placed.joints[:, joints].permute(2, 0, 1)
    return (levers - places[..., None] * carried[:, None]).flatten(1, 2)


def _moved_points(stage: "StageLeastSquares", evaluation: "StageEvaluation") -> Tensor | None:
    """(F, N, 3, E + S) how the points move with the unknowns that are no turns."""
    assert stage.points is not None
    columns = moved_keypoints(stage, evaluation)
    return None if columns is None else torch.unflatten(stage.points.matrix @ columns.flatten(2), 2, columns.shape[2:])


def moved_keypoints(stage: "StageLeastSquares", evaluation: "StageEvaluation") -> Tensor | None:
    """(F, K, 3, E + S) how the keypoints of the body move with the unknowns that are no turns."""
    assert stage.carriers is not None
    assert evaluation.placed is not None
    names = {**stage.unknowns.frame_values, **stage.unknowns.shared_values}
    if not names:
        return None
    n_keypoints, columns = len(stage.carriers.to_keypoints), {}
    if "transl" in names:
        eye = torch.eye(3).to(evaluation.costs)
        columns["transl"] = eye.expand(stage.n_frames, n_keypoints, 3, 3)
    if "betas" in names or "expression" in names:
        values = stage.unknowns.values_at(evaluation.point)
        by_shape = stage.carriers.moved_by_shape(evaluation.placed, stage.value("betas", values))
        columns["betas"] = by_shape[..., : stage.unknowns.body.parameter_shapes()["betas"]]
        columns["expression"] = by_shape[..., columns["betas"].shape[-1] :]
    for name in names:
        if name not in columns:  # a hand by a few components
            columns[name] = _moved_by_components(stage, evaluation, name)
    return torch.cat([columns[name] for name in names], -1)


def _moved_by_components(stage: "StageLeastSquares", evaluation: "StageEvaluation", name: str) -> Tensor:
    """(F, K, 3, C) how the keypoints move with the components of a part of the pose."""
    assert evaluation.placed is not None
    values = stage.unknowns.parameters_at(evaluation.point)
    part = values[name].expand(stage.n_frames, -1)
    pose_parts = {other: values[other] for other in stage.unknowns.body.parts_of_pose(torch.zeros(1, 3 * stage.unknowns.body.n_joints))}
    width, like = part.shape[1], part
    base = stage.unknowns.body.full_pose(pose_parts)
    unit = torch.eye(width).to(like)
    directions = torch.stack([stage.unknowns.body.full_pose({**pose_parts, name: part + unit[i]}) - base for i in range(width)], -1)
    joints = torch.nonzero(torch.unflatten(directions.abs().sum((0, 2)), 0, (-1, 3)).sum(1))[:, 0].tolist()
    pose = torch.unflatten(base, 1, (-1, 3))[:, joints].permute(2, 1, 0)
    inverse = inverse_right_jacobian(pose).permute(3, 2, 0, 1)  # d log / d turn, from the right
    local = torch.linalg.solve(inverse, torch.unflatten(directions, 1, (-1, 3))[:, joints])  # (F, n, 3, C)
    world = evaluation.placed.world[:, :, joints].permute(3, 2, 0, 1) @ local
    by_turn = turned_keypoints(stage, evaluation, joints)  # (F, K, 3, 3, n)
    return torch.einsum("fkacn,fncw->fkaw", by_turn, world)


def turned_keypoints(stage: "StageLeastSquares", evaluation: "StageEvaluation", joints: list[int]) -> Tensor:
    """(F, K, 3, 3, A) how the keypoints of the body move with turns of joints about the axes of the world."""
    assert stage.carriers is not None
    assert evaluation.placed is not None
    assert evaluation.pairs is not None
    levers = stage.carriers.levers(evaluation.placed, evaluation.pairs, joints)  # (F, 3, A, K)
    zero = torch.zeros_like(levers[:, 0])
    x, y, z = levers.unbind(1)
    # -[d]x: a turn w moves the point by w x d.
    rows = torch.unflatten(torch.stack([zero, z, -y, -z, zero, x, y, -x, zero], 1), 1, (3, 3))  # (F, 3, 3, A, K)
    return rows.permute(0, 4, 1, 2, 3)


def keypoint_jacobian(stage: "StageLeastSquares", evaluation: "StageEvaluation") -> Tensor:
    """(F, K, 3, D + S) how the keypoints of the body move with all unknowns."""
    turns = turned_keypoints(stage, evaluation, stage.unknowns.joints).flatten(3)
    moved = moved_keypoints(stage, evaluation)
    return turns if moved is None else torch.cat([turns, moved], -1)


def _add_tolerances(stage: "StageLeastSquares", evaluation: "StageEvaluation", hessian: Tensor, gradient: Tensor) -> None:
    for key, (_, shares) in stage.priors.tolerances.items():
        turns = evaluation.turns[key]
        change = product(inverse_right_jacobian(turns), to_local(stage, evaluation)) * shares[:, None]
        _add_turns(stage, hessian, gradient, change, turns * shares)


def to_local(stage: "StageLeastSquares", evaluation: "StageEvaluation") -> Tensor:
    """(3, 3, A, F) from axes of the world to those of each unknown joint."""
    joints = stage.unknowns.joints
    if evaluation.placed is None:
        eye = torch.eye(3).to(evaluation.costs)
        return eye[..., None, None].expand(-1, -1, len(joints), stage.n_frames)
    return evaluation.placed.world[:, :, joints].transpose(0, 1)


def _add_turns(stage: "StageLeastSquares", hessian: Tensor, gradient: Tensor, change: Tensor, residuals: Tensor) -> None:
    """Adds a residual of three numbers for each joint (3, A, F) that changes by (3, 3, A, F) with its turn."""
    n_joints = change.shape[2]
    gradient[:, : 3 * n_joints] += turned_back(change, residuals).flatten(0, 1).mT
    _joint_blocks(hessian, n_joints).add_(product(change.transpose(0, 1), change).permute(3, 0, 1, 2))


def _coupling(stage: "StageLeastSquares", evaluation: "StageEvaluation", hessian: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
    """Adds accelerations; gives the blocks that couple a frame to the next and the one after it."""
    if not (stage.priors.couples_frames and stage.n_frames > 2):
        return ()
    n_joints, n_frames = len(stage.unknowns.joints), stage.n_frames
    near, far = (hessian.new_zeros(n_frames - n, *hessian.shape[1:]) for n in (1, 2))
    for shares in stage.priors.accelerations.values():
        assert evaluation.steps is not None
        local = to_local(stage, evaluation)
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
    for share in stage.priors.root.values():
        acceleration = evaluation.point.values[:3].diff(n=2, dim=-1).mT * share**2
        for offset, factor in enumerate((1.0, -2.0, 1.0)):
            frames = slice(offset, n_frames - 2 + offset)
            gradient[frames, transl] += factor * acceleration
            hessian[frames, transl, transl].diagonal(dim1=1, dim2=2).add_(factor**2 * share**2)
        for blocks, frames, factor in ((near, slice(None, -1), -2.0), (near, slice(1, None), -2.0), (far, slice(None), 1.0)):
            blocks[frames, transl, transl].diagonal(dim1=1, dim2=2).add_(factor * share**2)
    return near, far


def _joint_blocks(hessian: Tensor, n_joints: int) -> Tensor:
    """(F, 3, 3, A) a view of the blocks of each joint with itself."""
    turns = torch.unflatten(torch.unflatten(hessian[:, : 3 * n_joints, : 3 * n_joints], 1, (3, n_joints)), 3, (3, n_joints))
    return turns.diagonal(dim1=2, dim2=4)
