import pytest
import torch

from fitting.errors import PresetError
from fitting.solvers import IndividualOptimizers

SGD = {"type": "SGD", "lr": 0.5}


class TwoWells:
    """(x - 1)^2 as term "left", (y - x)^2 as term "right"."""

    def __init__(self, frozen=()):
        self.x, self.y = (torch.zeros(1, requires_grad=name not in frozen) for name in ("x", "y"))
        self.free = {name: value for name, value in (("x", self.x), ("y", self.y)) if name not in frozen}
        self.seen = []

    def loss(self, only=None):
        terms = {"left": (self.x - 1).square().sum(), "right": (self.y - self.x).square().sum()}
        self.seen.append(only)
        total = sum(value for key, value in terms.items() if only is None or key in only)
        return total, {key: value.detach() for key, value in terms.items()}

    def scales(self):
        return {}


def make(config, terms_of=None):
    return IndividualOptimizers({"individual_optimizer": True, **config}, None, ("x", "y"), terms_of or {})


def test_each_steps_on_its_own_terms():
    """With its own term alone x goes straight to 1; then y goes to x."""
    wells = TwoWells()
    done, loss = make({"x_optimizer": SGD, "default_optimizer": SGD}, {"x": ("left",)}).minimise(wells, 1)
    assert wells.seen == [("left",), None]
    assert (wells.x.item(), wells.y.item()) == (1, 1)
    assert (done, loss) == (1, 1.0), "the loss of all terms, before the last step"


def test_a_parameter_without_terms_of_its_own_takes_all():
    wells = TwoWells()
    make({"x_optimizer": SGD, "y_optimizer": SGD}).minimise(wells, 1)
    assert wells.seen == [None, None]


def test_optimizers_keep_what_they_have_learnt():
    """Momentum goes on from step to step."""
    wells = TwoWells(frozen=("y",))
    make({"x_optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}}, {"x": ("left",)}).minimise(wells, 2, ftol=0)
    assert wells.x.item() == pytest.approx(0.2 + 0.1 * (2 * 0.8 + 0.9 * 2))


def test_a_frozen_parameter_has_no_step():
    wells = TwoWells(frozen=("x",))
    make({"x_optimizer": SGD, "y_optimizer": SGD}).minimise(wells, 3)
    assert wells.x.item() == 0


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"z_optimizer": SGD}, r"unknown key 'z_optimizer' beside individual_optimizer. Did you mean '[xy]_optimizer'"),
        ({"x_optimizer": "SGD"}, r"x_optimizer = 'SGD', expected {...} with a 'type'"),
        ({"x_optimizer": {"type": "SDG"}}, r"no optimizer of type 'SDG'. Did you mean 'SGD'"),
    ],
)
def test_sentences(config, sentence):
    with pytest.raises(PresetError, match=sentence):
        make(config)


def test_a_parameter_without_optimizer():
    with pytest.raises(PresetError, match=r"No optimizer is given for y. Add y_optimizer, or default_optimizer."):
        make({"x_optimizer": SGD}).minimise(TwoWells(), 1)
