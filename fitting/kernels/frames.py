"""The compiled per-frame fit: Levenberg-Marquardt from start to end for one frame after another, with nothing written in between."""

import numba
import numpy as np

from .frame_functions import OPTIONS, F, add_turns, compare, compare_turns, factor_tree, normal_equations, pose, solve_tree, turn

_TREE = "int32[::1], float32[:,:,::1], int32[::1], int32[::1], float32[:,::1], float32[:,:,::1]"
_UNKNOWNS = "int32[::1], int32[::1], int32[:,::1], int32[::1], boolean[::1], boolean, float32[:,:,::1], float32[:,::1]"
_DATA = "float32[:,:,::1], float32[:,::1], float32[::1]"
SIGNATURE = f"void({_TREE}, {_UNKNOWNS}, {_DATA}, float32[:,:,:,::1], float32[:,::1], int64, float32, float32, float32[::1], int64[::1])"


@numba.njit(SIGNATURE, **OPTIONS)
def fit_frames(  # type: ignore[no-untyped-def]
    parents, offsets, starts, joints, weights, levers,
    active, slot, ancestors, depths, rigid, moves, usual, shares,
    targets, importance, bends,
    rotations, roots, n_iter, ftol, first_damping, costs, n_steps,
):  # fmt: skip
    """Fits each frame by itself, in place.

    Args:
        parents: (J,) parents, -1 for the root.
        offsets: (1 or F, J, 3) joints relative to their parents at rest, metres.
        starts: (N + 1,) where the contacts of each point begin.
        joints: (C,) joint of each contact.
        weights: (1 or F, C) share of the joint.
        levers: (1 or F, C, 3) way from the joint times its share, in the frame of the joint at rest, metres.
        active: (A,) joints that turn, parents before children.
        slot: (J,) nearest joint that turns, itself or above, as its place among them; -1 for none.
        ancestors: (A, D) places of the joints that turn from each to the root, itself first.
        depths: (A,) how many.
        rigid: (N,) whether a point hangs on one joint alone.
        moves: Whether the translation is sought.
        usual: (A, 3, 3) usual rotations.
        shares: (A, 3) inverse of usual turns from them; 0 for none.
        targets: (F, N, 3) metres.
        importance: (F, N) weights.
        bends: (N,) inverse square of the distance at which the cost bends; 0 for never.
        rotations: (F, J, 3, 3) local rotations.
        roots: (F, 3) places of the root joint.
        n_iter: Most steps of a frame.
        ftol: A frame stops when its cost falls by less than this share.
        first_damping: Damping at first.
        costs: (F,) is filled with the cost of each frame.
        n_steps: (F,) is filled with the steps that each has taken.
    """
    n_joints, n_active, n_points, n_contacts = len(parents), len(active), len(bends), len(joints)
    world, places = np.empty((n_joints, 3, 3), F), np.empty((n_joints, 3), F)
    new_world, new_places, new_rotations = np.empty_like(world), np.empty_like(places), np.empty_like(world)
    parts, errors, effective = np.empty((n_contacts, 3), F), np.empty((n_points, 3), F), np.empty(n_points, F)
    turns, new_turns = np.empty((n_active, 3), F), np.empty((n_active, 3), F)
    moments, forces, torques = np.empty((n_joints, 10), F), np.empty((n_joints, 3), F), np.empty((n_joints, 3), F)
    arms, shares_of = np.empty((n_active, 3), F), np.empty(n_active, F)
    H = np.zeros((n_active, ancestors.shape[1] + 1, 3, 3), F)
    gradient, step = np.empty((n_active + 1, 3), F), np.empty((n_active + 1, 3), F)
    inverses, last = np.empty((n_active, 3, 3), F), np.empty((3, 3), F)
    inverse, change, root = np.empty((3, 3), F), np.empty((3, 3), F), np.empty(3, F)
    for f in range(len(targets)):
        offset = offsets[f if len(offsets) > 1 else 0]
        lever, weight = levers[f if len(levers) > 1 else 0], weights[f if len(weights) > 1 else 0]
        target, w = targets[f], importance[f]
        pose(parents, offset, rotations[f], world, places)
        cost = compare(starts, joints, weight, lever, target, w, bends, roots[f], world, places, parts, errors, effective)
        cost += compare_turns(active, usual, shares, rotations[f], turns)
        damping = first_damping
        for done in range(n_iter):
            n_steps[f] = done + 1
            mass = normal_equations(
                parents, starts, joints, weight, active, slot, ancestors, depths, rigid,
                world, places, parts, errors, effective, moments, forces, torques, arms, shares_of, H, gradient,
            )  # fmt: skip
            add_turns(active, shares, turns, world, H, gradient, inverse, change)
            if not factor_tree(ancestors, depths, moves, damping, mass, H, inverses, last):
                damping = max(damping * F(8), F(1e-3))
                if damping > F(1e6):
                    break
                continue
            solve_tree(ancestors, depths, moves, H, inverses, last, gradient, step)
            turn(active, step, world, rotations[f], new_rotations)
            for a in range(3):
                root[a] = roots[f, a] + step[n_active, a]
            pose(parents, offset, new_rotations, new_world, new_places)
            new_cost = compare(starts, joints, weight, lever, target, w, bends, root, new_world, new_places, parts, errors, effective)
            new_cost += compare_turns(active, usual, shares, new_rotations, new_turns)
            if new_cost < cost:
                converged = cost - new_cost <= ftol * cost
                cost = new_cost
                rotations[f] = new_rotations
                roots[f] = root
                world[:] = new_world
                places[:] = new_places
                turns[:] = new_turns
                damping = max(damping * F(0.2), F(1e-7))
                if converged:
                    break
            else:
                damping *= F(8)
                if damping > F(1e6):
                    break
                compare(starts, joints, weight, lever, target, w, bends, roots[f], world, places, parts, errors, effective)
        costs[f] = cost
