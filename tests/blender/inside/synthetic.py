"""Bodies in motion with known answers: forward kinematics and skinning in numpy, independent of the fitter and of Blender."""

from dataclasses import replace

import numpy as np

from blender_smplify.core import POSE_PARTS, BodyData, FitResult, KeypointTrack, Preset, as_convention, body_of, load_preset

N_FRAMES = 6


def rotation_matrices(axis_angle: np.ndarray) -> np.ndarray:
    """(..., 3, 3) by Rodrigues' formula."""
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(axis_angle / np.maximum(angle[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def rest_points(body: BodyData, points: str, result: FitResult) -> np.ndarray:
    """(F, N, 3) "joints" or "vertices" in the T-pose, with the shape and the expression of each frame."""
    template, dirs, faces = {
        "joints": (body.joints_template, body.joint_shapedirs, body.joint_expression_dirs),
        "vertices": (body.v_template, body.shapedirs, body.expression_dirs),
    }[points]
    betas = result.params["betas"].astype(float)
    rest = np.broadcast_to(template + np.einsum("nas,fs->fna", dirs[..., : betas.shape[1]], betas), (result.n_frames, *template.shape))
    if "expression" in result.params:
        values = result.params["expression"].astype(float)
        rest = rest + np.einsum("nae,fe->fna", faces[..., : values.shape[1]], values)
    return rest


def world_matrices(body: BodyData, result: FitResult) -> np.ndarray:
    """(F, J, 4, 4) of the joints."""
    rest, pose = rest_points(body, "joints", result), result.full_pose.astype(float)
    local = np.broadcast_to(np.eye(4), (*pose.shape[:2], 4, 4)).copy()
    local[..., :3, :3] = rotation_matrices(pose)
    local[..., :3, 3] = rest - rest[:, body.parents]
    local[:, 0, :3, 3] = rest[:, 0] + result.params["transl"]
    world = np.empty_like(local)
    for joint, parent in enumerate(body.parents):
        world[:, joint] = local[:, joint] if parent < 0 else world[:, parent] @ local[:, joint]
    return world


def skinned_vertices(body: BodyData, result: FitResult) -> np.ndarray:
    """(F, V, 3) by linear blend skinning."""
    moves = world_matrices(body, result)
    moves[..., :3, 3] -= np.einsum("fjab,fjb->fja", moves[..., :3, :3], rest_points(body, "joints", result))
    vertices = rest_points(body, "vertices", result)
    blended = np.einsum("vj,fjab->fvab", body.weights, moves[..., :3, :], optimize=True)
    return np.einsum("fvab,fvb->fva", blended[..., :3], vertices) + blended[..., 3]


def random_result(
    n_frames: int = N_FRAMES,
    seed: int = 0,
    fps: float = 59.94,
    n_betas_rows: int = 1,
    gender: str = "neutral",
    model_type: str = "smpl",
) -> FitResult:
    """A result with wild rotations, of SMPL-X with wild expressions too, and joints that follow from them."""
    rng = np.random.default_rng(seed)
    params = {"betas": rng.normal(size=(n_betas_rows, 10)).astype(np.float32)}
    for part, n_joints in POSE_PARTS[model_type]:
        params[part] = rng.normal(size=(n_frames, 3 * n_joints)).astype(np.float32)
    params["transl"] = rng.normal(size=(n_frames, 3)).astype(np.float32)
    if model_type == "smplx":
        params["expression"] = 2 * rng.normal(size=(n_frames, 10)).astype(np.float32)
    result = FitResult(
        params=params,
        joints=np.zeros((n_frames, 0, 3), np.float32),
        residuals=np.full((n_frames, 2), 0.01, np.float32) * np.array([1, 2], np.float32),
        keypoint_names=("left_knee", "right_knee"),
        fps=fps,
        body={"model_type": model_type, "gender": gender, "name": "default"},
        name="jump",
        preset="smplify",
        report=("Found.",),
    )
    return replace(result, joints=world_matrices(body_of(result), result)[..., :3, 3].astype(np.float32))


def random_track(n_frames: int = N_FRAMES, seed: int = 0, fps: float = 29.97, name: str = "jump") -> KeypointTrack:
    """Five keypoints: one is away in the middle, one is away at the ends, and one is never seen."""
    rng = np.random.default_rng(seed)
    confidence = np.ones((n_frames, 5), np.float32)
    confidence[2:4, 1] = 0
    confidence[[0, -1], 2] = 0
    confidence[:, 4] = 0
    names = ("left_hip", "left_knee", "left_ankle", "nose", "right_knee")
    return KeypointTrack(rng.normal(size=(n_frames, 5, 3)), confidence, names, fps, name, ("The data are in metres.",))


def whole_body_track(n_frames: int = N_FRAMES) -> KeypointTrack:
    """The 144 keypoints of a SMPL-X body that moves gently, from its joints and its skin."""
    result = random_result(n_frames, model_type="smplx")
    result = replace(result, params={name: 0.2 * value for name, value in result.params.items()})
    body, convention = body_of(result), as_convention("smplx")
    joints = world_matrices(body, result)[..., :3, 3]
    surface = skinned_vertices(body, result)[:, [body.keypoint_vertices[name] for name in convention.names[body.n_joints :]]]
    return KeypointTrack(np.concatenate([joints, surface], axis=1), None, convention, 30, "whole body")


def quick_preset(name: str = "smplify") -> Preset:
    """A shipped preset with one iteration in each stage: for tests of everything but the fit."""
    preset = load_preset(name)
    return preset.with_stages([{**stage, "n_iter": 1} for stage in preset.stages])
