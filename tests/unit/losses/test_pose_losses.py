import math

import numpy as np
import pytest
import torch

from fitting.errors import PresetError
from fitting.losses import JointPriorLoss, PoseRegLoss, ShapePriorLoss, SmoothJointLoss
from fitting.losses.pose import JOINT_LIMITS_PATH

KNEE, SPINE = 3, (2, 5, 8)
"""Places of the left knee and of the three spine joints in the body pose."""


def pose(n_frames=1, **values):
    """(F, 69) body pose with single numbers set: `j3x=0.5` is the x component of the fourth body joint."""
    result = torch.zeros(n_frames, 69)
    for name, value in values.items():
        result[:, 3 * int(name[1:-1]) + "xyz".index(name[-1])] = torch.as_tensor(value, dtype=torch.float32)
    return result


@pytest.mark.parametrize("loss_class", [ShapePriorLoss, PoseRegLoss])
def test_squares_of_the_values(loss_class):
    values = torch.tensor([[1.0, -2.0], [0.5, 0.0]])
    assert torch.equal(loss_class(reduction="none", loss_weight=2.0)(values), torch.tensor([[2.0, 8.0], [0.5, 0.0]]))
    assert loss_class()(values) == 5.25 / 4


@pytest.mark.parametrize("loss_func", ["L1", "L2"])
def test_smoothness_by_hand(loss_func):
    """A knee that turns about z by 0.4 rad: of the first two rows, (c, -s, 0) and (s, c, 0), four numbers change."""
    turning = pose(3, j3z=[0.0, 0.4, 0.4])
    c, s = math.cos(0.4) - 1, math.sin(0.4)
    expected = 2 * (abs(c) + abs(s)) if loss_func == "L1" else 2 * (c**2 + s**2)
    values = SmoothJointLoss(reduction="none", loss_func=loss_func)(turning)
    assert values.tolist() == pytest.approx([0, expected, 0], abs=1e-6)
    assert SmoothJointLoss(loss_func=loss_func)(turning).item() == pytest.approx(expected / 3, rel=1e-5), "the mean is over frames"


@pytest.mark.parametrize("loss_func", ["L1", "L2"])
def test_smoothness_in_degrees(loss_func):
    generator = torch.Generator().manual_seed(0)
    radians = torch.randn(4, 69, generator=generator)
    in_radians = SmoothJointLoss(loss_func=loss_func)(radians)
    torch.testing.assert_close(SmoothJointLoss(loss_func=loss_func, degree=True)(torch.rad2deg(radians)), in_radians)


@pytest.mark.parametrize("loss_func", ["L1", "L2"])
def test_smoothness_of_one_frame_is_zero(loss_func):
    assert SmoothJointLoss(reduction="none", loss_func=loss_func)(pose(1, j3x=1.0)).tolist() == [0.0]


def test_a_whole_turn_is_no_change():
    turned = pose(2, j3y=[math.pi - 0.01, 0.01 - math.pi])
    assert SmoothJointLoss(reduction="sum", loss_func="L2")(turned).item() == pytest.approx(0.02**2, rel=1e-2)


def test_unknown_loss_func():
    with pytest.raises(PresetError, match=r"SmoothJointLoss has loss_func = 'L3'. Known: 'L1', 'L2'."):
        SmoothJointLoss(loss_func="L3")


@pytest.mark.parametrize(
    ("column", "backwards"),
    [("j17y", 1), ("j18y", -1), ("j3x", -1), ("j4x", -1)],
    ids=["left elbow", "right elbow", "left knee", "right knee"],
)
def test_hinges(column, backwards):
    """(exp(x) - 1)^2 for x against the way of the joint: dear backwards, below 1 forwards."""
    loss = JointPriorLoss(reduction="none")
    for angle in (0.5, -0.5, 2.0, -2.0):
        values = loss(pose(**{column: backwards * angle}))[0].tolist()
        assert sorted(values)[:3] == [0, 0, 0]
        assert max(values) == pytest.approx((math.exp(angle) - 1) ** 2, rel=1e-5)


def test_hinges_bend_the_way_limbs_do(body, keypoints_of):
    """Knees to the back, elbows to the front: the pose that costs less is the one a person can take."""
    names = body.convention.names
    loss = JointPriorLoss(reduction="sum")
    for column, forward, tip, axis in (
        ("j3x", 1, "left_ankle", -2),
        ("j4x", 1, "right_ankle", -2),
        ("j17y", -1, "left_wrist", 2),
        ("j18y", 1, "right_wrist", 2),
    ):
        bent, against = (pose(**{column: sign * forward}) for sign in (1.0, -1.0))
        moved = (keypoints_of({"body_pose": bent}) - keypoints_of({"body_pose": 0 * bent}))[0, names.index(tip), 2]
        assert moved * axis > 0.2, tip
        assert loss(bent) < 0.5 < loss(against)


