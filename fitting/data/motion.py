"""A body in motion as plain parameters: what the files of the field have in common, and what they are turned into."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ResultError, did_you_mean
from .bodies import GENDERS
from .parameters import POSE_PARTS, n_joints_of

if TYPE_CHECKING:
    from .result import FitResult

Floats = NDArray[np.floating[Any]]
Shape = tuple[int | tuple[int, ...] | None, ...]

UP_AXES = ("y", "z")
_Y_TO_Z = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64)
"""From y up to z up: a quarter turn about x."""


@dataclass(frozen=True, eq=False)
class Motion:
    """F frames of a body of the SMPL family, with S shape values and E expressions; float types stay as they are given.

    Attributes:
        params: Parameters by the names of `smplx`: the parts of the pose (F, 3 per joint), axis-angle in radians, those of the
            hands absolute (the mean hand of the body included); `betas` (1, S) or (F, S); `transl` (F, 3), metres;
            for "smplx", where known, `expression` (1, E) or (F, E). The pelvis lies at `transl` plus the rest pelvis.
        model_type: "smpl", "smplh" or "smplx".
        gender: "neutral", "male" or "female".
        fps: Frames per second, or None where a file does not tell.
        up_axis: "y" or "z".
        rest_pelvis: (3,) or (F, 3) pelvis of the shape in the T-pose, metres: `body.rest_joints(betas)[0]` of the same body.
            Files do not hold it; it is needed to change the up axis, and None where it is not known.

    Raises:
        ResultError: Arrays that are missing, not finite or do not fit together; the sentence names them.
    """

    params: Mapping[str, Floats]
    model_type: str
    gender: str = "neutral"
    fps: float | None = None
    up_axis: str = "y"
    rest_pelvis: Floats | None = None

    def __post_init__(self) -> None:
        for what, value, known in (
            ("model type", self.model_type, tuple(POSE_PARTS)),
            ("gender", self.gender, GENDERS),
            ("up axis", self.up_axis, UP_AXES),
        ):
            if value not in known:
                raise ResultError(f"There is no {what} {value!r}.", did_you_mean(str(value), known))
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise ResultError(f"The frame rate is {self.fps:g}, expected more than 0 frames per second.")
        n_frames = n_rows(self.params.get("global_orient"))
        shapes: dict[str, Shape] = {name: (n_frames, 3 * n_joints) for name, n_joints in POSE_PARTS[self.model_type]}
        shapes |= {"betas": ((1, n_frames), None), "transl": (n_frames, 3)}
        if missing := set(shapes) - set(self.params):
            raise ResultError(f"A motion of the type {self.model_type!r} lacks {', '.join(sorted(missing))}.")
        if self.model_type == "smplx":
            shapes["expression"] = ((1, n_frames), None)
        if unknown := sorted(set(self.params) - set(shapes)):
            raise ResultError(f"A motion of the type {self.model_type!r} has no {unknown[0]!r}.", did_you_mean(unknown[0], shapes))
        params = {name: as_floats(name, self.params[name], shape) for name, shape in shapes.items() if name in self.params}
        object.__setattr__(self, "params", params)
        if self.rest_pelvis is not None:
            object.__setattr__(self, "rest_pelvis", _as_points(self.rest_pelvis, n_frames))

    @property
    def n_frames(self) -> int:
        """Number of frames F."""
        return len(self.params["global_orient"])

    @property
    def betas(self) -> Floats:
        """(1, S) or (F, S) shape values."""
        return self.params["betas"]

    @property
    def full_pose(self) -> Floats:
        """(F, J, 3) axis-angle rotation of each joint relative to its parent, the root first."""
        parts = [self.params[name] for name, _ in POSE_PARTS[self.model_type]]
        return np.concatenate(parts, axis=1).reshape(self.n_frames, -1, 3)

    @classmethod
    def from_result(cls, result: "FitResult") -> "Motion":
        """The motion of a fit.

        Raises:
            ResultError: The body is not of the SMPL family.
        """
        pelvis, transl = result.joints[:, 0].astype(np.float64), result.params["transl"].astype(np.float64)
        rest_pelvis = pelvis - transl
        return cls(
            params=result.params,
            model_type=result.body.get("model_type", ""),
            gender=result.body.get("gender", "neutral"),
            fps=result.fps,
            rest_pelvis=rest_pelvis.mean(0) if len(result.params["betas"]) == 1 else rest_pelvis,
        )

    def with_up_axis(self, up_axis: str, rest_pelvis: ArrayLike | None = None) -> "Motion":
        """The same motion with "y" or "z" up. A body turns about its pelvis, so that `transl` depends on the rest pelvis.

        Args:
            up_axis: "y" or "z".
            rest_pelvis: (3,) or (F, 3) pelvis of the shape in the T-pose, metres, where the motion does not have it.

        Raises:
            ResultError: Unknown axis, or the rest pelvis is needed and not known.
        """
        given = self if rest_pelvis is None else replace(self, rest_pelvis=np.asarray(rest_pelvis))
        if up_axis == self.up_axis:
            return given
        if up_axis in UP_AXES and given.rest_pelvis is None:
            raise ResultError(
                f"A motion with {self.up_axis} up can be turned to {up_axis} up only where the rest pelvis of its body is known.",
                "Give rest_pelvis = body.rest_joints(motion.betas[0])[0], with the body that the motion was made for.",
            )
        to_z = up_axis == "z"
        turn = _Y_TO_Z if to_z else _Y_TO_Z.T
        pelvis = np.asarray(given.rest_pelvis, np.float64)
        orient, transl = self.params["global_orient"], self.params["transl"]
        turned = {"global_orient": _turned_about_x(orient, 1 if to_z else -1), "transl": (transl + pelvis) @ turn.T - pelvis}
        return replace(given, params={**self.params, **turned}, up_axis=up_axis)

    def with_one_shape(self) -> "Motion":
        """The same motion with betas (1, S): their mean where they differ, with the pelvis kept in its place.

        Raises:
            ResultError: The betas differ and the rest pelvis of each frame is not known.
        """
        if len(self.betas) == 1:
            return self
        same = bool((self.betas == self.betas[0]).all())
        betas = self.betas[:1] if same else self.betas.mean(0, keepdims=True)
        pelvis = self.rest_pelvis
        if same and (pelvis is None or pelvis.ndim == 1):
            return replace(self, params={**self.params, "betas": betas})
        if pelvis is None or pelvis.ndim == 1:
            raise ResultError(
                "The betas differ between frames, and the file holds one shape: the rest pelvis of each frame must be known.",
                "Give the motion rest_pelvis (F, 3), or one row of betas.",
            )
        pelvis = pelvis.astype(np.float64)
        transl = self.params["transl"] + pelvis - pelvis.mean(0)  # the pelvis is affine in the betas: theirs is the mean, too
        return replace(self, params={**self.params, "betas": betas, "transl": transl}, rest_pelvis=pelvis.mean(0))


def split_pose(full_pose: ArrayLike, model_type: str) -> dict[str, Floats]:
    """The parts of the pose by name, (F, 3 per joint) each, from a full pose (F, J, 3) or (F, 3 J)."""
    pose = np.asarray(full_pose)
    pose = pose.reshape(len(pose), 3 * n_joints_of(model_type))
    ends = np.cumsum([3 * n_joints for _, n_joints in POSE_PARTS[model_type]])[:-1]
    return {name: part for (name, _), part in zip(POSE_PARTS[model_type], np.split(pose, ends, axis=1), strict=True)}


def as_floats(name: str, value: Any, shape: Shape) -> Floats:
    """`value` as an array of floats, of the type that it has; tensors are taken, too.

    Args:
        name: Its name in the error.
        value: An array, or nested lists.
        shape: For each axis a size, a tuple of the sizes that are allowed, or None for any but 0.

    Raises:
        ResultError: No numbers, another shape, or values that are not finite.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ResultError(f"{name} has the type {array.dtype}, expected numbers.")
    if array.ndim != len(shape) or not all(_fits(size, allowed) for size, allowed in zip(array.shape, shape, strict=True)):
        raise ResultError(f"{name} has the shape {array.shape}, expected ({', '.join(map(_told, shape))}).")
    if not np.isfinite(array).all():
        raise ResultError(f"{name} has values that are not finite, in frame {int(np.argwhere(~np.isfinite(array))[0, 0])} first.")
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def n_rows(value: Any) -> int:
    """Length of an array along its first axis, at least 1."""
    shape = np.shape(value) if not hasattr(value, "shape") else tuple(value.shape)
    return max(1, shape[0]) if shape else 1


