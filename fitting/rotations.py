"""Rotations in PyTorch: between axis-angle, matrices and Euler angles, and the rotation that best explains points.

Axis-angle vectors are in radians; matrices act on column vectors. All functions take any leading dimensions.
"""

import math

import torch
from torch import Tensor

_SMALL_ANGLE = 1e-4
"""Below this angle in radians the series of sine and cosine are exact in float32, and the quotients are not."""


def skew(vectors: Tensor) -> Tensor:
    """(..., 3, 3) matrices that take the cross product with (..., 3) vectors."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.unflatten(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1), -1, (3, 3))


def axis_angle_to_matrix(axis_angle: Tensor, dim: int = -1) -> Tensor:
    """(..., 3, 3) rotation matrices of (..., 3) axis-angle vectors (Rodrigues); smooth at zero, gradients included.

    Args:
        axis_angle: Axis-angle vectors, radians.
        dim: -1, or 0 for vectors (3, ...), which give matrices (3, 3, ...).
    """
    squared = axis_angle.square().sum(dim)
    is_small = squared < _SMALL_ANGLE**2
    # The square root never sees zero, so that its gradient stays finite where the series is used instead.
    safe = torch.where(is_small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    sine = torch.where(is_small, 1 - squared / 6, angle.sin() / angle)
    cosine = torch.where(is_small, 0.5 - squared / 24, (1 - angle.cos()) / safe)
    # R = cos(t) I + sin(t)/t [w] + (1 - cos(t))/t^2 w w', written out: several times faster than products of matrices.
    x, y, z = axis_angle.unbind(dim)
    bx, by, bz = cosine * x, cosine * y, cosine * z
    ax, ay, az = sine * x, sine * y, sine * z
    xx, yy, zz, xy, xz, yz = bx * x, by * y, bz * z, bx * y, bx * z, by * z
    rows = [1 - yy - zz, xy - az, xz + ay, xy + az, 1 - xx - zz, yz - ax, xz - ay, yz + ax, 1 - xx - yy]
    return torch.unflatten(torch.stack(rows, dim), dim, (3, 3))


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """(..., 3) axis-angle vectors with angles from 0 to pi of (..., 3, 3) rotation matrices."""
    quaternion = matrix_to_quaternion(matrix)
    vector = quaternion[..., 1:]
    sine = vector.norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sine, quaternion[..., :1])
    return vector * torch.where(sine > 1e-7, angle / sine.clamp_min(1e-7), torch.full_like(sine, 2.0))


def rotation_log(matrix: Tensor) -> Tensor:
    """(3, ...) axis-angle vectors of (3, 3, ...) rotation matrices: `matrix_to_axis_angle` for components first, and faster."""
    vector = 0.5 * torch.stack([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
    sine, cosine = vector.square().sum(0).sqrt(), 0.5 * (matrix[0, 0] + matrix[1, 1] + matrix[2, 2] - 1)
    axis_angle = vector * torch.where(sine > 1e-6, torch.atan2(sine, cosine) / sine.clamp_min(1e-12), 1.0)
    half_turn = cosine < -0.99  # here the axis is that of the symmetric part
    if half_turn.any():
        turned = matrix[:, :, half_turn].permute(2, 0, 1)
        axis_angle[:, half_turn] = matrix_to_axis_angle(turned).mT
    return axis_angle


def inverse_right_jacobian(axis_angle: Tensor) -> Tensor:
    """(3, 3, ...) how the logarithm (3, ...) of a rotation changes as it is turned further from the right; transposed, from the left."""
    squared = axis_angle.square().sum(0)
    angle = squared.clamp_min(1e-12).sqrt()
    half = 0.5 * angle
    # (1 - t/2 cot(t/2)) / t^2, which is finite up to a whole turn; the series is exact in float32 below 0.01 rad.
    c = torch.where(squared < 1e-4, 1 / 12 + squared / 720, (1 - half * half.cos() / half.sin().clamp_min(1e-6)) / squared.clamp_min(1e-12))
    x, y, z = axis_angle
    xy, xz, yz = c * x * y, c * x * z, c * y * z
    diagonal = 1 - c * squared
    rows = [diagonal + c * x * x, xy - 0.5 * z, xz + 0.5 * y, xy + 0.5 * z, diagonal + c * y * y, yz - 0.5 * x]
    rows += [xz - 0.5 * y, yz + 0.5 * x, diagonal + c * z * z]
    return torch.unflatten(torch.stack(rows), 0, (3, 3))


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """(..., 4) unit quaternions (w, x, y, z) with w >= 0 of (..., 3, 3) rotation matrices."""
    m = matrix.flatten(-2)
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = m.unbind(-1)
    # Four times the products of quaternion entries, one row for each entry that can be divided by; the largest is safe.
    rows = torch.stack(
        [
            torch.stack([1 + m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01], -1),
            torch.stack([m21 - m12, 1 + m00 - m11 - m22, m10 + m01, m02 + m20], -1),
            torch.stack([m02 - m20, m10 + m01, 1 - m00 + m11 - m22, m12 + m21], -1),
            torch.stack([m10 - m01, m20 + m02, m21 + m12, 1 - m00 - m11 + m22], -1),
        ],
        -2,
    )
    best = rows.diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = rows.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    quaternion = row / row.norm(dim=-1, keepdim=True)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def matrix_to_euler_xyz(matrix: Tensor) -> Tensor:
    """(..., 3) angles a, b, c in radians with R = Rx(a) Ry(b) Rz(c) of (..., 3, 3) rotation matrices."""
    a = torch.atan2(-matrix[..., 1, 2], matrix[..., 2, 2])
    # The slope of the arc sine has no bound at a right angle, where a and c are one: stop just before.
    b = torch.asin(matrix[..., 0, 2].clamp(-1 + 1e-6, 1 - 1e-6))
    c = torch.atan2(-matrix[..., 0, 1], matrix[..., 0, 0])
    return torch.stack([a, b, c], -1)


def unwrap_axis_angle(axis_angle: Tensor) -> Tensor:
    """The same rotations of (F, N, 3) axis-angle vectors, each with the number of turns that brings it nearest to the frame before.

    A turn about a steady axis has no jump any more. Near a whole turn no axis-angle vector is steady in all
    directions; whoever needs that takes quaternions.
    """
    jumps = (axis_angle.diff(dim=0).norm(dim=-1) > torch.pi).any(0)
    unwrapped = axis_angle.clone()
    for index in torch.nonzero(jumps)[:, 0]:  # few joints ever turn that far: the others are left alone
        vectors = unwrapped[:, index].tolist()  # one frame depends on the last: plain numbers are faster than small tensors
        for frame in range(1, len(vectors)):
            vectors[frame] = _nearest_turn(vectors[frame], vectors[frame - 1])
        unwrapped[:, index] = unwrapped.new_tensor(vectors)
    return unwrapped


def _nearest_turn(vector: list[float], previous: list[float]) -> list[float]:
    """The axis-angle vector of the same rotation that is nearest to `previous`."""
    angle = math.hypot(*vector)
    # A rotation by nothing has no axis of its own: it takes that of the frame before.
    along, length = (vector, angle) if angle > 1e-6 else (previous, math.hypot(*previous))
    axis = [value / max(length, 1e-12) for value in along]
    turns = round((sum(a * b for a, b in zip(axis, previous, strict=True)) - angle) / (2 * math.pi))
    return vector if turns == 0 else [value * (angle + 2 * math.pi * turns) for value in axis]


def fit_rotation(source: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """(..., 3, 3) rotations R that minimise the weighted sum of ||R source - target||^2 (Kabsch).

    Args:
        source: (..., N, 3) points about their origin.
        target: (..., N, 3) the same points after the rotation.
        weights: (..., N) weights from 0.
    """
    covariance = target.mT @ (source * weights[..., None])
    left, _, right = torch.linalg.svd(covariance)
    sign = torch.linalg.det(left @ right)
    flip = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], -1)
    rotation: Tensor = (left * flip[..., None, :]) @ right
    return rotation


def swing(source: Tensor, target: Tensor) -> Tensor:
    """(..., 3, 3) smallest rotations that take the unit vectors (..., 3) `source` to `target`."""
    axis = torch.linalg.cross(source, target)
    cosine = (source * target).sum(-1)
    matrix = skew(axis)
    eye = torch.eye(3, dtype=source.dtype, device=source.device)
    # Opposite vectors have no smallest rotation; the bound keeps that case finite, and the fit goes on from there.
    return eye + matrix + matrix @ matrix / (1 + cosine).clamp_min(1e-3)[..., None, None]
