"""What is true of all rotations."""

import math

import torch
from hypothesis import given, strategies as st

from fitting.rotations import axis_angle_to_matrix, fit_rotation, matrix_to_axis_angle, matrix_to_euler_xyz, matrix_to_quaternion, swing

COMPONENTS = st.floats(-4, 4, allow_subnormal=False)
VECTORS = st.lists(COMPONENTS, min_size=3, max_size=3).map(lambda values: torch.tensor(values, dtype=torch.float64))
DIRECTIONS = VECTORS.filter(lambda vector: vector.norm() > 1e-3).map(lambda vector: vector / vector.norm())
EYE = torch.eye(3, dtype=torch.float64)


@given(VECTORS)
def test_matrices_are_rotations(vector):
    matrix = axis_angle_to_matrix(vector)
    torch.testing.assert_close(matrix @ matrix.mT, EYE, atol=1e-9, rtol=0)
    assert abs(torch.linalg.det(matrix).item() - 1) < 1e-9
    torch.testing.assert_close(matrix @ vector, vector, atol=1e-9, rtol=0)


@given(VECTORS)
def test_axis_angle_round_trip(vector):
    matrix = axis_angle_to_matrix(vector)
    back = matrix_to_axis_angle(matrix)
    assert back.norm() <= math.pi + 1e-9
    torch.testing.assert_close(axis_angle_to_matrix(back), matrix, atol=1e-7, rtol=0)


@given(VECTORS)
def test_axis_angle_round_trip_in_single_precision(vector):
    matrix = axis_angle_to_matrix(vector.float())
    torch.testing.assert_close(axis_angle_to_matrix(matrix_to_axis_angle(matrix)), matrix, atol=3e-6, rtol=0)


@given(VECTORS)
def test_quaternion_has_unit_length_and_turns_alike(vector):
    matrix = axis_angle_to_matrix(vector)
    w, *xyz = matrix_to_quaternion(matrix)
    imaginary = torch.stack(xyz)
    assert w >= 0
    assert abs((w**2 + imaginary.square().sum()).item() - 1) < 1e-9
    turned = [axis + 2 * torch.linalg.cross(imaginary, torch.linalg.cross(imaginary, axis) + w * axis) for axis in EYE]
    torch.testing.assert_close(torch.stack(turned, -1), matrix, atol=1e-7, rtol=0)


@given(VECTORS)
def test_euler_round_trip(vector):
    matrix = axis_angle_to_matrix(vector)
    a, b, c = matrix_to_euler_xyz(matrix)
    x, y, z = (axis_angle_to_matrix(angle * axis) for angle, axis in zip((a, b, c), EYE, strict=True))
    torch.testing.assert_close(x @ y @ z, matrix, atol=5e-3, rtol=0)


@given(VECTORS, st.lists(VECTORS, min_size=4, max_size=6), st.lists(st.floats(0.1, 10), min_size=6, max_size=6))
def test_fitted_rotation_is_the_best(vector, offsets, weights):
    """No small turn away from the fitted rotation explains noisy points better."""
    source = torch.stack(offsets)
    target = source @ axis_angle_to_matrix(vector).mT + 0.1 * torch.flip(source, [0])
    weight = torch.tensor(weights[: len(source)], dtype=torch.float64)

    def cost(rotation):
        return (weight * (source @ rotation.mT - target).square().sum(-1)).sum().item()

    found = fit_rotation(source, target, weight)
    assert abs(torch.linalg.det(found).item() - 1) < 1e-9
    best = cost(found)
    for nudge in torch.cat([EYE, -EYE]):
        assert best <= cost(axis_angle_to_matrix(0.01 * nudge) @ found) + 1e-9


@given(DIRECTIONS, DIRECTIONS)
def test_swing_takes_source_to_target(source, target):
    matrix = swing(source, target)
    assert matrix.isfinite().all()
    if source @ target > -0.99:
        torch.testing.assert_close(matrix @ source, target, atol=1e-9, rtol=0)
        torch.testing.assert_close(matrix @ matrix.mT, EYE, atol=1e-9, rtol=0)
