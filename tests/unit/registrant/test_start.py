"""Where a fit begins."""

import math

import pytest
import torch

from fitting.data.conventions import Convention, conversion_matrix
from fitting.registrant.start import pose_from_keypoints
from fitting.rotations import axis_angle_to_matrix

HEADINGS = list(range(0, 360, 30))


TORSO = [*range(6, 9), *range(15, 18), *range(24, 27), *range(33, 42)]
"""Columns of the spine, neck and collars in the body pose."""


def stiff(poses):
    """The poses with an unbent torso, whose heading is then that of the root."""
    poses["body_pose"][:, TORSO] = 0
    return poses


def degrees_apart(first, second):
    """(F,) angle between rotations given as axis-angle."""
    product = axis_angle_to_matrix(first).mT @ axis_angle_to_matrix(second)
    trace = product.diagonal(dim1=-2, dim2=-1).sum(-1)
    return torch.rad2deg(torch.acos(((trace - 1) / 2).clamp(-1, 1)))


def started(body, points, confidence=None, convention="smpl"):
    confidence = torch.ones(points.shape[:2]) if confidence is None else confidence
    return pose_from_keypoints(body, points, confidence, convention)


def limbs_apart(body, keypoints_of, start, target):
    """(F, 8) angle in degrees between each thigh, shin and arm of the start and of the target."""
    names = body.convention.names
    ends = [("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")]
    pairs = [(names.index(f"{side}_{a}"), names.index(f"{side}_{b}")) for a, b in ends for side in ("left", "right")]
    directions = [torch.stack([points[:, b] - points[:, a] for a, b in pairs], 1) for points in (keypoints_of(start), target)]
    return torch.rad2deg(torch.acos(torch.nn.functional.cosine_similarity(*directions, dim=-1).clamp(-1, 1)))


@pytest.mark.parametrize("heading", HEADINGS)
def test_any_heading(body, random_poses, keypoints_of, heading):
    poses = stiff(random_poses(3, seed=heading))
    poses["global_orient"] = torch.tensor([[0.0, math.radians(heading), 0.0]]).expand(3, 3)
    start = started(body, keypoints_of(poses)[:, :24])
    assert degrees_apart(start["global_orient"], poses["global_orient"]).max() < 3
    assert (keypoints_of({**start, "betas": poses["betas"]})[:, 0] - keypoints_of(poses)[:, 0]).norm(dim=-1).max() < 0.05


@pytest.mark.parametrize("tilt", [(math.pi, 0.0, 0.0), (0.0, 0.0, math.pi / 2), (-math.pi / 2, 0.0, 0.0), (2.0, 1.0, -2.0)])
def test_lying_and_upside_down(body, random_poses, keypoints_of, tilt):
    poses = stiff(random_poses(3))
    poses["global_orient"] = torch.tensor([tilt]).expand(3, 3)
    start = started(body, keypoints_of(poses)[:, :24])
    assert degrees_apart(start["global_orient"], poses["global_orient"]).max() < 3


def test_five_turns(body, turning, keypoints_of):
    poses = stiff(turning(60, turns=5))
    start = started(body, keypoints_of(poses)[:, :24])
    assert degrees_apart(start["global_orient"], poses["global_orient"]).max() < 3


def test_limbs_point_where_they_were_seen(body, random_poses, keypoints_of):
    target = keypoints_of(random_poses(8))
    start = started(body, target[:, :24])
    assert limbs_apart(body, keypoints_of, start, target).max() < 1


@pytest.mark.parametrize("convention", ["coco", "openpose_25", "h36m", "mediapipe_body"])
def test_other_conventions(body, random_poses, keypoints_of, convention):
    """Hips and shoulders are enough, under whatever name."""
    poses = stiff(random_poses(6))
    points = torch.as_tensor(conversion_matrix("smpl_45", convention, approximate=True)) @ keypoints_of(poses)
    known = torch.as_tensor(conversion_matrix("smpl_45", convention, approximate=True)).sum(1)
    start = started(body, points, known.expand(6, -1), convention)
    assert degrees_apart(start["global_orient"], poses["global_orient"]).max() < 15
    assert limbs_apart(body, keypoints_of, start, keypoints_of(poses)).max() < 1


def test_two_hips_alone_leave_a_person_upright(body, random_poses, keypoints_of):
    poses = random_poses(8, spread=0.0)
    hips = [body.convention.index(name) for name in ("left_hip", "right_hip")]
    start = started(body, keypoints_of(poses)[:, hips], convention=Convention("hips", ("left_hip", "right_hip")))
    assert degrees_apart(start["global_orient"], poses["global_orient"]).max() < 1


def test_a_frame_without_a_torso_takes_that_of_the_nearest(body, turning, keypoints_of):
    points = keypoints_of(turning(6, turns=0.5))[:, :24]
    confidence = torch.ones(6, 24)
    confidence[[0, 1, 3, 5]] = 0
    whole, gappy = started(body, points), started(body, points, confidence)
    nearest = [2, 2, 2, 2, 4, 4]
    for name in ("global_orient", "transl"):
        torch.testing.assert_close(gappy[name], whole[name][nearest])


@pytest.mark.parametrize("lost", ["left_knee", "right_hip", "left_ankle", "right_elbow", "left_shoulder", "right_wrist"])
def test_a_limb_with_a_lost_end_takes_its_turn_from_the_nearest_frame(body, turning, keypoints_of, lost):
    """It would start in the T-pose else, far from its other keypoints, which would then count as outliers."""
    poses = turning(9, turns=0.1)
    poses["body_pose"][:, [0, 3]] -= 1.2  # both thighs forward, as of a person who sits
    target = keypoints_of(poses)
    confidence = torch.ones(9, 24)
    confidence[4, body.convention.index(lost)] = 0
    start = started(body, target[:, :24], confidence)
    assert limbs_apart(body, keypoints_of, start, target)[4].max() < 12


def test_knees_and_elbows_bend_the_way_they_can(body, random_poses, keypoints_of):
    """A thigh is twisted so that its knee bends backwards, instead of the shin being turned to the side or the front."""
    poses = random_poses(8, spread=0.2)
    poses["body_pose"][:, [9, 12]] = 1.2
    poses["body_pose"][:, 52], poses["body_pose"][:, 55] = -1.2, 1.2
    start = started(body, keypoints_of(poses)[:, :24])["body_pose"]
    for column, sign in ((9, 1), (12, 1), (52, -1), (55, 1)):
        joint = column // 3 * 3
        bend = start[:, joint : joint + 3]
        assert (sign * start[:, column] > 0.8).all()
        assert (bend.norm(dim=-1) - sign * start[:, column] < 0.3).all()


def test_nothing_observed_is_finite(body):
    start = started(body, torch.zeros(3, 24, 3), torch.zeros(3, 24))
    assert all(value.isfinite().all() for value in start.values())


def test_all_points_in_one_place_are_finite(body):
    start = started(body, torch.ones(3, 24, 3))
    assert all(value.isfinite().all() for value in start.values())
