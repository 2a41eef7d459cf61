"""What is kept with a fitted armature: the body it was built from, the fit, and how good it is."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import bpy

from .core import BodyData, FitResult

METADATA = "smplify"
"""The property of an armature that tells what it was fitted to, and how."""
KEYPOINTS = "smplify_keypoints"
"""The property of an armature that points to the object whose keypoints it was fitted to."""


def describe(result: FitResult, body: BodyData, bones: str) -> dict[str, Any]:
    """What is kept with the armature: the body and its file, the form of the bones, the fit, and how good it is (millimetres)."""
    worst = max(result.residual_by_keypoint().items(), key=lambda item: item[1], default=("", float("nan")))
    return {
        "version": version(),
        "take": result.name,
        "model_type": body.model_type,
        "gender": body.gender,
        "body": body.name,
        "path": result.body.get("path", ""),
        "bones": bones,
        "betas": [float(value) for value in result.betas],
        "preset": result.preset,
        "fps": result.fps,
        "n_frames": result.n_frames,
        "summary": result.summary(),
        "report": "\n".join(result.report),
        "mean_residual_mm": 1000 * result.mean_residual(),
        "worst_keypoint": worst[0],
        "worst_keypoint_mm": 1000 * worst[1],
    }


def metadata(armature: bpy.types.Object) -> Mapping[str, Any]:
    """What `apply_result` has kept with an armature; empty for any other object."""
    return armature[METADATA].to_dict() if METADATA in armature else {}


def fitted_armature(item: bpy.types.Object | None) -> bpy.types.Object | None:
    """The armature that `apply_result` has made, from itself or from its skin."""
    while item is not None and METADATA not in item:
        item = item.parent
    return item


def keypoints_of(item: bpy.types.Object) -> bpy.types.Object | None:
    """The object of the keypoints that an armature was fitted to."""
    keypoints = item.get(KEYPOINTS)
    return keypoints if isinstance(keypoints, bpy.types.Object) else None


@cache
def version() -> str:
    """Version of the extension."""
    with (Path(__file__).parent / "blender_manifest.toml").open("rb") as manifest:
        return str(tomllib.load(manifest)["version"])
