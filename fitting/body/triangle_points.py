"""Points on the triangles of a body's skin, as arrays: which joints carry them, and how shape and pose move them at rest."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.bodies import BodyData

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


def carried_shares(data: BodyData, vertices: Integers, shares: Floats) -> Floats:
    """(..., J, 3) which part of a point each joint carries, by each corner of its triangle.

    Args:
        data: The body.
        vertices: (..., 3) corners of the triangle of each point.
        shares: (..., 3) share of the point that each corner has.
    """
    carried: Floats = np.swapaxes(data.weights[vertices], -1, -2) * shares[..., None, :]
    return carried


def levers(corners: Integers, shares: Floats, array: NDArray[Any]) -> Floats:
    """(3, P, D) sums over the corners of what belongs to them, times their shares.

    Args:
        corners: (P, 3) vertices.
        shares: (P, 3) shares.
        array: (V, 3, D) something that each vertex has.
    """
    summed: Floats = np.einsum("pk,pkad->apd", shares, array[corners], optimize=True)
    return summed


@dataclass(frozen=True)
class BlendDirections:
    """What moves the vertices of a body at rest: its shape values and expressions, as far as they are used, and its pose correctives.

    Attributes:
        data: The body.
        n_betas: How many shape values are used.
        n_expressions: How many expressions are used.
    """

    data: BodyData
    n_betas: int
    n_expressions: int

    @property
    def n_shape(self) -> int:
        """Number of shape values and expressions."""
        return self.n_betas + self.n_expressions

    def of(self, corners: Integers, shares: Floats) -> Floats:
        """(3, P, D) directions of the levers: shape values, then expressions, then pose features; arguments as for `levers`."""
        parts = [levers(corners, shares, self.data.shapedirs[..., : self.n_betas])]
        if self.data.expression_dirs is not None:
            parts.append(levers(corners, shares, self.data.expression_dirs[..., : self.n_expressions]))
        if self.data.posedirs is not None:
            parts.append(levers(corners, shares, self.data.posedirs))
        return np.concatenate(parts, -1)

    def of_shape(self, shapedirs: Floats, expression_dirs: Floats | None) -> Floats:
        """(N, 3, S + E) movement of N points for the shape values and the expressions that are used."""
        dirs = [shapedirs[..., : self.n_betas]]
        if expression_dirs is not None:
            dirs.append(expression_dirs[..., : self.n_expressions])
        return np.concatenate(dirs, -1)
