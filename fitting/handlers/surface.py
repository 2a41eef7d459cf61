"""Handlers of surfaces: the body is drawn to point clouds and meshes."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..errors import FittingError, PresetError, did_you_mean
from .base import HANDLERS, BaseHandler, BaseInput, build_loss
from .closest_points import CHUNK_SIZE
from .surface_inputs import MeshInput, PointCloudInput
from .surface_matches import SurfaceMatches

METRICS = ("point_to_plane", "point_to_point")
CORRESPONDENCES = ("auto", "vertex", "surface")


class _SurfaceHandler(BaseHandler):
    """Distance of observed points from the surface of the body.

    Each point finds the closest one on the body; parts of the body that no point finds are left to other terms, so a scan may be
    partial. What was found holds until a vertex has moved by more than `refresh_distance`, and then is searched anew.

    Args:
        loss: The loss or its config.
        handler_key: Key of the term.
        metric: "point_to_plane" counts the distance along the normal of the body and converges fast; "point_to_point" all of it.
        max_distance: A point further from the body does not count, metres. None for no limit: the loss is robust by itself.
        max_angle: A point with a normal that is turned further from that of the body does not count, degrees.
        refresh_distance: Movement of the body after which a frame is searched anew, metres; 0 for each evaluation.
        chunk_size: Largest number of pairs of points that are compared at once; half a million takes some 130 MB.
        device: See `BaseHandler`.
        logger: See `BaseHandler`.

    Raises:
        PresetError: A value that is not known or out of range.
    """

    input_type: type[PointCloudInput | MeshInput]

    def __init__(
        self,
        loss: nn.Module | Mapping[str, Any],
        handler_key: str,
        metric: Literal["point_to_plane", "point_to_point"] = "point_to_plane",
        max_distance: float | None = None,
        max_angle: float = 90.0,
        refresh_distance: float = 0.01,
        chunk_size: int = CHUNK_SIZE,
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(handler_key, device, logger)
        self.loss = build_loss(loss)
        if metric not in METRICS:
            raise PresetError(f"metric of {handler_key!r} is {metric!r}.", did_you_mean(metric, METRICS))
        for name, value in (("max_distance", max_distance), ("max_angle", max_angle), ("chunk_size", chunk_size)):
            if value is not None and not value > 0:
                raise PresetError(f"{name} of {handler_key!r} is {value!r}, expected a number above 0.", "Correct the value.")
        if not refresh_distance >= 0:
            raise PresetError(f"refresh_distance of {handler_key!r} is {refresh_distance!r}, expected 0 or more.", "Correct the value.")
        self.metric = metric
        self._new_matches = partial(
            SurfaceMatches,
            max_distance=max_distance,
            max_angle=max_angle,
            refresh_distance=refresh_distance,
            chunk_size=chunk_size,
        )
        self._matches: SurfaceMatches | None = None
        self._matched_input: Any = None

    def requires_verts(self) -> bool:
        """Whether the handler needs the vertices of the body: always."""
        return True

    def check_input(self, related_input: BaseInput, model_convention: str) -> None:
        """Refuses an input of another kind or in other units; forgets what was found in an earlier fit.

        Raises:
            FittingError: Not an input of this handler, or one that is not in metres.
        """
        self._matches = self._matched_input = None
        if not isinstance(related_input, self.input_type):
            expected = self.input_type.__name__
            raise FittingError(f"The input {self.handler_key!r} is a {type(related_input).__name__}, expected a {expected}.")
        observed = related_input.weights > 0
        fullest = int(observed.sum(1).argmax())
        points = related_input.points[fullest, observed[fullest]]
        size = float((points - points.median(0).values).norm(dim=-1).median())
        if size > 20:
            raise FittingError(
                f"The points of {self.handler_key!r} are {size:.0f} m from their middle, expected a person, in metres.",
                "Divide millimetres by 1000, centimetres by 100.",
            )

    def distance_arguments(
        self, related_input: Any, weights: Tensor, normals: Tensor | None, model_vertices: Tensor, model_faces: Tensor | None
    ) -> dict[str, Any]:
        """Arguments of the loss: each observed point, and the point on the body that was the closest when it was searched."""
        if model_faces is None:
            raise FittingError(
                f"The body has no faces, which {self.handler_key!r} needs: it measures distances from the surface.",
                "Give the body model a property `faces`, (T, 3) vertices of each triangle.",
            )
        matches = self._matches
        if matches is None or self._matched_input is not related_input or not matches.are_for(model_vertices, model_faces):
            matches = self._new_matches(related_input.points, weights, normals, model_vertices, model_faces)
            self._matches, self._matched_input = matches, related_input
        matches.update(model_vertices.detach())
        return {
            "pred": matches.points_on(model_vertices),
            "target": matches.targets,
            "weight": matches.weights,
            "normals": matches.normals if self.metric == "point_to_plane" else None,
        }


@HANDLERS.register
class PointCloudHandler(_SurfaceHandler):
    """Distance of the points of a cloud from the surface of the body; arguments as `_SurfaceHandler`."""

    input_type = PointCloudInput

    def __init__(
        self,
        loss: nn.Module | Mapping[str, Any],
        handler_key: str = "point_cloud",
        metric: Literal["point_to_plane", "point_to_point"] = "point_to_plane",
        max_distance: float | None = None,
        max_angle: float = 90.0,
        refresh_distance: float = 0.01,
        chunk_size: int = CHUNK_SIZE,
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(loss, handler_key, metric, max_distance, max_angle, refresh_distance, chunk_size, device, logger)

    def loss_arguments(
        self, related_input: PointCloudInput, model_vertices: Tensor, model_faces: Tensor | None = None, **_: Any
    ) -> dict[str, Any]:
        """Each point and its match on the body."""
        return self.distance_arguments(related_input, related_input.weights, related_input.normals, model_vertices, model_faces)


@HANDLERS.register
class MeshHandler(_SurfaceHandler):
    """Distance of the vertices of a mesh from those of the body, or from its surface; other arguments as `_SurfaceHandler`.

    Args:
        correspondence: "vertex" compares vertices of the same number, "surface" each with the closest point on the body, weighed by
            the area round it. "auto" is "vertex" for a mesh with the faces of the body.
    """

    input_type = MeshInput

    def __init__(
        self,
        loss: nn.Module | Mapping[str, Any],
        handler_key: str = "mesh",
        correspondence: Literal["auto", "vertex", "surface"] = "auto",
        metric: Literal["point_to_plane", "point_to_point"] = "point_to_plane",
        max_distance: float | None = None,
        max_angle: float = 90.0,
        refresh_distance: float = 0.01,
        chunk_size: int = CHUNK_SIZE,
        device: torch.device | str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> None:
        super().__init__(loss, handler_key, metric, max_distance, max_angle, refresh_distance, chunk_size, device, logger)
        if correspondence not in CORRESPONDENCES:
            raise PresetError(f"correspondence of {handler_key!r} is {correspondence!r}.", did_you_mean(correspondence, CORRESPONDENCES))
        self.correspondence = correspondence

    def loss_arguments(
        self, related_input: MeshInput, model_vertices: Tensor, model_faces: Tensor | None = None, **_: Any
    ) -> dict[str, Any]:
        """Vertices against vertices, or against their matches on the body."""
        same_count = related_input.points.shape[1] == model_vertices.shape[1]
        if self.correspondence == "vertex" and not same_count:
            raise FittingError(
                f"The mesh {self.handler_key!r} has {related_input.points.shape[1]} vertices and the body {model_vertices.shape[1]}.",
                'Write correspondence = "surface" for a mesh of another topology.',
            )
        same = same_count and model_faces is not None and torch.equal(related_input.faces, model_faces)
        if self.correspondence == "vertex" or (self.correspondence == "auto" and same):
            return {
                "pred": model_vertices,
                "target": related_input.points.to(model_vertices),
                "weight": related_input.weights.to(model_vertices),
            }
        return self.distance_arguments(related_input, related_input.areas, None, model_vertices, model_faces)
