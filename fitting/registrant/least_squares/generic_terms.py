"""Terms of a stage that are known by their residuals only: forward-mode derivatives, pushed through the closed form of the keypoints."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.func import jvp, vmap

from ...body import BodyOutput
from ...errors import FittingError
from ...rotations import inverse_right_jacobian, rotation_log
from ..problem import Problem, Term
from .derivatives import keypoint_jacobian, to_local
from .unknowns import parts_of

if TYPE_CHECKING:
    from .stage import StageEvaluation, StageLeastSquares

Tensors = dict[str, Tensor]
_KEYPOINTS = "model_joints"


class GenericTerms:
    """Terms by their residuals.

    Args:
        problem: The stage.
        terms: Its terms that have no closed form.

    Attributes:
        reach: How many frames before and after its own a residual depends on.
    """

    def __init__(self, problem: Problem, terms: Sequence[Term]) -> None:
        self._problem = problem
        self._terms = list(terms)
        self._parts = parts_of(problem.body)
        self._is_checked = False
        self.reach = max((term.handler.frame_reach() for term in terms), default=0)

    def costs(self, stage: "StageLeastSquares", evaluation_at: Any, pairs: Tensor | None) -> Tensors:
        """(F,) of each term by handler key.

        Args:
            stage: The stage.
            evaluation_at: The point.
            pairs: What joints and pairs carry of the keypoints, where the body is known in closed form.
        """
        values = self._values(stage, evaluation_at, pairs)
        arguments = self._arguments(values)
        return {term.handler.handler_key: term.residuals(**arguments).square().sum(1) for term in self._terms}

    def add(
        self, stage: "StageLeastSquares", evaluation: "StageEvaluation", hessian: Tensor, gradient: Tensor, coupling: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """Adds the terms to the normal equations; gives the blocks that couple frames."""
        primals = self._values(stage, evaluation.point, evaluation.pairs)
        tangents = self._tangents(stage, evaluation, primals)
        n_shared, n_all = len(evaluation.point.shared), hessian.shape[-1]
        blocks = list(coupling) + [
            hessian.new_zeros(max(len(hessian) - n, 0), n_all, n_all) for n in range(len(coupling) + 1, 2 * self.reach + 1)
        ]
        if not self._is_checked:
            self._check_reach(primals, tangents)
            self._is_checked = True
        for term in self._terms:
            reach = term.handler.frame_reach()

            def residuals(values: Tensors, term: Term = term) -> Tensor:
                return term.residuals(**self._arguments(values))

            value = residuals(primals)
            jacobians = _jacobians(residuals, primals, tangents, reach, one_by_one=term.handler.requires_verts())
            _add(hessian, gradient, blocks, value, jacobians, n_shared)
        return tuple(blocks)

    def _check_reach(self, primals: Tensors, tangents: Tensors) -> None:
        """Refuses a term that looks at frames further away than it says: its derivatives would be wrong, and nobody would know.

        Raises:
            FittingError: One does.
        """
        n_frames = self._problem.n_frames
        middle = n_frames // 2
        generator = torch.Generator().manual_seed(0)
        for term in self._terms:
            reach = term.handler.frame_reach()

            def residuals(values: Tensors, term: Term = term) -> Tensor:
                return term.residuals(**self._arguments(values))

            moved = {}
            for name, value in tangents.items():
                weights = torch.randn(len(value), generator=generator).to(value)
                moved[name] = torch.zeros_like(primals[name])
                moved[name][middle] = torch.tensordot(weights, value[:, middle], 1)
            change = jvp(residuals, (primals,), (moved,))[1].abs().amax(1)
            frame = torch.arange(n_frames, device=change.device)
            if bool((change[(frame - middle).abs() > reach] > 1e-6 * (1 + change.amax())).any()):
                raise FittingError(
                    f"The loss {type(term.handler.loss).__name__} of {term.handler.handler_key!r} compares frames that are more than "
                    f"{reach} apart.",
                    "Say how far it looks with the class attribute `frame_reach`, or use LBFGS.",
                )

    def _values(self, stage: "StageLeastSquares", point: Any, pairs: Tensor | None) -> Tensors:
        """What the residuals are a function of: all parameters, and the keypoints where they are known in closed form."""
        values = stage.unknowns.parameters_at(point)
        expanded = {name: value.detach().expand(self._problem.n_frames, -1).clone() for name, value in values.items()}
        if pairs is not None:
            expanded[_KEYPOINTS] = stage.keypoints(pairs, expanded.get("transl")).permute(2, 1, 0)
        return expanded

    def _arguments(self, values: Tensors) -> dict[str, Any]:
        """What handlers are given."""
        parameters = {name: value for name, value in values.items() if name != _KEYPOINTS}
        problem, body = self._problem, self._problem.body
        if _KEYPOINTS in values:
            vertices = body.vertices(**parameters) if problem.requires_verts else None  # type: ignore[attr-defined]
            pose = body.full_pose({name: parameters[name] for name in self._parts})
            output = BodyOutput(values[_KEYPOINTS], vertices, pose)
        else:
            output = body(**parameters, return_verts=problem.requires_verts)
        return problem.arguments(output, parameters)

    def _tangents(self, stage: "StageLeastSquares", evaluation: "StageEvaluation", primals: Tensors) -> Tensors:
        """(D + S, F, ...) how each of the values changes with each unknown."""
        unknowns = stage.unknowns
        n_turns = 3 * len(unknowns.joints)
        widths = [*unknowns.frame_values.items(), *unknowns.shared_values.items()]
        n_all = n_turns + sum(width for _, width in widths)
        tangents = {name: value.new_zeros(n_all, *value.shape) for name, value in primals.items()}
        turned = rotation_log(evaluation.point.rotations[:, :, unknowns.joints])
        local = to_local(stage, evaluation)
        change = torch.einsum("abjf,bcjf->acjf", inverse_right_jacobian(turned), local)  # d log / d turn about the axes of the world
        place_of = {joint: place for place, joint in enumerate(unknowns.joints)}
        for name, joints in unknowns.turned.items():
            for place, joint in enumerate(joints):
                if joint in place_of:
                    rows = torch.arange(3, device=change.device) * len(unknowns.joints) + place_of[joint]
                    tangents[name][rows, :, 3 * place : 3 * place + 3] = change[:, :, place_of[joint]].permute(1, 2, 0)
        start = n_turns
        for name, width in widths:
            for column in range(width):
                tangents[name][start + column, :, column] = 1
            start += width
        if _KEYPOINTS in primals:
            tangents[_KEYPOINTS] = keypoint_jacobian(stage, evaluation).permute(3, 0, 1, 2)
        return tangents


def _jacobians(
    residuals: Callable[[Tensors], Tensor], primals: Tensors, tangents: Tensors, reach: int, one_by_one: bool
) -> dict[int, Tensor]:
    """For each distance from -reach to reach, (F, R, D) how the residuals of a frame change with the unknowns of the frame that far away.

    All frames are moved at once; where residuals depend on neighbours, every (2 reach + 1)th, so that each residual feels one of them.
    """
    n_frames = next(iter(primals.values())).shape[0]
    period = 2 * reach + 1
    found: dict[int, Tensor] = {}
    frame = torch.arange(n_frames, device=next(iter(primals.values())).device)
    for colour in range(period):
        moving = frame % period == colour

        def along(tangent: Tensors) -> Tensor:
            change: Tensor = jvp(residuals, (primals,), (tangent,))[1]
            return change

        masked = {
            name: value * moving.view(1, -1, *([1] * (value.ndim - 2))).to(value) if period > 1 else value
            for name, value in tangents.items()
        }
        columns = None if one_by_one else _all_at_once(along, masked)
        if columns is None:
            n_all = len(next(iter(tangents.values())))
            columns = torch.stack([along({name: value[d] for name, value in masked.items()}) for d in range(n_all)])
        columns = columns.permute(1, 2, 0)
        for distance in range(-reach, reach + 1):
            felt = ((frame + distance) % period == colour) & (frame + distance >= 0) & (frame + distance < n_frames)
            part = columns * felt[:, None, None].to(columns)
            found[distance] = part if distance not in found else found[distance] + part
    return found


def _all_at_once(along: Callable[[Tensors], Tensor], tangents: Tensors) -> Tensor | None:
    """The derivatives along all directions in one pass, or None where a loss has operations that cannot be batched."""
    try:
        columns: Tensor = vmap(along)(tangents)
    except (RuntimeError, NotImplementedError):
        return None
    return columns


def _add(hessian: Tensor, gradient: Tensor, blocks: list[Tensor], value: Tensor, jacobians: dict[int, Tensor], n_shared: int) -> None:
    """Adds residuals (F, R) to the normal equations of frames, which have the shared unknowns last."""
    n_frames, own = len(value), hessian.shape[-1] - n_shared
    if n_shared:
        shared = sum((jacobian[..., own:] for jacobian in jacobians.values()), start=value.new_zeros(()))
        gradient[:, own:] += torch.einsum("frs,fr->fs", shared, value)
        hessian[:, own:, own:] += shared.mT @ shared
    for distance, jacobian in jacobians.items():
        here = slice(max(-distance, 0), n_frames - max(distance, 0))  # frames of residuals that have a frame that far away
        there = slice(here.start + distance, here.stop + distance)
        part = jacobian[here, :, :own]
        gradient[there, :own] += torch.einsum("frd,fr->fd", part, value[here])
        hessian[there, :own, :own] += part.mT @ part
        if n_shared:
            cross = part.mT @ shared[here]
            hessian[there, :own, own:] += cross
            hessian[there, own:, :own] += cross.mT
        for further, other in jacobians.items():
            if further > distance:
                both = slice(here.start, max(min(here.stop, n_frames - max(further, 0)), here.start))
                first = slice(both.start + distance, both.stop + distance)
                blocks[further - distance - 1][first, :own, :own] += jacobian[both, :, :own].mT @ other[both, :, :own]
