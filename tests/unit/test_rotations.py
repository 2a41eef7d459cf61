import math

import pytest
import torch

from fitting.rotations import (
    axis_angle_to_matrix,
    fit_rotation,
    matrix_to_axis_angle,
    matrix_to_euler_xyz,
    matrix_to_quaternion,
    skew,
    swing,
    unwrap_axis_angle,
)

AXIS = torch.nn.functional.normalize(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), dim=0)
ANGLES = [0.0, 1e-8, 1e-6, 9e-5, 1.1e-4, 1e-3, 0.1, 1.0, 3.0, math.pi - 1e-3, math.pi, 4.0, 2 * math.pi, 7.0]
SMALL = [0.0, 1e-8, 1e-5, 9e-5, 1.1e-4, 1e-3]


def about(axis: str, *angles: float) -> torch.Tensor:
    """(F, 3) axis-angle vectors about a coordinate axis."""
    vectors = torch.zeros(len(angles), 3)
    vectors[:, "xyz".index(axis)] = torch.tensor(angles)
    return vectors


def exact(axis_angle: torch.Tensor) -> torch.Tensor:
    """Rotation matrices in double precision, by the exponential."""
    return torch.linalg.matrix_exp(skew(axis_angle.double()))


def test_skew_is_the_cross_product():
    a, b = torch.tensor([[1.0, 2, 3], [-1, 0, 4]]), torch.tensor([[-2.0, 0.5, 1], [3, 3, 3]])
    torch.testing.assert_close((skew(a) @ b[..., None])[..., 0], torch.linalg.cross(a, b))


@pytest.mark.parametrize(
    ("axis", "before", "after"), [("x", [0, 1, 0], [0, 0, 1]), ("y", [0, 0, 1], [1, 0, 0]), ("z", [1, 0, 0], [0, 1, 0])]
)
def test_quarter_turns(axis, before, after):
    matrix = axis_angle_to_matrix(about(axis, math.pi / 2))[0]
    torch.testing.assert_close(
        matrix @ torch.tensor(before, dtype=torch.float32), torch.tensor(after, dtype=torch.float32), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("angle", ANGLES)
def test_matrix_is_the_exponential(angle):
    vector = AXIS * angle
    torch.testing.assert_close(axis_angle_to_matrix(vector), exact(vector), atol=1e-12, rtol=0)
    torch.testing.assert_close(axis_angle_to_matrix(vector.float()).double(), exact(vector.float()), atol=3e-7, rtol=0)


def test_vectors_with_their_components_first():
    vectors = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0))
    vectors[0] *= 1e-5
    found = axis_angle_to_matrix(vectors.permute(2, 0, 1), dim=0)
    torch.testing.assert_close(found.permute(2, 3, 0, 1), axis_angle_to_matrix(vectors))


@pytest.mark.parametrize("angle", SMALL)
def test_gradient_near_zero(angle):
    """At zero, the derivative by component k is the skew matrix of that axis."""
    vector = AXIS * angle
    jacobian = torch.autograd.functional.jacobian(axis_angle_to_matrix, vector)
    generators = skew(torch.eye(3, dtype=torch.float64)).permute(1, 2, 0)
    torch.testing.assert_close(jacobian, generators, atol=3 * angle + 1e-12, rtol=0)
    assert torch.autograd.gradcheck(axis_angle_to_matrix, vector.clone().requires_grad_())


def test_float32_gradient_at_zero_is_finite():
    vectors = torch.zeros(2, 3, requires_grad=True)
    axis_angle_to_matrix(vectors).square().sum().backward()
    assert vectors.grad.isfinite().all()


@pytest.mark.parametrize("angle", [angle for angle in ANGLES if angle <= math.pi])
def test_axis_angle_comes_back(angle):
    vector = (AXIS * angle).float()
    back = matrix_to_axis_angle(axis_angle_to_matrix(vector))
    if angle == math.pi and back @ vector < 0:
        back = -back  # half a turn about an axis is half a turn about the opposite one
    torch.testing.assert_close(back, vector, atol=2e-6, rtol=0)


