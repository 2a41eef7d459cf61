"""Linear systems whose unknowns come in frames, each coupled to a few before and after it."""

import torch
from torch import Tensor


def solve_frames(hessian: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Solves a system for each frame.

    Args:
        hessian: (F, D, D) positive definite matrices.
        right: (F, D, N) right-hand sides.

    Returns:
        (F, D, N) solutions, and (F,) whether each is one; where a matrix is not positive definite it is zero.
    """
    factor, info = torch.linalg.cholesky_ex(hessian)
    solved = info == 0
    solution = torch.cholesky_solve(right, factor)
    solved &= solution.isfinite().flatten(1).all(1)
    return torch.where(solved[:, None, None], solution, 0.0), solved


def solve_banded(hessian: Tensor, coupling: tuple[Tensor, ...], right: Tensor) -> tuple[Tensor, bool]:
    """Solves one system that couples the frames, exactly, by block cyclic reduction: every second block is eliminated at once.

    As many frames as the coupling reaches make up a block, so that the blocks form a tridiagonal matrix; it is halved until one block is
    left. The work is in a few large batches, as a GPU likes it.

    Args:
        hessian: (F, D, D) diagonal blocks.
        coupling: For each distance n from 1 the (F - n, D, D) blocks of frame f (rows) and frame f + n (columns).
        right: (F, D) right-hand side.

    Returns:
        (F, D) solution, and whether the matrix was positive definite; if not, zeros.
    """
    n_frames, width = right.shape
    reach = max(len(coupling), 1)
    n_blocks = -(-n_frames // reach)
    padding = n_blocks * reach - n_frames
    size = reach * width
    # Frames that are not there are coupled to nothing, with a matrix of ones: their solution is zero.
    diagonal = hessian.new_zeros(n_blocks, reach, width, reach, width)
    above = hessian.new_zeros(max(n_blocks - 1, 0), reach, width, reach, width)  # rows: a block; columns: the next one
    padded = torch.unflatten(torch.cat([hessian, torch.eye(width).to(hessian).expand(padding, -1, -1)]), 0, (n_blocks, reach))
    for place in range(reach):
        diagonal[:, place, :, place] = padded[:, place]
    for distance, blocks in enumerate(coupling, 1):
        full = torch.unflatten(torch.cat([blocks, blocks.new_zeros(n_blocks * reach - len(blocks), width, width)]), 0, (n_blocks, reach))
        for place in range(reach):
            other = place + distance
            if other < reach:
                diagonal[:, place, :, other] = full[:, place]
                diagonal[:, other, :, place] = full[:, place].mT
            elif n_blocks > 1:
                above[:, place, :, other - reach] = full[:-1, place]
    sides = torch.cat([right, right.new_zeros(padding, width)]).reshape(n_blocks, size, 1)
    shape = (-1, size, size)
    solution, is_solved = _reduced(diagonal.reshape(shape), above.reshape(shape).mT, sides)
    solution = solution.reshape(-1, width)[:n_frames]
    is_solved = is_solved and bool(solution.isfinite().all())
    return (solution if is_solved else torch.zeros_like(right)), is_solved


def _reduced(diagonal: Tensor, below: Tensor, right: Tensor) -> tuple[Tensor, bool]:
    """Solves a block tridiagonal system; `below` (N - 1, M, M) are the blocks of block n + 1 (rows) and block n (columns)."""
    n_blocks, size = len(diagonal), diagonal.shape[-1]
    if n_blocks == 1:
        solution, solved = solve_frames(diagonal, right)
        return solution, bool(solved.all())
    n_odd = n_blocks // 2
    has_next = n_blocks % 2  # whether the last odd block has a block behind it
    # For each odd block: what couples it to the block before it and to the one behind it.
    before, behind = below[0::2], below[1::2].mT
    if not has_next:
        behind = torch.cat([behind, behind.new_zeros(1, size, size)])
    sides = torch.cat([before, behind, right[1::2]], -1)
    solved_sides, solved = solve_frames(diagonal[1::2], sides)
    if not bool(solved.all()):
        return torch.zeros_like(right), False
    by_before, by_behind, by_right = torch.split(solved_sides, [size, size, right.shape[-1]], -1)
    even, even_right = diagonal[0::2].clone(), right[0::2].clone()
    even[:n_odd] -= before.mT @ by_before
    even_right[:n_odd] -= before.mT @ by_right
    n_behind = n_odd if has_next else n_odd - 1
    even[1 : n_behind + 1] -= behind[:n_behind].mT @ by_behind[:n_behind]
    even_right[1 : n_behind + 1] -= behind[:n_behind].mT @ by_right[:n_behind]
    even_below = -behind[:n_behind].mT @ by_before[:n_behind]
    even_solution, is_solved = _reduced(even, even_below, even_right)
    odd = by_right - by_before @ even_solution[:n_odd]
    odd[:n_behind] -= by_behind[:n_behind] @ even_solution[1 : n_behind + 1]
    solution = torch.empty_like(right)
    solution[0::2], solution[1::2] = even_solution, odd
    return solution, is_solved
