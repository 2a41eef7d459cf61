"""What the compiled kernels do with one frame: pose a tree of joints, compare points, and write down and solve normal equations.

The same sums as `registrant.least_squares`, without matrices of points and joints: the points behind a joint count by their moments, and
joints are eliminated from the leaves to the root, which fills in nothing. Unknown turns are about the axes of the world.

Names: J joints, N points, C contacts of points with joints, A unknown joints. A joint has at most D unknown ancestors, itself included.
`H[a, d]` is the block of joint a (rows) and its d-th ancestor (columns), the one behind the last ancestor that of the translation.
Positions are relative to the root joint, so that a person far from the origin loses no digits.
"""

import math
from typing import Any

import numba
import numpy as np

OPTIONS: dict[str, Any] = {"fastmath": {"nsz", "arcp", "contract", "afn", "reassoc"}, "cache": True, "nogil": True, "error_model": "numpy"}
"""Fast arithmetic that still knows what is not a number."""

F = np.float32


@numba.njit(inline="always", **OPTIONS)
def rotation_of(x, y, z, out):  # type: ignore[no-untyped-def]
    """The rotation of an axis-angle vector."""
    squared = x * x + y * y + z * z
    if squared < F(1e-8):
        a = F(1) - squared / F(6)
        b = F(0.5) - squared / F(24)
    else:
        angle = math.sqrt(squared)
        a = math.sin(angle) / angle
        b = (F(1) - math.cos(angle)) / squared
    out[0, 0] = F(1) - b * (y * y + z * z)
    out[0, 1] = b * x * y - a * z
    out[0, 2] = b * x * z + a * y
    out[1, 0] = b * x * y + a * z
    out[1, 1] = F(1) - b * (x * x + z * z)
    out[1, 2] = b * y * z - a * x
    out[2, 0] = b * x * z - a * y
    out[2, 1] = b * y * z + a * x
    out[2, 2] = F(1) - b * (x * x + y * y)


@numba.njit(inline="always", **OPTIONS)
def axis_angle_of(m, out):  # type: ignore[no-untyped-def]
    """The axis-angle vector of a rotation."""
    x = F(0.5) * (m[2, 1] - m[1, 2])
    y = F(0.5) * (m[0, 2] - m[2, 0])
    z = F(0.5) * (m[1, 0] - m[0, 1])
    cosine = F(0.5) * (m[0, 0] + m[1, 1] + m[2, 2] - F(1))
    sine = math.sqrt(x * x + y * y + z * z)
    if cosine < F(-0.99):  # near half a turn the axis is that of the symmetric part
        best = 0
        if m[1, 1] > m[best, best]:
            best = 1
        if m[2, 2] > m[best, best]:
            best = 2
        ax, ay, az = m[0, best] + m[best, 0], m[1, best] + m[best, 1], m[2, best] + m[best, 2]
        # The diagonal has the cosine in it, the others do not.
        if best == 0:
            ax = F(2) * (m[0, 0] - cosine)
        elif best == 1:
            ay = F(2) * (m[1, 1] - cosine)
        else:
            az = F(2) * (m[2, 2] - cosine)
        length = math.sqrt(ax * ax + ay * ay + az * az)
        if length > F(0):
            angle = math.atan2(sine, cosine) / length
            if ax * x + ay * y + az * z < F(0):
                angle = -angle
            out[0], out[1], out[2] = ax * angle, ay * angle, az * angle
            return
    share = math.atan2(sine, cosine) / sine if sine > F(1e-6) else F(1)
    out[0], out[1], out[2] = x * share, y * share, z * share


@numba.njit(inline="always", **OPTIONS)
def inverse_right_jacobian_of(q, out):  # type: ignore[no-untyped-def]
    """How an axis-angle vector changes as its rotation is turned further, from the right."""
    x, y, z = q[0], q[1], q[2]
    squared = x * x + y * y + z * z
    if squared < F(1e-4):
        c = F(1.0 / 12.0) + squared / F(720)
    else:
        half = F(0.5) * math.sqrt(squared)
        sine = math.sin(half)
        sine = max(sine, F(1e-6))
        c = (F(1) - half * math.cos(half) / sine) / squared
    diagonal = F(1) - c * squared
    out[0, 0] = diagonal + c * x * x
    out[0, 1] = c * x * y - F(0.5) * z
    out[0, 2] = c * x * z + F(0.5) * y
    out[1, 0] = c * x * y + F(0.5) * z
    out[1, 1] = diagonal + c * y * y
    out[1, 2] = c * y * z - F(0.5) * x
    out[2, 0] = c * x * z - F(0.5) * y
    out[2, 1] = c * y * z + F(0.5) * x
    out[2, 2] = diagonal + c * z * z


