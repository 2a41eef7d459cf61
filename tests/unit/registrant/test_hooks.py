import logging

import pytest
import torch

from fitting.errors import FitCancelled, PresetError
from fitting.registrant import HOOKS, SMPLifyBaseHook, SMPLifyVerboseHook

STAGES = [{"n_iter": 2, "ftol": 0}, {"n_iter": 1}]
ADAM = {"type": "Adam", "lr": 0.01}
ORDER = [
    "before_optimize",
    *("before_stage", *2 * ("before_evaluate", "after_evaluate"), "before_evaluate", "after_evaluate", "after_stage"),
    *("before_stage", *1 * ("before_evaluate", "after_evaluate"), "before_evaluate", "after_evaluate", "after_stage"),
    "after_optimize",
]
"""A stage has an evaluation for each step of Adam, and one more at its end."""


def test_a_callable_is_told_all_events_in_order(make, observed, target):
    told = []
    registrant = make(stages=STAGES, optimizer=ADAM, hooks=[lambda event, registrant, **what: told.append((event, registrant, set(what)))])
    registrant(observed(target))
    assert [event for event, _, _ in told] == ORDER
    assert all(teller is registrant for _, teller, _ in told)
    told_of = {event: what for event, _, what in told}
    assert told_of["before_stage"] == {"input_list", "optim_param", "stage_config"}
    assert told_of["after_stage"] == {"input_list", "optim_param", "stage_config", "loss_dict"}
    assert told_of["after_evaluate"] == {"input_list", "optim_param", "loss_dict"}


class Counter:
    """No subclass of anything; tells what it wants by its methods."""

    def __init__(self):
        self.stages, self.losses = [], []

    def before_stage(self, registrant, input_list, optim_param, stage_config):
        self.stages.append((stage_config["epoch_idx"], stage_config["stage_idx"], stage_config["n_iter"]))
        assert set(optim_param) == set(registrant.OPTIM_PARAM)

    def after_stage(self, registrant, loss_dict, **_):
        self.losses.append({key: float(value) for key, value in loss_dict.items()})


def test_an_object_with_some_methods(make, observed, target):
    counter = Counter()
    registrant = make(stages=STAGES, optimizer=ADAM, n_epochs=2)
    registrant.register_hook(counter)
    output = registrant(observed(target), return_losses=True)
    assert counter.stages == [(0, 0, 2), (0, 1, 1), (1, 0, 2), (1, 1, 1)]
    for losses in counter.losses:
        total = losses.pop("total_loss")
        assert total == pytest.approx(sum(losses.values()), rel=1e-5)
    assert output["total_loss"].shape == (4,)


def test_a_fit_is_the_same_with_hooks(make, observed, target):
    plain, watched = make(stages=STAGES), make(stages=STAGES, hooks=[Counter(), lambda *_, **__: None])
    for name, value in plain(observed(target)).items():
        assert torch.equal(watched(observed(target))[name], value), name


def test_a_config_of_a_registered_hook(make, observed, target, caplog):
    with caplog.at_level(logging.INFO):
        make(stages=[{}], hooks=[{"type": "SMPLifyVerboseHook"}], verbose=True, info_level="stage")(observed(target))
        make(stages=[{}], hooks=[{"type": "SMPLifyVerboseHook"}])(observed(target))
    assert len(caplog.messages) == 1, "once, and not by a registrant that is not verbose"


def test_a_hook_of_ones_own_is_registered(make, observed, target):
    class Stop(SMPLifyBaseHook):
        """Ends the fit at the second evaluation."""

        def __init__(self, after):
            self.left = after

        def after_evaluate(self, registrant, **what):
            self.left -= 1
            if not self.left:
                raise FitCancelled

    HOOKS.register(Stop)
    registrant = make(stages=STAGES, hooks=[{"type": "Stop", "after": 2}])
    with pytest.raises(FitCancelled):
        registrant(observed(target))


def test_a_hook_may_come_later(make, observed, target):
    told, registrant = [], make(stages=[{}])
    registrant.register_hook(lambda event, registrant, **what: told.append(event))
    registrant(observed(target))
    assert told[0] == "before_optimize"


@pytest.mark.parametrize(("hook", "sentence"), [(5, "A hook is a int, expected a callable"), ({"type": "VerboseHook"}, "no hook of type")])
def test_what_is_no_hook(make, hook, sentence):
    with pytest.raises(PresetError, match=sentence):
        make(hooks=[hook])


def test_the_verbose_hook_is_added_once(make):
    assert SMPLifyVerboseHook not in make(verbose=False).hooks
    registrant = make(verbose=True, hooks=[SMPLifyVerboseHook()])
    assert len(registrant.hooks.listeners("after_stage")) == 1
