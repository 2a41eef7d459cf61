"""Priors of the body pose, one joint at a time."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import PresetError
from ..rotations import axis_angle_to_matrix, matrix_to_euler_xyz
from .base import LOSSES, Loss, Reduction

JOINT_LIMITS_PATH = Path(__file__).parents[1] / "assets" / "joint_limits.npz"
N_LIMITED_JOINTS = 21
"""The body joints that SMPL and SMPL-X share; SMPL's two hands have no limits."""


@LOSSES.register
class PoseRegLoss(Loss):
    """Squares of the joint angles: draws the body to the T-pose.

    Args:
        reduction: "mean" divides by frames and pose values.
        loss_weight: Factor of the loss.
        joints: Places of single joints in the body pose, from 0 for the left hip; all by default.
    """

    def __init__(self, reduction: Reduction = "mean", loss_weight: float = 1.0, joints: Sequence[int] | None = None) -> None:
        super().__init__(reduction, loss_weight)
        self.joints = None if joints is None else list(joints)

    def residuals(self, body_pose: Tensor) -> Tensor:
        """(F, P) axis-angle values as they are, radians.

        Args:
            body_pose: (F, P) axis-angle, radians.
        """
        if self.joints is None:
            return body_pose
        return torch.unflatten(body_pose, 1, (-1, 3))[:, self.joints].flatten(1)


@LOSSES.register
class SmoothJointLoss(Loss):
    """Change of the joint rotations from frame to frame, over the first two rows of each rotation matrix.

    Args:
        reduction: "none" gives one value for each frame, the first of them 0; "mean" is their mean.
        loss_weight: Factor of the loss.
        degree: The pose is in degrees, not radians.
        loss_func: "L1" (sum of absolute changes, no sum of squares) or "L2".
    """

    frame_reach = 1

    def __init__(
        self,
        reduction: Reduction = "mean",
        loss_weight: float = 1.0,
        degree: bool = False,
        loss_func: Literal["L1", "L2"] = "L1",
    ) -> None:
        super().__init__(reduction, loss_weight)
        if loss_func not in ("L1", "L2"):
            raise PresetError(f"SmoothJointLoss has loss_func = {loss_func!r}.", "Known: 'L1', 'L2'.")
        self.degree = degree
        self.loss_func = loss_func

    @property
    def has_residuals(self) -> bool:
        """Only the L2 form is a sum of squares."""
        return self.loss_func == "L2"

    def residuals(self, body_pose: Tensor) -> Tensor:
        """(F, 6 J) change of the six numbers of each joint since the frame before; 0 for the first frame.

        Args:
            body_pose: (F, 3 J) axis-angle, radians or degrees.
        """
        angles = torch.deg2rad(body_pose) if self.degree else body_pose
        rows = axis_angle_to_matrix(torch.unflatten(angles, 1, (-1, 3)))[..., :2, :].flatten(1)
        return torch.cat([torch.zeros_like(rows[:1]), rows.diff(dim=0)])

    def elements(self, squares: Tensor) -> Tensor:
        """(F,) one value for each frame."""
        return squares.sum(-1)

    def forward(  # type: ignore[override]
        self, body_pose: Tensor, loss_weight_override: float | None = None, reduction_override: Reduction | None = None
    ) -> Tensor:
        """The loss.

        Args:
            body_pose: (F, 3 J) axis-angle, radians or degrees.
            loss_weight_override: Used for this call in place of `loss_weight`.
            reduction_override: Used for this call in place of `reduction`.
        """
        change = self.residuals(body_pose)
        elements = (change.abs() if self.loss_func == "L1" else change.square()).sum(-1)
        return self.reduced(elements, loss_weight_override, reduction_override)


