"""The arrays of a fit that the compiled kernels work on, and the loops around these kernels."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import spbsv
from threadpoolctl import ThreadpoolController

from . import frames, shape, track

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]

FRAMES_AT_ONCE = 512
"""Frames between two reports, and the share of a thread."""

_FIT_FRAMES: Any = frames.fit_frames  # compiled functions, which type checkers take for something else
_TRACK_COST: Any = track.track_cost
_ASSEMBLE: Any = track.assemble
_MOVE: Any = track.move
_SHAPE_SYSTEM: Any = shape.shape_system

_SHRINK, _GROW = np.float32(0.1), np.float32(100)


@cache
def _blas() -> ThreadpoolController:
    """The libraries of linear algebra: small banded systems take longer on several threads."""
    return ThreadpoolController()


def _on_one_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with one thread for linear algebra: small systems take longer on several, and twice the CPU time."""

    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        with _blas().limit(limits=1, user_api="blas"):
            return function(*arguments, **options)

    return run


@dataclass(frozen=True)
class PoseArrays:
    """A fit of poses; see `frames.fit_frames` for each array.

    Attributes:
        parents: (J,).
        offsets: (1 or F, J, 3).
        starts: (N + 1,).
        joints: (C,).
        weights: (1 or F, C).
        levers: (1 or F, C, 3).
        usual: (J, 3, 3) usual rotation of each joint.
        shares: (J, 3) inverse of what is usual about it; 0 for none.
        targets: (F, N, 3).
        importance: (F, N).
        bends: (N,).
        pace: (J,) what changes of the turn of each joint are multiplied with; 0 for none.
        root_pace: What changes of the way of the root are multiplied with.
    """

    parents: Integers
    offsets: Floats
    starts: Integers
    joints: Integers
    weights: Floats
    levers: Floats
    usual: Floats
    shares: Floats
    targets: Floats
    importance: Floats
    bends: Floats
    pace: Floats
    root_pace: float

    def part(self, window: slice) -> "PoseArrays":
        """The same for some frames."""
        cut = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("targets", "importance"):
            cut[name] = cut[name][window]
        for name in ("offsets", "weights", "levers"):
            if len(cut[name]) > 1:
                cut[name] = cut[name][window]
        return PoseArrays(**cut)


@dataclass(frozen=True)
class Group:
    """Joints that are sought together.

    Attributes:
        active: (A,) their indices, parents before children.
        moves: Whether the translation is sought with them.
    """

    active: Integers
    moves: bool

    @property
    def width(self) -> int:
        """Number of unknowns of a frame."""
        return 3 * len(self.active) + (3 if self.moves else 0)


def fit_each(
    arrays: PoseArrays,
    group: Group,
    rotations: Floats,
    roots: Floats,
    n_iter: int,
    ftol: float,
    damping: float,
    n_threads: int = 1,
    on_part: Callable[[float, float], None] | None = None,
) -> tuple[int, float]:
    """Fits each frame by itself, in place.

    Args:
        arrays: The fit.
        group: What is sought.
        rotations: (F, J, 3, 3).
        roots: (F, 3) places of the root joint.
        n_iter: Most steps.
        ftol: Share of the cost by which it must fall for another step.
        damping: Damping at first.
        n_threads: Threads that work at once.
        on_part: Called with the share of frames that is done, and their cost.

    Returns:
        The most steps of a frame, and the cost.
    """
    n_frames = len(rotations)
    costs, n_steps = np.zeros(n_frames, np.float32), np.zeros(n_frames, np.int64)
    tables = _tables(arrays, group)

    def run(start: int) -> None:
        window = slice(start, min(start + FRAMES_AT_ONCE, n_frames))
        part = arrays.part(window)
        _FIT_FRAMES(
            *_fixed(part), *tables, group.moves, *_priors(part, group), part.targets, part.importance, part.bends,
            rotations[window], roots[window], n_iter, np.float32(ftol), np.float32(damping), costs[window], n_steps[window],
        )  # fmt: skip

    starts = range(0, n_frames, FRAMES_AT_ONCE)
    with ThreadPoolExecutor(n_threads) as pool:
        for done, _ in enumerate(pool.map(run, starts) if n_threads > 1 and len(starts) > 1 else map(run, starts), 1):
            if on_part is not None:
                on_part(min(done * FRAMES_AT_ONCE, n_frames) / n_frames, float(costs.sum(dtype=np.float64)))
    return int(n_steps.max(initial=0)), float(costs.sum(dtype=np.float64))


