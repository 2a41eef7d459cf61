"""Levenberg-Marquardt over all frames at once, for sums of squares."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import FittingError, PresetError, did_you_mean
from .block_banded import solve_banded, solve_frames
from .least_squares import LeastSquares, NormalEquations, total
from .objective import Objective
from .torch_optimizer import IterationCallback

_SHRINK, _GROW, _SHRINK_COUPLED = 0.2, 8.0, 0.1
_LEAST_DAMPING, _MOST_DAMPING = 1e-7, 1e6
_FLOOR = 1e-8
"""Added to the diagonal as a share of its mean: an unknown on which nothing depends stays where it is."""


_LEAST_CHUNK = 64
"""Frames: if not even so few fit into the memory, nothing will."""


class LevenbergMarquardt:
    """Makes a sum of squares small by damped Gauss-Newton steps.

    Each frame has a damping of its own, and takes a step only if its cost falls; a frame that has converged is left alone. Where frames
    are coupled, or share unknowns, all of them step together, and the linear system is solved exactly.

    Args:
        config: `damping` (1e-3), share of the diagonal that is added to it at first; `chunk` (4096), most frames that are solved at
            once, which bounds the memory; `overlap` (120), frames by which coupled ones overlap; `kernels` (true), whether compiled
            kernels are used where there are any.

    Raises:
        PresetError: An unknown argument, or a wrong value.
    """

    name = "LevenbergMarquardt"
    _DEFAULTS: Mapping[str, float | bool] = {"damping": 1e-3, "chunk": 4096, "overlap": 120, "kernels": True}

    def __init__(self, config: Mapping[str, Any]) -> None:
        values = {**self._DEFAULTS, **{key: value for key, value in config.items() if key != "type"}}
        for key, value in values.items():
            if key not in self._DEFAULTS:
                raise PresetError(f"LevenbergMarquardt has an unknown argument {key!r}.", did_you_mean(key, self._DEFAULTS))
            kind = {"kernels": bool, "damping": int | float}.get(key, int)
            is_right = isinstance(value, kind) and (key == "kernels" or not isinstance(value, bool))
            least = {"damping": 0.0, "chunk": 3, "overlap": 0}.get(key, 0)
            if not is_right or (key != "kernels" and not (math.isfinite(value) and value >= least)):
                raise PresetError(
                    f"LevenbergMarquardt has {key} = {value!r}, expected {'true or false' if key == 'kernels' else 'a number'}."
                )
        self.damping = float(values["damping"])
        self.chunk, self.overlap = int(values["chunk"]), int(values["overlap"])
        self.kernels = bool(values["kernels"])

    def minimise(
        self, objective: Objective, n_iter: int, ftol: float = 1e-4, on_iteration: IterationCallback | None = None
    ) -> tuple[int, float]:
        """Changes the free tensors of the objective in place.

        Args:
            objective: What is made small.
            n_iter: Largest number of steps.
            ftol: A frame, or all together where they are coupled, stops when its cost falls by less than this share.
            on_iteration: Called after each step; what it raises ends the run.

        Returns:
            Steps done, and the last loss.

        Raises:
            FittingError: A term is no sum of squares, or not a number at the start.
        """
        with torch.no_grad():
            problem = objective.least_squares()
            kernel = problem.kernel() if self.kernels else None
            if kernel is not None:
                done, loss = kernel.minimise(n_iter, ftol, self.damping, self.chunk, self.overlap, on_iteration)
            elif problem.can_be_cut():
                done, loss = self._in_chunks(problem, n_iter, ftol, on_iteration)
            else:
                done, loss = self._run(problem, n_iter, ftol, on_iteration)
            objective.take(problem)
        return done, loss

    def _in_chunks(self, problem: LeastSquares, n_iter: int, ftol: float, on_iteration: IterationCallback | None) -> tuple[int, float]:
        """Solves chunks one after the other; coupled ones overlap. Where the memory does not do, the chunks become smaller."""
        size = self.chunk
        while True:
            if problem.n_frames <= size:
                windows = [(slice(None), slice(None))]
            else:
                windows = chunks(problem.n_frames, size, self.overlap if problem.couples_frames else 0)
            try:
                most, loss = 0, 0.0
                for window, within in windows:
                    part = problem if len(windows) == 1 else problem.part(window)
                    done, part_loss = self._run(part, n_iter, ftol, on_iteration)
                    if part is not problem:
                        problem.put_back(part, window, within)
                    most, loss = max(most, done), loss + part_loss
            except (MemoryError, RuntimeError) as error:
                if size < _LEAST_CHUNK or not is_out_of_memory(error):
                    raise
                size = min(size, problem.n_frames) // 2
            else:
                return most, loss

    def _run(self, problem: LeastSquares, n_iter: int, ftol: float, on_iteration: IterationCallback | None) -> tuple[int, float]:
        together = problem.couples_frames or problem.has_shared
        current = problem.evaluate()
        loss = total(current.costs)
        if not math.isfinite(loss):
            terms = {key: float(value.sum()) for key, value in current.terms.items()}
            raise FittingError(
                f"The loss is not a number; its terms: {', '.join(f'{key} {value:g}' for key, value in terms.items())}.",
                "Look for wrong values in the keypoints, or for a loss that is not defined everywhere.",
            )
        damping = current.costs.new_full((problem.n_frames,), self.damping)
        running = torch.ones_like(damping, dtype=torch.bool)
        done = 0
        whole, frames = problem, None
        for done in range(1, n_iter + 1):
            step, shared_step, solved = _step(problem.normal_equations(current), damping)
            trial = problem.moved(current, step, shared_step)
            if together:
                new_loss = total(trial.costs)
                is_better = solved and new_loss < loss
                has_converged = is_better and loss - new_loss <= ftol * loss
                if is_better:
                    current, loss = trial, new_loss
                    damping = (damping * _SHRINK_COUPLED).clamp_min(_LEAST_DAMPING)
                else:
                    damping = (damping * 100).clamp_min(1e-3)
                    has_converged = float(damping[0]) > _MOST_DAMPING
            else:
                better = (trial.costs < current.costs) & running
                decrease = current.costs - trial.costs
                small = decrease <= ftol * current.costs
                current = trial if bool(better.all()) else problem.chosen(better, trial, current)
                damping = torch.where(better, (damping * _SHRINK).clamp_min(_LEAST_DAMPING), damping * _GROW)
                running &= ~(better & small) & (damping < _MOST_DAMPING)
                has_converged = not bool(running.any())
                loss = total(current.costs)
            if on_iteration is not None:
                on_iteration(done, loss, {key: float(value.sum()) for key, value in current.terms.items()})
            if has_converged:
                break
            if not together and problem.can_be_cut() and 2 * int(running.sum()) < len(running):
                # Most frames have converged: from here on only the others are computed.
                problem.keep(current)
                if frames is not None:
                    whole.put_back(problem, frames, slice(None))
                kept = torch.nonzero(running)[:, 0]
                frames = kept if frames is None else frames[kept]
                problem = whole.part(frames)
                current, damping, running = problem.evaluate(), damping[kept], running[kept]
        problem.keep(current)
        if frames is not None:
            whole.put_back(problem, frames, slice(None))
            loss = total(whole.evaluate().costs)
        return done, loss


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that a device, or the computer, has too little memory."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def chunks(n_frames: int, size: int, overlap: int) -> list[tuple[slice, slice]]:
    """Windows of at most `size` + 2 `overlap` frames, each with the part of it that is kept; the parts follow each other without a gap."""
    starts = range(0, n_frames, size)
    windows = []
    for start in starts:
        end = min(start + size, n_frames)
        first, last = max(start - overlap, 0), min(end + overlap, n_frames)
        windows.append((slice(first, last), slice(start - first, end - first)))
    return windows


def _step(equations: NormalEquations, damping: Tensor) -> tuple[Tensor, Tensor | None, Any]:
    """(F, D) the damped step, (S,) that of the shared unknowns or None, and whether the system could be solved."""
    hessian = equations.hessian
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    floor = _FLOOR * diagonal.mean(-1, keepdim=True) + 1e-12
    damped = hessian + torch.diag_embed(damping[:, None] * diagonal + floor)
    right = -equations.gradient
    if equations.cross is None:
        if equations.coupling:
            step, solved = solve_banded(damped, equations.coupling, right)
            return step, None, solved
        steps, frames_solved = solve_frames(damped, right[..., None])
        return steps[..., 0], None, bool(frames_solved.all())
    assert equations.shared_hessian is not None
    assert equations.shared_gradient is not None
    cross, n_shared = equations.cross, equations.cross.shape[-1]
    sides = torch.cat([cross, right[..., None]], -1)
    if equations.coupling:
        columns = [solve_banded(damped, equations.coupling, sides[..., index]) for index in range(n_shared + 1)]
        solution, solved = torch.stack([column for column, _ in columns], -1), all(is_solved for _, is_solved in columns)
    else:
        solution, frames_solved = solve_frames(damped, sides)
        solved = bool(frames_solved.all())
    # Schur complement: what is left of the shared unknowns once those of all frames are eliminated.
    eliminated = torch.einsum("fds,fdt->st", cross, solution)
    shared_damping = damping.mean() * equations.shared_hessian.diagonal()
    schur = equations.shared_hessian + torch.diag(shared_damping + 1e-12) - eliminated[:, :n_shared]
    shared_right = -equations.shared_gradient - eliminated[:, n_shared]
    shared, shared_solved = solve_frames(schur[None], shared_right[None, :, None])
    shared_step = shared[0, :, 0]
    return solution[..., n_shared] - solution[..., :n_shared] @ shared_step, shared_step, solved and bool(shared_solved.all())
