"""The contour of the face: 17 keypoints that wander over the skin as the head turns, as in SMPL-X."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.bodies import BodyData
from ..rotations import axis_angle_to_matrix
from .triangle_points import BlendDirections, carried_shares, levers

MAX_DEGREES = 39
"""Beyond this angle the contour stays as it is."""


class FaceContour(nn.Module):
    """The contour that belongs to each frame: one row of the model's table for each degree that the head is turned.

    As `smplx`, it counts how far the neck is turned about the vertical of the world, the root included: the contour is that of a face
    seen from the front, from +z. Which row is taken has no gradient; its points have.

    Args:
        data: A body with a contour.
        directions: The shape values and expressions that are used, and the pose correctives.

    Attributes:
        n_points: Number of keypoints of the contour.
        joint: (P,) the joint of each pair of a keypoint and a joint; all joints of the first keypoint come first.
    """

    template: Tensor
    dirs: Tensor
    weight: Tensor
    joint: Tensor
    chain: Tensor

    def __init__(self, data: BodyData, directions: BlendDirections) -> None:
        super().__init__()
        assert data.contour_vertices is not None
        assert data.contour_weights is not None
        vertices = data.contour_vertices
        self.n_points = vertices.shape[1]
        shares = carried_shares(data, vertices, data.contour_weights)  # (rows, points, J, 3)
        joints = np.flatnonzero(shares.any((0, 1, 3)))
        shares = shares[:, :, joints].reshape(len(shares), -1, 3)
        corners = np.repeat(vertices, len(joints), axis=1)
        rows = [levers(*row, data.v_template[..., None]) for row in zip(corners, shares, strict=True)]
        self._buffer("template", np.stack(rows)[..., 0].reshape(len(rows), -1))
        dirs = [directions.of(*row) for row in zip(corners, shares, strict=True)]
        self._buffer("dirs", np.stack(dirs).reshape(len(dirs), self.template.shape[1], -1))
        self._buffer("weight", shares.sum(-1))
        self.register_buffer("joint", torch.as_tensor(np.tile(joints, self.n_points)))
        chain = [data.joint_names.index("neck")]
        while data.parents[chain[-1]] >= 0:
            chain.append(int(data.parents[chain[-1]]))
        self.register_buffer("chain", torch.tensor(chain))

    def rows(self, axis_angle: Tensor) -> Tensor:
        """(F,) row of the table for each frame: 0 to 39 for turns to the right in degrees, then 40 to 78 for 1 to 39 to the left.

        Args:
            axis_angle: (F, J, 3) rotation of each joint relative to its parent, radians.
        """
        with torch.no_grad():
            return self.rows_of_chain(axis_angle_to_matrix(axis_angle[:, self.chain]))

    def rows_of_chain(self, turns: Tensor) -> Tensor:
        """(F,) the same for (F, C, 3, 3) rotations of the `chain`, from the neck down to the root."""
        with torch.no_grad():
            sideways = turns[:, 0, :, :1]  # where the neck's x axis points
            for joint in range(1, len(self.chain)):
                sideways = turns[:, joint] @ sideways
            x, y, z = sideways[..., 0].unbind(1)
            degrees = torch.atan2(z, torch.hypot(x, y)) * (180 / math.pi)
            degrees = degrees.nan_to_num().round().clamp(-MAX_DEGREES, MAX_DEGREES).long()
            return torch.where(degrees < 0, MAX_DEGREES - degrees, degrees)

    def forward(self, rows: Tensor, blend: Tensor) -> tuple[Tensor, Tensor]:
        """(3, P, F) levers and (P, F) weights of the pairs of each frame.

        Args:
            rows: (F,) row of the table for each frame.
            blend: (F, D) what the model's directions are multiplied with: shape values, expressions, pose features.
        """
        # All frames with the same row at once: the directions of a row are many, and are read once.
        order = torch.argsort(rows)
        used, counts = torch.unique_consecutive(rows[order], return_counts=True)
        parts = torch.split(blend.index_select(0, order), counts.tolist())
        posed = [self.template[row] + part @ self.dirs[row].mT for row, part in zip(used.tolist(), parts, strict=True)]
        points = torch.cat(posed).index_select(0, torch.argsort(order))
        return torch.unflatten(points.mT, 0, (3, -1)), self.weight[rows].mT

    def straight(self) -> tuple[Tensor, Tensor, Tensor]:
        """Levers (3, P), their directions (3, P, D) and weights (P,) for a head that looks ahead."""
        return torch.unflatten(self.template[0], 0, (3, -1)), torch.unflatten(self.dirs[0], 0, (3, -1)), self.weight[0]

    def _buffer(self, name: str, array: NDArray[np.float32]) -> None:
        self.register_buffer(name, torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32))
