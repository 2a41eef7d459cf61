"""Fit results in the layout of AMASS, which most tools of the field read: SMPL-H, z up."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ResultError
from .files import write_npz

if TYPE_CHECKING:
    from .result import FitResult

N_BODY_JOINTS = 22
"""Joints that SMPL and SMPL-H share, the pelvis included; SMPL's two hand joints have no place in SMPL-H."""
POSE_WIDTH = {"smpl": 156}
_Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64)
"""From y up to z up: a quarter turn about x."""


def write_amass(result: "FitResult", path: str | Path) -> None:
    """Writes `poses`, `trans`, `betas`, `gender`, `mocap_framerate`; fingers are at rest.

    The pelvis lies at `trans` plus the rest pelvis of the shape, as `smplx` computes it: the turn to z up is about the
    pelvis, so that `trans` is corrected by what the turn does to the rest pelvis.

    Raises:
        ResultError: The body has no AMASS layout.
    """
    model_type = result.body.get("model_type", "")
    if model_type not in POSE_WIDTH:
        raise ResultError(f"A result of the body type {model_type!r} cannot be written for AMASS.", f"Known: {', '.join(POSE_WIDTH)}.")
    pelvis = result.joints[:, 0].astype(np.float64)
    rest_pelvis = pelvis[0] - result.params["transl"][0]
    poses = np.zeros((result.n_frames, POSE_WIDTH[model_type]))
    body = result.full_pose[:, :N_BODY_JOINTS].astype(np.float64)
    body[:, 0] = _turned(body[:, 0])
    poses[:, : 3 * N_BODY_JOINTS] = body.reshape(result.n_frames, -1)
    write_npz(
        path,
        {
            "poses": poses,
            "trans": pelvis @ _Z_UP.T - rest_pelvis,
            "betas": result.betas.astype(np.float64),
            "gender": result.body.get("gender", "neutral"),
            "mocap_framerate": result.fps,
        },
    )


def _turned(axis_angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """(F, 3) axis-angle of the rotations (F, 3) after the turn to z up."""
    half = np.linalg.norm(axis_angle, axis=-1, keepdims=True) / 2
    w, vector = np.cos(half), np.sinc(half / np.pi) * axis_angle / 2
    s = np.sqrt(0.5)  # the turn as a quaternion: (s, s, 0, 0)
    turn = np.array([s, 0, 0])
    new_w = s * w - (vector @ turn)[:, None]
    new_vector = s * vector + w * turn + np.cross(turn, vector)
    sine = np.linalg.norm(new_vector, axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, new_w)
    angle = np.where(angle > np.pi, angle - 2 * np.pi, angle)
    turned: NDArray[np.float64] = new_vector / np.maximum(sine, 1e-12) * angle
    return turned