@numba.njit(**OPTIONS)
def pose(parents, offsets, rotations, world, places):  # type: ignore[no-untyped-def]
    """Rotations in the world and places relative to the root, from local rotations (J, 3, 3) and offsets from the parents (J, 3)."""
    for a in range(3):
        places[0, a] = F(0)
        for b in range(3):
            world[0, a, b] = rotations[0, a, b]
    for j in range(1, len(parents)):
        p = parents[j]
        for a in range(3):
            g0, g1, g2 = world[p, a, 0], world[p, a, 1], world[p, a, 2]
            places[j, a] = places[p, a] + g0 * offsets[j, 0] + g1 * offsets[j, 1] + g2 * offsets[j, 2]
            for b in range(3):
                world[j, a, b] = g0 * rotations[j, 0, b] + g1 * rotations[j, 1, b] + g2 * rotations[j, 2, b]


@numba.njit(**OPTIONS)
def compare(starts, joints, weights, levers, targets, importance, bends, root, world, places, parts, errors, effective):  # type: ignore[no-untyped-def]
    """The cost of the points; fills what each contact carries (C, 3), the errors (N, 3) and the weights of their squares (N,)."""
    cost = 0.0  # in double precision: what is left to gain near the optimum is less than float32 can tell
    for n in range(len(starts) - 1):
        w = importance[n]
        effective[n] = F(0)
        if w <= F(0):
            continue
        x = -targets[n, 0]
        y = -targets[n, 1]
        z = -targets[n, 2]
        for c in range(starts[n], starts[n + 1]):
            j, share = joints[c], weights[c]
            l0, l1, l2 = levers[c, 0], levers[c, 1], levers[c, 2]
            for a in range(3):
                parts[c, a] = share * places[j, a] + world[j, a, 0] * l0 + world[j, a, 1] * l1 + world[j, a, 2] * l2
            x += parts[c, 0] + share * root[0]
            y += parts[c, 1] + share * root[1]
            z += parts[c, 2] + share * root[2]
        errors[n, 0], errors[n, 1], errors[n, 2] = x, y, z
        squared = x * x + y * y + z * z
        kept = F(1) / (F(1) + squared * bends[n])
        cost += w * squared * kept
        effective[n] = w * kept * kept
    return cost


@numba.njit(**OPTIONS)
def compare_turns(active, usual, shares, rotations, turns):  # type: ignore[no-untyped-def]
    """The cost of turns from usual rotations (A, 3, 3); fills the turns (A, 3)."""
    cost = 0.0
    m = np.empty((3, 3), F)
    for i in range(len(active)):
        j = active[i]
        for a in range(3):
            for b in range(3):
                m[a, b] = usual[i, 0, a] * rotations[j, 0, b] + usual[i, 1, a] * rotations[j, 1, b] + usual[i, 2, a] * rotations[j, 2, b]
        axis_angle_of(m, turns[i])
        for a in range(3):
            value = turns[i, a] * shares[i, a]
            cost += value * value
    return cost


