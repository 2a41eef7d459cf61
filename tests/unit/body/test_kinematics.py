import pytest
import torch

from fitting.body.kinematics import KinematicTree
from fitting.errors import BodyError
from fitting.rotations import axis_angle_to_matrix

PARENTS = [-1, 0, 0, 1, 3, 2, 1]
"""A tree of four levels, whose joints are not in the order of their depth."""


@pytest.fixture
def tree():
    return KinematicTree(PARENTS)


def test_levels_are_the_joints_of_one_depth(tree):
    assert tree.levels == [[1, 2], [3, 5, 6], [4]]


def test_pose_goes_joint_by_joint(tree):
    generator = torch.Generator().manual_seed(0)
    rest = torch.randn(4, 7, 3, generator=generator)
    rotations = axis_angle_to_matrix(torch.randn(4, 7, 3, generator=generator))
    world, joints = tree.pose(rotations, rest)
    for frame in range(4):
        worlds, places = [rotations[frame, 0]], [rest[frame, 0]]
        for joint in range(1, 7):
            parent = PARENTS[joint]
            places.append(places[parent] + worlds[parent] @ (rest[frame, joint] - rest[frame, parent]))
            worlds.append(worlds[parent] @ rotations[frame, joint])
        torch.testing.assert_close(world[frame], torch.stack(worlds), atol=1e-5, rtol=0)
        torch.testing.assert_close(joints[frame], torch.stack(places), atol=1e-5, rtol=0)


def test_one_rest_pose_serves_all_frames(tree):
    rest = torch.randn(1, 7, 3, generator=torch.Generator().manual_seed(1))
    rotations = axis_angle_to_matrix(torch.randn(3, 7, 3, generator=torch.Generator().manual_seed(2)))
    for shared, single in zip(tree.pose(rotations, rest), tree.pose(rotations, rest.expand(3, -1, -1)), strict=True):
        torch.testing.assert_close(shared, single)


def test_without_rotations_the_rest_pose_stays(tree):
    rest = torch.randn(1, 7, 3)
    world, joints = tree.pose(torch.eye(3).repeat(1, 7, 1, 1), rest)
    torch.testing.assert_close(joints, rest)
    torch.testing.assert_close(world, torch.eye(3).repeat(1, 7, 1, 1))


def test_subtrees(tree):
    hanging = [set(torch.nonzero(row)[:, 0].tolist()) for row in tree.subtrees()]
    assert hanging == [{0, 1, 2, 3, 4, 5, 6}, {1, 3, 4, 6}, {2, 5}, {3, 4}, {4}, {5}, {6}]


@pytest.mark.parametrize("parents", [[0, 0], [-1, 1], [-1, 2, 0], [-1, -1], [-1, 5]])
def test_what_is_no_tree(parents):
    with pytest.raises(BodyError, match="no tree with the root in front"):
        KinematicTree(parents)
