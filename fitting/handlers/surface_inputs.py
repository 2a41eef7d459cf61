"""Surfaces that were observed: point clouds, such as scans of one side, and meshes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from ..errors import FittingError
from .base import HANDLERS, BaseInput


@HANDLERS.register
class PointCloudInput(BaseInput):
    """Points on the surface of one person, in any order and number; parts that were not seen may be missing.

    Args:
        points: (F, N, 3) metres, or a list of F clouds (N_f, 3); a point that is not finite counts as not observed. A frame may be empty.
        weights: Weight of each point against the others of its frame, (F, N) or a list of (N_f,); ones by default, 0 is not observed.
        normals: Directions out of the surface, of the shape of `points`: a point then finds no surface that faces away from it.
        handler_key: Key of the handler that takes this input.

    Attributes:
        points: (F, N, 3) metres; clouds of different sizes are filled up with points of weight 0.
        weights: (F, N) share of each point in its frame: the sum is 1, or 0 for a frame without points.
        normals: (F, N, 3) unit vectors, 0 where not known; or None.

    Raises:
        FittingError: Wrong shapes, or no point at all.
    """

    def __init__(
        self,
        points: Tensor | Sequence[Any],
        weights: Tensor | Sequence[Any] | None = None,
        normals: Tensor | Sequence[Any] | None = None,
        handler_key: str = "point_cloud",
    ) -> None:
        super().__init__(handler_key)
        clouds = _frames(points, "points")
        for frame, cloud in enumerate(clouds):
            if cloud.ndim != 2 or cloud.shape[1] != 3:
                raise FittingError(
                    f"points has shape {tuple(cloud.shape)} in frame {frame}, expected (points, 3).",
                    "Give an array (frames, points, 3), or a list with the cloud of each frame.",
                )
        self.points = pad_sequence(clouds, batch_first=True)
        given = [torch.ones_like(cloud[:, 0]) for cloud in clouds] if weights is None else _frames(weights, "weights")
        _check_shapes(given, [cloud.shape[:1] for cloud in clouds], "weights")
        self.points, self.weights = _observed(self.points, pad_sequence(given, batch_first=True))
        self.normals: Tensor | None = None
        if normals is not None:
            directions = _frames(normals, "normals")
            _check_shapes(directions, [cloud.shape for cloud in clouds], "normals")
            self.normals = normalize(pad_sequence(directions, batch_first=True).nan_to_num(0, 0, 0), dim=-1)

    def get_batch_size(self) -> int:
        """Number of frames F."""
        return len(self.points)


@HANDLERS.register
class MeshInput(BaseInput):
    """A mesh that the body takes the form of; it may have another topology, and holes.

    Args:
        vertices: (F, V, 3) metres; a vertex that is not finite counts as not observed.
        faces: (T, 3) vertices of each triangle.
        weights: (F, V) weight of each vertex against the others of its frame; ones by default, 0 is not observed.
        handler_key: Key of the handler that takes this input.

    Attributes:
        points: (F, V, 3) the vertices.
        weights: (F, V) share of each vertex in its frame: the sum is 1, or 0 for a frame without vertices.
        areas: (F, V) the same, times a third of the area of the triangles round the vertex.
        faces: (T, 3) vertices of each triangle.

    Raises:
        FittingError: Wrong shapes, faces that do not fit the vertices, or no vertex at all.
    """

    def __init__(self, vertices: Tensor, faces: Tensor, weights: Tensor | None = None, handler_key: str = "mesh") -> None:
        super().__init__(handler_key)
        points, triangles = _floating(vertices), torch.as_tensor(faces)
        if points.ndim != 3 or points.shape[2] != 3:
            raise FittingError(f"vertices has shape {tuple(points.shape)}, expected (frames, vertices, 3).")
        if triangles.ndim != 2 or triangles.shape[1] != 3 or not len(triangles) or triangles.is_floating_point():
            raise FittingError(
                f"faces has shape {tuple(triangles.shape)} and type {triangles.dtype}, expected whole numbers (triangles, 3).",
                "Cut polygons into triangles; give points without faces as PointCloudInput.",
            )
        self.faces = triangles.long()
        least, most = int(self.faces.min()), int(self.faces.max())
        if least < 0 or most >= points.shape[1]:
            raise FittingError(
                f"faces names the vertex {least if least < 0 else most}, but there are {points.shape[1]} vertices, counted from 0.",
                "Number the vertices from 0 (an OBJ file begins with 1).",
            )
        given = torch.ones_like(points[..., 0]) if weights is None else _floating(weights)
        if given.shape != points.shape[:2]:
            raise FittingError(f"weights has shape {tuple(given.shape)}, expected {tuple(points.shape[:2])} as the vertices.")
        self.points, self.weights = _observed(points, given)
        self.areas = _shares(self.weights * _vertex_areas(self.points, self.weights > 0, self.faces))

    def get_batch_size(self) -> int:
        """Number of frames F."""
        return len(self.points)


def _floating(values: Any) -> Tensor:
    tensor = torch.as_tensor(values)
    return tensor if tensor.is_floating_point() else tensor.float()


def _frames(values: Tensor | Sequence[Any], name: str) -> list[Tensor]:
    """One tensor for each frame."""
    frames = [_floating(value) for value in values]
    if not frames:
        raise FittingError(f"{name} has no frame.", "Give at least one.")
    return frames


def _check_shapes(found: list[Tensor], expected: list[torch.Size], name: str) -> None:
    if len(found) != len(expected):
        raise FittingError(f"{name} has {len(found)} frames, but points has {len(expected)}.")
    for frame, (tensor, shape) in enumerate(zip(found, expected, strict=True)):
        if tensor.shape != shape:
            raise FittingError(f"{name} has shape {tuple(tensor.shape)} in frame {frame}, expected {tuple(shape)} as the points.")


def _observed(points: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Points with those that were not observed made finite, and the shares of the others."""
    observed = points.isfinite().all(-1) & weights.isfinite() & (weights > 0)
    if not observed.any():
        raise FittingError(
            f"There is no point to fit to: none of {observed.numel()} is finite and has a weight above 0.",
            "Give points in metres; not a number means not observed.",
        )
    return torch.where(observed[..., None], points, 0.0), _shares(torch.where(observed, weights, 0.0).to(points.dtype))


def _shares(weights: Tensor) -> Tensor:
    """(F, N) weights that add up to 1 in each frame that has any."""
    return weights / weights.sum(1, keepdim=True).clamp_min(1e-30)


def _vertex_areas(vertices: Tensor, observed: Tensor, faces: Tensor) -> Tensor:
    """(F, V) a third of the area of the triangles round each vertex; those with a corner that was not observed do not count."""
    a, b, c = (vertices[:, corner] for corner in faces.unbind(1))
    areas = torch.linalg.cross(b - a, c - a).norm(dim=-1) / 6 * observed[:, faces].all(-1)
    totals = torch.zeros_like(vertices[..., 0])
    for corner in faces.unbind(1):
        totals.index_add_(1, corner, areas)
    return totals