@numba.njit(**OPTIONS)
def normal_equations(  # type: ignore[no-untyped-def]
    parents, starts, joints, weights, active, slot, ancestors, depths, rigid,
    world, places, parts, errors, effective, moments, forces, torques, arms, shares_of, H, gradient,
):  # fmt: skip
    """Fills the blocks `H` and the gradient (A + 1, 3), the translation last, for the points alone; gives the weight of all of them.

    `moments` (J, 10) are the mass, the three first and the six second moments of the points behind each joint.
    """
    n_joints, n_active = len(parents), len(active)
    moments[:] = F(0)
    forces[:] = F(0)
    torques[:] = F(0)
    for i in range(n_active):
        for d in range(depths[i] + 1):
            for a in range(3):
                for b in range(3):
                    H[i, d, a, b] = F(0)
    gradient[:] = F(0)
    mass = F(0)
    for n in range(len(starts) - 1):
        w = effective[n]
        if w <= F(0) or not rigid[n]:
            continue
        c = starts[n]
        j = joints[c]
        x, y, z = parts[c, 0], parts[c, 1], parts[c, 2]
        fx, fy, fz = w * errors[n, 0], w * errors[n, 1], w * errors[n, 2]
        moments[j, 0] += w
        moments[j, 1] += w * x
        moments[j, 2] += w * y
        moments[j, 3] += w * z
        moments[j, 4] += w * x * x
        moments[j, 5] += w * x * y
        moments[j, 6] += w * x * z
        moments[j, 7] += w * y * y
        moments[j, 8] += w * y * z
        moments[j, 9] += w * z * z
        forces[j, 0] += fx
        forces[j, 1] += fy
        forces[j, 2] += fz
        torques[j, 0] += y * fz - z * fy
        torques[j, 1] += z * fx - x * fz
        torques[j, 2] += x * fy - y * fx
    for j in range(n_joints - 1, 0, -1):
        p = parents[j]
        for m in range(10):
            moments[p, m] += moments[j, m]
        for a in range(3):
            forces[p, a] += forces[j, a]
            torques[p, a] += torques[j, a]
    mass += moments[0, 0]
    for a in range(3):
        gradient[n_active, a] += forces[0, a]
    for i in range(n_active):
        j = active[i]
        s0, s1, s2, s3 = moments[j, 0], moments[j, 1], moments[j, 2], moments[j, 3]
        if s0 == F(0):
            continue
        xx, xy, xz, yy, yz, zz = moments[j, 4], moments[j, 5], moments[j, 6], moments[j, 7], moments[j, 8], moments[j, 9]
        px, py, pz = places[j, 0], places[j, 1], places[j, 2]
        # First moments about the joint, then blocks sum w ((d_j . d_k) 1 - d_k d_j') with d = x - p.
        mx, my, mz = s1 - s0 * px, s2 - s0 * py, s3 - s0 * pz
        for d in range(depths[i]):
            k = active[ancestors[i, d]]
            qx, qy, qz = places[k, 0], places[k, 1], places[k, 2]
            b00 = xx - qx * s1 - px * (s1 - s0 * qx)
            b11 = yy - qy * s2 - py * (s2 - s0 * qy)
            b22 = zz - qz * s3 - pz * (s3 - s0 * qz)
            trace = b00 + b11 + b22
            block = H[i, d]
            block[0, 0] = trace - b00
            block[1, 1] = trace - b11
            block[2, 2] = trace - b22
            block[0, 1] = -(xy - qx * s2 - py * (s1 - s0 * qx))
            block[0, 2] = -(xz - qx * s3 - pz * (s1 - s0 * qx))
            block[1, 0] = -(xy - qy * s1 - px * (s2 - s0 * qy))
            block[1, 2] = -(yz - qy * s3 - pz * (s2 - s0 * qy))
            block[2, 0] = -(xz - qz * s1 - px * (s3 - s0 * qz))
            block[2, 1] = -(yz - qz * s2 - py * (s3 - s0 * qz))
        block = H[i, depths[i]]
        block[0, 1] = -mz
        block[0, 2] = my
        block[1, 0] = mz
        block[1, 2] = -mx
        block[2, 0] = -my
        block[2, 1] = mx
        gradient[i, 0] = torques[j, 0] - (py * forces[j, 2] - pz * forces[j, 1])
        gradient[i, 1] = torques[j, 1] - (pz * forces[j, 0] - px * forces[j, 2])
        gradient[i, 2] = torques[j, 2] - (px * forces[j, 1] - py * forces[j, 0])
    # Points that several joints carry, one by one. Their blocks between joints of different limbs are left out: the gradient is exact.
    for n in range(len(starts) - 1):
        w = effective[n]
        if w <= F(0) or rigid[n]:
            continue
        fx, fy, fz = w * errors[n, 0], w * errors[n, 1], w * errors[n, 2]
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
        gradient[n_active, 0] += whole * fx
        gradient[n_active, 1] += whole * fy
        gradient[n_active, 2] += whole * fz
        mass += w * whole * whole
        for i in range(n_active):
            j = active[i]
            for a in range(3):
                arms[i, a] -= shares_of[i] * places[j, a]
        for i in range(n_active):
            x, y, z = arms[i, 0], arms[i, 1], arms[i, 2]
            if x == F(0) and y == F(0) and z == F(0):
                continue
            gradient[i, 0] += y * fz - z * fy
            gradient[i, 1] += z * fx - x * fz
            gradient[i, 2] += x * fy - y * fx
            for d in range(depths[i]):
                k = ancestors[i, d]
                dot = w * (x * arms[k, 0] + y * arms[k, 1] + z * arms[k, 2])
                block = H[i, d]
                for a in range(3):
                    v = w * arms[k, a]
                    block[a, 0] -= v * x
                    block[a, 1] -= v * y
                    block[a, 2] -= v * z
                    block[a, a] += dot
            block, v = H[i, depths[i]], w * whole
            block[0, 1] -= v * z
            block[0, 2] += v * y
            block[1, 0] += v * z
            block[1, 2] -= v * x
            block[2, 0] -= v * y
            block[2, 1] += v * x
    return mass


