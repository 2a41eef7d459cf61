"""Losses of joint rotations as such: no wrap at half a turn, the root included. What Levenberg-Marquardt likes best."""

import math

import torch
from torch import Tensor

from ..errors import PresetError
from ..rotations import axis_angle_to_matrix, matrix_to_axis_angle
from .base import LOSSES, Loss, Reduction
from .joint_tolerances import ACCELERATIONS, TOLERANCES, USUAL_FPS, entry_of


@LOSSES.register
class JointToleranceLoss(Loss):
    """How far joints are from where they usually are, as shares of what is usual about each axis: hinges bend and hardly twist.

    The turn is that from the usual rotation of `joint_tolerances`, about the body's rest pose: for fingers, the relaxed hand.

    Args:
        scale: Factor of all tolerances: above 1 for acrobats.
        reduction: "mean" divides by frames and angles.
        loss_weight: Factor of the loss.
    """

    def __init__(self, scale: float = 1.0, reduction: Reduction = "mean", loss_weight: float = 1.0) -> None:
        super().__init__(reduction, loss_weight)
        if not scale > 0:
            raise PresetError(f"JointToleranceLoss has scale = {scale!r}, expected a number above 0.", "Correct the value.")
        self.scale = scale

    def residuals(self, full_pose: Tensor, rest_pose: Tensor, joint_names: tuple[str, ...]) -> Tensor:
        """(F, 3 N) angles as shares of what is usual, of the N joints that the table has.

        Args:
            full_pose: (F, 3 J) axis-angle, radians.
            rest_pose: (3 J,) the pose with all parameters zero.
            joint_names: Names of the J joints.
        """
        joints, usual, shares = self.usual(rest_pose, joint_names)
        rotations = axis_angle_to_matrix(torch.unflatten(full_pose, 1, (-1, 3))[:, joints])
        return (matrix_to_axis_angle(usual.mT @ rotations) * shares).flatten(1)

    def usual(self, rest_pose: Tensor, joint_names: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """(N,) joints of the table, their (N, 3, 3) usual rotations, and (N, 3) what the angles from them are multiplied with."""
        entries = {index: entry for index, name in enumerate(joint_names) if (entry := entry_of(name, tuple(TOLERANCES)))}
        turns, tolerances = rest_pose.new_tensor([TOLERANCES[entry] for entry in entries.values()]).unbind(1)
        joints = torch.tensor(list(entries), device=rest_pose.device)
        usual = axis_angle_to_matrix(torch.unflatten(rest_pose, 0, (-1, 3))[joints]) @ axis_angle_to_matrix(turns)
        return joints, usual, 1 / (tolerances * self.scale)


def acceleration_share(fps: float) -> float:
    """What a second difference is multiplied with to be an acceleration, as a share of one that is usual at 30 frames per second.

    A random acceleration shows more of itself the shorter it is looked at: its standard deviation grows with the root of the frame rate.
    """
    return fps * math.sqrt(fps * USUAL_FPS)


@LOSSES.register
class RotationAccelerationLoss(Loss):
    """Angular acceleration of the joints relative to their parents, as shares of what is usual: takes out jitter, leaves even turns alone.

    Args:
        scale: Factor of what is usual: above 1 for quick motions, below for slow ones.
        reduction: "mean" divides by frames and angles.
        loss_weight: Factor of the loss.
    """

    frame_reach = 1

    def __init__(self, scale: float = 1.0, reduction: Reduction = "mean", loss_weight: float = 1.0) -> None:
        super().__init__(reduction, loss_weight)
        if not scale > 0:
            raise PresetError(f"RotationAccelerationLoss has scale = {scale!r}, expected a number above 0.", "Correct the value.")
        self.scale = scale

    def residuals(self, full_pose: Tensor, joint_names: tuple[str, ...], fps: float, hurry: float = 1.0) -> Tensor:
        """(F, 3 J) angular accelerations over what is usual; 0 for the first and the last frame.

        Args:
            full_pose: (F, 3 J) axis-angle, radians.
            joint_names: Names of the J joints.
            fps: Frames per second.
            hurry: How many times quicker than usual the motion is.
        """
        if len(full_pose) < 3:
            return 0 * full_pose
        rotations = axis_angle_to_matrix(torch.unflatten(full_pose, 1, (-1, 3)))
        steps = matrix_to_axis_angle(rotations[:-1].mT @ rotations[1:])
        edge = torch.zeros_like(full_pose[:1])
        return torch.cat([edge, (steps.diff(dim=0) * self.shares(full_pose, joint_names, fps, hurry)[:, None]).flatten(1), edge])

    def shares(self, like: Tensor, joint_names: tuple[str, ...], fps: float, hurry: float = 1.0) -> Tensor:
        """(J,) what a change of a step from frame to frame, in radians, is multiplied with."""
        usual = [ACCELERATIONS[entry_of(name, tuple(ACCELERATIONS)) or "wrist"] for name in joint_names]
        return acceleration_share(fps) / (like.new_tensor(usual) * self.scale * hurry)


@LOSSES.register
class RootAccelerationLoss(Loss):
    """Acceleration of the whole body through space, as a share of what is usual.

    Args:
        sigma: What is usual along each axis at 30 frames per second, in m/s^2.
        reduction: "mean" divides by frames and axes.
        loss_weight: Factor of the loss.
    """

    frame_reach = 1

    def __init__(self, sigma: float = 1.8, reduction: Reduction = "mean", loss_weight: float = 1.0) -> None:
        super().__init__(reduction, loss_weight)
        if not sigma > 0:
            raise PresetError(f"RootAccelerationLoss has sigma = {sigma!r}, expected a number above 0.", "Correct the value.")
        self.sigma = sigma

    def residuals(self, transl: Tensor, fps: float, hurry: float = 1.0) -> Tensor:
        """(F, 3) accelerations over what is usual; 0 for the first and the last frame.

        Args:
            transl: (F, 3) metres.
            fps: Frames per second.
            hurry: How many times quicker than usual the motion is.
        """
        if len(transl) < 3:
            return 0 * transl
        edge = torch.zeros_like(transl[:1])
        return torch.cat([edge, transl.diff(n=2, dim=0) * self.share(fps, hurry), edge])

    def share(self, fps: float, hurry: float = 1.0) -> float:
        """What a second difference of the way, in metres, is multiplied with."""
        return acceleration_share(fps) / (self.sigma * hurry)
