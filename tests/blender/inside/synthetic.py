"""Bodies in motion with known answers: forward kinematics and skinning in numpy, independent of the fitter and of Blender."""

import numpy as np

from blender_smplify.core import BodyData, FitResult, KeypointTrack, Preset, body_of, load_preset

N_FRAMES = 6


def rotation_matrices(axis_angle: np.ndarray) -> np.ndarray:
    """(..., 3, 3) by Rodrigues' formula."""
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(axis_angle / np.maximum(angle[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def world_matrices(body: BodyData, betas: np.ndarray, pose: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """(F, J, 4, 4) of the joints, for shapes (F, S) or (1, S)."""
    rest = np.stack([body.rest_joints(values) for values in np.broadcast_to(betas, (len(pose), betas.shape[1]))]).astype(float)
    local = np.broadcast_to(np.eye(4), (*pose.shape[:2], 4, 4)).copy()
    local[..., :3, :3] = rotation_matrices(pose)
    local[..., :3, 3] = rest - rest[:, body.parents]
    local[:, 0, :3, 3] = rest[:, 0] + transl
    world = np.empty_like(local)
    for joint, parent in enumerate(body.parents):
        world[:, joint] = local[:, joint] if parent < 0 else world[:, parent] @ local[:, joint]
    return world


def skinned_vertices(body: BodyData, betas: np.ndarray, pose: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """(F, V, 3) by linear blend skinning of one shape (S,)."""
    moves = world_matrices(body, betas[None], pose, transl)
    moves[..., :3, 3] -= np.einsum("fjab,jb->fja", moves[..., :3, :3], body.rest_joints(betas).astype(float))
    vertices = np.pad(body.rest_vertices(betas).astype(float), ((0, 0), (0, 1)), constant_values=1)
    return np.einsum("vj,fjab,vb->fva", body.weights, moves, vertices)[..., :3]


def random_result(n_frames: int = N_FRAMES, seed: int = 0, fps: float = 59.94, n_betas_rows: int = 1, gender: str = "neutral") -> FitResult:
    """A result with wild rotations, and joints that follow from them."""
    rng = np.random.default_rng(seed)
    described = {"model_type": "smpl", "gender": gender, "name": "default"}
    empty = FitResult({}, np.zeros((0, 24, 3), np.float32), np.zeros((0, 0), np.float32), (), fps, described)
    body = body_of(empty)
    betas = rng.normal(size=(n_betas_rows, 10)).astype(np.float32)
    pose = (rng.normal(size=(n_frames, body.n_joints, 3))).astype(np.float32)
    transl = rng.normal(size=(n_frames, 3)).astype(np.float32)
    joints = world_matrices(body, betas, pose.astype(float), transl.astype(float))[..., :3, 3]
    residuals = np.full((n_frames, 2), 0.01, np.float32) * [1, 2]
    params = {"global_orient": pose[:, 0], "body_pose": pose[:, 1:].reshape(n_frames, -1), "betas": betas, "transl": transl}
    return FitResult(
        params,
        joints.astype(np.float32),
        residuals.astype(np.float32),
        ("left_knee", "right_knee"),
        fps,
        described,
        "jump",
        "smplify",
        ("Found.",),
    )


def random_track(n_frames: int = N_FRAMES, seed: int = 0, fps: float = 29.97, name: str = "jump") -> KeypointTrack:
    """Five keypoints: one is away in the middle, one is away at the ends, and one is never seen."""
    rng = np.random.default_rng(seed)
    confidence = np.ones((n_frames, 5), np.float32)
    confidence[2:4, 1] = 0
    confidence[[0, -1], 2] = 0
    confidence[:, 4] = 0
    names = ("left_hip", "left_knee", "left_ankle", "nose", "right_knee")
    return KeypointTrack(rng.normal(size=(n_frames, 5, 3)), confidence, names, fps, name, ("The data are in metres.",))


def quick_preset() -> Preset:
    """The default preset with one iteration in each stage: for tests of everything but the fit."""
    preset = load_preset("smplify")
    return preset.with_stages([{**stage, "n_iter": 1} for stage in preset.stages])