def test_turns_beyond_half_come_back_the_short_way():
    back = matrix_to_axis_angle(axis_angle_to_matrix(AXIS * 4))
    torch.testing.assert_close(back, AXIS * (4 - 2 * math.pi))


@pytest.mark.parametrize(
    ("vector", "quaternion"),
    [
        ((0, 0, 0), (1, 0, 0, 0)),
        ((math.pi, 0, 0), (0, 1, 0, 0)),
        ((0, math.pi, 0), (0, 0, 1, 0)),
        ((0, 0, math.pi), (0, 0, 0, 1)),
        ((0, 0, math.pi / 2), (math.cos(math.pi / 4), 0, 0, math.sin(math.pi / 4))),
        ((-2.0, 0, 0), (math.cos(1), -math.sin(1), 0, 0)),
        ((4.0, 0, 0), (-math.cos(2), -math.sin(2), 0, 0)),
    ],
)
def test_quaternions(vector, quaternion):
    found = matrix_to_quaternion(axis_angle_to_matrix(torch.tensor(vector, dtype=torch.float64)))
    expected = torch.tensor(quaternion, dtype=torch.float64)
    torch.testing.assert_close(found * torch.sign(found @ expected), expected, atol=1e-12, rtol=0)
    assert found[0] >= -1e-12


