"""Points carried by joints, with their gradient in closed form.

Autograd through the kinematic tree keeps and walks some three hundred small tensors for each evaluation. The gradient itself is
short: the pull of all points behind a joint is a force and a torque about that joint, as in the statics of a linkage.
"""

from typing import Any

import torch
from torch import Tensor

from ..rotations import axis_angle_to_matrix
from .kinematics import KinematicTree


class CarriedPoints:
    """Which joints carry which surface points, and with which weight.

    Args:
        weights: (E, J) skinning weights of E points.
        tree: The joints.
    """

    def __init__(self, weights: Tensor, tree: KinematicTree) -> None:
        point, joint = torch.nonzero(weights, as_tuple=True)
        self.tree = tree
        self.point, self.joint = point, joint
        self.weight = weights[point, joint]
        one = torch.ones_like(self.weight)
        self.to_points = torch.zeros(len(weights), len(point)).to(weights).index_put_((point, torch.arange(len(point))), one)
        self.to_joints = torch.zeros(weights.shape[1], len(point)).to(weights).index_put_((joint, torch.arange(len(point))), one)
        self.subtree = tree.subtrees().to(weights)
        self.parent = torch.tensor([0, *tree.parents[1:]])

    def to(self, like: Tensor) -> "CarriedPoints":
        """Moves all tensors to the device and the precision of `like`; gives the object itself."""
        if self.weight.device != like.device or self.weight.dtype != like.dtype:
            for name in ("weight", "to_points", "to_joints", "subtree"):
                setattr(self, name, getattr(self, name).to(like))
            for name in ("point", "joint", "parent"):
                setattr(self, name, getattr(self, name).to(like.device))
        return self

    def pose(self, axis_angle: Tensor, transl: Tensor, rest_joints: Tensor, rest_points: Tensor) -> Tensor:
        """(F, J + E, 3) posed joints, then points; metres.

        Args:
            axis_angle: (F, J, 3) rotation of each joint relative to its parent, radians.
            transl: (F, 3) metres.
            rest_joints: (F, J, 3) or (1, J, 3) joints in the T-pose.
            rest_points: (F, E, 3) or (1, E, 3) points in the T-pose.
        """
        points: Tensor = _PosedPoints.apply(axis_angle, transl, rest_joints, rest_points, self.to(axis_angle))  # type: ignore[no-untyped-call]
        return points


class _PosedPoints(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, axis_angle: Tensor, transl: Tensor, rest_joints: Tensor, rest_points: Tensor, carried: CarriedPoints
    ) -> Tensor:
        world, joints = carried.tree.pose(axis_angle_to_matrix(axis_angle), rest_joints)
        # One arm for each pair of a point and a joint that carries it: from the joint to the point, posed.
        arms = (world[:, carried.joint] @ (rest_points[:, carried.point] - rest_joints[:, carried.joint])[..., None])[..., 0]
        surface = carried.to_points @ ((arms + joints[:, carried.joint]) * carried.weight[:, None])
        ctx.carried = carried
        ctx.shared_shape = len(rest_joints) == 1
        ctx.save_for_backward(axis_angle, world, joints, arms)
        return torch.cat([joints, surface], 1) + transl[:, None]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        carried: CarriedPoints = ctx.carried
        axis_angle, world, joints, arms = ctx.saved_tensors
        n_joints = joints.shape[1]
        pulls = gradient[:, n_joints:][:, carried.point] * carried.weight[:, None]
        force = gradient[:, :n_joints] + carried.to_joints @ pulls
        moment = torch.linalg.cross(joints, force) + carried.to_joints @ torch.linalg.cross(arms, pulls)
        # What hangs on each joint: sums over its subtree.
        force, moment = carried.subtree @ force, carried.subtree @ moment
        torque = moment - torch.linalg.cross(joints, force)
        turned = (world.mT @ torque[..., None])[..., 0]
        by_joints = by_points = None
        if ctx.needs_input_grad[2] or ctx.needs_input_grad[3]:
            by_arms = (world[:, carried.joint].mT @ pulls[..., None])[..., 0]
            along = (world[:, carried.parent].mT @ force[..., None])[..., 0]
            along[:, 0] = force[:, 0]  # the root has no parent; its rest place moves everything
            if ctx.shared_shape:
                by_arms, along = by_arms.sum(0, keepdim=True), along.sum(0, keepdim=True)
            by_points = carried.to_points @ by_arms
            by_joints = along - carried.to_joints @ by_arms
            by_joints.index_add_(1, carried.parent[1:], along[:, 1:], alpha=-1)
        return _left_jacobian_times(axis_angle, turned), force[:, 0], by_joints, by_points, None


def _left_jacobian_times(axis_angle: Tensor, vectors: Tensor) -> Tensor:
    """The left Jacobian of the exponential map at (..., 3) axis-angle, times (..., 3) vectors."""
    squared = axis_angle.square().sum(-1, keepdim=True)
    angle = squared.clamp_min(1e-12).sqrt()
    small = squared < 1e-4  # below 0.01 rad the series is exact in float32
    b = torch.where(small, 0.5 - squared / 24, (1 - angle.cos()) / squared.clamp_min(1e-12))
    c = torch.where(small, 1 / 6 - squared / 120, (angle - angle.sin()) / (squared * angle).clamp_min(1e-18))
    once = torch.linalg.cross(axis_angle, vectors)
    return vectors + b * once + c * torch.linalg.cross(axis_angle, once)
