"""Skinning with dual quaternions: keeps the volume of joints that turn far, which linear blending loses.

Kavan et al., "Skinning with dual quaternions", 2007. Only the build uses it, to bring bodies into the T-pose; the default
body itself is skinned linearly, as SMPL is.
"""

import numpy as np
from scipy import sparse
from scipy.spatial.transform import Rotation

from .makehuman import Floats


def matrix_to_quaternion_wxyz(matrix: Floats) -> Floats:
    """(..., 4) unit quaternions with w >= 0 of rotation matrices (..., 3, 3)."""
    xyzw = Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_quat(canonical=True)
    return np.asarray(xyzw[:, [3, 0, 1, 2]]).reshape(*matrix.shape[:-2], 4)


def skin(points: Floats, weights: sparse.csr_array, rotations: Floats, translations: Floats) -> Floats:
    """(N, V, 3) points moved with bones.

    Args:
        points: (N, V, 3) metres.
        weights: (V, B) sparse, rows sum to 1.
        rotations: (N, B, 3, 3) of each bone.
        translations: (N, B, 3) metres, applied after the rotation.
    """
    n_bodies, n_bones = translations.shape[:2]
    real = matrix_to_quaternion_wxyz(rotations)
    dual = _half_product(translations, real)
    bones = np.concatenate([real, dual], axis=-1).transpose(1, 0, 2).reshape(n_bones, -1)
    blend = (weights @ bones).reshape(-1, n_bodies, 8).transpose(1, 0, 2)
    blend = blend / np.linalg.norm(blend[..., :4], axis=-1, keepdims=True)
    w, v, dual_w, dual_v = blend[..., :1], blend[..., 1:4], blend[..., 4:5], blend[..., 5:]
    rotated = points + 2 * np.cross(v, np.cross(v, points) + w * points)
    return np.asarray(rotated + 2 * (w * dual_v - dual_w * v + np.cross(v, dual_v)))


def _half_product(translations: Floats, quaternions: Floats) -> Floats:
    """(..., 4) half the product of the pure quaternion of a translation and a quaternion."""
    w, v = quaternions[..., :1], quaternions[..., 1:]
    scalar = -np.sum(translations * v, axis=-1, keepdims=True)
    return np.asarray(np.concatenate([scalar, translations * w + np.cross(translations, v)], axis=-1) / 2)
