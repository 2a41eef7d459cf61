"""The body model: from parameters to joints, surface keypoints and, where they are asked for, vertices."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.bodies import BodyData
from ..data.parameters import HAND_POSES, POSE_PARTS
from ..errors import BodyError, did_you_mean
from ..rotations import axis_angle_to_matrix
from .interface import BodyOutput
from .kinematics import KinematicTree
from .posed_points import Placed
from .skinning import skin
from .surface_keypoints import SurfaceKeypoints, keypoints_of
from .triangle_points import BlendDirections


class BodyModel(nn.Module):
    """A body of the SMPL family, computed joints first: the mesh is not touched unless vertices are asked for.

    Args:
        data: The arrays of the model.
        n_betas: How many of its shape values are used; all by default.
        n_expressions: How many of its expressions are used; all by default.
        n_hand_components: Hand poses are given by this many components each; None takes the axis-angle of all finger joints.
        flat_hand_mean: A hand pose of zeros is a flat hand; otherwise it is the model's relaxed one, to which poses are added.
        face_contour: Whether the contour of the face is among the keypoints of SMPL-X.

    Raises:
        BodyError: More values than the model has, or arrays that are no model.
    """

    joints_template: Tensor
    joint_shapedirs: Tensor
    pose_mean: Tensor
    hand_components: Tensor | None
    faces: Tensor

    def __init__(
        self,
        data: BodyData,
        n_betas: int | None = None,
        n_expressions: int | None = None,
        n_hand_components: int | None = None,
        flat_hand_mean: bool = False,
        face_contour: bool = True,
    ) -> None:
        super().__init__()
        self.data = data
        self.n_betas = _count("num_betas", n_betas, 1, data.n_betas, data.name)
        self.n_expressions = _count("num_expression_coeffs", n_expressions, 0, data.n_expressions, data.name)
        self.convention = keypoints_of(data, face_contour)
        self.pose_parts = dict(POSE_PARTS[data.model_type])
        self.tree = KinematicTree([int(parent) for parent in data.parents])
        self._directions = BlendDirections(data, self.n_betas, self.n_expressions)
        self._buffer("joints_template", data.joints_template)
        self._buffer("joint_shapedirs", self._directions.of_shape(data.joint_shapedirs, data.joint_expression_dirs))
        self.surface = SurfaceKeypoints(data, self.convention.names[data.n_joints :], self._directions, self.tree)
        self._set_up_hands(n_hand_components, flat_hand_mean)
        self.register_buffer("faces", torch.as_tensor(data.faces, dtype=torch.long))
        # The mesh waits on the CPU until somebody asks for vertices.
        self._mesh: dict[str, Tensor] = {}

    @property
    def model_type(self) -> str:
        """The family: "smpl", "smplh" or "smplx"."""
        return self.data.model_type

    @property
    def gender(self) -> str:
        """The gender: "neutral", "male" or "female"."""
        return self.data.gender

    @property
    def name(self) -> str:
        """Where the body comes from: "default", a file name, or the class of a module."""
        return self.data.name

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
        widths = {name: 3 * n_joints for name, n_joints in self.pose_parts.items()}
        if self.hand_components is not None:
            widths |= dict.fromkeys(HAND_POSES, self.hand_components.shape[1])
        face = {"expression": self.n_expressions} if self.n_expressions else {}
        return {**widths, "transl": 3, "betas": self.n_betas, **face}

    def effects(self, keypoint_weights: Tensor) -> dict[str, Tensor]:
        """How far one unit of each parameter moves the keypoints: the root of the weighted sum of squares, in the T-pose.

        Args:
            keypoint_weights: (K,) weights of the keypoints.

        Returns:
            For each parameter, one value for each of its columns; metres per radian, metre or unit of shape.
        """
        surface, surface_dirs, carried_by = self.surface.at_rest()
        keypoints, subtree = torch.cat([self.joints_template, surface]), self.surface.subtree
        carried = torch.cat([subtree, subtree @ carried_by.mT], 1)
        arms = keypoints - self.joints_template[:, None]
        levers = (carried * arms.square().sum(-1)) @ keypoint_weights
        # What moves next to nothing is held by priors, which count as a lever of 5 cm.
        levers = (levers + 0.05**2).sqrt().repeat_interleave(3)
        shape = torch.cat([self.joint_shapedirs, surface_dirs]).square().sum(1).mT @ keypoint_weights
        betas, expression = torch.split((shape + 1e-3**2).sqrt(), [self.n_betas, self.n_expressions])
        effects = self.parts_of_pose(levers)
        if self.hand_components is not None:
            for name, components in zip(HAND_POSES, self.hand_components, strict=True):
                effects[name] = (components.square() @ effects[name].square()).sqrt()
        effects |= {"transl": keypoint_weights.sum().sqrt().clamp_min(1e-3).expand(3), "betas": betas}
        return effects | ({"expression": expression} if self.n_expressions else {})

    def forward(self, return_verts: bool = False, **parameters: Tensor | None) -> BodyOutput:
        """Poses the body; a parameter that is left out is zero.

        Args:
            return_verts: Whether vertices are computed too.
            parameters: By name, each with F rows or one row for all frames: `global_orient` (F, 3), axis-angle about the pelvis;
                `transl` (F, 3) metres, added after the root rotation; `betas` (F, S); `body_pose` (F, 3 N) and the other parts of
                the pose that `parameter_shapes` names, axis-angle in radians or components; `expression` (F, E).

        Raises:
            BodyError: An unknown parameter, or one of a wrong shape.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        values = self._complete(given)
        n_frames = max(map(len, values.values()))
        transl = values["transl"].expand(n_frames, -1)
        full_pose = self.full_pose(values)
        axis_angle = torch.unflatten(full_pose, 1, (self.n_joints, 3))
        shape = self._shape(values["betas"], values.get("expression"))
        rest_joints = _shaped(self.joints_template, self.joint_shapedirs, shape)
        features = None if self.data.posedirs is None else _pose_features(axis_angle_to_matrix(axis_angle))
        return BodyOutput(
            joints=self.surface(axis_angle, transl, rest_joints, shape, features),
            vertices=self._vertices(shape, axis_angle, transl, rest_joints) if return_verts else None,
            full_pose=full_pose,
        )

    def place(self, rotations: Tensor, betas: Tensor, expression: Tensor | None = None) -> Placed:
        """The posed skeleton with all that it carries, frames last; the root at its rest place.

        Args:
            rotations: (3, 3, J, F) rotation of each joint relative to its parent.
            betas: (F, S) or (1, S) shape values.
            expression: (F, E) or (1, E) expressions.
        """
        return self.surface.place(rotations, *self.at_rest(rotations, betas, expression))

    def rest_joints(self, betas: Tensor) -> Tensor:
        """(B, J, 3) joints in the T-pose for (B, S) shape values, metres."""
        return _shaped(self.joints_template, self.joint_shapedirs[..., : self.n_betas], betas)

    def at_rest(self, rotations: Tensor, betas: Tensor, expression: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The joints (3, J, F) in the T-pose, and the levers (3, P, F) and weights (P, F) of what they carry; 1 for F if all agree.

        Args:
            rotations: (3, 3, J, F) rotation of each joint relative to its parent: the face contour and pose correctives depend on them.
            betas: (F, S) or (1, S) shape values.
            expression: (F, E) or (1, E) expressions.
        """
        shape = self._shape(betas, expression)
        rest = _shaped(self.joints_template, self.joint_shapedirs, shape).permute(2, 1, 0)
        features = None if self.data.posedirs is None else _pose_features(rotations.permute(3, 2, 0, 1))
        return rest, *self.surface.levers(rotations, shape, features)

    @property
    def carrying(self) -> "BodyModel":
        """The model whose pairs of keypoints and joints `place` gives: itself."""
        return self

    def moved_by_shape(self, placed: Placed, betas: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(3, J, S + E, F) and (3, P, S + E, F) how joints and pairs move with shape values and expressions.

        Args:
            placed: The posed body.
            betas: (F, S) or (1, S) its shape values; not needed, as it is linear in them.
        """
        return self.surface.moved_by_shape(placed, self.joint_shapedirs.transpose(0, 1))

    def moved_by_expression(self, placed: Placed) -> tuple[Tensor, Tensor, Tensor]:
        """(3, J, E, F) how the joints move with expressions, (3, P', E, F) how the pairs do that move at all, and (P',) which these are."""
        values = slice(self.n_betas, None)
        pairs = torch.nonzero(self.surface.lever_dirs[..., values].abs().amax((0, 2)) > 0)[:, 0]
        joints, moved = self.surface.moved_by_shape(placed, self.joint_shapedirs.transpose(0, 1), values, pairs)
        return joints, moved, pairs

    def vertices(self, **parameters: Tensor) -> Tensor:
        """(F, V, 3) vertices alone, metres; all parameters by name, as for `forward`."""
        values = self._complete(parameters)
        axis_angle = torch.unflatten(self.full_pose(values), 1, (-1, 3))
        shape = self._shape(values["betas"], values.get("expression"))
        return self._vertices(shape, axis_angle, values["transl"], _shaped(self.joints_template, self.joint_shapedirs, shape))

    def full_pose(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """(F, 3 J) axis-angle of all joints, the root first; hands with their mean, in axis-angle.

        Args:
            parameters: All parts of the pose by name, with F rows or one.
        """
        n_frames = max(len(parameters[name]) for name in self.pose_parts)
        parts = []
        for name in self.pose_parts:
            part = parameters[name]
            if self.hand_components is not None and name in HAND_POSES:
                part = part @ self.hand_components[HAND_POSES.index(name)]
            parts.append(part.expand(n_frames, -1))
        return torch.cat(parts, 1) + self.pose_mean

    def parts_of_pose(self, full_pose: Tensor) -> dict[str, Tensor]:
        """The parts (..., 3 N) of a full pose (..., 3 J) by name."""
        widths = [3 * n_joints for n_joints in self.pose_parts.values()]
        return dict(zip(self.pose_parts, torch.split(full_pose, widths, -1), strict=True))

    def _complete(self, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All parameters: those given, checked, and zeros for the others."""
        shapes = self.parameter_shapes()
        n_frames = max(map(len, given.values()), default=1)
        for name, value in given.items():
            if name not in shapes:
                raise BodyError(f"The body {self.data.name!r} has no parameter {name!r}.", did_you_mean(name, shapes))
            if value.ndim != 2 or value.shape[1] != shapes[name] or value.shape[0] not in (1, n_frames):
                raise BodyError(
                    f"{name} has shape {tuple(value.shape)}, expected ({n_frames}, {shapes[name]}) for the body {self.data.name!r}."
                )
        zeros = self.joints_template.new_zeros
        rows = {name: 1 if name in ("betas", "expression") else n_frames for name in shapes}
        return {name: given[name] if name in given else zeros(rows[name], width) for name, width in shapes.items()}

    def _shape(self, betas: Tensor, expression: Tensor | None) -> Tensor:
        """(F, S + E) or (1, S + E) shape values and expressions."""
        if not self.n_expressions:
            return betas
        expression = betas.new_zeros(1, self.n_expressions) if expression is None else expression
        rows = max(len(betas), len(expression))
        return torch.cat([betas.expand(rows, -1), expression.expand(rows, -1)], 1)

    def _set_up_hands(self, n_components: int | None, flat_hand_mean: bool) -> None:
        """The mean that is added to the pose, and the components of hand poses."""
        mean = np.zeros(3 * self.n_joints, np.float32)
        if self.data.hand_mean is not None and not flat_hand_mean:
            mean[-self.data.hand_mean.size :] = self.data.hand_mean.ravel()  # the hands come last in the full pose
        self._buffer("pose_mean", mean)
        components = self.data.hand_components if n_components is not None else None
        if n_components is not None:
            most = 0 if components is None else components.shape[1]
            count = _count("num_pca_comps", n_components, 1, most, self.data.name)
            components = None if components is None else components[:, :count]
        self._buffer("hand_components", components)

    def _vertices(self, shape: Tensor, axis_angle: Tensor, transl: Tensor, rest_joints: Tensor) -> Tensor:
        """(F, V, 3) posed vertices."""
        mesh = self._full_mesh()
        rotations = axis_angle_to_matrix(axis_angle)
        world, joints = self.tree.pose(rotations, rest_joints)
        rest = _shaped(mesh["template"], mesh["shapedirs"], shape)
        if "posedirs" in mesh:
            rest = rest + torch.unflatten(_pose_features(rotations) @ mesh["posedirs"].flatten(0, 1).mT, 1, (-1, 3))
        return skin(rest, mesh["weights"], world, rest_joints, joints) + transl[:, None]

    def _full_mesh(self) -> dict[str, Tensor]:
        like = self.joints_template
        if not self._mesh or self._mesh["template"].device != like.device or self._mesh["template"].dtype != like.dtype:
            arrays = {
                "template": self.data.v_template,
                "shapedirs": self._directions.of_shape(self.data.shapedirs, self.data.expression_dirs),
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


def _shaped(template: Tensor, dirs: Tensor, shape: Tensor) -> Tensor:
    """(B, N, 3) rest points for (B, S + E) shape values and expressions."""
    return template + torch.unflatten((dirs.flatten(0, 1) @ shape.mT).mT, 1, (-1, 3))


def _count(name: str, value: int | None, least: int, most: int, body: str) -> int:
    """How many values are used: all that the body has, or as many as are asked for."""
    if value is None:
        return most
    if not least <= value <= most:
        raise BodyError(f"{name} is {value}, but the body {body!r} has {most}.", f"Ask for {least} to {most}." if most else "Leave it out.")
    return value


def _pose_features(rotations: Tensor) -> Tensor:
    """(F, 9 (J - 1)) what pose correctives are linear in: the rotations of all joints but the root, less the identity."""
    return (rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)).flatten(1)