@LOSSES.register
class JointPriorLoss(Loss):
    """Keeps the joint angles within their limits, from measured ranges of motion.

    An angle x beyond its limit costs (exp(x) - 1)^2. Blocks are joined in the order: spine, full body, foot, A-pose spine.

    Args:
        reduction: "none" gives (F, N), with a column for each joint and axis of each block.
        loss_weight: Factor of the loss.
        use_full_body: All 21 body joints within their limits. Without it only elbows and knees are kept from bending backwards,
            in the cheap exponential form of SMPLify (equation 6).
        full_body_loss_weight: Factor of that block.
        smooth_spine: Neighbouring spine joints do not bend against each other.
        smooth_spine_loss_weight: Factor of that block.
        lock_foot: Ankles and feet within narrow limits.
        lock_foot_loss_weight: Factor of that block.
        lock_apose_spine: The spine within 3 degrees of the A-pose.
        lock_apose_spine_loss_weight: Factor of that block.
    """

    _SPINE = (2, 5, 8)
    _HINGES = ((52, 1.0), (55, -1.0), (9, -1.0), (12, -1.0))
    """Places of the elbow and knee angles in the body pose (without the root), with the sign of bending backwards."""

    to_joint_axes: Tensor
    joints: Tensor
    lower: Tensor
    upper: Tensor
    scale: Tensor

    def __init__(
        self,
        reduction: Reduction = "mean",
        loss_weight: float = 1.0,
        use_full_body: bool = False,
        full_body_loss_weight: float = 1.0,
        smooth_spine: bool = False,
        smooth_spine_loss_weight: float = 1.0,
        lock_foot: bool = False,
        lock_foot_loss_weight: float = 1.0,
        lock_apose_spine: bool = False,
        lock_apose_spine_loss_weight: float = 1.0,
    ) -> None:
        super().__init__(reduction, loss_weight)
        self.use_full_body = use_full_body
        self.smooth_spine_weight = smooth_spine_loss_weight if smooth_spine else 0.0
        blocks = [("full", full_body_loss_weight, use_full_body)]
        blocks += [("foot", lock_foot_loss_weight, lock_foot), ("apose", lock_apose_spine_loss_weight, lock_apose_spine)]
        tables = _joint_limits()
        joints: list[int] = []
        none = np.zeros((0, 3), np.float32)
        lower, upper, scale = [none], [none], [none]
        for block, weight, wanted in blocks:
            if wanted:
                joints += tables[f"{block}_joints"].tolist()
                lower.append(tables[f"{block}_lower"])
                upper.append(tables[f"{block}_upper"])
                scale.append(np.full_like(lower[-1], weight**0.5))
        self.register_buffer("to_joint_axes", torch.as_tensor(tables["to_joint_axes"], dtype=torch.float32))
        self.register_buffer("joints", torch.tensor(joints, dtype=torch.long))
        for name, arrays in (("lower", lower), ("upper", upper), ("scale", scale)):
            self.register_buffer(name, torch.as_tensor(np.concatenate(arrays), dtype=torch.float32))

    def residuals(self, body_pose: Tensor) -> Tensor:
        """(F, N) exceedances.

        Args:
            body_pose: (F, 69) or (F, 63) axis-angle, radians; only the first 21 joints are used.
        """
        pose = torch.unflatten(body_pose, 1, (-1, 3))[:, :N_LIMITED_JOINTS]
        blocks = []
        if self.smooth_spine_weight:
            low, middle, high = (pose[:, joint] for joint in self._SPINE)
            against = _exceedance(torch.cat([-low * middle, -middle * high], 1))
            blocks.append(against * self.smooth_spine_weight**0.5)
        if not self.use_full_body:
            blocks.append(torch.stack([torch.expm1(sign * body_pose[:, index]) for index, sign in self._HINGES], 1))
        if len(self.joints):
            axes = self.to_joint_axes
            angles = matrix_to_euler_xyz(axes @ axis_angle_to_matrix(pose) @ axes.mT)[:, self.joints]
            # At most one of the two sides is exceeded.
            limited = (_exceedance(self.lower - angles) + _exceedance(angles - self.upper)) * self.scale
            blocks.append(limited.flatten(1))
        return torch.cat(blocks, 1)


def _exceedance(values: Tensor) -> Tensor:
    return torch.expm1(values.clamp_min(0))


@cache
def _joint_limits() -> dict[str, NDArray[Any]]:
    with np.load(JOINT_LIMITS_PATH, allow_pickle=False) as file:
        return dict(file)
