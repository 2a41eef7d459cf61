"""Keypoints on the skin of a body: at a vertex, on a triangle, or on the contour of the face."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.bodies import BodyData
from ..data.conventions import Convention, get_convention
from ..errors import BodyError
from .face_contour import FaceContour
from .kinematics import KinematicTree
from .posed_points import CarriedPoints, Placed
from .triangle_points import BlendDirections, carried_shares, levers

FEWER_KEYPOINTS = {"smplx": "agora", "agora": "smplx_55", "smplh": "smplh_52", "smpl_45": "smpl"}
"""The convention of the same body with fewer keypoints: without the contour of the face, then without those on the skin."""

_N_CONTOUR, _N_LANDMARKS = 17, 51
CONTOUR_NAMES = get_convention("smplx").names[-_N_CONTOUR:]
LANDMARK_NAMES = get_convention("smplx").names[-_N_CONTOUR - _N_LANDMARKS : -_N_CONTOUR]
"""The keypoints of a face in the order of the model files."""


def keypoints_of(data: BodyData, face_contour: bool = True) -> Convention:
    """The convention of the keypoints of a body: that of the data, or the largest one whose keypoints the body has.

    Args:
        data: The body.
        face_contour: Whether the contour of the face is wanted.

    Raises:
        BodyError: No convention has the keypoints that the body has.
    """
    known = set(data.keypoint_vertices)
    if data.landmark_vertices is not None:
        known |= set(LANDMARK_NAMES)
    if data.contour_vertices is not None:
        known |= set(CONTOUR_NAMES)
    if not face_contour:
        known -= set(CONTOUR_NAMES)
    convention = get_convention(data.convention)
    while not known.issuperset(convention.names[data.n_joints :]):
        if convention.name not in FEWER_KEYPOINTS:
            missing = next(name for name in convention.names[data.n_joints :] if name not in known)
            raise BodyError(f"The body {data.name!r} has no place for its keypoint {missing!r}.", "Give its vertex in `keypoint_vertices`.")
        convention = get_convention(FEWER_KEYPOINTS[convention.name])
    return convention


class SurfaceKeypoints(nn.Module):
    """The keypoints of a body behind its joints, computed without its mesh.

    Args:
        data: The body.
        names: Names of the keypoints, in order; those of the contour come last.
        directions: The shape values and expressions that are used, and the pose correctives.
        tree: The joints.
    """

    template: Tensor
    shapedirs: Tensor
    posedirs: Tensor | None

    def __init__(self, data: BodyData, names: tuple[str, ...], directions: BlendDirections, tree: KinematicTree) -> None:
        super().__init__()
        has_contour = data.contour_vertices is not None and not set(CONTOUR_NAMES).isdisjoint(set(names) - set(data.keypoint_vertices))
        fixed = names[:-_N_CONTOUR] if has_contour else names
        corners, shares = _corners(data, fixed)
        carried = carried_shares(data, corners, shares)
        point, joint = np.nonzero(carried.any(-1))
        pair_corners, pair_shares = corners[point], carried[point, joint]
        self._buffer("template", levers(pair_corners, pair_shares, data.v_template[..., None])[..., 0])
        dirs = directions.of(pair_corners, pair_shares)
        self._buffer("shapedirs", dirs[..., : directions.n_shape])
        self._buffer("posedirs", None if data.posedirs is None else dirs[..., directions.n_shape :])
        self.contour = FaceContour(data, directions) if has_contour else None
        points, joints, weights = torch.from_numpy(point), torch.from_numpy(joint), torch.from_numpy(pair_shares.sum(-1))
        if self.contour is not None:
            *_, weight = self.contour.straight()
            on_contour = torch.arange(len(fixed), len(names)).repeat_interleave(len(weight) // self.contour.n_points)
            points, joints = torch.cat([points, on_contour]), torch.cat([joints, self.contour.joint])
            weights = torch.cat([weights, weight])
        self._carried = CarriedPoints(points, joints, weights, tree)

    def forward(self, axis_angle: Tensor, transl: Tensor, rest_joints: Tensor, shape: Tensor, features: Tensor | None) -> Tensor:
        """(F, K, 3) posed joints, then keypoints on the skin; metres.

        Args:
            axis_angle: (F, J, 3) rotation of each joint relative to its parent, radians.
            transl: (F, 3) metres.
            rest_joints: (F, J, 3) or (1, J, 3) joints in the T-pose.
            shape: (F, S + E) or (1, S + E) shape values and expressions.
            features: (F, 9 (J - 1)) pose features, for a body with pose correctives.
        """
        rows = None if self.contour is None else self.contour.rows(axis_angle)
        levers, weight = self._levers(rows, shape, features, len(axis_angle))
        return self._carried.pose(axis_angle, transl, rest_joints, levers, weight)

    def levers(self, rotations: Tensor, shape: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor]:
        """(3, P, F) or (3, P, 1) levers at rest, and (P, F) or (P, 1) weights.

        Args:
            rotations: (3, 3, J, F) rotation of each joint relative to its parent.
            shape: (F, S + E) or (1, S + E) shape values and expressions.
            features: (F, 9 (J - 1)) pose features, for a body with pose correctives.
        """
        rows = None if self.contour is None else self.contour.rows_of_chain(rotations[:, :, self.contour.chain].permute(3, 2, 0, 1))
        levers, weight = self._levers(rows, shape, features, rotations.shape[-1])
        return levers, self._carried.to(rotations).weight if weight is None else weight

    def place(self, rotations: Tensor, rest: Tensor, levers: Tensor, weight: Tensor) -> Placed:
        """The posed skeleton with all that it carries; frames last, the root at its rest place.

        Args:
            rotations: (3, 3, J, F) rotation of each joint relative to its parent.
            rest: (3, J, F) or (3, J, 1) joints in the T-pose.
            levers: (3, P, F) or (3, P, 1) levers.
            weight: (P, F) or (P, 1) weights.
        """
        return self._carried.to(rotations).place(rotations, rest, levers, weight)

    def moved_by_shape(
        self, placed: Placed, rest_dirs: Tensor, values: slice = slice(None), pairs: Tensor | slice = slice(None)
    ) -> tuple[Tensor, Tensor]:
        """(3, J, N, F) and (3, P, N, F) how joints and pairs move with the shape; the contour as for a head that looks ahead.

        Args:
            placed: The posed skeleton.
            rest_dirs: (3, J, S + E) how the joints in the T-pose move with the shape.
            values: Which of the shape values and expressions are wanted.
            pairs: Which of the pairs are wanted.
        """
        return self._carried.to(rest_dirs).moved_by_shape(placed, rest_dirs[..., values], self.lever_dirs[..., values], pairs)

    @property
    def lever_dirs(self) -> Tensor:
        """(3, P, S + E) how the levers at rest move with shape values and expressions."""
        if self.contour is None:
            return self.shapedirs
        return torch.cat([self.shapedirs, self.contour.straight()[1][..., : self.shapedirs.shape[-1]]], 1)

    @property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """(P,) point and (P,) joint of each pair."""
        return self._carried.point, self._carried.joint

    def pair_weights(self) -> Tensor | None:
        """(P,) weight of each pair, or None where the contour of the face changes them from frame to frame."""
        return None if self.contour is not None else self._carried.to(self.template).weight[:, 0]

    def straight_weights(self) -> Tensor:
        """(P,) weight of each pair, the contour as for a head that looks ahead."""
        fixed = self._carried.to(self.template).weight[:, 0]
        return fixed if self.contour is None else torch.cat([fixed[: self.template.shape[1]], self.contour.straight()[2]])

    def _levers(self, rows: Tensor | None, shape: Tensor, features: Tensor | None, n_frames: int) -> tuple[Tensor, Tensor | None]:
        """(3, P, F) or (3, P, 1) levers at rest, and (P, F) weights where they change from frame to frame."""
        rest = self.template[..., None] + self.shapedirs @ shape.mT
        if self.posedirs is not None and features is not None:
            rest = rest + self.posedirs @ features.mT
        if self.contour is None or rows is None:
            return rest, None
        blend = [shape.expand(n_frames, -1)] + ([] if features is None else [features])
        on_contour, weight = self.contour(rows, torch.cat(blend, 1))
        rest = torch.cat([rest.expand(-1, -1, n_frames), on_contour], 1)
        fixed_weight = self._carried.to(rest).weight[: self.template.shape[1]]
        return rest, torch.cat([fixed_weight.expand(-1, n_frames), weight])

    def at_rest(self) -> tuple[Tensor, Tensor, Tensor]:
        """(E, 3) keypoints of the mean shape in the T-pose, (E, 3, S + E) their directions, and (E, J) how far each joint carries them."""
        carried = self._carried.to(self.template)
        template, dirs = self.template, self.shapedirs
        if self.contour is not None:
            on_contour, contour_dirs, _ = self.contour.straight()
            template, dirs = torch.cat([template, on_contour], 1), torch.cat([dirs, contour_dirs[..., : dirs.shape[-1]]], 1)
        points = (carried.to_points @ template.mT, torch.einsum("ep,apd->ead", carried.to_points, dirs))
        return *points, carried.to_points @ (carried.to_joints.mT * carried.weight)

    @property
    def subtree(self) -> Tensor:
        """(J, J) ones where the joint of the column hangs on that of the row, or is it."""
        return self._carried.to(self.template).subtree

    def _buffer(self, name: str, array: NDArray[np.float32] | None) -> None:
        self.register_buffer(name, None if array is None else torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32))


def _corners(data: BodyData, names: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(E, 3) vertices on which keypoints lie, and their shares; a keypoint at a vertex has it three times, once with a share."""
    vertices, shares = np.zeros((len(names), 3), np.int64), np.zeros((len(names), 3), np.float32)
    for place, name in enumerate(names):
        if name in data.keypoint_vertices:
            vertices[place], shares[place, 0] = data.keypoint_vertices[name], 1
        else:
            assert data.landmark_vertices is not None
            assert data.landmark_weights is not None
            landmark = LANDMARK_NAMES.index(name)
            vertices[place], shares[place] = data.landmark_vertices[landmark], data.landmark_weights[landmark]
    return vertices, shares