@contextmanager
def naming_file(path: str | Path) -> Iterator[None]:
    """Puts the name of the file before what is wrong with its contents."""
    try:
        yield
    except ResultError as error:
        raise ResultError(f"{Path(path).name!r}: {error.message}", error.hint) from error


def _fits(size: int, allowed: int | tuple[int, ...] | None) -> bool:
    return size > 0 if allowed is None else size in (allowed if isinstance(allowed, tuple) else (allowed,))


def _told(allowed: int | tuple[int, ...] | None) -> str:
    if allowed is None:
        return "any"
    return " or ".join(map(str, dict.fromkeys(allowed if isinstance(allowed, tuple) else (allowed,))))


def _as_points(value: Any, n_frames: int) -> Floats:
    return as_floats("rest_pelvis", value, (3,) if np.ndim(value) == 1 else (n_frames, 3))


def _turned_about_x(axis_angle: Floats, direction: int) -> NDArray[np.float64]:
    """(F, 3) axis-angle of the rotations (F, 3) after a quarter turn about x."""
    half = np.linalg.norm(axis_angle.astype(np.float64), axis=-1, keepdims=True) / 2
    w, vector = np.cos(half), np.sinc(half / np.pi) * axis_angle / 2
    s = np.sqrt(0.5)  # the turn as a quaternion: (s, turn)
    turn = np.array([direction * s, 0, 0])
    new_w = s * w - (vector @ turn)[:, None]
    new_vector = s * vector + w * turn + np.cross(turn, vector)
    sine = np.linalg.norm(new_vector, axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, new_w)
    angle = np.where(angle > np.pi, angle - 2 * np.pi, angle)
    turned: NDArray[np.float64] = new_vector / np.maximum(sine, 1e-12) * angle
    return turned
