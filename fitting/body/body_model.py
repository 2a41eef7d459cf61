"""The body model: from parameters to joints, surface keypoints and, where they are asked for, vertices."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.bodies import BodyData
from ..data.conventions import get_convention
from ..errors import BodyError
from ..rotations import axis_angle_to_matrix
from .kinematics import KinematicTree
from .posed_points import CarriedPoints
from .skinning import skin


@dataclass
class BodyOutput:
    """A posed body.

    Attributes:
        joints: (F, K, 3) keypoints in the order of the model's convention, the J joints of its skeleton first; metres.
        vertices: (F, V, 3) vertices, or None where they were not asked for.
        full_pose: (F, 3 J) axis-angle, the root first.
    """

    joints: Tensor
    vertices: Tensor | None
    full_pose: Tensor


class BodyModel(nn.Module):
    """A body of the SMPL family, computed joints first: the mesh is not touched unless vertices are asked for.

    Args:
        data: The arrays of the model.
        n_betas: How many of its shape values are used; all by default.

    Raises:
        BodyError: More betas than the model has, or arrays that are no model.
    """

    joints_template: Tensor
    joint_shapedirs: Tensor
    surface_template: Tensor
    surface_shapedirs: Tensor
    surface_weights: Tensor
    surface_posedirs: Tensor | None

    def __init__(self, data: BodyData, n_betas: int | None = None) -> None:
        super().__init__()
        n_betas = data.n_betas if n_betas is None else n_betas
        if not 1 <= n_betas <= data.n_betas:
            raise BodyError(f"num_betas is {n_betas}, but the body {data.name!r} has {data.n_betas}.", f"Ask for 1 to {data.n_betas}.")
        self.data = data
        self.n_betas = n_betas
        self.convention = get_convention(data.convention)
        self.tree = KinematicTree([int(parent) for parent in data.parents])
        surface = [data.keypoint_vertices[name] for name in self.convention.names[data.n_joints :]]
        self._buffer("joints_template", data.joints_template)
        self._buffer("joint_shapedirs", data.joint_shapedirs[..., :n_betas])
        self._buffer("surface_template", data.v_template[surface])
        self._buffer("surface_shapedirs", data.shapedirs[surface][..., :n_betas])
        self._buffer("surface_weights", data.weights[surface])
        self._buffer("surface_posedirs", None if data.posedirs is None else data.posedirs[surface])
        self._carried = CarriedPoints(self.surface_weights, self.tree)
        # The mesh waits on the CPU until somebody asks for vertices.
        self._mesh: dict[str, Tensor] = {}

    @property
    def n_joints(self) -> int:
        """Number of joints J of the skeleton."""
        return self.data.n_joints

    @property
    def keypoint_convention(self) -> str:
        """Name of the convention of `BodyOutput.joints`."""
        return self.convention.name

    def parameter_shapes(self) -> dict[str, int]:
        """Width of each parameter that can be fitted."""
        return {"global_orient": 3, "transl": 3, "body_pose": 3 * (self.n_joints - 1), "betas": self.n_betas}

    def effects(self, keypoint_weights: Tensor) -> dict[str, Tensor]:
        """How far one unit of each parameter moves the keypoints: the root of the weighted sum of squares, in the T-pose.

        Args:
            keypoint_weights: (K,) weights of the keypoints.

        Returns:
            For each parameter, one value for each of its columns; metres per radian, metre or unit of shape.
        """
        keypoints = torch.cat([self.joints_template, self.surface_template])
        subtree = self._carried.to(keypoints).subtree
        carried = torch.cat([subtree, subtree @ self.surface_weights.mT], 1)
        arms = keypoints - self.joints_template[:, None]
        levers = (carried * arms.square().sum(-1)) @ keypoint_weights
        # What moves next to nothing is held by priors, which count as a lever of 5 cm.
        levers = (levers + 0.05**2).sqrt().repeat_interleave(3)
        shape = torch.cat([self.joint_shapedirs, self.surface_shapedirs]).square().sum(1).mT @ keypoint_weights
        return {
            "global_orient": levers[:3],
            "body_pose": levers[3:],
            "transl": keypoint_weights.sum().sqrt().clamp_min(1e-3).expand(3),
            "betas": (shape + 1e-3**2).sqrt(),
        }

    def forward(
        self,
        betas: Tensor | None = None,
        body_pose: Tensor | None = None,
        global_orient: Tensor | None = None,
        transl: Tensor | None = None,
        return_verts: bool = False,
        **_: Tensor,
    ) -> BodyOutput:
        """Poses the body; a parameter that is left out is zero.

        Args:
            betas: (F, S) or (1, S) shape values.
            body_pose: (F, 3 (J - 1)) axis-angle, radians.
            global_orient: (F, 3) axis-angle of the root, about the pelvis.
            transl: (F, 3) metres, added after the root rotation.
            return_verts: Whether vertices are computed too.
        """
        n_frames = max((len(value) for value in (betas, body_pose, global_orient, transl) if value is not None), default=1)
        zeros = self.joints_template.new_zeros
        shape = self.parameter_shapes()
        betas = zeros(1, shape["betas"]) if betas is None else betas
        body_pose = zeros(n_frames, shape["body_pose"]) if body_pose is None else body_pose
        global_orient = zeros(n_frames, 3) if global_orient is None else global_orient
        transl = zeros(n_frames, 3) if transl is None else transl
        for name, value in (("betas", betas), ("body_pose", body_pose), ("global_orient", global_orient), ("transl", transl)):
            if value.ndim != 2 or value.shape[1] != shape[name] or value.shape[0] not in (1, n_frames):
                raise BodyError(
                    f"{name} has shape {tuple(value.shape)}, expected ({n_frames}, {shape[name]}) for the body {self.data.name!r}."
                )
        full_pose = torch.cat([global_orient.expand(n_frames, -1), body_pose.expand(n_frames, -1)], 1)
        axis_angle = torch.unflatten(full_pose, 1, (self.n_joints, 3))
        rest_joints = self._shaped(self.joints_template, self.joint_shapedirs, betas)
        rest_surface = self._shaped(self.surface_template, self.surface_shapedirs, betas)
        if self.surface_posedirs is not None:
            rest_surface = rest_surface + _pose_offsets(self.surface_posedirs, axis_angle_to_matrix(axis_angle))
        return BodyOutput(
            joints=self._carried.pose(axis_angle, transl.expand(n_frames, -1), rest_joints, rest_surface),
            vertices=self._vertices(betas, axis_angle, transl, rest_joints) if return_verts else None,
            full_pose=full_pose,
        )

    def _vertices(self, betas: Tensor, axis_angle: Tensor, transl: Tensor, rest_joints: Tensor) -> Tensor:
        """(F, V, 3) posed vertices."""
        mesh = self._full_mesh()
        rotations = axis_angle_to_matrix(axis_angle)
        world, joints = self.tree.pose(rotations, rest_joints)
        rest = self._shaped(mesh["template"], mesh["shapedirs"], betas)
        if "posedirs" in mesh:
            rest = rest + _pose_offsets(mesh["posedirs"], rotations)
        return skin(rest, mesh["weights"], world, rest_joints, joints) + transl[:, None]

    @staticmethod
    def _shaped(template: Tensor, shapedirs: Tensor, betas: Tensor) -> Tensor:
        """(B, N, 3) rest points for (B, S) shape values."""
        return template + torch.unflatten((shapedirs.flatten(0, 1) @ betas.mT).mT, 1, (-1, 3))

    def _full_mesh(self) -> dict[str, Tensor]:
        like = self.joints_template
        if not self._mesh or self._mesh["template"].device != like.device or self._mesh["template"].dtype != like.dtype:
            arrays = {
                "template": self.data.v_template,
                "shapedirs": self.data.shapedirs[..., : self.n_betas],
                "weights": self.data.weights,
                "posedirs": self.data.posedirs,
            }
            self._mesh = {
                name: torch.as_tensor(np.ascontiguousarray(array), dtype=like.dtype, device=like.device)
                for name, array in arrays.items()
                if array is not None
            }
        return self._mesh

    def _buffer(self, name: str, array: NDArray[np.float32] | None) -> None:
        self.register_buffer(name, None if array is None else torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32))


def _pose_offsets(posedirs: Tensor, rotations: Tensor) -> Tensor:
    """(F, N, 3) pose correctives of N points: linear in the rotations of all joints but the root."""
    features = (rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)).flatten(1)
    return torch.unflatten((posedirs.flatten(0, 1) @ features.mT).mT, 1, (-1, 3))
