"""Levenberg-Marquardt on small problems that know nothing of bodies."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from fitting.errors import FittingError, PresetError
from fitting.solvers.least_squares import NormalEquations
from fitting.solvers.levenberg_marquardt import LevenbergMarquardt, chunks


@dataclass
class At:
    point: Tensor
    shared: Tensor
    costs: Tensor
    terms: dict


class Rosenbrock:
    """The banana of each frame, (1 - x)^2 + 100 (y - x^2)^2; with `pull` frames are drawn to their neighbours, with `shift` all share s."""

    def __init__(self, start, pull=0.0, shift=False):
        self.point = torch.tensor(start, dtype=torch.float64)
        self.shared = torch.zeros(1 if shift else 0, dtype=torch.float64)
        self.pull, self.couples_frames, self.has_shared = pull, pull > 0, shift
        self.evaluations, self.frames_computed = 0, 0

    n_frames = property(lambda self: len(self.point))

    def least_squares(self):
        return self

    def take(self, solved):
        assert solved is self

    def kernel(self):
        return None

    def can_be_cut(self):
        return not self.has_shared

    def part(self, frames):
        part = Rosenbrock(self.point[frames].tolist(), self.pull, self.has_shared)
        part.whole = self
        return part

    def put_back(self, part, frames, within):
        self.frames_computed += part.frames_computed
        places = torch.arange(self.n_frames)[frames][within]
        self.point[places] = part.point[within]

    def residuals(self, point, shared):
        x, y = point.unbind(1)
        s = shared.sum()
        return torch.stack([1 + s - x, 10 * (y - x * x)], 1)

    def _at(self, point, shared):
        self.evaluations += 1
        self.frames_computed += len(point)
        costs = self.residuals(point, shared).square().sum(1)
        if self.pull:
            steps = self.pull * point.diff(dim=0).square().sum(1)
            costs = costs + torch.nn.functional.pad(steps, (1, 0))
        if self.has_shared:
            costs = costs + (shared - 0.5).square().sum() / len(point)
        return At(point, shared, costs, {"banana": costs})

    def evaluate(self):
        return self._at(self.point, self.shared)

    def moved(self, at, step, shared_step):
        return self._at(at.point + step, at.shared if shared_step is None else at.shared + shared_step)

    def chosen(self, better, trial, current):
        return At(
            torch.where(better[:, None], trial.point, current.point), trial.shared,
            torch.where(better, trial.costs, current.costs), {"banana": torch.where(better, trial.costs, current.costs)},
        )  # fmt: skip

    def keep(self, at):
        self.point, self.shared = at.point, at.shared

    def normal_equations(self, at):
        n_frames, x = len(at.point), at.point[:, 0]
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        jacobian = torch.stack([torch.stack([-one, zero], 1), torch.stack([-20 * x, 10 * one], 1)], 1)
        residuals = self.residuals(at.point, at.shared)
        hessian = jacobian.mT @ jacobian
        gradient = (jacobian.mT @ residuals[..., None])[..., 0]
        coupling = ()
        if self.pull:
            difference = self.pull * at.point.diff(dim=0)
            gradient[1:] += difference
            gradient[:-1] -= difference
            eye = self.pull * torch.eye(2, dtype=torch.float64)
            hessian[1:] += eye
            hessian[:-1] += eye
            coupling = (-eye.expand(n_frames - 1, 2, 2),)
        if not self.has_shared:
            return NormalEquations(hessian, gradient, coupling)
        by_shared = torch.tensor([1.0, 0.0], dtype=torch.float64)
        return NormalEquations(
            hessian, gradient, coupling, (jacobian.mT @ by_shared)[..., None],
            torch.full((1, 1), n_frames + 1.0, dtype=torch.float64), residuals[:, :1].sum(0) + at.shared - 0.5,
        )  # fmt: skip


FAR = [[-1.2, 1.0], [3.0, -4.0], [0.0, 0.0], [1.0, 1.0], [-8.0, 20.0]]


def test_every_frame_finds_its_valley():
    problem = Rosenbrock(FAR)
    done, loss = LevenbergMarquardt({}).minimise(problem, 100, 1e-9)
    assert loss < 1e-12
    torch.testing.assert_close(problem.point, torch.ones(5, 2, dtype=torch.float64), atol=1e-5, rtol=0)
    assert done < 100


def test_frames_that_have_converged_are_not_computed_any_more():
    problem = Rosenbrock([[1.0, 1.0 + 1e-3]] * 99 + [[-8.0, 20.0]])
    done, _ = LevenbergMarquardt({}).minimise(problem, 100, 1e-6)
    assert done > 10
    assert problem.frames_computed < 100 * done / 2


def test_no_step_makes_a_frame_worse():
    reports = []
    problem = Rosenbrock(FAR)
    LevenbergMarquardt({}).minimise(problem, 40, 0.0, lambda step, loss, terms: reports.append((step, loss, terms["banana"])))
    losses = [loss for _, loss, _ in reports]
    assert [step for step, _, _ in reports] == list(range(1, len(reports) + 1))
    assert all(later <= earlier for earlier, later in itertools.pairwise(losses))
    assert losses == [term for _, _, term in reports]


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("pull", [0.0, 5.0])
def test_coupled_and_shared_unknowns_are_found_together(pull, shift):
    problem = Rosenbrock([[-0.5, 0.5], [0.2, 0.1], [2.0, 2.5], [0.0, 0.0]], pull, shift)
    _, loss = LevenbergMarquardt({}).minimise(problem, 200, 1e-12)
    expected = 1.5 if shift else 1.0  # with s the valley is at 1 + s, and s itself is drawn to 0.5
    assert loss < 1e-10
    torch.testing.assert_close(problem.point[:, 0], torch.full((4,), expected, dtype=torch.float64), atol=1e-4, rtol=0)


def test_chunks_agree_with_the_whole():
    generator = torch.Generator().manual_seed(0)
    start = (1 + 0.3 * torch.randn(50, 2, generator=generator)).tolist()
    whole, cut = Rosenbrock(start, 0.5), Rosenbrock(start, 0.5)
    LevenbergMarquardt({}).minimise(whole, 100, 1e-10)
    LevenbergMarquardt({"chunk": 10, "overlap": 5}).minimise(cut, 100, 1e-10)
    torch.testing.assert_close(cut.point, whole.point, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("n_frames", "size", "overlap"), [(1, 5, 2), (5, 5, 2), (11, 5, 2), (12, 3, 10), (100, 7, 0)])
def test_chunks_cover_every_frame_once(n_frames, size, overlap):
    kept = []
    for window, within in chunks(n_frames, size, overlap):
        frames = list(range(n_frames))[window]
        assert len(frames) <= size + 2 * overlap
        kept += frames[within]
    assert kept == list(range(n_frames))


def test_chunks_become_smaller_where_the_memory_does_not_do():
    class Hungry(Rosenbrock):
        sizes: ClassVar[list[int]] = []

        def part(self, frames):
            part = Hungry(self.point[frames].tolist())
            return part

        def evaluate(self):
            self.sizes.append(self.n_frames)
            if self.n_frames > 70:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().evaluate()

    problem = Hungry([[0.0, 0.0]] * 300)
    LevenbergMarquardt({"chunk": 1000}).minimise(problem, 100, 1e-9)
    torch.testing.assert_close(problem.point, torch.ones(300, 2, dtype=torch.float64), atol=1e-4, rtol=0)
    assert Hungry.sizes[:4] == [300, 150, 75, 37]


def test_other_errors_are_passed_on():
    class Broken(Rosenbrock):
        def evaluate(self):
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        LevenbergMarquardt({}).minimise(Broken(FAR), 5)


def test_what_is_not_a_number_at_the_start_is_an_error():
    with pytest.raises(FittingError, match="The loss is not a number; its terms: banana nan"):
        LevenbergMarquardt({}).minimise(Rosenbrock([[float("nan"), 0.0], [0.0, 0.0]]), 5)


def test_a_step_into_what_is_not_a_number_is_not_taken():
    class Cliff(Rosenbrock):
        def residuals(self, point, shared):
            return super().residuals(point, shared) + torch.where(point[:, :1] > 0.9, torch.nan, 0.0)

    problem = Cliff(FAR[2:3])
    _, loss = LevenbergMarquardt({}).minimise(problem, 60, 1e-6)
    assert torch.isfinite(problem.point).all()
    assert 0 < loss < 1


def test_an_unknown_on_which_nothing_depends_stays():
    class Loose(Rosenbrock):
        def residuals(self, point, shared):
            return super().residuals(point, shared)[:, :1]

        def normal_equations(self, at):
            hessian = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]], dtype=torch.float64)
            return NormalEquations(hessian, torch.stack([at.point[:, 0] - 1, 0 * at.point[:, 0]], 1))

    problem = Loose([[5.0, 7.0]])
    LevenbergMarquardt({}).minimise(problem, 20, 1e-9)
    torch.testing.assert_close(problem.point, torch.tensor([[1.0, 7.0]], dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"dampin": 1}, "LevenbergMarquardt has an unknown argument 'dampin'. Did you mean 'damping'?"),
        ({"damping": -1}, "LevenbergMarquardt has damping = -1, expected a number"),
        ({"chunk": 2}, "LevenbergMarquardt has chunk = 2, expected a number"),
        ({"chunk": 100.5}, "LevenbergMarquardt has chunk = 100.5, expected a number"),
        ({"chunk": True}, "LevenbergMarquardt has chunk = True, expected a number"),
        ({"overlap": "x"}, "LevenbergMarquardt has overlap = 'x', expected a number"),
        ({"kernels": 1}, "LevenbergMarquardt has kernels = 1, expected true or false"),
    ],
)
def test_wrong_arguments(config, sentence):
    with pytest.raises(PresetError) as caught:
        LevenbergMarquardt({"type": "LevenbergMarquardt", **config})
    assert str(caught.value).startswith(sentence)
