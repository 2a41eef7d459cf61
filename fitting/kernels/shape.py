"""The compiled fit of a shape that all frames share, with the poses of some frames: a Schur complement over the trees of the frames."""

import numba
import numpy as np

from .frame_functions import OPTIONS, F, add_turns, compare, compare_turns, factor_tree, normal_equations, pose, solve_tree

_TREE = "int32[::1], float32[:,:,::1], int32[::1], int32[::1], float32[:,::1], float32[:,:,::1]"
_UNKNOWNS = "int32[::1], int32[::1], int32[:,::1], int32[::1], boolean[::1], boolean, float32[:,:,::1], float32[:,::1]"
_DATA = "float32[:,:,::1], float32[:,::1], float32[::1]"
_SHAPE = "float32[:,:,::1], float32[:,:,::1]"
_POINT = "float32[:,:,:,::1], float32[:,::1], float32"
_FOUND = "float32[:,:,:,::1], float64[:,::1], float64[::1]"
SIGNATURE = f"boolean({_TREE}, {_UNKNOWNS}, {_DATA}, {_SHAPE}, {_POINT}, {_FOUND})"


@numba.njit(inline="always", **OPTIONS)
def _pull(n, w, starts, joints, weights, active, slot, ancestors, depths, places, parts, dirs, arms, shares_of, cross):  # type: ignore[no-untyped-def]
    """Adds how one point couples the joints it hangs on, and the translation, to the shape."""
    n_active = len(active)
    arms[:] = F(0)
    shares_of[:] = F(0)
    whole = F(0)
    for c in range(starts[n], starts[n + 1]):
        whole += weights[c]
        i = slot[joints[c]]
        if i < 0:
            continue
        for d in range(depths[i]):
            k = ancestors[i, d]
            shares_of[k] += weights[c]
            for a in range(3):
                arms[k, a] += parts[c, a]
    for c in range(starts[n], starts[n + 1]):
        i = slot[joints[c]]
        if i < 0:
            continue
        for d in range(depths[i]):
            k = ancestors[i, d]
            if shares_of[k] == F(0):  # another contact has been here
                continue
            p = places[active[k]]
            x = w * (arms[k, 0] - shares_of[k] * p[0])
            y = w * (arms[k, 1] - shares_of[k] * p[1])
            z = w * (arms[k, 2] - shares_of[k] * p[2])
            shares_of[k] = F(0)
            for s in range(cross.shape[0]):
                cross[s, k, 0] += y * dirs[2, s] - z * dirs[1, s]
                cross[s, k, 1] += z * dirs[0, s] - x * dirs[2, s]
                cross[s, k, 2] += x * dirs[1, s] - y * dirs[0, s]
    for s in range(cross.shape[0]):
        for a in range(3):
            cross[s, n_active, a] += w * whole * dirs[a, s]


@numba.njit(SIGNATURE, **OPTIONS)
def shape_system(  # type: ignore[no-untyped-def]
    parents, offsets, starts, joints, weights, levers, active, slot, ancestors, depths, rigid, moves, usual, shares,
    targets, importance, bends, offset_dirs, lever_dirs, rotations, roots, damping, steps, schur, right,
):  # fmt: skip
    """Eliminates the poses of all frames from the normal equations of the shape; gives whether it could be done.

    Arguments as for `fit_frames`, and `offset_dirs` (J, 3, S) and `lever_dirs` (C, 3, S), how offsets and levers move with the shape.
    `steps` (F, S + 1, A + 1, 3) is filled with the step of each pose against the gradient, last, and with what each shape value takes off
    it; `schur` (S, S) with the matrix of the shape alone, and `right` (S,) with its right-hand side.
    """
    n_joints, n_active, n_points, n_contacts, n_shape = len(parents), len(active), len(bends), len(joints), offset_dirs.shape[2]
    world, places = np.empty((n_joints, 3, 3), F), np.empty((n_joints, 3), F)
    parts, errors, effective = np.empty((n_contacts, 3), F), np.empty((n_points, 3), F), np.empty(n_points, F)
    turns = np.empty((n_active, 3), F)
    moments, forces, torques = np.empty((n_joints, 10), F), np.empty((n_joints, 3), F), np.empty((n_joints, 3), F)
    arms, shares_of = np.empty((n_active, 3), F), np.empty(n_active, F)
    H = np.zeros((n_active, ancestors.shape[1] + 1, 3, 3), F)
    gradient, cross = np.empty((n_active + 1, 3), F), np.empty((n_shape, n_active + 1, 3), F)
    inverses, last, used_up = np.empty((n_active, 3, 3), F), np.empty((3, 3), F), np.empty((n_active + 1, 3), F)
    inverse, change = np.empty((3, 3), F), np.empty((3, 3), F)
    place_dirs, point_dirs = np.empty((n_joints, 3, n_shape), F), np.empty((n_points, 3, n_shape), F)
    schur[:] = 0.0
    right[:] = 0.0
    for f in range(len(targets)):
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
        compare_turns(active, usual, shares, rotations[f], turns)
        mass = normal_equations(
            parents, starts, joints, weight, active, slot, ancestors, depths, rigid,
            world, places, parts, errors, effective, moments, forces, torques, arms, shares_of, H, gradient,
        )  # fmt: skip
        add_turns(active, shares, turns, world, H, gradient, inverse, change)
        # How places, relative to the root, and points move with the shape.
        place_dirs[0] = F(0)
        for j in range(1, n_joints):
            g = world[parents[j]]
            for a in range(3):
                for s in range(n_shape):
                    place_dirs[j, a, s] = place_dirs[parents[j], a, s] + (
                        g[a, 0] * offset_dirs[j, 0, s] + g[a, 1] * offset_dirs[j, 1, s] + g[a, 2] * offset_dirs[j, 2, s]
                    )
        cross[:] = F(0)
        for n in range(n_points):
            w = effective[n]
            if w <= F(0):
                continue
            point_dirs[n] = F(0)
            for c in range(starts[n], starts[n + 1]):
                j, share = joints[c], weight[c]
                g = world[j]
                for a in range(3):
                    for s in range(n_shape):
                        point_dirs[n, a, s] += share * place_dirs[j, a, s] + (
                            g[a, 0] * lever_dirs[c, 0, s] + g[a, 1] * lever_dirs[c, 1, s] + g[a, 2] * lever_dirs[c, 2, s]
                        )
            _pull(n, w, starts, joints, weight, active, slot, ancestors, depths, places, parts, point_dirs[n], arms, shares_of, cross)
            for s in range(n_shape):
                x, y, z = w * point_dirs[n, 0, s], w * point_dirs[n, 1, s], w * point_dirs[n, 2, s]
                right[s] -= x * errors[n, 0] + y * errors[n, 1] + z * errors[n, 2]
                for t in range(n_shape):
                    schur[s, t] += x * point_dirs[n, 0, t] + y * point_dirs[n, 1, t] + z * point_dirs[n, 2, t]
        if not factor_tree(ancestors, depths, moves, damping, mass, H, inverses, last):
            return False
        for s in range(n_shape):
            used_up[:] = cross[s]
            solve_tree(ancestors, depths, moves, H, inverses, last, used_up, steps[f, s])
        solve_tree(ancestors, depths, moves, H, inverses, last, gradient, steps[f, n_shape])
        for s in range(n_shape):
            for t in range(n_shape + 1):
                total = 0.0
                for i in range(n_active + 1):
                    for a in range(3):
                        total += cross[s, i, a] * steps[f, t, i, a]
                # The steps are against what they are given: the sign is in them.
                if t < n_shape:
                    schur[s, t] += total
                else:
                    right[s] -= total
    return True
