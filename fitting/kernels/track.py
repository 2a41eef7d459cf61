"""The compiled fit of a whole track: frames coupled by accelerations, in one banded system that LAPACK solves exactly.

Turns couple to the same joint two frames on at most, so that the matrix has 2 D + 2 diagonals below the main one for D unknowns of a frame.
"""

import numba
import numpy as np

from .frame_functions import (
    OPTIONS,
    F,
    add_turns,
    axis_angle_of,
    compare,
    compare_turns,
    inverse_right_jacobian_of,
    normal_equations,
    pose,
    turn,
)

_TREE = "int32[::1], float32[:,:,::1], int32[::1], int32[::1], float32[:,::1], float32[:,:,::1]"
_UNKNOWNS = "int32[::1], int32[::1], int32[:,::1], int32[::1], boolean[::1], boolean, float32[:,:,::1], float32[:,::1]"
_DATA = "float32[:,:,::1], float32[:,::1], float32[::1]"
_MOTION = "float32[::1], float32, float32[:,:,:,::1], float32[:,::1]"
COST_SIGNATURE = f"float64({_TREE}, {_UNKNOWNS}, {_DATA}, {_MOTION}, float32[:,:,::1], float32[:,:,::1])"
ASSEMBLE_SIGNATURE = (
    f"void({_TREE}, {_UNKNOWNS}, {_DATA}, {_MOTION}, float32[:,:,::1], float32[:,:,::1], float32, float32[:,::1], float32[:,::1])"
)
MOVE_SIGNATURE = (
    "void(int32[::1], float32[:,:,::1], int32[::1], boolean, float32[:,::1], float32[:,:,:,::1], float32[:,::1], "
    "float32[:,:,:,::1], float32[:,::1])"
)


@numba.njit(inline="always", **OPTIONS)
def _row(j, g, a, b):  # type: ignore[no-untyped-def]
    return j[a, 0] * g[b, 0] + j[a, 1] * g[b, 1] + j[a, 2] * g[b, 2]


@numba.njit(inline="always", **OPTIONS)
def _column(j, g, a, b):  # type: ignore[no-untyped-def]
    return j[0, a] * g[b, 0] + j[1, a] * g[b, 1] + j[2, a] * g[b, 2]


@numba.njit(COST_SIGNATURE, **OPTIONS)
def track_cost(  # type: ignore[no-untyped-def]
    parents, offsets, starts, joints, weights, levers, active, slot, ancestors, depths, rigid, moves, usual, shares,
    targets, importance, bends, pace, root_pace, rotations, roots, turns, steps,
):  # fmt: skip
    """The cost of a track; fills the turns from usual rotations (F, A, 3) and those from each frame to the next (F - 1, A, 3).

    Arguments as for `frames.fit_frames`; `pace` (A,) and `root_pace` are what changes of turns and of the way are multiplied with.
    """
    n_joints, n_points = len(parents), len(bends)
    world, places = np.empty((n_joints, 3, 3), F), np.empty((n_joints, 3), F)
    parts, errors, effective = np.empty((len(joints), 3), F), np.empty((n_points, 3), F), np.empty(n_points, F)
    m = np.empty((3, 3), F)
    total = 0.0
    for f in range(len(targets)):
        lever, weight = levers[f if len(levers) > 1 else 0], weights[f if len(weights) > 1 else 0]
        pose(parents, offsets[f if len(offsets) > 1 else 0], rotations[f], world, places)
        total += compare(
            starts,
            joints,
            weight,
            lever,
            targets[f],
            importance[f],
            bends,
            roots[f],
            world,
            places,
            parts,
            errors,
            effective,
        )
        total += compare_turns(active, usual, shares, rotations[f], turns[f])
        if f == 0:
            continue
        for i in range(len(active)):
            r, s = rotations[f - 1, active[i]], rotations[f, active[i]]
            for a in range(3):
                for b in range(3):
                    m[a, b] = r[0, a] * s[0, b] + r[1, a] * s[1, b] + r[2, a] * s[2, b]
            axis_angle_of(m, steps[f - 1, i])
            if f > 1:
                for a in range(3):
                    value = (steps[f - 1, i, a] - steps[f - 2, i, a]) * pace[i]
                    total += value * value
        if f > 1 and moves:
            for a in range(3):
                value = (roots[f, a] - F(2) * roots[f - 1, a] + roots[f - 2, a]) * root_pace
                total += value * value
    return total