@numba.njit(**OPTIONS)
def add_turns(active, shares, turns, world, H, gradient, inverse, change):  # type: ignore[no-untyped-def]
    """Adds turns from usual rotations to the normal equations."""
    for i in range(len(active)):
        g = world[active[i]]
        inverse_right_jacobian_of(turns[i], inverse)
        for a in range(3):
            for b in range(3):
                change[a, b] = shares[i, a] * (inverse[a, 0] * g[b, 0] + inverse[a, 1] * g[b, 1] + inverse[a, 2] * g[b, 2])
        for a in range(3):
            for e in range(3):
                gradient[i, a] += change[e, a] * shares[i, e] * turns[i, e]
                for b in range(3):
                    H[i, 0, a, b] += change[e, a] * change[e, b]


@numba.njit(inline="always", **OPTIONS)
def invert(m, out):  # type: ignore[no-untyped-def]
    """The inverse of a symmetric matrix; gives whether it is positive definite."""
    a, b, c, d, e, f = m[0, 0], m[0, 1], m[0, 2], m[1, 1], m[1, 2], m[2, 2]
    c00, c01, c02 = d * f - e * e, c * e - b * f, b * e - c * d
    determinant = a * c00 + b * c01 + c * c02
    if not (a > F(0) and a * d - b * b > F(0) and determinant > F(0)):
        return False
    share = F(1) / determinant
    out[0, 0], out[0, 1], out[0, 2] = c00 * share, c01 * share, c02 * share
    out[1, 0], out[1, 1], out[1, 2] = out[0, 1], (a * f - c * c) * share, (b * c - a * e) * share
    out[2, 0], out[2, 1], out[2, 2] = out[0, 2], out[1, 2], (a * d - b * b) * share
    return True


@numba.njit(**OPTIONS)
def factor_tree(ancestors, depths, moves, damping, mass, H, inverses, last):  # type: ignore[no-untyped-def]
    """Eliminates the damped joints of one frame, leaves first; gives whether it could be done.

    `inverses` (A, 3, 3) and `last` (3, 3) are filled with the inverses of the pivots, the last that of the translation; `moves` says
    whether it is sought. The blocks of `H` stay as they are needed for `solve_tree`.
    """
    n_active = len(depths)
    work = np.empty((3, 3), F)
    rest = np.zeros((3, 3), F)
    for i in range(n_active):
        floor = F(1e-8) * (H[i, 0, 0, 0] + H[i, 0, 1, 1] + H[i, 0, 2, 2]) + F(1e-9)
        for a in range(3):
            H[i, 0, a, a] += damping * H[i, 0, a, a] + floor
    for a in range(3):
        rest[a, a] = mass * (F(1) + damping) + F(1e-9)
    for i in range(n_active - 1, -1, -1):
        inverse = inverses[i]
        if not invert(H[i, 0], inverse):
            return False
        n = depths[i]
        end = n + 1 if moves else n
        for u in range(1, end):
            block = H[i, u]
            for a in range(3):
                for b in range(3):
                    work[a, b] = block[0, a] * inverse[0, b] + block[1, a] * inverse[1, b] + block[2, a] * inverse[2, b]
            if u == n:
                for a in range(3):
                    for b in range(3):
                        rest[a, b] -= work[a, 0] * block[0, b] + work[a, 1] * block[1, b] + work[a, 2] * block[2, b]
            else:
                k = ancestors[i, u]
                for v in range(u, end):
                    other, target = H[i, v], H[k, v - u]
                    for a in range(3):
                        for b in range(3):
                            target[a, b] -= work[a, 0] * other[0, b] + work[a, 1] * other[1, b] + work[a, 2] * other[2, b]
    return not moves or invert(rest, last)


