"""Points carried by joints, with their gradient in closed form.

Autograd through the kinematic tree keeps and walks some three hundred small tensors for each evaluation. The gradient itself is
short: the pull of all points behind a joint is a force and a torque about that joint, as in the statics of a linkage.

Inside, frames come last: a vector is (3, N, F) and a matrix (3, 3, N, F). Products of small matrices are then a few long
multiplications, several times faster than batches of 3 x 3 products.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..rotations import axis_angle_to_matrix
from .kinematics import KinematicTree


@dataclass(frozen=True)
class Placed:
    """A posed skeleton and what it carries; frames last.

    Attributes:
        world: (3, 3, J, F) rotations of the joints in the world.
        joints: (3, J, F) posed joints, metres.
        arms: (3, P, F) for each pair the way from the joint to what it carries of the point, times the weight.
        weight: (P, F) or (P, 1) weight of each pair.
    """

    world: Tensor
    joints: Tensor
    arms: Tensor
    weight: Tensor


class CarriedPoints:
    """Which joints carry which surface points.

    A pair is one point and one of its joints. A point that lies on a triangle is carried as its three vertices are, each with its part:
    a pair has the `weight` with which the joint carries the point, and the `lever`, the sum of the vertices in the T-pose, each times its
    share of the point and its skinning weight.

    Args:
        point: (P,) the point of each pair, one of E.
        joint: (P,) its joint.
        weight: (P,) its weight; those of a point add up to 1.
        tree: The joints.
    """

    def __init__(self, point: Tensor, joint: Tensor, weight: Tensor, tree: KinematicTree) -> None:
        pairs, n_points = torch.arange(len(point)), int(point.max()) + 1 if len(point) else 0
        self.parents = tree.parents
        # All joints of one depth at a time: a hand has fifteen joints, but is three deep.
        self.levels = [(torch.tensor(level), torch.tensor([tree.parents[joint] for joint in level])) for level in tree.levels]
        self.point, self.joint = point, joint
        self.weight = weight[:, None]
        self.to_points = weight.new_zeros(n_points, len(point))
        self.to_points[point, pairs] = 1
        self.to_joints = weight.new_zeros(len(tree.parents), len(point))
        self.to_joints[joint, pairs] = 1
        self.subtree = tree.subtrees().to(weight)

    def to(self, like: Tensor) -> "CarriedPoints":
        """Moves all tensors to the device and the precision of `like`; gives the object itself."""
        if self.weight.device != like.device or self.weight.dtype != like.dtype:
            for name in ("weight", "to_points", "to_joints", "subtree"):
                setattr(self, name, getattr(self, name).to(like))
            for name in ("point", "joint"):
                setattr(self, name, getattr(self, name).to(like.device))
            self.levels = [(level.to(like.device), parents.to(like.device)) for level, parents in self.levels]
        return self

    def place(self, rotations: Tensor, rest: Tensor, levers: Tensor, weight: Tensor) -> Placed:
        """The posed joints and arms; the root stays at its rest place.

        Args:
            rotations: (3, 3, J, F) rotation of each joint relative to its parent.
            rest: (3, J, F) or (3, J, 1) joints in the T-pose.
            levers: (3, P, F) or (3, P, 1) lever of each pair in the T-pose.
            weight: (P, F) or (P, 1) weight of each pair.
        """
        world = torch.empty_like(rotations)
        joints = rotations.new_empty(rotations.shape[1:])
        world[:, :, 0], joints[:, 0] = rotations[:, :, 0], rest[:, 0]
        for level, parents in self.levels:
            above = world[:, :, parents]
            world[:, :, level] = product(above, rotations[:, :, level])
            joints[:, level] = joints[:, parents] + turned(above, rest[:, level] - rest[:, parents])
        return Placed(world, joints, turned(world[:, :, self.joint], levers - rest[:, self.joint] * weight), weight)

    def moved_by_shape(
        self, placed: Placed, rest_dirs: Tensor, lever_dirs: Tensor, pairs: Tensor | slice = slice(None)
    ) -> tuple[Tensor, Tensor]:
        """(3, J, S, F) and (3, P, S, F) how joints, and what the pairs carry of their points, move with the shape.

        Args:
            placed: The posed skeleton.
            rest_dirs: (3, J, S) how the joints in the T-pose move with the shape.
            lever_dirs: (3, P, S) how the levers do.
            pairs: Which of the P pairs are wanted.
        """
        world, weight = placed.world[:, :, :, None], placed.weight[pairs, None]
        rest, levers, joint = rest_dirs[..., None], lever_dirs[:, pairs, :, None], self.joint[pairs]
        joints = world.new_empty(3, len(self.parents), rest_dirs.shape[-1], world.shape[-1])
        joints[:, 0] = rest[:, 0]
        for level, parents in self.levels:
            joints[:, level] = joints[:, parents] + turned(world[:, :, parents], rest[:, level] - rest[:, parents])
        arms = turned(world[:, :, joint], levers - rest[:, joint] * weight)
        return joints, arms + joints[:, joint] * weight

    def points(self, placed: Placed, transl: Tensor) -> Tensor:
        """(F, J + E, 3) the joints, then the points, of a posed skeleton with (F, 3) translation."""
        surface = self.to_points @ (placed.arms + placed.joints[:, self.joint] * placed.weight)
        return (torch.cat([placed.joints, surface], 1) + transl.mT[:, None]).permute(2, 1, 0)

    def pose(self, axis_angle: Tensor, transl: Tensor, rest_joints: Tensor, levers: Tensor, weight: Tensor | None = None) -> Tensor:
        """(F, J + E, 3) posed joints, then points; metres.

        Args:
            axis_angle: (F, J, 3) rotation of each joint relative to its parent, radians.
            transl: (F, 3) metres.
            rest_joints: (F, J, 3) or (1, J, 3) joints in the T-pose.
            levers: (3, P, F) or (3, P, 1) lever of each pair in the T-pose.
            weight: (P, F) weight of each pair, where it changes from frame to frame; it has no gradient.
        """
        carried = self.to(axis_angle)
        weight = carried.weight if weight is None else weight
        if torch._C._are_functorch_transforms_active():  # forward-mode derivatives go through plain operations
            placed = carried.place(axis_angle_to_matrix(_frames_last(axis_angle), dim=0), _frames_last(rest_joints), levers, weight)
            return carried.points(placed, transl)
        points: Tensor = _PosedPoints.apply(axis_angle, transl, rest_joints, levers, weight, carried)  # type: ignore[no-untyped-call]
        return points


class _PosedPoints(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, axis_angle: Tensor, transl: Tensor, rest_joints: Tensor, levers: Tensor, weight: Tensor, carried: CarriedPoints
    ) -> Tensor:
        turns, rest = _frames_last(axis_angle), _frames_last(rest_joints)
        placed = carried.place(axis_angle_to_matrix(turns, dim=0), rest, levers, weight)
        world, joints, arms = placed.world, placed.joints, placed.arms
        ctx.carried = carried
        ctx.rest_rows = len(rest_joints), levers.shape[-1]
        ctx.save_for_backward(turns, world, joints, arms, weight)
        return carried.points(placed, transl)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        carried: CarriedPoints = ctx.carried
        turns, world, joints, arms, weight = ctx.saved_tensors
        n_joints = joints.shape[1]
        by_keypoint = _frames_last(gradient)
        pulls = by_keypoint[:, n_joints:][:, carried.point]
        by_surface = carried.to_joints @ (pulls * weight)
        force = by_keypoint[:, :n_joints] + by_surface
        moment = cross(joints, force) + carried.to_joints @ cross(arms, pulls)
        # What hangs on each joint: sums over its subtree.
        force, moment = carried.subtree @ force, carried.subtree @ moment
        torque = turned_back(world, moment - cross(joints, force))
        by_joints = by_levers = None
        n_joint_rows, n_lever_rows = ctx.rest_rows
        if ctx.needs_input_grad[2]:
            along = turned_back(world[:, :, carried.parents], force)
            along[:, 0] = force[:, 0]  # the root has no parent: its rest place moves everything
            along = _summed(along, n_joint_rows)
            rest = along - _summed(turned_back(world, by_surface), n_joint_rows)
            rest.index_add_(1, torch.tensor(carried.parents[1:], device=rest.device), along[:, 1:], alpha=-1)
            by_joints = rest.permute(2, 1, 0)
        if ctx.needs_input_grad[3]:
            by_levers = _summed(turned_back(world[:, :, carried.joint], pulls), n_lever_rows)
        return _left_jacobian_times(turns, torque).permute(2, 1, 0), force[:, 0].mT, by_joints, by_levers, None, None


def _frames_last(values: Tensor) -> Tensor:
    """(3, N, F) from (F, N, 3)."""
    return values.permute(2, 1, 0).contiguous()


def _summed(values: Tensor, n_rows: int) -> Tensor:
    """(3, N, 1) sum over the frames where one row serves them all, else the (3, N, F) values."""
    return values.sum(-1, keepdim=True) if n_rows == 1 else values


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross product of (3, ...) vectors."""
    ax, ay, az = a
    bx, by, bz = b
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def turned(matrix: Tensor, vector: Tensor) -> Tensor:
    """(3, ...) matrix times vector, for matrices (3, 3, ...)."""
    return matrix[:, 0] * vector[0] + matrix[:, 1] * vector[1] + matrix[:, 2] * vector[2]


def turned_back(matrix: Tensor, vector: Tensor) -> Tensor:
    """(3, ...) transposed matrix times vector, for matrices (3, 3, ...)."""
    return matrix[0] * vector[0] + matrix[1] * vector[1] + matrix[2] * vector[2]


def product(a: Tensor, b: Tensor) -> Tensor:
    """(3, 3, ...) matrix times matrix."""
    return a[:, 0, None] * b[0] + a[:, 1, None] * b[1] + a[:, 2, None] * b[2]


def _left_jacobian_times(axis_angle: Tensor, vectors: Tensor) -> Tensor:
    """The left Jacobian of the exponential map at (3, N, F) axis-angle, times (3, N, F) vectors."""
    squared = axis_angle.square().sum(0)
    angle = squared.clamp_min(1e-12).sqrt()
    small = squared < 1e-4  # below 0.01 rad the series is exact in float32
    b = torch.where(small, 0.5 - squared / 24, (1 - angle.cos()) / squared.clamp_min(1e-12))
    c = torch.where(small, 1 / 6 - squared / 120, (angle - angle.sin()) / (squared * angle).clamp_min(1e-18))
    once = cross(axis_angle, vectors)
    return vectors + b * once + c * cross(axis_angle, once)