def tables():
    with np.load(JOINT_LIMITS_PATH) as file:
        return dict(file)


@pytest.mark.parametrize(("axis", "side"), [(0, "lower"), (0, "upper"), (1, "lower"), (1, "upper"), (2, "lower"), (2, "upper")])
@pytest.mark.parametrize("joint", [0, KNEE, 17])
def test_an_angle_beyond_its_limit(joint, axis, side):
    """The table's own axes: Euler angles of T R T', for one angle at a time. Beyond by 0.3 rad costs (exp(0.3) - 1)^2."""
    table = tables()
    limit, other = table[f"full_{side}"][joint, axis], table[f"full_{'upper' if side == 'lower' else 'lower'}"][joint, axis]
    outwards = 1 if side == "upper" else -1
    if abs(limit) > 1.2:
        limit, outwards = (limit + other) / 2, 0  # Euler angles fold at a right angle: stay inside instead
    angle = limit + outwards * 0.3
    vector = table["to_joint_axes"][joint].T @ (angle * np.eye(3)[axis])
    body_pose = torch.zeros(1, 69)
    body_pose[0, 3 * joint : 3 * joint + 3] = torch.as_tensor(vector, dtype=torch.float32)
    elements = JointPriorLoss(reduction="none", use_full_body=True)(body_pose).reshape(21, 3)
    assert elements[joint, axis].item() == pytest.approx((math.exp(0.3) - 1) ** 2 if outwards else 0, abs=1e-4)


def test_t_pose_is_within_all_limits():
    assert JointPriorLoss(reduction="sum", use_full_body=True, smooth_spine=True, lock_foot=True)(torch.zeros(1, 69)).item() < 1e-6


def test_smooth_spine_costs_opposite_bends_of_neighbours():
    loss = JointPriorLoss(reduction="none", use_full_body=True, smooth_spine=True, smooth_spine_loss_weight=20.0)
    low, middle, high = SPINE
    elements = loss(pose(**{f"j{low}x": 0.5, f"j{middle}x": -0.4, f"j{high}x": -0.3}))[0, :6].tolist()
    assert elements == pytest.approx([20 * (math.exp(0.2) - 1) ** 2, 0, 0, 0, 0, 0], rel=1e-5, abs=1e-9)
    same_side = loss(pose(**{f"j{low}y": 0.5, f"j{middle}y": 0.4, f"j{high}z": -0.3}))[0, :6]
    assert same_side.tolist() == [0] * 6


@pytest.mark.parametrize(("block", "n_before", "joints"), [("lock_foot", 63, (6, 7, 9, 10)), ("lock_apose_spine", 63, (2, 5, 8, 11))])
def test_locked_joints_come_after_the_body_with_their_own_weight(block, n_before, joints):
    generator = torch.Generator().manual_seed(1)
    body_pose = 0.6 * torch.randn(1, 69, generator=generator)
    plain, heavy = (
        JointPriorLoss(reduction="none", use_full_body=True, **{block: True, f"{block}_loss_weight": weight})(body_pose)[0]
        for weight in (1.0, 5.0)
    )
    assert plain.shape == (n_before + 12,)
    torch.testing.assert_close(heavy[:n_before], plain[:n_before])
    torch.testing.assert_close(heavy[n_before:], 5 * plain[n_before:])
    assert (plain[n_before:].reshape(4, 3).sum(1) > 0).all()
    still = body_pose.clone().reshape(23, 3)
    still[list(joints)] = 0
    assert JointPriorLoss(reduction="none", use_full_body=True, **{block: True})(still.reshape(1, 69))[0, n_before:].sum() < 1e-3


def test_the_hands_of_smpl_have_no_limits():
    body_pose = 0.5 * torch.randn(2, 69, generator=torch.Generator().manual_seed(2))
    loss = JointPriorLoss(reduction="none", use_full_body=True)
    torch.testing.assert_close(loss(body_pose), loss(body_pose[:, :63]))


def test_pose_regularisation_of_single_joints():
    pose = torch.arange(69.0)[None]
    loss = PoseRegLoss(reduction="sum", joints=[9, 10])
    assert loss(pose) == sum(value**2 for value in range(27, 33))
