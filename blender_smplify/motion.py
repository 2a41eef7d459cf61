"""What a result says about bones and shape keys, as plain arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .core import BodyData, FitResult, ResultError

Floats = NDArray[np.float64]


def bone_locations(result: FitResult, body: BodyData) -> Floats:
    """(F, J, 3) location of every bone against its rest place, metres.

    A rig has one rest pose. A shape that differs from frame to frame moves each joint against its parent. An expression moves
    joints too, by a millimetre or so; there the skin, which moves with the joints, is kept exact instead of the joints.

    Raises:
        ResultError: The body lacks an expression of the result.
    """
    rest = body.rest_joints(result.betas)
    moved = np.stack([body.rest_joints(values) for values in result.params["betas"]]).astype(float) - rest
    locations = np.zeros((result.n_frames, body.n_joints, 3)) + moved
    locations[:, 1:] -= moved[:, body.parents[1:]]
    values, dirs = expression(result, body), body.joint_expression_dirs
    if dirs is not None and values.any():
        moved = np.einsum("jae,fe->fja", dirs, values)
        locations += moved - rotated(moved, result.full_pose)  # a turn about a point further on is a turn here, and this move
    locations[:, 0] += result.params["transl"]
    return locations


def expression(result: FitResult, body: BodyData) -> Floats:
    """(F, E) expression of each frame; zeros where the result has none.

    Raises:
        ResultError: It has more values than the body has expressions.
    """
    values = np.asarray(result.params.get("expression", np.zeros((1, 0))), float)
    if values.shape[1] > body.n_expressions:
        raise ResultError(
            f"The result has {values.shape[1]} expressions, but the body {body.name!r} has {body.n_expressions}.", "Fit the take again."
        )
    return np.pad(np.broadcast_to(values, (result.n_frames, values.shape[1])), ((0, 0), (0, body.n_expressions - values.shape[1])))


def rotated(vectors: Floats, axis_angle: NDArray[np.floating[Any]]) -> Floats:
    """Vectors (..., 3) turned by rotations (..., 3) in radians, by Rodrigues' formula."""
    angle = np.linalg.norm(axis_angle, axis=-1, keepdims=True).astype(float)
    axis = axis_angle / np.maximum(angle, 1e-12)
    once = np.cross(axis, vectors)
    return np.asarray(vectors + np.sin(angle) * once + (1 - np.cos(angle)) * np.cross(axis, once))


def in_bone_axes(vectors: NDArray[np.floating[Any]], rest: Floats) -> Floats:
    """Axis-angle rotations or locations (F, J, 3) in the axes of the rest bones, with the rotations (J, 3, 3) of these.

    A rest bone r that is turned in space turns by r^-1 q r where the joint turns by q: the same angle about the axis as the bone sees it.
    """
    return np.asarray(np.einsum("jba,fjb->fja", rest, vectors))
