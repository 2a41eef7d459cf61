"""Weights of the body's keypoints by part: body, shoulders, hips, feet, face, hands."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..data.conventions import Convention
from ..errors import PresetError


def joint_weights(convention: Convention, stage: Mapping[str, Any], ignore: Iterable[str] = ()) -> list[float]:
    """The weight of each keypoint of a convention in a stage.

    Later rules win: parts, then `use_shoulder_hip_only`, then ignored keypoints.

    Args:
        convention: Convention of the body's keypoints.
        stage: Stage keys: `body_weight`, `face_weight`, `hand_weight` multiply their parts (default 1);
            `shoulder_weight`, `hip_weight`, `foot_weight` replace the weight of the body where they are given;
            `use_shoulder_hip_only` leaves nothing else.
        ignore: Names of keypoints that get the weight 0; names that the convention lacks do nothing.

    Raises:
        PresetError: `use_shoulder_hip_only` without weights for both, or with weights for other parts.
    """
    weights = [1.0] * len(convention)

    def each(part: str, value: float) -> None:
        for index in convention.part(part):
            weights[index] = value

    each("body", _weight(stage, "body_weight"))
    each("head", _weight(stage, "face_weight"))
    for hand in ("left_hand", "right_hand"):
        each(hand, _weight(stage, "hand_weight"))
    for part in ("foot", "shoulder", "hip"):
        value = stage.get(f"{part}_weight")
        if value is not None:
            each(part, float(value))
    if stage.get("use_shoulder_hip_only", False):
        others = sum(_weight(stage, f"{part}_weight") for part in ("body", "face", "hand"))
        if stage.get("shoulder_weight") is None or stage.get("hip_weight") is None or others > 0:
            raise PresetError(
                "use_shoulder_hip_only needs shoulder_weight and hip_weight, and body_weight = face_weight = hand_weight = 0.",
                "Set these weights; then use_shoulder_hip_only can be left out.",
            )
        kept = {*convention.part("shoulder"), *convention.part("hip")}
        weights = [weight if index in kept else 0.0 for index, weight in enumerate(weights)]
    for name in ignore:
        if name in convention:
            weights[convention.index(name)] = 0.0
    return weights


def _weight(stage: Mapping[str, Any], key: str) -> float:
    return float(stage.get(key, 1.0))
