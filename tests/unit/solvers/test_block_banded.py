"""Linear systems of coupled frames."""

import pytest
import torch

from fitting.solvers.block_banded import solve_banded, solve_frames

WIDTH = 4


def system(n_frames, reach, seed=0):
    """A positive definite system: its whole matrix, its blocks as the solver takes them, and a right-hand side."""
    generator = torch.Generator().manual_seed(seed)
    size = n_frames * WIDTH
    whole = torch.zeros(size, size, dtype=torch.float64)
    # A sum of squares, each of some neighbouring frames, is positive definite whatever its numbers.
    for first in range(n_frames):
        columns = slice(first * WIDTH, min(first + reach + 1, n_frames) * WIDTH)
        rows = torch.randn(WIDTH, columns.stop - columns.start, generator=generator, dtype=torch.float64)
        whole[columns, columns] += rows.mT @ rows
    whole += 0.1 * torch.eye(size, dtype=torch.float64)
    blocks = torch.unflatten(torch.unflatten(whole, 0, (n_frames, WIDTH)), 2, (n_frames, WIDTH))
    diagonal = torch.stack([blocks[f, :, f] for f in range(n_frames)])
    coupling = tuple(
        torch.stack([blocks[f, :, f + n] for f in range(n_frames - n)]) if n < n_frames else whole.new_zeros(0, WIDTH, WIDTH)
        for n in range(1, reach + 1)
    )
    return whole, diagonal, coupling, torch.randn(n_frames, WIDTH, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 5, 7, 8, 16, 33])
@pytest.mark.parametrize("reach", [0, 1, 2, 3])
def test_it_is_the_solution_of_the_whole_system(n_frames, reach):
    whole, diagonal, coupling, right = system(n_frames, reach)
    solution, is_solved = solve_banded(diagonal, coupling, right)
    assert is_solved
    torch.testing.assert_close(solution, torch.linalg.solve(whole, right.flatten()).reshape(n_frames, WIDTH))


def test_single_precision_is_enough():
    whole, diagonal, coupling, right = system(200, 2)
    single = solve_banded(diagonal.float(), tuple(blocks.float() for blocks in coupling), right.float())[0]
    exact = torch.linalg.solve(whole, right.flatten()).reshape(-1, WIDTH)
    assert (single - exact).norm() < 1e-4 * exact.norm()


def test_a_matrix_that_is_not_positive_definite_gives_no_step():
    _, diagonal, coupling, right = system(6, 2)
    diagonal[3] = -diagonal[3]
    solution, is_solved = solve_banded(diagonal, coupling, right)
    assert not is_solved
    assert torch.equal(solution, torch.zeros_like(right))


def test_only_the_frames_that_cannot_be_solved_stay():
    _, diagonal, _, right = system(3, 0)
    diagonal[1] = 0
    diagonal[2, 0, 0] = torch.nan
    solution, solved = solve_frames(diagonal, right[..., None])
    assert solved.tolist() == [True, False, False]
    assert torch.equal(solution[1:], torch.zeros(2, WIDTH, 1, dtype=torch.float64))
    torch.testing.assert_close(diagonal[0] @ solution[0, :, 0], right[0])
