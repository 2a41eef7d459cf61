"""Parameters of SMPL as XRMoCap keeps them in memory and in files; the names of the methods are XRMoCap's."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ResultError, did_you_mean
from .bodies import GENDERS
from .files import read_npz, write_npz
from .motion import Floats, Motion, as_floats, n_rows, naming_file, split_pose
from .parameters import HAND_POSES, POSE_PARTS, n_joints_of

N_DEFAULT_SHAPES = 10
"""Number of betas and of expressions where none are given, as XRMoCap."""


@dataclass(eq=False)
class SMPLData:
    """F frames of SMPL with S shape values, metres and radians, y up; float types stay as they are given.

    `SMPLData()` is one frame of zeros; `from_param_dict` and `load` fill an object, `fromfile` and `from_dict` make one, as in XRMoCap.

    Attributes:
        gender: "neutral", "male" or "female".
        fullpose: (F, 24, 3) axis-angle, the root first; (F, 72) is taken, too. One frame of zeros when not given.
        transl: (F, 3); zeros when not given.
        betas: (1, S) or (F, S); ten zeros when not given.
        mask: (F,) uint8, 1 where the person is there; ones when not given. One value stands for all frames.

    Raises:
        ResultError: Arrays that are not finite or do not fit together; the sentence names them.
    """

    model_type: ClassVar[str] = "smpl"
    required_keys: ClassVar[tuple[str, ...]] = ("gender", "fullpose", "transl", "betas")

    gender: str = "neutral"
    fullpose: Floats | None = None
    transl: Floats | None = None
    betas: Floats | None = None
    mask: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if self.gender not in GENDERS:
            raise ResultError(f"There is no gender {self.gender!r}.", did_you_mean(str(self.gender), GENDERS))
        if self.fullpose is None:
            self.fullpose = np.zeros((1, self.get_fullpose_dim(), 3))
        for name, value in self._checked().items():
            setattr(self, name, value)

    def _checked(self) -> dict[str, Any]:
        n_frames, n_joints = n_rows(self.fullpose), self.get_fullpose_dim()
        flat = getattr(self.fullpose, "ndim", 3) == 2
        pose = as_floats("fullpose", self.fullpose, (n_frames, 3 * n_joints) if flat else (n_frames, n_joints, 3))
        transl = np.zeros((n_frames, 3), pose.dtype) if self.transl is None else self.transl
        mask = as_floats("mask", np.ones(n_frames) if self.mask is None else self.mask, ((1, n_frames),))
        return {
            "fullpose": pose.reshape(n_frames, n_joints, 3),
            "transl": as_floats("transl", transl, (n_frames, 3)),
            "betas": as_rows("betas", self.betas, n_frames, pose.dtype),
            "mask": np.broadcast_to(mask > 0, n_frames).astype(np.uint8),
        }

    @classmethod
    def get_fullpose_dim(cls) -> int:
        """Number of joints J of the full pose."""
        return n_joints_of(cls.model_type)

    def get_batch_size(self) -> int:
        """Number of frames F."""
        return len(self.get_fullpose())

    def get_gender(self) -> str:
        """The gender: "neutral", "male" or "female"."""
        return self.gender

    def get_fullpose(self) -> Floats:
        """(F, J, 3) axis-angle of all joints."""
        return np.asarray(self.fullpose)

    def get_global_orient(self) -> Floats:
        """(F, 3) axis-angle of the root."""
        return self.get_fullpose()[:, 0]

    def get_body_pose(self) -> Floats:
        """(F, 23, 3) axis-angle of the joints of the body without the root; 21 joints for SMPL-X."""
        return self.get_fullpose()[:, 1 : 1 + dict(POSE_PARTS[self.model_type])["body_pose"]]

    def get_transl(self) -> Floats:
        """(F, 3) translation, metres."""
        return np.asarray(self.transl)

    def get_betas(self, repeat_betas: bool = True) -> Floats:
        """(F, S) shape values, or (1, S) where they are one row and `repeat_betas` is off."""
        return repeated(np.asarray(self.betas), self.get_batch_size() if repeat_betas else 1)

    def get_mask(self) -> NDArray[np.uint8]:
        """(F,) 1 where the person is there, else 0."""
        return np.asarray(self.mask)

    def to_param_dict(self, repeat_betas: bool = True) -> dict[str, Floats]:
        """`betas`, `transl` and the parts of the pose, (F, 3 per joint), by the names of `smplx`."""
        parts = split_pose(self.get_fullpose(), self.model_type)
        return {"betas": self.get_betas(repeat_betas), **parts, "transl": self.get_transl()}

    def from_param_dict(self, param_dict: Mapping[str, Any], gender: str | None = None, mask: ArrayLike | None = None) -> Self:
        """Takes what a registrant or a body model gives back, arrays or tensors, in place of all it held; gives the object itself.

        Args:
            param_dict: `global_orient` and `body_pose`; what else there is of `transl`, `betas`, further parts of the pose,
                `expression` and `displacement` is taken; other keys are left out.
            gender: The gender of the body; as it was when not given.
            mask: (F,) 1 where the person is there; ones when not given.

        Raises:
            ResultError: A parameter is missing or has the wrong shape, or hands are given as components.
        """
        if missing := [name for name in ("global_orient", "body_pose") if name not in param_dict]:
            raise ResultError(f"The parameters of a {type(self).__name__} lack {', '.join(missing)}.", "Give what a fit has given back.")
        n_frames = n_rows(param_dict["global_orient"])
        parts: list[Floats] = []
        for name, n_joints in POSE_PARTS[self.model_type]:
            part = param_dict.get(name)
            if part is None:
                part = np.zeros((n_frames, 3 * n_joints), parts[0].dtype)
            elif np.ndim(part) == 3:
                part = part.reshape(n_frames, -1)
            if name in HAND_POSES and part.shape[1] != 3 * n_joints:
                raise ResultError(
                    f"{name} has {part.shape[1]} values in each frame, components of a hand, expected {3 * n_joints} of axis-angle.",
                    "Use a body with use_pca=False.",
                )
            parts.append(as_floats(name, part, (n_frames, 3 * n_joints)))
        names = {field.name for field in fields(self)} - {"gender", "fullpose", "mask"}
        others = {name: param_dict[name] for name in names if name in param_dict}
        return self._take({"gender": gender or self.gender, "fullpose": np.concatenate(parts, axis=1), "mask": mask, **others})

    def to_motion(self, fps: float | None = None, hand_mean: ArrayLike | None = None) -> Motion:
        """The same as a `Motion`, whose hands are absolute.

        Args:
            fps: Frames per second, which the data does not hold.
            hand_mean: (2, 45) the mean left and right hand of the body that the data was made with (`BodyData.hand_mean`),
                to which XRMoCap's hands of SMPL-X are relative; None for a body with `flat_hand_mean`.

        Raises:
            ResultError: There are frames without the person (mask 0).
        """
        if not self.get_mask().all():
            absent = np.flatnonzero(self.get_mask() == 0)
            raise ResultError(
                f"The person is absent (mask 0) in {len(absent)} of {self.get_batch_size()} frames, in frame {absent[0]} first.",
                "Fill these frames in, or take a stretch without them.",
            )
        params = self.to_param_dict(repeat_betas=False)
        params.pop("displacement", None)
        return Motion(_shifted(params, hand_mean, 1), self.model_type, self.gender, fps)

    @classmethod
    def from_motion(cls, motion: Motion, hand_mean: ArrayLike | None = None) -> Self:
        """The data of a motion; it has no place for the frame rate.

        Args:
            motion: A motion of the same type of model.
            hand_mean: (2, 45) the mean left and right hand of the body, which is taken off the hands of SMPL-X;
                None for a body with `flat_hand_mean`.

        Raises:
            ResultError: Another type of model, or the motion has z up and its rest pelvis is not known.
        """
        if motion.model_type != cls.model_type:
            raise ResultError(
                f"A motion of the type {motion.model_type!r} cannot be {cls.__name__}, which holds {cls.model_type!r}.",
                "XRMoCap has SMPLData and SMPLXData; for SMPL-H use AMASS or .smpl.",
            )
        motion = motion.with_up_axis("y")
        return cls().from_param_dict(_shifted(motion.params, hand_mean, -1), motion.gender)

    def dump(self, path: str | Path) -> None:
        """Writes the `.npz` that XRMoCap reads, whole or not at all.

        Raises:
            FittingError: The folder is missing or cannot be written.
        """
        write_npz(path, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The data from its fields by name; other keys are left out.

        Raises:
            ResultError: A field is missing, or the fields do not fit together.
        """
        if missing := [name for name in cls.required_keys if name not in values]:
            raise ResultError(
                f"the data lacks {', '.join(missing)}: it is no {cls.__name__} of XRMoCap.", "Other files: fitting.read_amass."
            )
        arguments = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        return cls(**{**arguments, "gender": str(arguments["gender"])})

    @classmethod
    def fromfile(cls, path: str | Path) -> Self:
        """Reads a file of `dump`, or of XRMoCap.

        Raises:
            ResultError: Not such a file.
        """
        values = read_npz(path, ResultError)
        with naming_file(path):
            return cls.from_dict(values)

    def load(self, path: str | Path) -> Self:
        """Takes what a file of `dump` or of XRMoCap holds, in place of all it held; gives the object itself.

        Raises:
            ResultError: Not such a file.
        """
        return self._take(vars(self.fromfile(path)))

    def _take(self, values: Mapping[str, Any]) -> Self:
        """Replaces all fields, once they are known to be right."""
        vars(self).update(vars(type(self)(**values)))
        return self


def as_rows(name: str, value: Any, n_frames: int, dtype: np.dtype[Any]) -> Floats:
    """(1, N) or (F, N) values; one row when they are not given or are one-dimensional."""
    if value is None:
        value = np.zeros(N_DEFAULT_SHAPES, dtype)
    return as_floats(name, value[None] if np.ndim(value) == 1 else value, ((1, n_frames), None))


def repeated(values: Floats, n_frames: int) -> Floats:
    """(F, N) from one row; more rows stay as they are."""
    return np.repeat(values, n_frames, axis=0) if len(values) == 1 else values


def _shifted(params: Mapping[str, Floats], hand_mean: ArrayLike | None, sign: int) -> dict[str, Floats]:
    """The parameters with the mean hand added (sign 1) or taken off (-1)."""
    if hand_mean is None:
        return dict(params)
    means = zip(HAND_POSES, as_floats("hand_mean", hand_mean, (2, 45)), strict=True)
    return {**params, **{name: params[name] + (sign * mean).astype(params[name].dtype) for name, mean in means if name in params}}
