import math

import pytest
import torch

from fitting.errors import FitCancelled, FittingError, PresetError
from fitting.solvers import TorchOptimizer
from fitting.solvers.torch_optimizer import OPTIMIZERS, relative_change

LBFGS = {"type": "LBFGS", "lr": 1.0, "max_iter": 20, "line_search_fn": "strong_wolfe"}


class Valley:
    """Two tensors; the second one counts a thousand times more. Smallest at (1, 1) and (-2,)."""

    def __init__(self, steepness=1000.0):
        self.wide = torch.zeros(2, requires_grad=True)
        self.steep = torch.zeros(1, requires_grad=True)
        self.steepness = steepness
        self.n_evaluations = 0

    @property
    def free(self):
        return {"wide": self.wide, "steep": self.steep}

    def loss(self, only=None):
        self.n_evaluations += 1
        terms = {"wide": (self.wide - 1).square().sum(), "steep": (self.steepness * (self.steep + 2)).square().sum()}
        return sum(terms.values()), {name: value.detach() for name, value in terms.items()}

    def scales(self):
        return {"steep": torch.tensor([1 / self.steepness])}


def assert_solved(valley, atol=1e-4):
    torch.testing.assert_close(valley.wide.detach(), torch.ones(2), atol=atol, rtol=0)
    torch.testing.assert_close(valley.steep.detach(), torch.tensor([-2.0]), atol=atol, rtol=0)


@pytest.mark.parametrize(
    ("config", "n_iter"),
    [
        (LBFGS, 10),
        ({**LBFGS, "scaled": True}, 5),
        ({"type": "Adam", "lr": 0.05}, 800),
        ({"type": "Adam", "lr": 0.05, "scaled": False}, 800),
    ],
)
def test_finds_the_minimum(config, n_iter):
    valley = Valley()
    done, loss = TorchOptimizer(config).minimise(valley, n_iter, ftol=0)
    assert done == n_iter
    assert loss < 1e-3
    assert_solved(valley, atol=1e-2)


@pytest.mark.parametrize("type_", ["SGD", "AdamW", "NAdam", "RMSprop"])
def test_any_optimizer_of_torch(type_):
    valley = Valley(steepness=1.0)
    TorchOptimizer({"type": type_, "lr": 0.01}).minimise(valley, 800, ftol=0)
    assert_solved(valley, atol=0.1)


def test_scales_save_steps():
    """Divided by its scale, the steep direction is as wide as the other: two steps of steepest descent are enough."""
    plain, scaled = Valley(1e4), Valley(1e4)
    TorchOptimizer({"type": "SGD", "lr": 0.5}).minimise(scaled, 1, ftol=0)
    assert abs(scaled.steep.item()) > 1e6, "without scales the step overshoots"
    scaled = Valley(1e4)
    TorchOptimizer({"type": "SGD", "lr": 0.5, "scaled": True}).minimise(scaled, 1, ftol=0)
    assert_solved(scaled)
    TorchOptimizer(LBFGS).minimise(plain, 1, ftol=0)
    again = Valley(1e4)
    TorchOptimizer({**LBFGS, "scaled": True}).minimise(again, 1, ftol=0)
    assert again.n_evaluations < plain.n_evaluations


@pytest.mark.parametrize("scaled", [False, True])
def test_tensors_are_changed_in_place(scaled):
    valley = Valley()
    tensor = valley.steep
    TorchOptimizer({**LBFGS, "scaled": scaled}).minimise(valley, 3)
    assert valley.steep is tensor
    assert tensor.is_leaf
    assert tensor.requires_grad
    assert tensor.item() == pytest.approx(-2, abs=1e-4)


@pytest.mark.parametrize("config", [LBFGS, {"type": "Adam", "lr": 0.1}])
def test_reported_terms_add_up_to_the_reported_loss(config):
    """Though LBFGS evaluates many points in one step."""
    reports = []
    TorchOptimizer(config).minimise(Valley(), 4, 0, lambda *report: reports.append(report))
    assert len(reports) == 4
    for _, loss, terms in reports:
        assert loss == pytest.approx(sum(terms.values()))


def test_config_is_left_unchanged():
    config = {**LBFGS, "scaled": True}
    TorchOptimizer(config)
    assert config == {**LBFGS, "scaled": True}


class Scripted:
    """Gives one loss after the other; its gradient is zero, so that nothing moves."""

    def __init__(self, *losses):
        self.losses = list(losses)
        self.value = torch.zeros(1, requires_grad=True)
        self.free = {"value": self.value}

    def loss(self, only=None):
        return self.losses.pop(0) + 0 * self.value.sum(), {"term": torch.tensor(7.0)}

    def scales(self):
        return {}


