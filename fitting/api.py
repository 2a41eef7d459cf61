"""The whole way in one call: from a keypoint track to a fitted body in motion."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .body import Body, preset_body_model
from .data.conventions import as_convention, conversion_matrix
from .data.preset import Preset, load_preset
from .data.result import FitResult
from .data.tracks.track import KeypointTrack
from .device import threads_for
from .errors import TrackError
from .handlers import Keypoint3dLimbLenInput, Keypoint3dMSEInput
from .losses.hands import N_FINGER_JOINTS
from .progress import ProgressCallback
from .registrant import build_registrant
from .rotations import unwrap_axis_angle

_ANCHORS = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")


def fit(
    track: KeypointTrack,
    preset: str | Path | Preset = "smplify",
    body: str | Path | nn.Module | None = None,
    gender: str | None = None,
    device: str | torch.device = "auto",
    on_progress: ProgressCallback | None = None,
) -> FitResult:
    """Fits a body to a track.

    Args:
        track: Keypoints of one person, metres, y up.
        preset: Name of a preset, path of a JSON file, or a `Preset`.
        body: File or folder of a body model, "anny", or a module (see `fitting.body.Body`); None for the default body.
        gender: "neutral", "male" or "female", before that of the preset. A file or a module that says another is not fitted.
        device: "auto", "cpu", "cpu-plain" (without compiled kernels), "cuda", ...
        on_progress: Called after each iteration; it stops the fit by raising `FitCancelled`.

    Returns:
        The fitted motion. Joints that no keypoint observes stay where priors put them; the report names them.

    Raises:
        TrackError: No hip and no shoulder was observed.
        PresetError: A wrong preset.
        BodyError: A wrong body.
        DeviceError: No such device.
    """
    preset = preset if isinstance(preset, Preset) else load_preset(preset)
    model = preset_body_model(preset, body, gender)
    report = [*track.decisions, *_check_observed(track, model)]
    # float32 is exact to 0.1 mm only within a kilometre of the origin: the fit works about the middle of the take.
    centre = _centre(track)
    points = torch.as_tensor(np.where(track.observed[..., None], track.points - centre, 0).astype(np.float32))
    confidence = torch.as_tensor(np.asarray(track.confidence))
    registrant = build_registrant({**preset.registrant_config(), "body_model": model, "device": device})
    convention = as_convention(track.convention)
    observed = [input_class(points, convention, confidence) for input_class in (Keypoint3dMSEInput, Keypoint3dLimbLenInput)]
    keys = {handler.handler_key for handler in registrant.handlers}
    with threads_for(track.n_frames):
        output = registrant(
            [item for item in observed if item.handler_key in keys], return_joints=True, on_progress=on_progress, fps=track.fps
        )

    model_joints = output.pop("joints").cpu()
    params = {name: value.cpu() for name, value in output.items()}
    turns = torch.unflatten(model.cpu().full_pose(params), 1, (-1, 3))
    params |= model.parts_of_pose(unwrap_axis_angle(turns).flatten(1))
    params["transl"] = params["transl"] + torch.as_tensor(centre)
    return FitResult(
        params={name: value.numpy() for name, value in params.items()},
        joints=model_joints[:, : model.n_joints].numpy() + centre,
        residuals=_residuals(track, model, model_joints, points),
        keypoint_names=track.names,
        fps=track.fps,
        body={"model_type": model.model_type, "gender": model.gender, "name": model.name, **_path(body)},
        name=track.name,
        preset=preset.name,
        report=(*report, *registrant.notes),
    )


def _check_observed(track: KeypointTrack, model: Body) -> list[str]:
    """Sentences about what the track says of the body.

    Raises:
        TrackError: Nothing that a fit could hold on to.
    """
    matrix = conversion_matrix(track.convention, model.convention, approximate=True)
    seen = track.observed.any(0)
    if not seen.any():
        raise TrackError(f"No keypoint of {track.name!r} is observed in any frame.", "Check the file, or export it again.")
    known = (matrix[:, seen] != 0).any(1)
    names = model.convention.names
    if not any(known[names.index(name)] for name in _ANCHORS):
        listed = ", ".join(track.names[:8]) + (", ..." if track.n_keypoints > 8 else "")
        raise TrackError(
            f"{track.name!r} has no hip and no shoulder among its keypoints ({listed}).",
            "Give the convention of the file, or rename its keypoints.",
        )
    back = conversion_matrix(model.convention, track.convention, approximate=True)
    used = (back != 0).any(1) & seen
    sentences = [f"Keypoints: {int(used.sum())} of {track.n_keypoints} are on the body and observed."]
    missing = [name for name, is_known in zip(names[: model.n_joints], known, strict=False) if not is_known]
    if missing:
        sentences.append(f"Not observed, left to the priors: {', '.join(_hands_as_one(missing))}.")
    return sentences


def _hands_as_one(names: list[str]) -> list[str]:
    """Joints by name, and a hand by its own name where all of its fingers are among them."""
    listed = list(names)
    for side in ("left", "right"):
        fingers = [name for name in names if name[-2:] in ("_1", "_2", "_3") and name.startswith(side)]
        if len(fingers) == N_FINGER_JOINTS:
            listed = [name for name in listed if name not in fingers] + [f"all fingers of the {side} hand"]
    return listed


def _centre(track: KeypointTrack) -> NDArray[np.float32]:
    """(3,) a place in the middle of the take, in whole metres."""
    centre: NDArray[np.float32] = np.round(np.median(track.points[track.observed], axis=0)).astype(np.float32)
    return centre


def _residuals(track: KeypointTrack, model: Body, joints: torch.Tensor, points: torch.Tensor) -> NDArray[np.float32]:
    """(F, K) distances in metres, NaN where a keypoint is not observed or not on the body."""
    matrix = conversion_matrix(model.convention, track.convention, approximate=True)
    distances = (torch.as_tensor(matrix) @ joints - points).norm(dim=-1).numpy()
    return np.where(track.observed & (matrix != 0).any(1), distances, np.nan).astype(np.float32)


def _path(body: str | Path | nn.Module | None) -> dict[str, Any]:
    if body is None or isinstance(body, nn.Module) or not Path(body).exists():  # "anny" is no path
        return {}
    return {"path": str(Path(body).absolute())}
