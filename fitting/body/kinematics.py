"""Forward kinematics: joints of a posed body, without its mesh."""

import torch
from torch import Tensor

from ..errors import BodyError


class KinematicTree:
    """The order in which joints are posed: all joints of one depth at a time.

    Args:
        parents: J parents, -1 for the root, which comes first.

    Attributes:
        levels: The joints of each depth below the root.

    Raises:
        BodyError: A parent that is not in front of its child.
    """

    def __init__(self, parents: list[int]) -> None:
        if parents[0] != -1 or any(not 0 <= parent < joint for joint, parent in enumerate(parents) if joint):
            raise BodyError(f"The parents {parents} are no tree with the root in front.", "Check the model file.")
        self.parents = parents
        depths = [0]
        for parent in parents[1:]:
            depths.append(depths[parent] + 1)
        levels = [[joint for joint, depth in enumerate(depths) if depth == level] for level in range(max(depths) + 1)]
        self.levels = levels[1:]
        order = [joint for level in levels for joint in level]
        # Joints are computed level by level and put back into their own order at the end.
        self._levels = [torch.tensor(level) for level in self.levels]
        self._parents_in_level = [
            torch.tensor([levels[index].index(parents[joint]) for joint in level]) for index, level in enumerate(levels[1:])
        ]
        self._order = torch.tensor([order.index(joint) for joint in range(len(parents))])
        self._parent_index = torch.tensor([0, *parents[1:]])

    def pose(self, rotations: Tensor, rest_joints: Tensor) -> tuple[Tensor, Tensor]:
        """Poses the tree.

        Args:
            rotations: (F, J, 3, 3) rotation of each joint relative to its parent.
            rest_joints: (F, J, 3) or (1, J, 3) joints in the T-pose, metres.

        Returns:
            (F, J, 3, 3) rotations in the world and (F, J, 3) posed joints; the root stays at its rest place.
        """
        device = rotations.device
        if self._order.device != device:
            self._to(device)
        offsets = rest_joints - rest_joints[:, self._parent_index]
        world = rotations[:, :1]
        place = rest_joints[:, :1].expand(len(rotations), 1, 3)
        worlds, places = [world], [place]
        for level, parents in zip(self._levels, self._parents_in_level, strict=True):
            parent_world = world[:, parents]
            place = place[:, parents] + (parent_world @ offsets[:, level, :, None])[..., 0]
            world = parent_world @ rotations[:, level]
            worlds.append(world)
            places.append(place)
        return torch.cat(worlds, 1)[:, self._order], torch.cat(places, 1)[:, self._order]

    def subtrees(self) -> Tensor:
        """(J, J) booleans: whether the joint of the column hangs on that of the row, or is it."""
        hangs = torch.eye(len(self.parents), dtype=torch.bool)
        for joint in reversed(range(1, len(self.parents))):
            hangs[self.parents[joint]] |= hangs[joint]
        return hangs

    def _to(self, device: torch.device) -> None:
        self._levels = [level.to(device) for level in self._levels]
        self._parents_in_level = [parents.to(device) for parents in self._parents_in_level]
        self._order = self._order.to(device)
        self._parent_index = self._parent_index.to(device)
