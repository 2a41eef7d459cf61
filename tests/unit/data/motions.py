"""Small motions of the default body for tests, and where their joints are, by arithmetic of their own."""

from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

from fitting.data.bodies import load_default_body
from fitting.data.motion import Motion
from fitting.data.parameters import POSE_PARTS

MODEL_TYPES = tuple(POSE_PARTS)
GENDER = "female"
load_body = cache(load_default_body)


def make_motion(model_type="smpl", n_frames=5, n_betas_rows=1, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    params = {name: rng.normal(scale=0.4, size=(n_frames, 3 * n_joints)) for name, n_joints in POSE_PARTS[model_type]}
    params["global_orient"] *= 5
    params |= {"betas": rng.normal(size=(n_betas_rows, 10)), "transl": rng.normal(size=(n_frames, 3))}
    if model_type == "smplx":
        params["expression"] = rng.normal(size=(n_frames, 10))
    return Motion({name: value.astype(dtype) for name, value in params.items()}, model_type, GENDER, fps=59.94)


def rest_joints_of(motion):
    """(F, J, 3)"""
    body = load_body(motion.gender, motion.model_type)
    betas = np.broadcast_to(motion.betas, (motion.n_frames, motion.betas.shape[1]))
    return np.stack([body.rest_joints(row) for row in betas]).astype(np.float64)


def rest_pelvis_of(motion):
    """(F, 3)"""
    return rest_joints_of(motion)[:, 0]


def joints_of(motion):
    """(F, J, 3) by forward kinematics, joint after joint."""
    rest, parents = rest_joints_of(motion), load_body(motion.gender, motion.model_type).parents
    joints, turns = rest.copy(), [None] * len(parents)
    for joint, parent in enumerate(parents):
        local = Rotation.from_rotvec(motion.full_pose[:, joint])
        turns[joint] = local if parent < 0 else turns[parent] * local
        if parent >= 0:
            joints[:, joint] = joints[:, parent] + turns[parent].apply(rest[:, joint] - rest[:, parent])
    return joints + motion.params["transl"][:, None]