def test_euler_angles_are_those_of_rx_ry_rz():
    a, b, c = 0.4, -1.2, 2.5
    x, y, z = (axis_angle_to_matrix(about(axis, angle).double())[0] for axis, angle in zip("xyz", (a, b, c), strict=True))
    torch.testing.assert_close(matrix_to_euler_xyz(x @ y @ z), torch.tensor([a, b, c], dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize("angle", [math.pi / 2, -math.pi / 2])
def test_euler_angles_at_a_right_angle_are_finite(angle):
    vector = about("y", angle).requires_grad_()
    found = matrix_to_euler_xyz(axis_angle_to_matrix(vector))
    assert found[0, 1].item() == pytest.approx(angle, abs=2e-3)
    found.sum().backward()
    assert vector.grad.isfinite().all()


@pytest.mark.parametrize("axis", [(0, 1, 0), (1, 0, 0), (0.6, 0, -0.8), (0.3, 0.9, 0.3)])
@pytest.mark.parametrize("turns", [0.4, -1, 5, -5])
@pytest.mark.parametrize("n_frames", [24, 61])
def test_unwrap_counts_turns_about_an_axis(axis, turns, n_frames):
    """61 frames meet whole and half turns exactly, where an axis-angle vector has no axis or two."""
    direction = torch.nn.functional.normalize(torch.tensor(axis, dtype=torch.float64), dim=0)
    angles = torch.linspace(0, 2 * math.pi * turns, n_frames, dtype=torch.float64)
    steady = (angles[:, None] * direction)[:, None]
    short = matrix_to_axis_angle(axis_angle_to_matrix(steady)).float()
    unwrapped = unwrap_axis_angle(short).double()
    torch.testing.assert_close(axis_angle_to_matrix(unwrapped), axis_angle_to_matrix(steady), atol=1e-5, rtol=0)
    torch.testing.assert_close(unwrapped, steady, atol=1e-4, rtol=0)


def test_unwrap_passes_through_rest_without_an_axis():
    """A whole turn met exactly is the vector zero, in the middle of a turn that goes on."""
    turned = torch.linspace(0, 4 * math.pi, 9)
    short = torch.remainder(turned + math.pi, 2 * math.pi) - math.pi
    short[[0, 4, 8]] = 0
    unwrapped = unwrap_axis_angle(about("y", *short.tolist())[:, None])
    torch.testing.assert_close(unwrapped[:, 0, 1].diff(), turned.diff(), atol=1e-5, rtol=0)


def test_unwrap_leaves_each_joint_that_does_not_turn_far():
    generator = torch.Generator().manual_seed(0)
    calm = 0.3 * torch.randn(20, 2, 3, generator=generator)
    turning = matrix_to_axis_angle(axis_angle_to_matrix(about("y", *torch.linspace(0, 10, 20).tolist())))[:, None]
    unwrapped = unwrap_axis_angle(torch.cat([calm[:, :1], turning, calm[:, 1:]], 1))
    assert torch.equal(unwrapped[:, [0, 2]], calm)
    assert unwrapped[-1, 1, 1].item() == pytest.approx(10, abs=1e-4)


def test_unwrap_of_one_frame_and_of_rest():
    assert torch.equal(unwrap_axis_angle(torch.zeros(5, 2, 3)), torch.zeros(5, 2, 3))
    one = torch.full((1, 2, 3), 1.5)
    assert torch.equal(unwrap_axis_angle(one), one)


def points(n_points: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n_points, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("flat", [False, True], ids=["in space", "in a plane"])
@pytest.mark.parametrize("angle", [0.0, 0.5, math.pi / 2, math.pi, 5.0])
def test_fit_rotation_finds_it(angle, flat):
    rotation = exact(AXIS * angle)
    source = points(6)
    if flat:
        source[:, 2] = 0
    found = fit_rotation(source, source @ rotation.mT, torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(found, rotation, atol=1e-9, rtol=0)


def test_fit_rotation_is_never_a_mirror():
    source = points(6)
    found = fit_rotation(source, source * torch.tensor([-1.0, 1, 1]), torch.ones(6, dtype=torch.float64))
    assert torch.linalg.det(found).item() == pytest.approx(1)


def test_fit_rotation_does_not_hear_points_of_weight_zero():
    rotation, source = exact(AXIS), points(6)
    target = source @ rotation.mT
    target[4:] = 100
    weights = torch.tensor([1.0, 2, 1, 3, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(fit_rotation(source, target, weights), rotation, atol=1e-9, rtol=0)


def test_fit_rotation_heeds_weights():
    """Two arrows in a plane that want different turns: the mean of their angles, weighted by their sines."""
    source = torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
    target = torch.stack([exact(torch.tensor([0, 0, angle])) @ arrow for angle, arrow in zip((0.2, 0.6), source, strict=True)])
    found = fit_rotation(source, target, torch.tensor([3.0, 1.0], dtype=torch.float64))
    expected = math.atan2(3 * math.sin(0.2) + math.sin(0.6), 3 * math.cos(0.2) + math.cos(0.6))
    assert matrix_to_axis_angle(found).tolist() == pytest.approx([0, 0, expected])


def test_fit_rotation_takes_frames_at_once():
    rotations = exact(AXIS * torch.tensor([[0.3], [2.0], [4.0]], dtype=torch.float64))
    source = points(5).expand(3, 5, 3)
    found = fit_rotation(source, source @ rotations.mT, torch.ones(3, 5, dtype=torch.float64))
    torch.testing.assert_close(found, rotations, atol=1e-9, rtol=0)


def test_swing_takes_one_direction_to_the_other_without_twist():
    source, target = (torch.nn.functional.normalize(points(8, seed), dim=-1) for seed in (1, 2))
    found = swing(source, target)
    torch.testing.assert_close((found @ source[..., None])[..., 0], target)
    torch.testing.assert_close(found.mT @ found, torch.eye(3, dtype=torch.float64).expand(8, 3, 3))
    turned = matrix_to_axis_angle(found)
    torch.testing.assert_close((turned * source).sum(-1), torch.zeros(8, dtype=torch.float64))
    torch.testing.assert_close(turned.norm(dim=-1), torch.acos((source * target).sum(-1)))


def test_swing_between_equal_and_between_opposite_directions():
    up = torch.tensor([0.0, 1, 0])
    torch.testing.assert_close(swing(up, up), torch.eye(3))
    assert swing(up, -up).isfinite().all()