@_on_one_thread
def fit_track(
    arrays: PoseArrays,
    groups: Sequence[Group],
    rotations: Floats,
    roots: Floats,
    n_iter: int,
    ftol: float,
    on_step: Callable[[int, float], None] | None = None,
) -> tuple[int, float, Floats, Floats]:
    """Fits all frames together, with accelerations; several groups take turns.

    Args:
        arrays: The fit.
        groups: What is sought.
        rotations: (F, J, 3, 3).
        roots: (F, 3).
        n_iter: Most steps.
        ftol: Share of the cost by which it must fall for another step.
        on_step: Called with the number of the step and the cost.

    Returns:
        Steps, the cost, and the new rotations and places of the root.
    """
    states = [_GroupState(arrays, group, len(rotations)) for group in groups]
    done, loss = 0, 0.0
    for done in range(1, n_iter + 1):
        for state in states:
            if not state.is_done:
                rotations, roots, loss = state.step(rotations, roots, ftol)
        if on_step is not None:
            on_step(done, loss)
        if all(state.is_done for state in states):
            break
    return done, loss, rotations, roots


@_on_one_thread
def fit_shape(
    arrays: PoseArrays,
    group: Group,
    offset_dirs: Floats,
    lever_dirs: Floats,
    estimate: tuple[Floats, Floats],
    betas: Floats,
    rotations: Floats,
    roots: Floats,
    n_iter: int,
    ftol: float,
    damping: float,
    on_step: Callable[[int, float], None] | None = None,
) -> tuple[int, float, Floats, Floats, Floats]:
    """Fits the shape together with the pose of each frame.

    Args:
        arrays: The fit, with offsets and levers of the given shape.
        group: What is sought of the poses, the translation with it.
        offset_dirs: (J, 3, S) how the offsets move with the shape.
        lever_dirs: (C, 3, S) how the levers do.
        estimate: (S,) what is known of the shape, and (R, S) root of its precision.
        betas: (S,) shape values to begin with.
        rotations: (F, J, 3, 3).
        roots: (F, 3).
        n_iter: Most steps.
        ftol: Share of the cost by which it must fall for another step.
        damping: Damping at first.
        on_step: Called with the number of the step and the cost.

    Returns:
        Steps, the cost, and the new betas, rotations and places of the root.
    """
    n_frames, n_active, n_shape = len(rotations), len(group.active), len(betas)
    tables, usual, root = _tables(arrays, group), *(np.asarray(value, np.float64) for value in estimate)
    turns, steps_of_turns = np.empty((n_frames, n_active, 3), np.float32), np.empty((max(n_frames - 1, 0), n_active, 3), np.float32)
    still = np.zeros(n_active, np.float32)
    steps = np.empty((n_frames, n_shape + 1, n_active + 1, 3), np.float32)
    schur, right = np.empty((n_shape, n_shape)), np.empty(n_shape)

    def arguments(at: PoseArrays) -> tuple[Any, ...]:
        return (*_fixed(at), *tables, group.moves, *_priors(at, group), at.targets, at.importance, at.bends)

    def cost_of(at: PoseArrays, shape_values: NDArray[np.float64], turned: Floats, placed: Floats) -> float:
        points: float = _TRACK_COST(*arguments(at), still, np.float32(0), turned, placed, turns, steps_of_turns)
        return points + float(np.square(root @ (shape_values - usual)).sum())

    values = betas.astype(np.float64)
    cost, done = cost_of(arrays, values, rotations, roots), 0
    for done in range(1, n_iter + 1):
        change, trial = None, None
        if _SHAPE_SYSTEM(*arguments(arrays), offset_dirs, lever_dirs, rotations, roots, np.float32(damping), steps, schur, right):
            matrix = schur + root.T @ root
            matrix[np.diag_indices(n_shape)] *= 1 + damping
            change = np.linalg.solve(matrix, right - root.T @ (root @ (values - usual)))
        if change is not None and np.isfinite(change).all():
            step = steps[:, n_shape] + np.tensordot(steps[:, :n_shape], change.astype(np.float32), (1, 0))
            turned, placed = np.empty_like(rotations), np.empty_like(roots)
            flat = np.ascontiguousarray(step.reshape(n_frames, -1))
            _MOVE(arrays.parents, arrays.offsets, group.active, group.moves, flat, rotations, roots, turned, placed)
            offsets = arrays.offsets + (offset_dirs @ change).astype(np.float32)
            levers = arrays.levers + (lever_dirs @ change).astype(np.float32)
            trial = replace(arrays, offsets=offsets, levers=levers)
            new_cost = cost_of(trial, values + change, turned, placed)
        if trial is not None and change is not None and new_cost < cost:
            converged = cost - new_cost <= ftol * cost
            arrays, values, rotations, roots, cost = trial, values + change, turned, placed, new_cost
            damping = max(damping * float(_SHRINK), 1e-7)
        else:
            damping = max(damping * float(_GROW), 1e-3)
            converged = damping > 1e6
        if on_step is not None:
            on_step(done, cost)
        if converged:
            break
    return done, cost, values.astype(np.float32), rotations, roots


