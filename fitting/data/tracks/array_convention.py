"""Which convention the keypoints of a plain array follow: by their number, and by what makes a body of them."""

from collections.abc import Sequence

import numpy as np

from ...errors import TrackError
from ..conventions import Convention, conversion_matrix, get_convention, list_conventions
from .recording import Floats
from .units import LIMB_LENGTHS, limb_lengths

_USUAL = (
    *("smpl", "coco", "openpose_25", "h36m", "h36m_mmpose", "panoptic", "lsp", "smpl_24", "smpl_49"),
    *("mediapipe_holistic", "mediapipe_holistic_543", "mediapipe_holistic_553"),
)
"""What is meant where conventions differ in points that the limbs do not show."""

_DOUBT = 0.3
_CLEAR = 0.05


def guess_convention(points: Floats, source: str) -> tuple[Convention, str]:
    """The convention whose limbs keep their length, are as long left as right, and have the proportions of a body.

    Args:
        points: (N, K, 3), NaN where missing.
        source: Name of the file.

    Returns:
        The convention, and a sentence that says why.

    Raises:
        TrackError: No registered convention has K keypoints, or none or several make a body.
    """
    n_keypoints = points.shape[1]
    candidates: list[Convention] = []
    for name in sorted(list_conventions(), key=lambda name: _USUAL.index(name) if name in _USUAL else len(_USUAL)):
        convention = get_convention(name)
        if len(convention) == n_keypoints and all(convention.names != other.names for other in candidates):
            candidates.append(convention)
    give = "Give the convention of the data, or a list with one name for each keypoint."
    if not candidates:
        raise TrackError(f"{source!r} has {n_keypoints} keypoints without names, and no known convention has as many.", give)
    scores = {convention.name: _implausibility(points, convention.names) for convention in candidates}
    listed = ", ".join(sorted(scores))
    known = {name: score for name, score in scores.items() if score is not None}
    if not known:
        if len(candidates) == 1:
            return candidates[0], f"Keypoints: {candidates[0].name} (the convention with {n_keypoints} keypoints)."
        raise TrackError(f"{source!r} has {n_keypoints} keypoints without names; that may be {listed}.", give)
    best = min(known.values())
    if best > _DOUBT:
        raise TrackError(f"{source!r} has {n_keypoints} keypoints without names, and they make no body as {listed}.", give)
    close = [convention for convention in candidates if known.get(convention.name, np.inf) < best + _CLEAR]
    if len(close) > 1 and close[0].name not in _USUAL:
        raise TrackError(
            f"{source!r} has {n_keypoints} keypoints without names; that may be {', '.join(item.name for item in close)}.", give
        )
    return close[0], f"Keypoints: {close[0].name} ({n_keypoints} keypoints without names, which make a body in this order)."


def _implausibility(points: Floats, names: Sequence[str]) -> float | None:
    """0 for a perfect body, about 1 for points in a wrong order; None where the names have too few limbs."""
    lengths = {limb: values for limb, values in limb_lengths(points, names).items() if np.isfinite(values).any()}
    if len(lengths) < 4:
        return None
    medians = {limb: float(np.nanmedian(values)) for limb, values in lengths.items()}
    spreads = [np.nanmedian(np.abs(values - medians[limb])) / max(medians[limb], 1e-12) for limb, values in lengths.items()]
    logs = {limb: np.log(max(median, 1e-12) / LIMB_LENGTHS[limb]) for limb, median in medians.items()}
    middle = float(np.median(list(logs.values())))
    proportions = [min(abs(log - middle), 2.0) for log in logs.values()]
    sides = [min(abs(logs[limb] - logs[other]), 2.0) for limb in logs if (other := _mirrored(limb)) in logs]
    # Weights: 10 % of jitter, 20 % of difference between the sides and 40 % of odd proportion count alike.
    score = float(np.mean(spreads)) * 4 + float(np.mean(sides or [0.0])) * 2 + float(np.mean(proportions))
    return score / 3 + _turned_round(points, names) + _hands_elsewhere(points, names)


def _mirrored(limb: tuple[str, str]) -> tuple[str, str]:
    first, second = (end.replace("left", "right") if "left" in end else end.replace("right", "left") for end in limb)
    return first, second


def _turned_round(points: Floats, names: Sequence[str]) -> float:
    """1 where hips and shoulders point opposite ways; a little where knees bend backwards, as straight ones seem to at times."""
    joints = [f"{side}_{joint}" for side in ("left", "right") for joint in ("hip", "shoulder", "knee", "ankle")]
    matrix = conversion_matrix(names, joints, approximate=True, derive=False)
    if not matrix.any(1).all():
        return 0.0
    left_hip, left_shoulder, left_knee, left_ankle, right_hip, right_shoulder, right_knee, right_ankle = (
        points[:, int(row.argmax())] for row in matrix
    )
    hips, shoulders = left_hip - right_hip, left_shoulder - right_shoulder
    up = (left_shoulder + right_shoulder - left_hip - right_hip) / 2
    bends = left_knee + right_knee - (left_hip + right_hip + left_ankle + right_ankle) / 2
    forward = np.cross(hips + shoulders, up)
    if _mostly_opposite(hips, shoulders):
        return 1.0
    return 0.1 if _mostly_opposite(forward, bends) else 0.0


def _hands_elsewhere(points: Floats, names: Sequence[str]) -> float:
    """A little where knuckles are nearer to the other wrist than to their own, or farther from it than the elbow."""
    for side, other in (("left", "right"), ("right", "left")):
        joints = (f"{side}_middle_1", f"{side}_wrist", f"{other}_wrist", f"{side}_elbow")
        if not set(joints) <= set(names):
            return 0.0
        knuckle, wrist, other_wrist, elbow = (points[:, names.index(joint)] for joint in joints)
        to_own, to_other, forearm = (np.linalg.norm(ends, axis=-1) for ends in (knuckle - wrist, knuckle - other_wrist, elbow - wrist))
        if _mostly_negative(np.minimum(to_other, forearm) - to_own):
            return 0.1
    return 0.0


def _mostly_opposite(first: Floats, second: Floats) -> bool:
    return _mostly_negative((first * second).sum(-1))


def _mostly_negative(values: Floats) -> bool:
    seen = values[np.isfinite(values)]
    return bool(len(seen) and np.median(seen) < 0)
