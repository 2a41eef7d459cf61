"""Keypoints of one convention as those of another."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import ConventionError
from .conventions import Convention, as_convention, conversion_matrix
from .keypoints import Keypoints
from .tracks.track import KeypointTrack


@overload
def convert_keypoints(
    keypoints: Keypoints, dst: Convention | str | Sequence[str], approximate: bool = False, derive: bool = True
) -> Keypoints: ...
@overload
def convert_keypoints(
    keypoints: KeypointTrack, dst: Convention | str | Sequence[str], approximate: bool = False, derive: bool = True
) -> KeypointTrack: ...
def convert_keypoints(
    keypoints: Keypoints | KeypointTrack,
    dst: Convention | str | Sequence[str],
    approximate: bool = False,
    derive: bool = True,
) -> Keypoints | KeypointTrack:
    """The same motion with the keypoints of the convention `dst`.

    A keypoint that `keypoints` lacks is zero, with confidence and mask 0. The middle of two others has the smaller
    confidence of the two, and is not observed where one of them is not.

    Args:
        keypoints: `Keypoints` or a `KeypointTrack`; left unchanged.
        dst: The convention that is wanted.
        approximate: Also take keypoints at about the same place on the body, see `conversion_matrix`.
        derive: With `approximate`, also compute the pelvis and the neck from hips and shoulders; False does as XRMoCap.

    Raises:
        ConventionError: Unknown convention, or something that is neither `Keypoints` nor a track.
    """
    if not isinstance(keypoints, Keypoints | KeypointTrack):
        raise ConventionError(
            f"convert_keypoints was given {type(keypoints).__name__}, expected Keypoints or KeypointTrack.",
            "Build one: KeypointTrack(points, confidence, convention, fps).",
        )
    target = as_convention(dst)
    matrix = conversion_matrix(keypoints.convention, target, approximate, derive)
    if isinstance(keypoints, KeypointTrack):
        points, confidence = _convert(matrix, keypoints.points, np.asarray(keypoints.confidence), keypoints.observed)
        return replace(keypoints, points=points, confidence=confidence, convention=target)
    mask = keypoints.get_mask()
    values, confidence = _convert(matrix, keypoints.keypoints[..., :-1], keypoints.keypoints[..., -1], mask > 0)
    _, mask = _convert(matrix, keypoints.keypoints[..., :-1], mask, mask > 0)
    return replace(keypoints, keypoints=np.concatenate([values, confidence[..., None]], -1), mask=mask, convention=target)


def _convert(
    matrix: NDArray[np.float32], values: NDArray[np.floating[Any]], confidence: NDArray[Any], observed: NDArray[np.bool_]
) -> tuple[NDArray[np.floating[Any]], NDArray[Any]]:
    """(..., K_dst, C) values and (..., K_dst) confidence: copies of one keypoint, or the middle of two that were observed."""
    shape = (*confidence.shape[:-1], len(matrix))
    new_values, new_confidence = np.zeros((*shape, values.shape[-1]), values.dtype), np.zeros(shape, confidence.dtype)
    for target, row in enumerate(matrix):
        sources = np.flatnonzero(row)
        if len(sources) == 1:
            new_values[..., target, :] = values[..., sources[0], :]
            new_confidence[..., target] = confidence[..., sources[0]]
        elif len(sources) > 1:
            all_observed = observed[..., sources].all(-1)
            new_values[..., target, :] = np.where(all_observed[..., None], values[..., sources, :].mean(-2), 0)
            new_confidence[..., target] = np.where(all_observed, confidence[..., sources].min(-1), 0)
    return new_values, new_confidence
