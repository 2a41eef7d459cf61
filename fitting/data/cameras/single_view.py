"""Keypoints in space from one view alone: as far away as a body of average size has to be."""

from collections.abc import Sequence

import numpy as np

from ..bodies import load_default_body
from ..conventions import Convention, conversion_matrix, get_convention
from .camera import Camera
from .values import Floats

MIN_LIMB = 0.15
"""Metres: shorter limbs measure little but noise."""
UNSHORTENED = 0.9
"""Quantile of the limbs' apparent lengths over their true ones: those that lie across the view are seen in full."""
_SMOOTHED_FRAMES = 15
_FALLBACK_DEPTH = 4.0


def place_keypoints(cameras: Sequence[Camera], pixels: Floats, confidence: Floats, convention: Convention) -> tuple[Floats, Floats]:
    """A body upright in front of the camera, all of it at the distance that its limbs suggest.

    Args:
        cameras: One camera, or F of a camera that moves.
        pixels: (F, K, 2) what it saw.
        confidence: (F, K) confidence, 0 where not seen.
        convention: Convention of the keypoints.

    Returns:
        (F, K, 3) metres, 0 where not seen; and (F, K) confidence.
    """
    n_frames = len(pixels)
    moving = [cameras[0]] * n_frames if len(cameras) == 1 else list(cameras)
    if len(cameras) == 1:
        plane = cameras[0].image_plane(pixels)
    else:
        plane = np.stack([camera.image_plane(frame) for camera, frame in zip(moving, pixels, strict=True)])
    seen = (confidence > 0) & np.isfinite(plane).all(-1)
    depth = limb_depth(plane, seen, convention)
    points = np.concatenate([plane, np.ones_like(plane[..., :1])], -1) * depth[:, None, None]
    rotation = np.stack([camera.rotation for camera in moving])
    translation = np.stack([camera.translation for camera in moving])
    world = np.einsum("fkj,fji->fki", np.where(seen[..., None], points - translation[:, None], 0.0), rotation)
    return world, np.where(seen, confidence, 0.0)


def limb_depth(plane: Floats, seen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], convention: Convention) -> Floats:
    """(F,) metres to a body of average size.

    Args:
        plane: (F, K, 2) where its keypoints are seen, in the plane at distance 1.
        seen: (F, K) whether they are.
        convention: Convention of the keypoints.
    """
    body = load_default_body()
    matrix = conversion_matrix(get_convention("smpl"), convention, approximate=True, derive=True)
    rest = matrix @ body.rest_joints(np.zeros(body.n_betas, np.float32))
    known = matrix.any(1)
    limbs = np.array([limb for limb in convention.limbs() if known[list(limb)].all()]).reshape(-1, 2)
    lengths = np.linalg.norm(rest[limbs[:, 0]] - rest[limbs[:, 1]], axis=-1)
    limbs, lengths = limbs[lengths > MIN_LIMB], lengths[lengths > MIN_LIMB]
    apparent = np.linalg.norm(plane[:, limbs[:, 0]] - plane[:, limbs[:, 1]], axis=-1) / lengths
    apparent = np.where(seen[:, limbs].all(-1), apparent, np.nan)
    measured = np.isfinite(apparent).any(1)
    if not measured.any():
        return np.full(len(plane), _FALLBACK_DEPTH)
    frames = np.flatnonzero(measured)
    depth = 1 / np.maximum(np.nanquantile(apparent[frames], UNSHORTENED, axis=1), 1e-3)
    half = _SMOOTHED_FRAMES // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(depth, half, mode="edge"), 2 * half + 1)
    return np.asarray(np.interp(np.arange(len(plane)), frames, np.median(windows, axis=1)))
