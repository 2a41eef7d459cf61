"""The joint regressor: each joint as a weighted mean of a few vertices around it."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from .joints import JOINTS, other_side
from .makehuman import Floats, Integers
from .mesh import PARTS, BodyMesh

SUM_WEIGHT = 30.0  # rows that ask the weights to sum to 1 and the joint of the mean body to be exact
RIDGE = 0.01  # spreads the weights
MIN_WEIGHT = 2e-3


@dataclass(frozen=True)
class Region:
    """Where the vertices of a joint are looked for.

    Attributes:
        radius: Metres around the joint of the mean body.
        n_candidates: How many vertices, spread out, are tried.
        half_height: Metres above and below the joint.
        min_x: Metres; keeps the vertices of a left joint to the left.
    """

    radius: float
    n_candidates: int = 40
    half_height: float = np.inf
    min_x: float = -np.inf


_BACK = Region(0.2, 64, half_height=0.07)
_LIMB = Region(0.075)
_REGIONS = {
    "pelvis": Region(0.17, 64, half_height=0.07),
    "spine1": _BACK,
    "spine2": _BACK,
    "spine3": _BACK,
    "neck": Region(0.13, 64),
    "head": Region(0.12),
    "jaw": Region(0.12),
    "left_collar": Region(0.13, 64),
    "left_shoulder": Region(0.11, 64),
    "left_hip": Region(0.16, 64, min_x=-0.005),
    "left_elbow": _LIMB,
    "left_knee": _LIMB,
    "left_ankle": _LIMB,
    "left_foot": _LIMB,
    "left_wrist": Region(0.05),
    "left_hand": Region(0.06),
    "left_eye": Region(np.inf),  # the whole eyeball
}
_THUMB, _FINGER = Region(0.03), Region(0.018)


def fit_regressor(mesh: BodyMesh, vertices: Floats, joints: Floats) -> Floats:
    """(57, V) non-negative symmetric weights of vertices for `JOINTS`; rows sum to 1.

    The left and central joints are fitted by non-negative least squares, the right ones mirrored.

    Args:
        mesh: The mesh.
        vertices: (N, V, 3) bodies to learn from, metres.
        joints: (N, 57, 3) their joints, metres.
    """
    mean_body = mesh.symmetrise(vertices.mean(axis=0).astype(np.float64))
    regressor = np.zeros((len(JOINTS), mesh.n_vertices))
    for row, joint in enumerate(JOINTS):
        if joint.startswith("right"):
            continue
        centre = joints[:, row].mean(axis=0)
        candidates = _candidates(mesh, mean_body, joint, centre)
        weights = np.zeros(mesh.n_vertices)
        weights[candidates] = fit_weights(vertices[:, candidates] - centre, joints[:, row] - centre)
        if joint.startswith("left"):
            regressor[row] = weights
            regressor[JOINTS.index(other_side(joint)), mesh.mirror] = weights
        else:
            regressor[row] = (weights + weights[mesh.mirror]) / 2
    return regressor


def fit_weights(points: Floats, joint: Floats) -> Floats:
    """(C,) non-negative weights, sum 1, with which C points come nearest to a joint on average.

    Args:
        points: (N, C, 3) about the mean joint, metres.
        joint: (N, 3) about its mean, metres.
    """
    weights = _solve(points, joint)
    kept = weights > MIN_WEIGHT
    weights = np.zeros(len(kept))
    weights[kept] = _solve(points[:, kept], joint)
    return np.asarray(weights / weights.sum())


def spread_out(points: Floats, n_points: int) -> Integers:
    """Indices of up to n points (C, 3) in ascending order, each chosen farthest from those before it."""
    if len(points) <= n_points:
        return np.arange(len(points))
    chosen = [int(np.argmax(np.linalg.norm(points - points.mean(axis=0), axis=1)))]
    distance = np.full(len(points), np.inf)
    while len(chosen) < n_points:
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int(distance.argmax()))
    return np.sort(chosen)


def _candidates(mesh: BodyMesh, mean_body: Floats, joint: str, centre: Floats) -> Integers:
    region = _REGIONS.get(joint, _THUMB if "thumb" in joint else _FINGER)
    inside = mesh.part == PARTS.index("helper-l-eye" if joint == "left_eye" else "body")
    inside &= np.linalg.norm(mean_body - centre, axis=1) < region.radius
    inside &= (np.abs(mean_body[:, 1] - centre[1]) < region.half_height) & (mean_body[:, 0] > region.min_x)
    return np.flatnonzero(inside)[spread_out(mean_body[inside], region.n_candidates)]


def _solve(points: Floats, joint: Floats) -> Floats:
    """Non-negative least squares; the points may be far from the mean of the joint, so their sum and mean are asked for apart."""
    n_bodies, n_points, _ = points.shape
    columns = points.transpose(0, 2, 1).astype(np.float64)  # (N, 3, C)
    rows = np.concatenate(
        [
            columns.reshape(-1, n_points) / np.sqrt(n_bodies),
            np.full((1, n_points), SUM_WEIGHT),
            SUM_WEIGHT * columns.mean(axis=0),
            RIDGE * np.eye(n_points),
        ]
    )
    goal = np.concatenate([joint.reshape(-1) / np.sqrt(n_bodies), [SUM_WEIGHT], SUM_WEIGHT * joint.mean(axis=0), np.zeros(n_points)])
    return np.asarray(nnls(rows, goal, maxiter=20000)[0])