@numba.njit(ASSEMBLE_SIGNATURE, **OPTIONS)
def assemble(  # type: ignore[no-untyped-def]
    parents, offsets, starts, joints, weights, levers, active, slot, ancestors, depths, rigid, moves, usual, shares,
    targets, importance, bends, pace, root_pace, rotations, roots, turns, steps, damping, band, right,
):  # fmt: skip
    """Fills the lower diagonals of the damped matrix, (F D, diagonals), and the right-hand side, (F, D)."""
    n_frames, n_joints, n_active, n_points = len(targets), len(parents), len(active), len(bends)
    world, places = np.empty((n_joints, 3, 3), F), np.empty((n_joints, 3), F)
    parts, errors, effective = np.empty((len(joints), 3), F), np.empty((n_points, 3), F), np.empty(n_points, F)
    moments, forces, torques = np.empty((n_joints, 10), F), np.empty((n_joints, 3), F), np.empty((n_joints, 3), F)
    arms, shares_of = np.empty((n_active, 3), F), np.empty(n_active, F)
    H = np.zeros((n_active, ancestors.shape[1] + 1, 3, 3), F)
    gradient, inverse, change = np.empty((n_active + 1, 3), F), np.empty((3, 3), F), np.empty((3, 3), F)
    # How the three turns of an acceleration, of the frame before last, the last and this one, change with the unknowns.
    worlds = np.empty((3, n_active, 3, 3), F)
    by = np.empty((3, 3, 3), F)
    width = 3 * n_active + (3 if moves else 0)
    band[:] = F(0)
    right[:] = F(0)
    for f in range(n_frames):
        lever, weight = levers[f if len(levers) > 1 else 0], weights[f if len(weights) > 1 else 0]
        pose(parents, offsets[f if len(offsets) > 1 else 0], rotations[f], world, places)
        compare(
            starts,
            joints,
            weight,
            lever,
            targets[f],
            importance[f],
            bends,
            roots[f],
            world,
            places,
            parts,
            errors,
            effective,
        )
        mass = normal_equations(
            parents, starts, joints, weight, active, slot, ancestors, depths, rigid,
            world, places, parts, errors, effective, moments, forces, torques, arms, shares_of, H, gradient,
        )  # fmt: skip
        add_turns(active, shares, turns[f], world, H, gradient, inverse, change)
        base = f * width
        for i in range(n_active):
            for d in range(depths[i]):
                k = ancestors[i, d]
                for b in range(3):
                    column = 3 * k + b
                    for a in range(b if d == 0 else 0, 3):
                        band[base + column, 3 * i + a - column] += H[i, d, a, b]
            for a in range(3):
                right[f, 3 * i + a] -= gradient[i, a]
                if moves:
                    for b in range(3):
                        column = 3 * i + a
                        band[base + column, 3 * n_active + b - column] += H[i, depths[i], a, b]
        if moves:
            for a in range(3):
                band[base + 3 * n_active + a, 0] += mass
                right[f, 3 * n_active + a] -= gradient[n_active, a]
        for c in range(width):
            band[base + c, 0] += damping * band[base + c, 0] + F(1e-6)
        for i in range(n_active):
            for a in range(3):
                for b in range(3):
                    worlds[0, i, a, b] = worlds[1, i, a, b]
                    worlds[1, i, a, b] = worlds[2, i, a, b]
                    worlds[2, i, a, b] = world[active[i], a, b]
        if f < 2:
            continue
        for i in range(n_active):
            s = pace[i]
            if s == F(0):
                continue
            # The later turn changes with this frame by J, and with the one before by -J'; the earlier one likewise.
            inverse_right_jacobian_of(steps[f - 1, i], inverse)
            for a in range(3):
                for b in range(3):
                    by[2, a, b] = s * _row(inverse, worlds[2, i], a, b)
                    by[1, a, b] = -s * _column(inverse, worlds[1, i], a, b)
            inverse_right_jacobian_of(steps[f - 2, i], inverse)
            for a in range(3):
                for b in range(3):
                    by[1, a, b] -= s * _row(inverse, worlds[1, i], a, b)
                    by[0, a, b] = s * _column(inverse, worlds[0, i], a, b)
            r0 = s * (steps[f - 1, i, 0] - steps[f - 2, i, 0])
            r1 = s * (steps[f - 1, i, 1] - steps[f - 2, i, 1])
            r2 = s * (steps[f - 1, i, 2] - steps[f - 2, i, 2])
            for p in range(3):
                first = f - 2 + p
                for b in range(3):
                    right[first, 3 * i + b] -= by[p, 0, b] * r0 + by[p, 1, b] * r1 + by[p, 2, b] * r2
                for q in range(p, 3):
                    shift = (q - p) * width
                    for b in range(3):
                        for a in range(b if q == p else 0, 3):
                            value = by[q, 0, a] * by[p, 0, b] + by[q, 1, a] * by[p, 1, b] + by[q, 2, a] * by[p, 2, b]
                            band[first * width + 3 * i + b, shift + a - b] += value
        if moves:
            s = root_pace * root_pace
            for a in range(3):
                c = 3 * n_active + a
                v = s * (roots[f, a] - F(2) * roots[f - 1, a] + roots[f - 2, a])
                right[f - 2, c] -= v
                right[f - 1, c] += F(2) * v
                right[f, c] -= v
                band[(f - 2) * width + c, 0] += s
                band[(f - 1) * width + c, 0] += F(4) * s
                band[f * width + c, 0] += s
                band[(f - 2) * width + c, width] -= F(2) * s
                band[(f - 1) * width + c, width] -= F(2) * s
                band[(f - 2) * width + c, 2 * width] += s


@numba.njit(MOVE_SIGNATURE, **OPTIONS)
def move(parents, offsets, active, moves, step, rotations, roots, new_rotations, new_roots):  # type: ignore[no-untyped-def]
    """Fills the rotations and the places of the root after a step (F, D)."""
    n_joints, n_active = len(parents), len(active)
    world, places, own = np.empty((n_joints, 3, 3), F), np.empty((n_joints, 3), F), np.empty((n_active, 3), F)
    for f in range(len(step)):
        pose(parents, offsets[f if len(offsets) > 1 else 0], rotations[f], world, places)
        for i in range(n_active):
            for a in range(3):
                own[i, a] = step[f, 3 * i + a]
        turn(active, own, world, rotations[f], new_rotations[f])
        for a in range(3):
            new_roots[f, a] = roots[f, a] + (step[f, 3 * n_active + a] if moves else F(0))