@pytest.mark.parametrize(
    ("losses", "ftol", "n_done"),
    [
        ((100, 90, 89.95, 5), 1e-3, 3),
        ((100, 90, 89.95, 5), 1e-4, 4),
        ((100, 100, 5, 1), 1e-3, 2),
        ((0.5, 0.4, 0.399, 0.1), 5e-3, 3),
        ((1e-5, 1e-6, 1e-7, 1e-8), 1e-4, 2),
        ((5, 5, 5, 5), 0, 4),
        ((5, 5, 5, 5), -1, 4),
    ],
)
def test_early_stop(losses, ftol, n_done):
    """After the second step at the earliest; relative above 1, absolute below."""
    seen = []
    objective = Scripted(*losses)
    done, loss = TorchOptimizer({"type": "SGD", "lr": 1.0}).minimise(objective, 4, ftol, lambda *report: seen.append(report))
    assert (done, loss) == (n_done, pytest.approx(losses[n_done - 1]))
    assert [(iteration, pytest.approx(value)) for iteration, value, _ in seen] == list(zip(range(1, n_done + 1), losses, strict=False))
    assert all(terms == {"term": 7.0} for *_, terms in seen)


@pytest.mark.parametrize(
    ("previous", "current", "expected"), [(100, 90, 0.1), (90, 100, 0.1), (0.5, 0.4, 0.1), (-2, 2, 2), (1e-9, 0, 1e-9), (3, 3, 0)]
)
def test_relative_change(previous, current, expected):
    assert relative_change(previous, current) == pytest.approx(expected)


def test_no_iteration_changes_nothing():
    valley = Valley()
    done, loss = TorchOptimizer(LBFGS).minimise(valley, 0)
    assert done == 0
    assert math.isnan(loss)
    assert torch.equal(valley.wide.detach(), torch.zeros(2))
    assert valley.n_evaluations == 0


def test_what_the_callback_raises_ends_the_run():
    valley = Valley()

    def stop(iteration, loss, terms):
        if iteration == 2:
            raise FitCancelled

    with pytest.raises(FitCancelled):
        TorchOptimizer({"type": "SGD", "lr": 1e-8}).minimise(valley, 10, 0, stop)
    assert valley.n_evaluations == 2


@pytest.mark.parametrize(("grad_clip", "length"), [(None, 5.0), (1.0, 1.0), (10.0, 5.0)])
def test_gradient_clip_is_over_all_tensors(grad_clip, length):
    objective = Valley()
    objective.loss = lambda only=None: (3 * objective.wide[0] + 4 * objective.steep.sum(), {})
    TorchOptimizer({"type": "SGD", "lr": 1.0}, grad_clip).minimise(objective, 1)
    moved = torch.cat([objective.wide, objective.steep]).detach()
    torch.testing.assert_close(moved, -length * torch.tensor([0.6, 0, 0.8]))


@pytest.mark.parametrize("config", [LBFGS, {"type": "Adam", "lr": 0.1}, {**LBFGS, "scaled": True}])
def test_an_objective_that_depends_on_no_free_tensor(config):
    valley = Valley()
    valley.loss = lambda only=None: (torch.tensor(5.0), {"frozen": torch.tensor(5.0)})
    assert TorchOptimizer(config).minimise(valley, 4, ftol=1e-4) == (2, 5.0)
    assert torch.equal(valley.wide.detach(), torch.zeros(2))


@pytest.mark.parametrize("config", [LBFGS, {"type": "Adam"}])
def test_a_loss_that_is_not_a_number_names_its_terms(config):
    objective = Scripted(*[math.nan] * 30)
    with pytest.raises(FittingError, match=r"The loss became not a number; its terms: term 7. Lower the learning rate, or look for"):
        TorchOptimizer(config).minimise(objective, 3)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"type": "LBGFS"}, "There is no optimizer of type 'LBGFS'. Did you mean 'LBFGS'?"),
        ({"type": "adam"}, "There is no optimizer of type 'adam'. Did you mean 'Adam'?"),
        ({"lr": 1.0}, "There is no optimizer of type None. "),
        ({"type": "LBFGS", "max_iters": 20}, "The optimizer LBFGS does not accept {'max_iters': 20} ("),
        ({"type": "Adam", "lr": -1}, "The optimizer Adam does not accept {'lr': -1} (Invalid learning rate: -1)."),
    ],
)
def test_sentences(config, sentence):
    with pytest.raises(PresetError) as raised:
        TorchOptimizer(config)
    assert str(raised.value).startswith(sentence)


def test_optimizers_are_those_of_torch():
    assert {"LBFGS", "Adam", "SGD"} <= set(OPTIMIZERS)
    assert "Optimizer" not in OPTIMIZERS
