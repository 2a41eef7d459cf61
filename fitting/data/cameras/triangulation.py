"""Triangulation: points in space from what several cameras saw, without the views that disagree."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from ...errors import CameraError
from .camera import Camera
from .values import Floats

DEFAULT_MAX_ERROR = 0.01
"""Part of the image's longer side: 19 pixels of a picture in full HD."""
MIN_ANGLE = np.radians(1.0)
"""Between two rays: below it they meet nowhere in particular."""
_CHUNK = 50_000
_REFINEMENTS = 4


def triangulate(
    cameras: Sequence[Camera], pixels: ArrayLike, confidence: ArrayLike | None = None, max_error: float | None = None
) -> tuple[Floats, Floats]:
    """Points that two or more cameras agree on.

    Each pair of views proposes a point; the proposal that most views agree with is refined with all that agree.

    Args:
        cameras: V cameras.
        pixels: (..., V, 2) what each saw; a point that is not finite was not seen.
        confidence: (..., V) confidence, 0 where not seen; ones by default.
        max_error: Pixels between an observed and a projected point up to which a view agrees; by default 1 % of the
            longer side of its image.

    Returns:
        (..., 3) points in metres, NaN where no two views agree; and (...) their confidence, 0 there: the mean of the views that
        agree, times their part of all views that saw the point.

    Raises:
        CameraError: Arrays that do not fit the cameras.
    """
    seen_at = np.asarray(pixels, np.float64)
    if seen_at.ndim < 2 or seen_at.shape[-2:] != (len(cameras), 2):
        raise CameraError(f"pixels has shape {seen_at.shape}, expected (..., {len(cameras)}, 2) for {len(cameras)} cameras.")
    weights = np.ones(seen_at.shape[:-1]) if confidence is None else np.asarray(confidence, np.float64)
    if weights.shape != seen_at.shape[:-1]:
        raise CameraError(f"confidence has shape {weights.shape}, expected {seen_at.shape[:-1]} as the pixels.")
    shape = weights.shape[:-1]
    views = _Views(cameras, max_error)
    seen_at, weights = seen_at.reshape(-1, len(cameras), 2), weights.reshape(-1, len(cameras))
    points, certainty = np.empty((len(weights), 3)), np.empty(len(weights))
    for start in range(0, len(weights), _CHUNK):  # bounds the memory
        part = slice(start, start + _CHUNK)
        points[part], certainty[part] = views.triangulate(seen_at[part], weights[part])
    return points.reshape(*shape, 3), certainty.reshape(shape)


class _Views:
    """V cameras as arrays.

    Args:
        cameras: The cameras.
        max_error: Pixels up to which a view agrees, or None.
    """

    def __init__(self, cameras: Sequence[Camera], max_error: float | None) -> None:
        self.cameras = cameras
        self.rotation = np.stack([camera.rotation for camera in cameras])
        self.translation = np.stack([camera.translation for camera in cameras])
        self.focal = np.array([camera.matrix[0, 0] for camera in cameras])
        sides = [max(camera.image_size) if camera.image_size else 2 * camera.matrix[:2, 2].max() for camera in cameras]
        self.limit = DEFAULT_MAX_ERROR * np.array(sides) if max_error is None else np.full(len(cameras), float(max_error))

    def triangulate(self, pixels: Floats, confidence: Floats) -> tuple[Floats, Floats]:
        """(N, 3) points and (N,) confidence of (N, V, 2) pixels with (N, V) confidence."""
        plane = np.stack([camera.image_plane(pixels[:, view]) for view, camera in enumerate(self.cameras)], 1)
        seen = np.isfinite(plane).all(-1) & np.isfinite(confidence) & (confidence > 0)
        plane, weights = np.where(seen[..., None], plane, 0.0), np.where(seen, confidence, 0.0)
        points, best = np.full((len(plane), 3), np.nan), np.zeros(len(plane))
        for first, second in combinations(range(len(self.cameras)), 2):
            proposal = self._meeting_point(plane, first, second)
            agreement = self._agreement(proposal, plane, weights)
            support = np.where((agreement[:, [first, second]] > 0).all(1), agreement.sum(1), 0.0)
            better = support > best
            points[better], best[better] = proposal[better], support[better]
        for _ in range(_REFINEMENTS):
            agreement = self._agreement(points, plane, weights)
            points = self._nearest_point(points, plane, np.where(agreement > 0, weights, 0.0))
        agrees = self._agreement(points, plane, weights) > 0
        total, agreed = weights.sum(1), (weights * agrees).sum(1)
        certainty = np.divide(agreed**2, total * agrees.sum(1), out=np.zeros_like(total), where=agrees.sum(1) >= 2)
        return np.where(certainty[:, None] > 0, points, np.nan), certainty

    def _meeting_point(self, plane: Floats, first: int, second: int) -> Floats:
        """(N, 3) middle of the shortest line between the rays of two views; NaN where they are parallel or meet behind a camera."""
        place = [self.cameras[view].centre for view in (first, second)]
        ray = [self._rays(plane[:, view], view) for view in (first, second)]
        cosine = (ray[0] * ray[1]).sum(1)
        squared_sine = 1 - cosine**2
        base = place[1] - place[0]
        along = [ray[0] @ base, ray[1] @ base]
        with np.errstate(all="ignore"):
            near, far = (along[0] - cosine * along[1]) / squared_sine, (cosine * along[0] - along[1]) / squared_sine
        point = 0.5 * (place[0] + near[:, None] * ray[0] + place[1] + far[:, None] * ray[1])
        usable = (squared_sine > np.sin(MIN_ANGLE) ** 2) & (near > 0) & (far > 0)
        return np.where(usable[:, None], point, np.nan)

    def _rays(self, plane: Floats, view: int) -> Floats:
        local = np.concatenate([plane, np.ones_like(plane[:, :1])], 1)
        return np.asarray(local @ self.rotation[view] / np.linalg.norm(local, axis=1, keepdims=True))

    def _agreement(self, points: Floats, plane: Floats, weights: Floats) -> Floats:
        """(N, V) weight of each view, less the nearer its error comes to the limit; 0 beyond it."""
        local = self._local(points)
        with np.errstate(all="ignore"):
            error = np.linalg.norm(local[..., :2] / local[..., 2:] - plane, axis=-1) * self.focal / self.limit
        return np.where((error < 1) & (local[..., 2] > 0), weights * (1 - np.minimum(error, 1) ** 2), 0.0)

    def _nearest_point(self, points: Floats, plane: Floats, weights: Floats) -> Floats:
        """(N, 3) points of the least weighted squares of pixel errors, linear in the point for the depth that it had."""
        depth = self._local(points)[..., 2]
        with np.errstate(all="ignore"):
            scale = np.where(weights > 0, np.sqrt(weights) * self.focal / depth, 0.0)[..., None]
        rows = scale[..., None] * (self.rotation[:, :2] - plane[..., None] * self.rotation[:, None, 2])
        values = scale * (plane * self.translation[:, 2:] - self.translation[:, :2])
        usable = (weights > 0).sum(1) >= 2
        rows, values = rows[usable].reshape(-1, 2 * len(self.cameras), 3), values[usable].reshape(-1, 2 * len(self.cameras))
        transposed = np.swapaxes(rows, 1, 2)
        solved = points.copy()
        solved[usable] = np.linalg.solve(transposed @ rows, transposed @ values[..., None])[..., 0]
        return solved

    def _local(self, points: Floats) -> Floats:
        """(N, V, 3) points as the cameras see them."""
        return np.asarray(np.einsum("vij,nj->nvi", self.rotation, points) + self.translation)
