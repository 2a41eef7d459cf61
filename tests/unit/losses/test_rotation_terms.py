"""Losses of joint rotations: hand-computed values."""

import math

import pytest
import torch

from fitting.errors import PresetError
from fitting.losses import JointToleranceLoss, RootAccelerationLoss, RotationAccelerationLoss, ShapeEstimateLoss
from fitting.losses.joint_tolerances import ACCELERATIONS, TOLERANCES, entry_of

NAMES = ("pelvis", "left_knee", "right_elbow", "left_index1", "left_index2", "jaw")
REST = torch.zeros(3 * len(NAMES))


def pose(**turns):
    """(1, 18) axis-angle with some joints turned."""
    values = torch.zeros(1, len(NAMES), 3)
    for name, turn in turns.items():
        values[0, NAMES.index(name)] = torch.tensor(turn)
    return values.flatten(1)


def test_the_nearest_entry_of_a_table_counts():
    assert entry_of("left_knee", tuple(TOLERANCES)) == "left_knee"
    assert entry_of("right_hip", tuple(TOLERANCES)) == "hip"
    assert entry_of("left_index1", tuple(TOLERANCES)) == "index1"
    assert entry_of("left_index3", tuple(TOLERANCES)) == "index"
    assert entry_of("left_thumb1", tuple(TOLERANCES)) == "thumb1"
    assert entry_of("pelvis", tuple(TOLERANCES)) is None


@pytest.mark.parametrize("model_type", ["smpl", "smplh", "smplx"])
def test_every_joint_has_its_place(model_type):
    from fitting.data.bodies import JOINT_NAMES

    for name in JOINT_NAMES[model_type]:
        assert entry_of(name, tuple(ACCELERATIONS)) is not None, name
        assert (entry_of(name, tuple(TOLERANCES)) is None) == (name == "pelvis"), name


def test_tolerance():
    loss = JointToleranceLoss(reduction="sum")
    residuals = loss.residuals(pose(left_knee=[1.0, 0.0, 0.0], jaw=[0.1, 0.1, 0.0]), REST, NAMES)[0]
    expected = torch.zeros(5, 3)  # the pelvis has no usual rotation
    expected[0, 0] = (1.0 - 0.4) / 1.2
    expected[1, 1] = -0.5 / 1.2  # an elbow is usually bent
    torch.testing.assert_close(residuals[:12], expected[:4].flatten(), atol=1e-5, rtol=0)
    assert residuals[13] == pytest.approx(0.1 / 0.05, rel=0.01)
    doubled = JointToleranceLoss(scale=2.0).residuals(pose(left_knee=[1.0, 0.0, 0.0]), REST, NAMES)
    assert doubled[0, 0] == pytest.approx(0.25)


def test_tolerance_counts_from_the_rest_pose():
    rest = pose(left_index1=[0.0, 0.0, -0.5])[0]
    at_rest = JointToleranceLoss().residuals(rest[None], rest, NAMES)
    assert at_rest.reshape(-1, 3)[2].abs().max() < 1e-5


def test_even_turns_have_no_acceleration():
    heading = torch.arange(8) * 1.0  # more than a whole turn: axis-angle vectors would wrap
    poses = torch.cat([pose(pelvis=[0.0, float(angle), 0.0]) for angle in heading])
    assert RotationAccelerationLoss().residuals(poses, NAMES, 30.0).abs().max() < 0.2


def test_acceleration_in_radians_per_second():
    poses = torch.cat([pose(left_knee=[angle, 0.0, 0.0]) for angle in (0.0, 0.1, 0.3)])
    residuals = RotationAccelerationLoss().residuals(poses, NAMES, 30.0)
    assert residuals[[0, 2]].abs().max() == 0
    expected = 0.1 * 30**2 / ACCELERATIONS["knee"]
    assert residuals[1, 3] == pytest.approx(expected, rel=1e-4)
    assert RotationAccelerationLoss(scale=4.0).residuals(poses, NAMES, 30.0, hurry=2.0)[1, 3] == pytest.approx(expected / 8, rel=1e-4)


def test_the_frame_rate_of_accelerations():
    """The same movement seen four times as often: sixteen times smaller steps, and a standard deviation twice as large."""
    way = torch.tensor([[0.0, 0.0, 0.0], [0.01, 0.0, 0.0], [0.04, 0.0, 0.0]])
    slow, quick = (RootAccelerationLoss(sigma=2.0).residuals(way, fps)[1, 0].item() for fps in (30.0, 120.0))
    assert slow == pytest.approx(0.02 * 900 / 2, rel=1e-4)
    assert quick == pytest.approx(16 / 2 * slow, rel=1e-4)


@pytest.mark.parametrize("n_frames", [1, 2])
def test_short_takes_have_no_acceleration(n_frames):
    poses = pose(pelvis=[0.0, 1.0, 0.0]).expand(n_frames, -1)
    assert RotationAccelerationLoss().residuals(poses, NAMES, 30.0).abs().max() == 0
    assert RootAccelerationLoss().residuals(torch.ones(n_frames, 3), 30.0).abs().max() == 0


def test_a_shape_estimate_counts_once_whatever_the_frames():
    estimate, root = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 1.0], [0.0, 3.0]])
    betas = torch.tensor([[2.0, 1.0]])
    loss = ShapeEstimateLoss(reduction="sum")
    expected = (root @ torch.tensor([1.0, 1.0])).square().sum().item()
    for n_frames in (1, 7):
        assert loss(betas.expand(n_frames, -1), estimate, root).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    "make", [lambda: JointToleranceLoss(scale=0), lambda: RotationAccelerationLoss(scale=-1), lambda: RootAccelerationLoss(sigma=0)]
)
def test_wrong_arguments(make):
    with pytest.raises(PresetError, match="expected a number above 0"):
        make()


def test_half_a_turn_is_no_end():
    """The angle from the usual rotation, not from the T-pose, is what may not be half a turn."""
    residuals = JointToleranceLoss().residuals(pose(left_knee=[math.pi + 0.2, 0.0, 0.0]), REST, NAMES)
    assert residuals[0, 0] == pytest.approx((math.pi + 0.2 - 0.4) / 1.2, rel=1e-4)