class _GroupState:
    """One group with its damping and its working memory."""

    def __init__(self, arrays: PoseArrays, group: Group, n_frames: int) -> None:
        self._group, self._offsets, self._parents = group, arrays.offsets, arrays.parents
        self._pace = np.ascontiguousarray(arrays.pace[group.active])
        self._arguments = (
            *_fixed(arrays), *_tables(arrays, group), group.moves, *_priors(arrays, group),
            arrays.targets, arrays.importance, arrays.bends, self._pace, np.float32(arrays.root_pace),
        )  # fmt: skip
        n_active, width = len(group.active), group.width
        self._turns, self._steps = np.empty((n_frames, n_active, 3), np.float32), np.zeros((max(n_frames - 1, 0), n_active, 3), np.float32)
        self._new_turns, self._new_steps = np.empty_like(self._turns), np.empty_like(self._steps)
        self._band, self._right = np.empty((n_frames * width, 2 * width + 3), np.float32), np.empty((n_frames, width), np.float32)
        self._damping = np.float32(1e-4)
        self._stands_at: Floats | None = None
        self._cost = 0.0
        self.is_done = False

    def step(self, rotations: Floats, roots: Floats, ftol: float) -> tuple[Floats, Floats, float]:
        """One step: rotations and places of the root after it, and the cost."""
        # After a step of this group alone, all is known of where it stands.
        is_known = rotations is self._stands_at
        cost = self._cost if is_known else _TRACK_COST(*self._arguments, rotations, roots, self._turns, self._steps)
        _ASSEMBLE(*self._arguments, rotations, roots, self._turns, self._steps, self._damping, self._band, self._right)
        # Beyond the last frame there is nothing: LAPACK does not look there.
        _, step, info = spbsv(self._band.T, self._right.reshape(-1, 1), lower=1, overwrite_ab=1)
        if info == 0 and np.isfinite(step).all():
            trial, trial_roots = np.empty_like(rotations), np.empty_like(roots)
            step = np.ascontiguousarray(step.reshape(self._right.shape))
            _MOVE(self._parents, self._offsets, self._group.active, self._group.moves, step, rotations, roots, trial, trial_roots)
            trial_cost = _TRACK_COST(*self._arguments, trial, trial_roots, self._new_turns, self._new_steps)
            if trial_cost < cost:
                self._damping = max(self._damping * _SHRINK, np.float32(1e-7))
                self.is_done = cost - trial_cost <= ftol * cost
                self._turns, self._new_turns = self._new_turns, self._turns
                self._steps, self._new_steps = self._new_steps, self._steps
                self._stands_at, self._cost = trial, trial_cost
                return trial, trial_roots, trial_cost
        self._stands_at, self._cost = rotations, cost
        self._damping = max(self._damping * _GROW, np.float32(1e-3))
        self.is_done = bool(self._damping > 1e6)
        return rotations, roots, cost


def tables_of(parents: Integers, starts: Integers, joints: Integers, weights: Floats, active: Integers) -> tuple[Any, ...]:
    """`slot`, `ancestors`, `depths` and `rigid` of `frames.fit_frames`."""
    place = {int(joint): index for index, joint in enumerate(active)}
    slot = np.full(len(parents), -1, np.int32)
    for joint, parent in enumerate(parents):
        slot[joint] = place[joint] if joint in place else (slot[parent] if parent >= 0 else -1)
    chains: list[list[int]] = []
    for joint in active:
        above = slot[parents[joint]] if parents[joint] >= 0 else -1
        chains.append([place[int(joint)], *(chains[above] if above >= 0 else [])])
    depths = np.array([len(chain) for chain in chains], np.int32)
    ancestors = np.full((len(active), max(depths, default=1)), -1, np.int32)
    for index, chain in enumerate(chains):
        ancestors[index, : len(chain)] = chain
    rigid = (np.diff(starts) == 1) & (np.abs(weights[:, starts[:-1].clip(max=len(joints) - 1)] - 1) < 1e-6).all(0)
    return slot, ancestors, depths, rigid


def _tables(arrays: PoseArrays, group: Group) -> tuple[Any, ...]:
    slot, ancestors, depths, rigid = tables_of(arrays.parents, arrays.starts, arrays.joints, arrays.weights, group.active)
    return group.active, slot, ancestors, depths, rigid


def _fixed(arrays: PoseArrays) -> tuple[Any, ...]:
    return arrays.parents, arrays.offsets, arrays.starts, arrays.joints, arrays.weights, arrays.levers


def _priors(arrays: PoseArrays, group: Group) -> tuple[Floats, Floats]:
    return np.ascontiguousarray(arrays.usual[group.active]), np.ascontiguousarray(arrays.shares[group.active])
