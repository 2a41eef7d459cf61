"""Linear blend skinning: vertices of a posed body."""

import torch
from torch import Tensor


def skin(vertices: Tensor, weights: Tensor, rotations: Tensor, rest_joints: Tensor, joints: Tensor) -> Tensor:
    """Vertices moved by their joints (SMPL, equation 2, with the blend shapes applied before).

    Args:
        vertices: (F, N, 3) or (1, N, 3) vertices in the T-pose, metres.
        weights: (N, J) weights, rows sum to 1.
        rotations: (F, J, 3, 3) rotations in the world.
        rest_joints: (F, J, 3) or (1, J, 3) joints in the T-pose.
        joints: (F, J, 3) posed joints.

    Returns:
        (F, N, 3) posed vertices.
    """
    offsets = joints - (rotations @ rest_joints[..., None])[..., 0]
    blended = torch.unflatten(weights @ rotations.flatten(2), -1, (3, 3))
    return (blended @ vertices[..., None])[..., 0] + weights @ offsets
