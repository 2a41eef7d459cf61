"""The unknowns of a stage: turns of joints about their present rotation, and what is added to other parameters."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...body import Body
from ...rotations import axis_angle_to_matrix, rotation_log


@dataclass(frozen=True)
class Point:
    """Where a body stands; frames last.

    Attributes:
        rotations: (3, 3, J, F) rotation of each joint relative to its parent.
        values: (E, F) the parameters that are no rotations and belong to a frame, one after the other.
        shared: (S,) those that all frames share.
    """

    rotations: Tensor
    values: Tensor
    shared: Tensor

    def chosen(self, better: Tensor, other: "Point") -> "Point":
        """This point in the (F,) frames where it is better, else the other one."""
        return Point(torch.where(better, self.rotations, other.rotations), torch.where(better, self.values, other.values), self.shared)


class Unknowns:
    """Which parameters of a body are sought, and in which form.

    Rotations are turned by small angles, so that no pose is special; other parameters are added to.

    Args:
        body: The body model.
        parameters: All parameters by name, (F, ...) or (1, ...).
        free: Names of those that are sought.
        n_frames: Number of frames F.

    Attributes:
        parts: The joints of each part of the pose, by its name.
        turned: The parts of the pose that are turned, each with its joints.
        joints: The joints that are turned; what moves nothing may be left out.
        by_components: The parts of the pose that are given by a few components each.
        frame_values: Name and width of each parameter that is added to in each frame; `transl` comes first where it is sought.
        shared_values: Name and width of each parameter that all frames share.
    """

    def __init__(self, body: Body, parameters: Mapping[str, Tensor], free: Mapping[str, Tensor], n_frames: int) -> None:
        self.body = body
        self.parameters = parameters
        self.n_frames = n_frames
        self.parts = parts = parts_of(body)
        widths = body.parameter_shapes()
        self.turned = {name: joints for name, joints in parts.items() if widths.get(name) == 3 * len(joints) and name in free}
        self.joints = [joint for joints in self.turned.values() for joint in joints]
        self.by_components = [name for name in parts if name in free and name not in self.turned]
        others = sorted((name for name in free if name not in self.turned), key=lambda name: name != "transl")
        is_shared = {
            name: (len(parameters[name]) == 1 and n_frames > 1) or (name == "betas" and len(parameters[name]) == 1) for name in others
        }
        self.frame_values = {name: widths[name] for name in others if not is_shared[name]}
        self.shared_values = {name: widths[name] for name in others if is_shared[name]}

    def keep_only(self, joints: list[int]) -> None:
        """Turns only some of the joints; the others stay as they are."""
        kept = set(joints)
        self.joints = [joint for joint in self.joints if joint in kept]

    def start(self) -> Point:
        """The point of the present parameters."""
        pose = self.body.full_pose({name: self.parameters[name] for name in self.parts}).detach()
        pose = torch.unflatten(pose.expand(self.n_frames, -1), 1, (-1, 3)).permute(2, 1, 0).contiguous()
        like = pose.new_zeros
        values = [self.parameters[name].detach().expand(self.n_frames, -1).mT for name in self.frame_values]
        shared = [self.parameters[name].detach()[0] for name in self.shared_values]
        return Point(
            axis_angle_to_matrix(pose, 0),
            torch.cat(values) if values else like(0, self.n_frames),
            torch.cat(shared) if shared else like(0),
        )

    def parameters_at(self, point: Point) -> dict[str, Tensor]:
        """All parameters by name at a point: those that are sought from it, and the others as they are."""
        joints = [joint for joints in self.turned.values() for joint in joints]
        found = dict(self.parameters)
        if self.turned:
            whole = self.body.full_pose({name: self.parameters[name] for name in self.parts}).detach()
            whole = torch.unflatten(whole.expand(self.n_frames, -1), 1, (-1, 3)).clone()
            whole[:, joints] = rotation_log(point.rotations[:, :, joints]).permute(2, 1, 0)
            parts = self.body.parts_of_pose((whole.flatten(1) - self.rest_pose()).contiguous())
            found |= {name: parts[name] for name in self.turned}
        return found | self.values_at(point)

    def rotations_at(self, point: Point) -> Tensor:
        """(3, 3, J, F) rotations of all joints, those that components give included."""
        if not self.by_components:
            return point.rotations
        values = self.values_at(point)
        parts = {name: values.get(name, self.parameters[name]).expand(self.n_frames, -1) for name in self.parts}
        pose = torch.unflatten(self.body.full_pose(parts), 1, (-1, 3)).permute(2, 1, 0)
        joints = [joint for name in self.by_components for joint in self.parts[name]]
        rotations = point.rotations.clone()
        rotations[:, :, joints] = axis_angle_to_matrix(pose[:, joints], 0)
        return rotations

    def values_at(self, point: Point) -> dict[str, Tensor]:
        """The parameters that are no rotations by name, as far as they are sought: (F, E) or (1, S)."""
        found: dict[str, Tensor] = {}
        if self.frame_values:
            parts = torch.split(point.values, list(self.frame_values.values()))
            found |= {name: part.mT for name, part in zip(self.frame_values, parts, strict=True)}
        if self.shared_values:
            shared = torch.split(point.shared, list(self.shared_values.values()))
            found |= {name: part[None] for name, part in zip(self.shared_values, shared, strict=True)}
        return found

    def rest_pose(self) -> Tensor:
        """(3 J,) the pose of which all parameters are zero: relaxed hands."""
        zeros = {name: value.new_zeros(1, value.shape[1]) for name, value in self.parameters.items() if name in self.parts}
        return self.body.full_pose(zeros)[0].detach()


def parts_of(body: Body) -> dict[str, list[int]]:
    """The joints of each part of the pose, by its name."""
    places = body.parts_of_pose(torch.arange(3 * body.n_joints)[None])
    return {name: (columns[0, ::3] // 3).tolist() for name, columns in places.items()}
