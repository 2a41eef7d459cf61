"""Which keypoints of one convention give those of another, as a matrix of weights."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from . import vocabulary
from .convention import Convention, as_convention

_HIPS = ("left_hip", "right_hip")
_SHOULDERS = ("left_shoulder", "right_shoulder")

_MIDDLES = {"pelvis_openpose": _HIPS, "pelvis_extra": _HIPS, "neck_openpose": _SHOULDERS}
"""Points that are the middle of two others by definition: a detector's, unlike the joint of a body model."""

_SUBSTITUTES = {"pelvis": _HIPS, "neck": _SHOULDERS}
"""Points, or aliases of them, for which the middle of two others stands in when there is nothing better."""

_SPELLINGS = {f"{side}_eyebrow_{number}": f"{side}_eye_brow_{number}" for side in ("left", "right") for number in range(1, 6)}
_SPELLINGS |= {spelling: name for name, spelling in _SPELLINGS.items()}
"""The eyebrows, which "openpose_137" spells in its own way."""


def conversion_matrix(
    src: Convention | str | Sequence[str],
    dst: Convention | str | Sequence[str],
    approximate: bool = False,
    derive: bool = True,
) -> NDArray[np.float32]:
    """Weights that turn keypoints of `src` into keypoints of `dst`: `dst_points = matrix @ src_points`.

    Args:
        src: Convention of the keypoints that are there.
        dst: Convention that is wanted.
        approximate: Also take a keypoint at about the same place ("left_hip_openpose" for "left_hip"), and compute the
            pelvis and the neck as the middle of hips and shoulders. Otherwise only keypoints of the same name are taken.
        derive: False leaves out the computed middles and the other spelling of the eyebrows, as XRMoCap does.

    Returns:
        (K_dst, K_src) weights; a row sums to 1, or to 0 where `src` has nothing for that keypoint.

    Raises:
        ConventionError: Unknown convention.
    """
    source, target = as_convention(src), as_convention(dst)
    matrix = np.zeros((len(target), len(source)), np.float32)
    for row, name in zip(matrix, target.names, strict=True):
        sources = _sources(source, name, approximate, derive)
        if sources:
            row[list(sources)] = 1 / len(sources)
    return matrix


def _sources(source: Convention, name: str, approximate: bool, derive: bool) -> tuple[int, ...]:
    """Indices of the keypoints whose mean stands for `name`; the first rule that finds some wins."""
    if name in source:
        return (source.index(name),)
    if not approximate:
        return ()
    if derive and _SPELLINGS.get(name) in source:
        return (source.index(_SPELLINGS[name]),)
    definition = _middle(source, _MIDDLES.get(name)) if derive else ()
    if definition:
        return definition
    alias = _alias(source, name)
    if alias is not None:
        return (alias,)
    if derive:
        for substituted, ends in _SUBSTITUTES.items():
            if name in vocabulary.alias_groups()[substituted]:
                return _middle(source, ends)
    return ()


def _middle(source: Convention, ends: tuple[str, str] | None) -> tuple[int, ...]:
    indices = [_alias(source, end) for end in ends or ()]
    return tuple(index for index in indices if index is not None) if None not in indices else ()


def _alias(source: Convention, name: str) -> int | None:
    group = vocabulary.alias_groups().get(name, (name,))
    return next((source.index(alias) for alias in group if alias in source), None)
