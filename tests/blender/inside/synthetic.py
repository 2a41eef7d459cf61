"""Bodies in motion with known answers: forward kinematics and skinning in numpy, independent of the fitter and of Blender."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from blender_smplify.core import (
    POSE_PARTS,
    BodyData,
    FitResult,
    KeypointTrack,
    Preset,
    as_convention,
    body_of,
    load_default_body,
    load_preset,
)

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
    if body.posedirs is not None:
        entries = rotation_matrices(result.full_pose.astype(float))[:, 1:] - np.eye(3)
        vertices = vertices + np.einsum("vap,fp->fva", body.posedirs, entries.reshape(result.n_frames, -1), optimize=True)
    blended = np.einsum("vj,fjab->fvab", body.weights, moves[..., :3, :], optimize=True)
    return np.einsum("fvab,fvb->fva", blended[..., :3], vertices) + blended[..., 3]


def save_body(path: Path, body: BodyData) -> None:
    """Writes a body as a model file, with the arrays that those of SMPL have."""
    expressions = np.zeros((body.n_vertices, 3, 0)) if body.expression_dirs is None else body.expression_dirs
    arrays = {
        "v_template": body.v_template,
        "shapedirs": np.concatenate([body.shapedirs[..., :10], expressions], axis=2),
        "posedirs": body.posedirs,
        "J_regressor": body.joint_regressor,
        "weights": body.weights,
        "kintree_table": np.stack([body.parents, np.arange(body.n_joints)]),
        "f": body.faces.astype(np.uint32),
    }
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})


def loose_body(model_type: str = "smpl", n_vertices: int = 80, seed: int = 0) -> BodyData:
    """A body of loose vertices around the joints of the default body, with strong pose correctives: nothing is near zero by chance."""
    rng, default = np.random.default_rng(seed), load_default_body("neutral", model_type)
    n_joints = default.n_joints
    chosen = rng.permutation(n_vertices) % n_joints
    weights = rng.random((n_vertices, n_joints)) * (rng.random((n_vertices, n_joints)) < 0.05) + np.eye(n_joints)[chosen]
    regressor = np.eye(n_joints)[chosen].T + 0.01 * rng.random((n_joints, n_vertices))
    normal = {"shapedirs": 10, "expression_dirs": 10 if model_type == "smplx" else 0, "posedirs": 9 * (n_joints - 1)}
    dirs = {name: (0.02 * rng.normal(size=(n_vertices, 3, count))).astype(np.float32) for name, count in normal.items() if count}
    return replace(
        default,
        v_template=(default.joints_template[chosen] + 0.02 * rng.normal(size=(n_vertices, 3))).astype(np.float32),
        joint_regressor=(regressor / regressor.sum(1, keepdims=True)).astype(np.float32),
        weights=(weights / weights.sum(1, keepdims=True)).astype(np.float32),
        faces=np.arange(3 * (n_vertices // 3)).reshape(-1, 3),
        **{"quads": None, "uv": None, "uv_quads": None, **dirs},
    )


def with_correctives(body: BodyData, seed: int = 0) -> BodyData:
    """A body with made-up pose correctives of up to some millimetres."""
    rng = np.random.default_rng(seed)
    shape = (body.n_vertices, 3, 9 * (body.n_joints - 1))
    return replace(body, posedirs=(0.005 * rng.random(shape, np.float32) - np.float32(0.0025)))


def random_result(
    n_frames: int = N_FRAMES,
    seed: int = 0,
    fps: float = 59.94,
    n_betas_rows: int = 1,
    gender: str = "neutral",
    model_type: str = "smpl",
    path: Path | None = None,
) -> FitResult:
    """A result with wild rotations, of SMPL-X with wild expressions too, and joints that follow from them; `path` is a body file."""
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
        body={"model_type": model_type, "gender": gender, **({"name": path.name, "path": str(path)} if path else {"name": "default"})},
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
