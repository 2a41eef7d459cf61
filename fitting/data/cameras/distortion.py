"""Lens distortion after Brown and Conrady, in the rational form of OpenCV.

Points are in the image plane at distance 1 in front of the camera; x points right and y down.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

N_COEFFICIENTS = 8
MAX_RADIUS = 10.0
"""No lens of this kind sees farther than 84 degrees off its axis."""
MAX_STRETCH = 2.0
"""No lens of this kind moves a point out farther than this factor."""


def brown_conrady(x: Any, y: Any, coefficients: Sequence[Any]) -> tuple[Any, Any]:
    """Where a lens images points, as arrays of numpy or of PyTorch.

    Args:
        x: To the right.
        y: Down.
        coefficients: k1, k2, p1, p2, k3, k4, k5, k6 as OpenCV has them.
    """
    k1, k2, p1, p2, k3, k4, k5, k6 = coefficients
    xx, yy, xy = x * x, y * y, 2 * x * y
    squared = xx + yy
    radial = (1 + squared * (k1 + squared * (k2 + squared * k3))) / (1 + squared * (k4 + squared * (k5 + squared * k6)))
    return x * radial + p1 * xy + p2 * (squared + 2 * xx), y * radial + p1 * (squared + 2 * yy) + p2 * xy


def valid_radius(coefficients: NDArray[np.float64]) -> float:
    """Radius up to which the image of a point moves out as the point does; beyond it the polynomials mean nothing.

    Args:
        coefficients: (8,) as for `brown_conrady`.
    """
    k1, k2, _, _, k3, k4, k5, k6 = coefficients
    above, below = Polynomial([1, k1, k2, k3]), Polynomial([1, k4, k5, k6])
    # The slope of r above(r^2) / below(r^2), times what never changes its sign; 2 r^2 times the slopes of both in r^2.
    above_slope, below_slope = Polynomial([0, 2 * k1, 4 * k2, 6 * k3]), Polynomial([0, 2 * k4, 4 * k5, 6 * k6])
    growth = (above + above_slope) * below - above * below_slope
    roots = np.concatenate([item.trim().roots() for item in (growth, below, above - MAX_STRETCH * below)])
    positive = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(min(np.sqrt(positive).min(initial=MAX_RADIUS), MAX_RADIUS))


def distort(points: NDArray[np.float64], coefficients: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """(..., 2) images of (..., 2) points; beyond the radius they go on straight out, so that no two points share an image."""
    beyond = np.maximum(np.linalg.norm(points, axis=-1, keepdims=True) / radius, 1)
    x, y = np.moveaxis(points / beyond, -1, 0)
    return np.asarray(np.stack(brown_conrady(x, y, tuple(coefficients)), -1) * beyond)


def undistort(images: NDArray[np.float64], coefficients: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """(..., 2) points of (..., 2) images: the inverse of `distort`, by Newton's method."""
    points = images
    if not coefficients.any():
        return points
    step = 1e-6 * np.eye(2)
    for _ in range(50):
        error = distort(points, coefficients, radius) - images
        if not np.nanmax(np.abs(error), initial=0) > 1e-12:
            break
        columns = [(distort(points + move, coefficients, radius) - distort(points - move, coefficients, radius)) / 2e-6 for move in step]
        (a, b), (c, d) = np.moveaxis(columns[0], -1, 0), np.moveaxis(columns[1], -1, 0)
        determinant = a * d - b * c
        # At the very edge the slope vanishes; a step of no more than the radius comes back from there.
        determinant = np.where(np.abs(determinant) < 1e-6, 1e-6, determinant)
        x, y = np.moveaxis(error, -1, 0)
        move = np.stack([(d * x - c * y) / determinant, (a * y - b * x) / determinant], -1)
        points = points - np.clip(move, -0.5 * radius, 0.5 * radius)
    return points
