"""Motions in the layout of AMASS, which most tools of the field read: SMPL-H or SMPL-X, z up."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ResultError
from .files import read_npz, write_npz
from .motion import Motion, as_floats, n_rows, naming_file, split_pose
from .parameters import POSE_PARTS, n_joints_of

_SHARED_JOINTS = 22
"""Joints that SMPL and SMPL-H share, the pelvis included; SMPL's two hand joints have no place in SMPL-H."""
_FRAME_RATES = ("mocap_framerate", "mocap_frame_rate")
"""As the SMPL-H and the SMPL-X release call it."""
_POSE_KEYS = {"root_orient": 1, "pose_body": 21, "pose_jaw": 1, "pose_eye": 2, "pose_hand": 30}
"""How the SMPL-X release calls the parts of the full pose, with their joints; the left one comes first."""


def write_amass(motion: Motion, path: str | Path) -> None:
    """Writes a motion for AMASS, whole or not at all: SMPL and SMPL-H in the layout of SMPL-H, SMPL-X in its own.

    With SMPL the fingers are at rest. The pelvis lies at `trans` plus the rest pelvis of the shape, as `smplx` computes it:
    the turn to z up is about the pelvis, so that `trans` is corrected by what the turn does to the rest pelvis.
    Expressions, which AMASS lacks, are added as `expressions`, as BEAT2 has them.

    Raises:
        ResultError: No frame rate, or the motion has y up and its rest pelvis is not known.
    """
    if motion.fps is None:
        raise ResultError("The motion has no frame rate, which AMASS needs.", "Give it one: dataclasses.replace(motion, fps=30).")
    motion = motion.with_one_shape().with_up_axis("z")
    poses = motion.full_pose.reshape(motion.n_frames, -1).astype(np.float64)
    arrays: dict[str, Any] = {"gender": motion.gender}
    if motion.model_type == "smplx":
        ends = np.cumsum([3 * n_joints for n_joints in _POSE_KEYS.values()])[:-1]
        arrays |= zip(_POSE_KEYS, np.split(poses, ends, axis=1), strict=True)
        arrays |= {"mocap_frame_rate": motion.fps, "surface_model_type": "smplx"}
        if "expression" in motion.params:
            arrays["expressions"] = motion.params["expression"]
    else:
        if motion.model_type == "smpl":
            fingers = np.zeros((motion.n_frames, 3 * (n_joints_of("smplh") - _SHARED_JOINTS)))
            poses = np.concatenate([poses[:, : 3 * _SHARED_JOINTS], fingers], axis=1)
        arrays["mocap_framerate"] = motion.fps
    trans, betas = motion.params["transl"].astype(np.float64), motion.betas[0].astype(np.float64)
    write_npz(path, {"poses": poses, "trans": trans, "betas": betas, **arrays})


def read_amass(path: str | Path, rest_pelvis: ArrayLike | None = None) -> Motion:
    """A motion from a file of AMASS: SMPL-H (156 pose values) or SMPL-X (165); 72 values are taken as SMPL.

    A file does not hold the rest pelvis of its body. Without it the motion keeps the z up of AMASS, and says so in `up_axis`;
    `motion.with_up_axis("y", body.rest_joints(motion.betas[0])[0])` turns it later.

    Args:
        path: The `.npz`.
        rest_pelvis: (3,) pelvis of the shape in the T-pose, metres. With it the motion comes with y up.

    Raises:
        ResultError: Not such a file, or its arrays do not fit together.
    """
    arrays = read_npz(path, ResultError)
    with naming_file(path):
        poses = _poses(arrays)
        if missing := {"trans", "betas", "gender"} - set(arrays):
            raise ResultError(f"the file lacks {', '.join(sorted(missing))}.", "Give a motion file of AMASS.")
        model_types = {3 * n_joints_of(model_type): model_type for model_type in POSE_PARTS}
        model_type = model_types.get(poses.shape[1])
        if model_type is None:
            raise ResultError(f"poses has {poses.shape[1]} values in each frame, expected 156 (SMPL-H) or 165 (SMPL-X).")
        params = {**split_pose(poses, model_type), "transl": arrays["trans"], "betas": np.atleast_2d(arrays["betas"])}
        if model_type == "smplx" and "expressions" in arrays:
            params["expression"] = arrays["expressions"]
        fps = next((as_floats(key, arrays[key].reshape(-1), (1,))[0] for key in _FRAME_RATES if key in arrays), None)
        motion = Motion(params, model_type, _word(arrays["gender"]), None if fps is None else float(fps), up_axis="z")
        return motion if rest_pelvis is None else motion.with_up_axis("y", rest_pelvis)


def _poses(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.floating[Any]]:
    """(F, 3 J) full pose; some tools write its parts only."""
    if "poses" in arrays:
        return as_floats("poses", arrays["poses"], (None, None))
    if missing := [key for key in _POSE_KEYS if key not in arrays]:
        raise ResultError(f"the file lacks poses, and in their place {', '.join(missing)}.", "Give a motion file of AMASS.")
    n_frames = n_rows(arrays["root_orient"])
    return np.concatenate([as_floats(key, arrays[key], (n_frames, 3 * n_joints)) for key, n_joints in _POSE_KEYS.items()], axis=1)


def _word(value: NDArray[Any]) -> str:
    """A word from an array that holds one; older files hold bytes."""
    word = value.reshape(-1)[0] if value.size == 1 else value
    return (word.decode(errors="replace") if isinstance(word, bytes) else str(word)).lower()
