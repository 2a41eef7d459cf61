import math

import torch

from fitting.body.skinning import skin
from fitting.rotations import axis_angle_to_matrix

REST_JOINTS = torch.tensor([[[0.0, 0, 0], [1, 0, 0]]])
ELBOW = axis_angle_to_matrix(torch.tensor([[[0.0, 0, 0], [0, 0, math.pi / 2]]]))


def test_points_follow_their_joints():
    """An arm along x whose elbow, at x = 1, is bent up by a right angle."""
    vertices = torch.tensor([[[0.5, 0, 0], [1.5, 0, 0], [1.5, 0, 0]]])
    weights = torch.tensor([[1.0, 0], [0, 1], [0.5, 0.5]])
    expected = torch.tensor([[[0.5, 0, 0], [1, 0.5, 0], [1.25, 0.25, 0]]])
    torch.testing.assert_close(skin(vertices, weights, ELBOW, REST_JOINTS, REST_JOINTS), expected, atol=1e-6, rtol=0)


def test_points_go_where_the_joint_goes():
    joints = REST_JOINTS + torch.tensor([0.0, 0, 3])
    moved = skin(torch.tensor([[[2.0, 0, 0]]]), torch.tensor([[0.0, 1]]), ELBOW, REST_JOINTS, joints)
    torch.testing.assert_close(moved, torch.tensor([[[1.0, 1, 3]]]), atol=1e-6, rtol=0)
