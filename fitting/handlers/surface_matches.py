"""Which point of the body belongs to which observed point, kept for as long as the body hardly moves."""

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .closest_points import TriangleSearch


class SurfaceMatches:
    """For each observed point the closest one on the body, as the last search has found it.

    Args:
        points: (F, N, 3) observed points, metres.
        weights: (F, N) their weights; 0 is not observed.
        directions: (F, N, 3) their normals, 0 where not known; or None.
        vertices: (F, V, 3) vertices of the body: for their shape, type and device.
        faces: (T, 3) triangles of the body.
        max_distance: A point further from the body has no match, metres; None for no limit.
        max_angle: Nor has a point with a normal that is turned further from that of the body, degrees.
        refresh_distance: A frame is searched anew when a vertex has moved by more than this, metres.
        chunk_size: Largest number of pairs of points that are compared at once.

    Attributes:
        targets: (F, N, 3) the observed points.
        weights: (F, N) their weights; 0 where there is no match.
        normals: (F, N, 3) normals of the body at the matches.
    """

    def __init__(
        self,
        points: Tensor,
        weights: Tensor,
        directions: Tensor | None,
        vertices: Tensor,
        faces: Tensor,
        max_distance: float | None,
        max_angle: float,
        refresh_distance: float,
        chunk_size: int,
    ) -> None:
        self.targets = points.to(vertices)
        self.weights = torch.zeros_like(self.targets[..., 0])
        self.normals = torch.zeros_like(self.targets)
        self._observed_weights = weights.to(vertices)
        self._directions = None if directions is None else directions.to(vertices)
        self._search = TriangleSearch(faces, vertices.shape[1])
        self._max_distance = math.inf if max_distance is None else max_distance
        self._least_cosine = math.cos(math.radians(max_angle)) if max_angle < 180 else -math.inf
        self._refresh_distance = refresh_distance
        self._chunk_size = chunk_size
        self._triangles = torch.zeros_like(weights, dtype=torch.long)
        self._barycentric = torch.zeros_like(self.targets)
        self._searched_at = torch.full_like(vertices, torch.inf)

    def are_for(self, vertices: Tensor, faces: Tensor) -> bool:
        """Whether these are matches on such a body: of as many frames, of the same topology, type and device."""
        like = self._searched_at
        same = (like.shape, like.dtype, like.device) == (vertices.shape, vertices.dtype, vertices.device)
        return same and torch.equal(self._search.faces, faces)

    def points_on(self, vertices: Tensor) -> Tensor:
        """(F, N, 3) the matches on a body of (F, V, 3) vertices, which the gradient reaches."""
        n_frames, n_vertices, _ = vertices.shape
        first = n_vertices * torch.arange(n_frames, device=vertices.device)[:, None, None]
        corners = (self._search.faces[self._triangles] + first).flatten()
        picked = vertices.flatten(0, 1).index_select(0, corners).view(*self._triangles.shape, 3, 3)
        matched: Tensor = (picked * self._barycentric[..., None]).sum(-2)
        return matched

    def update(self, vertices: Tensor) -> None:
        """Searches the frames anew in which the body has moved too far.

        Args:
            vertices: (F, V, 3) metres, without gradient.
        """
        moved = (vertices - self._searched_at).square().sum(-1).amax(1).sqrt()
        # A movement that is not a number is none that is small enough.
        frames = (~(moved <= self._refresh_distance)).nonzero()[:, 0].tolist()
        if frames:  # an earlier evaluation whose gradient is still to be taken keeps its own matches
            self.weights, self.normals = self.weights.clone(), self.normals.clone()
            self._triangles, self._barycentric = self._triangles.clone(), self._barycentric.clone()
        for frame in frames:
            self._searched_at[frame] = vertices[frame]
            self.weights[frame] = 0
            # Without a body there is nothing to find: the loss is then not a number, and the solver says so.
            if vertices[frame].isfinite().all():
                self._search_frame(frame, vertices[frame])

    def _search_frame(self, frame: int, vertices: Tensor) -> None:
        rows = (self._observed_weights[frame] > 0).nonzero()[:, 0]
        triangles, barycentric = self._search.closest(self.targets[frame, rows], vertices, self._max_distance, self._chunk_size)
        rows, barycentric, triangles = (values[triangles >= 0] for values in (rows, barycentric, triangles))
        a, b, c = vertices[self._search.faces[triangles]].unbind(1)
        normals = normalize(torch.linalg.cross(b - a, c - a), dim=-1)
        weights = self._observed_weights[frame, rows]
        if self._directions is not None:
            directions = self._directions[frame, rows]
            agree = ((directions * normals).sum(-1) >= self._least_cosine) | (directions == 0).all(-1)
            weights = torch.where(agree, weights, 0.0)
        self._triangles[frame, rows] = triangles
        self._barycentric[frame, rows] = barycentric
        self.normals[frame, rows] = normals
        self.weights[frame, rows] = weights
