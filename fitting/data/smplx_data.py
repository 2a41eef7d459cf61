"""Parameters of SMPL-X as XRMoCap keeps them in memory and in files, and the choice between its classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ResultError
from .files import read_npz
from .motion import Floats, Motion, as_floats, naming_file
from .smpl_data import SMPLData, as_rows, repeated

N_SMPLX_VERTICES = 10475


@dataclass(eq=False)
class SMPLXData(SMPLData):
    """F frames of SMPL-X with S shape values and E expressions.

    `fullpose` is (F, 55, 3) in the order of `smplx`: root, body 21, jaw, left eye, right eye, left hand 15, right hand 15. The hands
    are relative to the mean hand of the body, as XRMoCap uses bodies with `flat_hand_mean=False`; see `to_motion`.

    Attributes:
        expression: (1, E) or (F, E); ten zeros when not given.
    """

    model_type: ClassVar[str] = "smplx"
    required_keys: ClassVar[tuple[str, ...]] = (*SMPLData.required_keys, "expression")

    expression: Floats | None = None

    def _checked(self) -> dict[str, Any]:
        checked = super()._checked()
        pose = checked["fullpose"]
        return {**checked, "expression": as_rows("expression", self.expression, len(pose), pose.dtype)}

    def get_expression(self, repeat_expression: bool = True) -> Floats:
        """(F, E) expressions, or (1, E) where they are one row and `repeat_expression` is off."""
        return repeated(np.asarray(self.expression), self.get_batch_size() if repeat_expression else 1)

    def to_param_dict(self, repeat_betas: bool = True, repeat_expression: bool = True) -> dict[str, Floats]:
        """`betas`, `transl`, `expression` and the parts of the pose, (F, 3 per joint), by the names of `smplx`."""
        return {**super().to_param_dict(repeat_betas), "expression": self.get_expression(repeat_expression)}


@dataclass(eq=False)
class SMPLXDData(SMPLXData):
    """F frames of SMPL-X with V vertices that are displaced.

    Attributes:
        displacement: (1, V, 3) or (F, V, 3) metres; zeros for the 10475 vertices of SMPL-X when not given.
            As XRMoCap flattens frames and vertices, (F * 10475, 3) is taken, too.
    """

    required_keys: ClassVar[tuple[str, ...]] = (*SMPLXData.required_keys, "displacement")

    displacement: Floats | None = None

    def _checked(self) -> dict[str, Any]:
        checked = super()._checked()
        pose, displacement = checked["fullpose"], self.displacement
        if displacement is None:
            displacement = np.zeros((1, N_SMPLX_VERTICES, 3), pose.dtype)
        elif np.shape(displacement) in ((N_SMPLX_VERTICES, 3), (len(pose) * N_SMPLX_VERTICES, 3)):
            displacement = displacement.reshape(-1, N_SMPLX_VERTICES, 3)
        return {**checked, "displacement": as_floats("displacement", displacement, ((1, len(pose)), None, 3))}

    def get_displacement(self) -> Floats:
        """(1, V, 3) or (F, V, 3) displacement of each vertex, metres."""
        return np.asarray(self.displacement)

    def to_param_dict(self, repeat_betas: bool = True, repeat_expression: bool = True) -> dict[str, Floats]:
        """As for `SMPLXData`, and `displacement`."""
        return {**super().to_param_dict(repeat_betas, repeat_expression), "displacement": self.get_displacement()}


def auto_load_smpl_data(path: str | Path) -> tuple[SMPLData, str]:
    """The data of a file of XRMoCap, and the name of its class, which its contents tell.

    Raises:
        ResultError: Not such a file.
    """
    arrays = read_npz(path, ResultError)
    with naming_file(path):
        if "fullpose" not in arrays:
            raise ResultError("the data lacks fullpose: it is no data of XRMoCap.", "Other files: fitting.read_amass.")
        width = int(np.prod(arrays["fullpose"].shape[1:]))
        for cls, key in ((SMPLXDData, "displacement"), (SMPLXData, "expression"), (SMPLData, "fullpose")):
            if key in arrays and width == 3 * cls.get_fullpose_dim():
                return cls.from_dict(arrays), cls.__name__
        raise ResultError(
            f"fullpose has the shape {arrays['fullpose'].shape}, expected (frames, 24, 3), or (frames, 55, 3) beside an expression."
        )


def smpl_data_from_motion(motion: Motion, hand_mean: ArrayLike | None = None) -> SMPLData:
    """`SMPLData` or `SMPLXData` of a motion, by its type of model; see `SMPLData.from_motion`.

    Raises:
        ResultError: The motion is of SMPL-H, or has z up and its rest pelvis is not known.
    """
    return (SMPLXData if motion.model_type == "smplx" else SMPLData).from_motion(motion, hand_mean)