@numba.njit(**OPTIONS)
def solve_tree(ancestors, depths, moves, H, inverses, last, gradient, step):  # type: ignore[no-untyped-def]
    """Fills the step (A + 1, 3) against a gradient (A + 1, 3), which is used up, after `factor_tree`."""
    n_active = len(depths)
    for i in range(n_active - 1, -1, -1):
        n, inverse = depths[i], inverses[i]
        g0, g1, g2 = gradient[i, 0], gradient[i, 1], gradient[i, 2]
        y0 = inverse[0, 0] * g0 + inverse[0, 1] * g1 + inverse[0, 2] * g2
        y1 = inverse[1, 0] * g0 + inverse[1, 1] * g1 + inverse[1, 2] * g2
        y2 = inverse[2, 0] * g0 + inverse[2, 1] * g1 + inverse[2, 2] * g2
        for u in range(1, n + 1 if moves else n):
            block = H[i, u]
            k = n_active if u == n else ancestors[i, u]
            for a in range(3):
                gradient[k, a] -= block[0, a] * y0 + block[1, a] * y1 + block[2, a] * y2
    for a in range(3):
        step[n_active, a] = F(0)
        if moves:
            g = gradient[n_active]
            step[n_active, a] = -(last[a, 0] * g[0] + last[a, 1] * g[1] + last[a, 2] * g[2])
    for i in range(n_active):
        n, inverse = depths[i], inverses[i]
        s0, s1, s2 = gradient[i, 0], gradient[i, 1], gradient[i, 2]
        for u in range(1, n + 1 if moves else n):
            block = H[i, u]
            k = n_active if u == n else ancestors[i, u]
            e0, e1, e2 = step[k, 0], step[k, 1], step[k, 2]
            s0 += block[0, 0] * e0 + block[0, 1] * e1 + block[0, 2] * e2
            s1 += block[1, 0] * e0 + block[1, 1] * e1 + block[1, 2] * e2
            s2 += block[2, 0] * e0 + block[2, 1] * e1 + block[2, 2] * e2
        for a in range(3):
            step[i, a] = -(inverse[a, 0] * s0 + inverse[a, 1] * s1 + inverse[a, 2] * s2)


@numba.njit(**OPTIONS)
def turn(active, step, world, rotations, out):  # type: ignore[no-untyped-def]
    """Local rotations (J, 3, 3) after a step (A, 3) about the axes of the world; no joint turns by more than a radian."""
    m = np.empty((3, 3), F)
    for j in range(len(rotations)):
        for a in range(3):
            for b in range(3):
                out[j, a, b] = rotations[j, a, b]
    for i in range(len(active)):
        j = active[i]
        g = world[j]
        x = g[0, 0] * step[i, 0] + g[1, 0] * step[i, 1] + g[2, 0] * step[i, 2]
        y = g[0, 1] * step[i, 0] + g[1, 1] * step[i, 1] + g[2, 1] * step[i, 2]
        z = g[0, 2] * step[i, 0] + g[1, 2] * step[i, 1] + g[2, 2] * step[i, 2]
        length = math.sqrt(x * x + y * y + z * z)
        if length > F(1):
            x, y, z = x / length, y / length, z / length
        rotation_of(x, y, z, m)
        r = rotations[j]
        for a in range(3):
            for b in range(3):
                out[j, a, b] = r[a, 0] * m[0, b] + r[a, 1] * m[1, b] + r[a, 2] * m[2, b]
        # Rounding errors of many products: one step towards the nearest rotation.
        o = out[j]
        overlap = F(0.5) * (o[0, 0] * o[1, 0] + o[0, 1] * o[1, 1] + o[0, 2] * o[1, 2])
        for b in range(3):
            first, second = o[0, b], o[1, b]
            o[0, b], o[1, b] = first - overlap * second, second - overlap * first
        for a in range(2):
            scale = F(1.5) - F(0.5) * (o[a, 0] * o[a, 0] + o[a, 1] * o[a, 1] + o[a, 2] * o[a, 2])
            for b in range(3):
                o[a, b] *= scale
        o[2, 0] = o[0, 1] * o[1, 2] - o[0, 2] * o[1, 1]
        o[2, 1] = o[0, 2] * o[1, 0] - o[0, 0] * o[1, 2]
        o[2, 2] = o[0, 0] * o[1, 1] - o[0, 1] * o[1, 0]
