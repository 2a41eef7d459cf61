"""The result of a fit, and its file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ResultError
from .amass import write_amass
from .bodies import load_default_body
from .files import read_npz, write_npz
from .motion import Motion
from .parameters import POSE_PARTS
from .smpl_codec import write_smpl
from .smplx_data import smpl_data_from_motion

FORMAT = "smplify-fit"
FORMAT_VERSION = 1
MAIN_KEYPOINTS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
"""The joint centres that every skeleton has; the others differ too much between skeletons to be judged by."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted body in motion: F frames, J joints, K keypoints of the track, S shape values.

    Attributes:
        params: Parameters by their SMPL names, float32: `global_orient` (F, 3), `body_pose` (F, 3 N) and the other parts of the
            pose of the type of model (`POSE_PARTS`), axis-angle in radians, each with the number of turns that brings it nearest to
            the frame before, hands as they are bent from flat; `betas` (1, S) or (F, S); `expression` (F, E) of SMPL-X;
            `transl` (F, 3), metres. The pelvis of frame f lies at `transl[f]` plus the rest pelvis of the shape.
        joints: (F, J, 3) joints of the body, metres, y up.
        residuals: (F, K) distance between each keypoint of the track and its place on the body, metres; NaN where not observed.
        keypoint_names: K names of the keypoints.
        fps: Frames per second.
        body: What was fitted: `model_type`, `gender`, `name`, and `path` where the body is a file.
        name: Name of the take or the person.
        preset: Name of the preset.
        report: What was decided and found, one sentence each.
    """

    params: Mapping[str, Floats]
    joints: Floats
    residuals: Floats
    keypoint_names: tuple[str, ...]
    fps: float
    body: Mapping[str, str]
    name: str = "take"
    preset: str = ""
    report: tuple[str, ...] = field(default=())

    @property
    def n_frames(self) -> int:
        """Number of frames F."""
        return int(self.joints.shape[0])

    @property
    def betas(self) -> Floats:
        """(S,) shape values of the body: the mean over frames where they differ."""
        betas: Floats = np.asarray(self.params["betas"], np.float32).mean(0)
        return betas

    @property
    def full_pose(self) -> Floats:
        """(F, J, 3) axis-angle rotation of each joint relative to its parent, the root first."""
        parts = [self.params[name] for name, _ in POSE_PARTS[self.model_type]]
        return np.concatenate(parts, axis=1).reshape(self.n_frames, -1, 3)

    @property
    def model_type(self) -> str:
        """The type of model: "smpl", "smplh" or "smplx"."""
        return self.body.get("model_type", "smpl")

    def mean_residual(self, main_only: bool = False) -> float:
        """Mean distance of the observed keypoints, metres; NaN if there is none.

        Args:
            main_only: Only hips, knees, ankles, shoulders, elbows and wrists.
        """
        values = self.residuals
        if main_only:
            values = values[:, [any(part in name for part in MAIN_KEYPOINTS) for name in self.keypoint_names]]
        return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else float("nan")

    def residual_by_keypoint(self) -> dict[str, float]:
        """Mean distance of each keypoint that was observed, metres."""
        return {
            name: float(column[np.isfinite(column)].mean())
            for name, column in zip(self.keypoint_names, self.residuals.T, strict=True)
            if np.isfinite(column).any()
        }

    def summary(self) -> str:
        """One line for panels and terminals: how many frames, how well they fit, the worst frame."""
        frame_means = np.array([row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan for row in self.residuals])
        text = f"{self.n_frames} frames at {self.fps:g} fps"
        if np.isfinite(frame_means).any():
            worst = int(np.nanargmax(frame_means))
            text += f", mean residual {1000 * self.mean_residual():.1f} mm, worst frame {worst} with {1000 * frame_means[worst]:.1f} mm"
        return text

    def save(self, path: str | Path) -> None:
        """Writes the result as `.npz`, whole or not at all; `load` reads it back exactly."""
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "fps": self.fps,
            "body": dict(self.body),
            "name": self.name,
            "preset": self.preset,
            "report": list(self.report),
        }
        arrays: dict[str, Any] = {f"param_{key}": value for key, value in self.params.items()}
        arrays |= {"joints": self.joints, "residuals": self.residuals, "keypoint_names": np.array(self.keypoint_names, dtype=str)}
        write_npz(path, {"header": json.dumps(header), **arrays})

    def save_amass(self, path: str | Path) -> None:
        """Writes the motion in the layout of AMASS (z up; SMPL-X, else SMPL-H), whole or not at all; see `write_amass`.

        The betas are those of the body that was fitted: with the default body they mean other things than those of SMPL.
        """
        write_amass(Motion.from_result(self), path)

    def save_smpl(self, path: str | Path) -> None:
        """Writes the motion as `.smpl`, the format of Meshcapade's tools, whole or not at all; see `write_smpl`.

        The betas are those of the body that was fitted: with the default body they mean other things than those of SMPL.
        """
        write_smpl(Motion.from_result(self), path)

    def save_smpl_data(self, path: str | Path, hand_mean: ArrayLike | None = None) -> None:
        """Writes the motion as XRMoCap's SMPLData, or SMPLXData for SMPL-X, whole or not at all; it has no place for the frame rate.

        Args:
            path: The `.npz`.
            hand_mean: (2, 45) the mean left and right hand of the body, to which the hands of SMPLXData are relative;
                zeros for a body with `flat_hand_mean`. Not needed for SMPL and for the default body.

        Raises:
            ResultError: The body is of SMPL-H, which XRMoCap lacks, or its mean hand is needed.
        """
        if hand_mean is None and self.body.get("model_type") == "smplx":
            if self.body.get("name") != "default":
                raise ResultError(
                    "The hands of SMPLXData are relative to the mean hand of the body, which the result does not hold.",
                    "Give hand_mean, from the body that was fitted.",
                )
            hand_mean = load_default_body(self.body.get("gender", "neutral"), "smplx").hand_mean
        smpl_data_from_motion(Motion.from_result(self), hand_mean).dump(path)

    @classmethod
    def load(cls, path: str | Path) -> "FitResult":
        """Reads what `save` wrote.

        Raises:
            ResultError: Not such a file, or one of a newer version.
        """
        arrays = read_npz(path, ResultError)
        file_name, hint = Path(path).name, "Give a file that a fit has written."
        try:
            header = json.loads(str(arrays["header"]))
            if header["format"] != FORMAT:
                raise KeyError("format")
            if header["version"] > FORMAT_VERSION:
                raise ResultError(f"{file_name!r} was written by a newer version of the fitter.", "Update this one.")
            result = cls(
                params={key.removeprefix("param_"): value for key, value in arrays.items() if key.startswith("param_")},
                joints=arrays["joints"],
                residuals=arrays["residuals"],
                keypoint_names=tuple(map(str, arrays["keypoint_names"])),
                fps=float(header["fps"]),
                body=header["body"],
                name=header["name"],
                preset=header["preset"],
                report=tuple(header["report"]),
            )
        except ResultError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise ResultError(f"{file_name!r} is not a fit result (no {error}).", hint) from error
        if not result._fits_together():
            raise ResultError(f"{file_name!r} has arrays that do not fit together.", hint)
        return result

    def _fits_together(self) -> bool:
        """Whether all arrays are there and have the same frames."""
        if self.model_type not in POSE_PARTS or self.joints.ndim != 3 or any(value.ndim != 2 for value in self.params.values()):
            return False
        widths = {"transl": 3, **{name: 3 * n_joints for name, n_joints in POSE_PARTS[self.model_type]}}
        shared = {name for name in ("betas", "expression") if name in self.params}
        rows = {name: len(value) for name, value in self.params.items()}
        return (
            {*widths, "betas"} <= set(self.params)
            and all(self.params[name].shape[1] == width for name, width in widths.items())
            and self.residuals.shape == (self.n_frames, len(self.keypoint_names))
            and all(count == self.n_frames or (count == 1 and name in shared) for name, count in rows.items())
        )
