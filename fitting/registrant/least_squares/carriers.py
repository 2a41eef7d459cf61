"""Which joints carry the keypoints of a body, and how the keypoints move with them and with the shape."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...body.posed_points import Placed

if TYPE_CHECKING:
    from .stage import StageLeastSquares


class Carriers:
    """Which joints carry the keypoints of a body, and how far.

    A keypoint is a sum of pairs: the joints themselves, which their parents carry, and the pairs of the keypoints on the skin.
    """

    def __init__(self, body: Any) -> None:
        self._body = body
        model = body.carrying
        like, surface, parents = model.joints_template, model.surface, model.tree.parents
        point, joint = surface.pairs
        n_joints, n_keypoints = len(parents), len(body.convention)
        point, joint = point.to(like.device), joint.to(like.device)
        self.to_keypoints = like.new_zeros(n_keypoints, n_joints + len(point))
        self.to_keypoints[:n_joints, :n_joints] = torch.eye(n_joints).to(like)
        self.to_keypoints[n_joints + point, torch.arange(n_joints, n_joints + len(point), device=like.device)] = 1
        above = torch.tensor([max(parent, 0) for parent in parents], device=like.device)
        self.joint = torch.cat([above, joint])  # (Q,) the joint that carries each pair
        self.hangs = surface.subtree.to(like)[:, self.joint]  # (J, Q)
        self.hangs[0, 0] = 0  # no turn moves the root itself
        self.pair_joint, self.parents = joint, parents
        self.is_linear_in_betas = model is body
        self.has_fixed_levers = model.data.posedirs is None and surface.contour is None

    def at_rest(self, stage: "StageLeastSquares") -> tuple[Tensor, Tensor, Tensor]:
        """Joints, levers and weights at rest at the present point; see `BodyModel.at_rest`."""
        values = stage.unknowns.values_at(stage.point)
        rest: tuple[Tensor, Tensor, Tensor] = self._body.at_rest(
            stage.unknowns.rotations_at(stage.point), stage.value("betas", values), stage.value("expression", values)
        )
        return rest

    def offset_dirs(self) -> Tensor:
        """(J, 3, S) how the way from its parent to each joint moves with the shape at rest, none for the root."""
        dirs = self._rest_dirs().transpose(0, 1)
        above = torch.tensor([max(parent, 0) for parent in self.parents], device=dirs.device)
        return dirs - dirs[above]

    def root_dirs(self) -> Tensor:
        """(3, S) how the root moves with the shape at rest."""
        return self._rest_dirs()[:, 0]

    def dirs_of_ways(self) -> Tensor:
        """(Q, 3, S) how what hangs on a joint moves, relative to it, with the shape at rest."""
        rest, levers = self._rest_dirs(), self._body.carrying.surface.lever_dirs[..., : self._body.carrying.n_betas]
        weight = self._body.carrying.surface.straight_weights()
        return torch.cat([self.offset_dirs(), (levers - rest[:, self.pair_joint] * weight[:, None]).transpose(0, 1)])

    def _rest_dirs(self) -> Tensor:
        """(3, J, S) how the joints move with the shape at rest."""
        model = self._body.carrying
        dirs: Tensor = model.joint_shapedirs[..., : model.n_betas].transpose(0, 1)
        return dirs

    def place(self, rotations: Tensor, betas: Tensor | None, expression: Tensor | None) -> Placed:
        """The posed skeleton; frames last."""
        placed: Placed = self._body.place(rotations, betas, expression)
        return placed

    def pairs(self, placed: Placed) -> Tensor:
        """(3, Q, F) what each pair carries of its keypoint."""
        return torch.cat([placed.joints, placed.arms + placed.joints[:, self.pair_joint] * placed.weight], 1)

    def weights(self, placed: Placed) -> Tensor:
        """(Q, F) or (Q, 1) the weight of each pair."""
        ones = placed.weight.new_ones(placed.joints.shape[1], placed.weight.shape[-1])
        return torch.cat([ones, placed.weight])

    def spread(self, matrix: Tensor, joints: list[int]) -> tuple[Tensor, Tensor]:
        """What makes levers of pairs: (A N, Q) for the way from each joint to each point, and (A N, Q) for how much of it is carried.

        The first takes the joint's own place off already, where the weights do not change from frame to frame.
        """
        by_pair = matrix @ self.to_keypoints
        carried = (self.hangs[joints][:, None] * by_pair).flatten(0, 1)
        fixed = self._body.carrying.surface.pair_weights()
        if fixed is None:
            return carried, carried
        weights = torch.cat([fixed.new_ones(len(self.joint) - len(fixed)), fixed])
        spread = torch.unflatten(carried, 0, (len(joints), -1)).clone()
        rows, columns = torch.arange(len(joints), device=spread.device), torch.tensor(joints, device=spread.device)
        spread[rows, :, columns] -= spread @ weights
        return spread.flatten(0, 1), carried

    def levers(self, placed: Placed, pairs: Tensor, joints: list[int]) -> Tensor:
        """(F, 3, A, K) the way from each joint to what it carries of each keypoint of the body."""
        carried = (self.hangs[joints][:, None] * self.to_keypoints).flatten(0, 1)
        levers = torch.unflatten(pairs.permute(2, 0, 1) @ carried.mT, 2, (len(joints), -1))
        weight = torch.unflatten(self.weights(placed).mT @ carried.mT, 1, (len(joints), -1))
        return levers - placed.joints[:, joints].permute(2, 0, 1)[..., None] * weight[:, None]

    def moved_by_shape(self, placed: Placed, betas: Tensor | None) -> Tensor:
        """(F, K, 3, S + E) how the keypoints of the body move with shape values and expressions."""
        joints, pairs = self._body.moved_by_shape(placed, betas)
        return torch.einsum("kq,aqsf->fkas", self.to_keypoints, torch.cat([joints, pairs], 1))

    def moved_by_expression(self, placed: Placed, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """(F, N', 3, E) how those of the points of `matrix` (N, K) move that expressions move at all, and (N',) which these are."""
        joints, pairs, which = self._body.carrying.moved_by_expression(placed)
        n_joints = joints.shape[1]
        by_pair = matrix @ self.to_keypoints
        columns = torch.cat([torch.arange(n_joints, device=which.device), n_joints + which])
        is_moved = torch.cat([joints.abs().amax((0, 2, 3)) > 1e-6, torch.ones_like(which, dtype=torch.bool)])
        used = torch.nonzero((by_pair[:, columns[is_moved]] != 0).any(1))[:, 0]
        moved = torch.cat([joints, pairs], 1).permute(0, 2, 3, 1) @ by_pair[used][:, columns].mT  # (3, E, F, N')
        return moved.permute(2, 3, 0, 1), used

    def joints_moving(self, matrix: Tensor) -> set[int]:
        """The joints whose turn moves a point."""
        by_pair = (matrix @ self.to_keypoints).abs().sum(0)
        # A keypoint at a joint itself does not move when that joint turns: its pair belongs to the parent.
        return set(torch.nonzero(self.hangs @ by_pair)[:, 0].tolist())


def can_be_placed(body: Any) -> bool:
    """Whether a body says which joints carry its keypoints; others are asked for their keypoints, and differentiated."""
    return hasattr(body, "carrying")
