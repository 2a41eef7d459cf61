"""Skinning weights: those of MakeHuman's 163 bones, summed to the 55 joints of SMPL-X."""

import numpy as np

from .joints import SMPLX_JOINTS, joint_of_bone, mirrored_columns
from .makehuman import Floats, Integers, Rig
from .mesh import BodyMesh

MAX_INFLUENCES = 4


def skinning_weights(rig: Rig, mesh: BodyMesh) -> Floats:
    """(V, 55) symmetric weights with at most 4 joints for a vertex; rows sum to 1."""
    membership = np.zeros((len(rig.names), len(SMPLX_JOINTS)))
    for bone, joint in joint_of_bone(rig).items():
        membership[rig.index[bone], SMPLX_JOINTS.index(joint)] = 1
    weights = rig.skin_weights[mesh.base_vertices] @ membership
    return strongest_symmetric(weights, mesh.mirror, mirrored_columns(SMPLX_JOINTS))


def strongest_symmetric(weights: Floats, mirror: Integers, mirrored_joints: list[int]) -> Floats:
    """(V, J) weights made symmetric, with the strongest few of each row; rows sum to 1.

    Args:
        weights: (V, J), not negative.
        mirror: (V,) vertex on the other side.
        mirrored_joints: J indices of the joint on the other side.
    """
    weights = (weights + weights[mirror][:, mirrored_joints]) / 2
    kept = np.zeros(weights.shape, bool)
    np.put_along_axis(kept, np.argsort(-weights, axis=1, kind="stable")[:, :MAX_INFLUENCES], True, axis=1)
    on_midline = mirror == np.arange(len(mirror))
    kept &= kept[:, mirrored_joints] | ~on_midline[:, None]  # left and right go together
    weights = np.where(kept, weights, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
