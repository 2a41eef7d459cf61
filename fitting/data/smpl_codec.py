"""Motions as `.smpl` files, the exchange format of Meshcapade's tools: an `.npz` of plain numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ResultError
from .files import read_npz, write_npz
from .motion import Motion, as_floats, n_rows, naming_file, split_pose

CODEC_VERSION = 2
_MODEL_TYPES = ("smpl", "smplh", "smplx")
_GENDERS = ("neutral", "male", "female")
"""The numbers in a file are the indices in these."""
_POSE_KEYS = {
    "smpl": {"bodyPose": 24},
    "smplh": {"bodyPose": 22, "leftHandPose": 15, "rightHandPose": 15},
    "smplx": {"bodyPose": 22, "headPose": 3, "leftHandPose": 15, "rightHandPose": 15},
}
"""Parts of the full pose, in its order, with their joints."""


def write_smpl(motion: Motion, path: str | Path) -> None:
    """Writes a motion as `.smpl`, whole or not at all: float32, y up, one shape for all frames.

    Raises:
        ResultError: No frame rate, or the motion has z up and its rest pelvis is not known.
    """
    if motion.fps is None:
        raise ResultError("The motion has no frame rate, which .smpl needs.", "Give it one: dataclasses.replace(motion, fps=30).")
    motion = motion.with_one_shape().with_up_axis("y")
    floats: dict[str, Any] = {"shapeParameters": motion.betas[0], "frameRate": motion.fps, "bodyTranslation": motion.params["transl"]}
    keys = _POSE_KEYS[motion.model_type]
    ends = np.cumsum(list(keys.values()))[:-1]
    floats |= zip(keys, np.split(motion.full_pose, ends, axis=1), strict=True)
    if "expression" in motion.params:
        expression = motion.params["expression"]
        floats["expressionParameters"] = np.broadcast_to(expression, (motion.n_frames, expression.shape[1]))
    integers = {
        "codecVersion": CODEC_VERSION,
        "smplVersion": _MODEL_TYPES.index(motion.model_type),
        "gender": _GENDERS.index(motion.gender),
        "frameCount": motion.n_frames,
    }
    arrays = {key: np.asarray(value, np.int32) for key, value in integers.items()}
    write_npz(path, arrays | {key: np.asarray(value, np.float32) for key, value in floats.items()})


def read_smpl(path: str | Path) -> Motion:
    """A motion from a `.smpl` file; parts that it lacks are zero, and a file without motion is one frame in the T-pose.

    The file does not tell its up axis: it is taken as y, as Meshcapade's tools do. Vertex offsets are left out.

    Raises:
        ResultError: Not such a file, a body other than SMPL, SMPL-H and SMPL-X, or arrays that do not fit together.
    """
    arrays = read_npz(path, ResultError)
    with naming_file(path):
        if missing := {"smplVersion", "gender"} - set(arrays):
            raise ResultError(f"the file lacks {', '.join(sorted(missing))}.", "Give a .smpl file of Meshcapade's tools.")
        model_type = _chosen("smplVersion", arrays["smplVersion"], _MODEL_TYPES)
        n_frames = n_rows(arrays.get("bodyPose", arrays.get("bodyTranslation")))
        if "frameCount" in arrays and (count := _number("frameCount", arrays["frameCount"])) not in (0, n_frames):
            raise ResultError(f"frameCount is {count:g}, but the arrays have {n_frames} frames.")
        parts = [
            as_floats(key, arrays[key], (n_frames, n_joints, 3)) if key in arrays else np.zeros((n_frames, n_joints, 3), np.float32)
            for key, n_joints in _POSE_KEYS[model_type].items()
        ]
        params = split_pose(np.concatenate(parts, axis=1), model_type)
        params["betas"] = as_floats("shapeParameters", arrays.get("shapeParameters", np.zeros(10, np.float32)), (None,))[None]
        params["transl"] = as_floats("bodyTranslation", arrays.get("bodyTranslation", np.zeros((n_frames, 3), np.float32)), (n_frames, 3))
        if model_type == "smplx" and "expressionParameters" in arrays:
            params["expression"] = as_floats("expressionParameters", arrays["expressionParameters"], (n_frames, None))
        # The shortest decimal of a float32: 59.94, not 59.939998626708984.
        fps = float(str(np.float32(_number("frameRate", arrays["frameRate"])))) if "frameRate" in arrays else None
        return Motion(params, model_type, _chosen("gender", arrays["gender"], _GENDERS), fps)


def _number(name: str, value: Any) -> float:
    return float(as_floats(name, np.reshape(value, -1), (1,))[0])


def _chosen(name: str, value: Any, names: tuple[str, ...]) -> str:
    number = _number(name, value)
    if number not in range(len(names)):
        known = ", ".join(f"{index} ({known})" for index, known in enumerate(names))
        raise ResultError(f"{name} is {number:g}, expected one of {known}.")
    return names[int(number)]
