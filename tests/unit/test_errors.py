import copy
import pickle

import pytest

from fitting.errors import FitCancelled, FittingError, TrackError, did_you_mean


def test_message_and_hint_are_one_text():
    error = TrackError("fps is 0, expected a positive number.", "Give the frame rate.")
    assert str(error) == "fps is 0, expected a positive number. Give the frame rate."
    assert (error.message, error.hint) == ("fps is 0, expected a positive number.", "Give the frame rate.")


def test_message_without_hint():
    assert str(FittingError("It is wrong.")) == "It is wrong."


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_survive_the_way_between_processes(again):
    error = again(TrackError("It is wrong.", "Mend it."))
    assert type(error) is TrackError
    assert (error.message, error.hint, str(error)) == ("It is wrong.", "Mend it.", "It is wrong. Mend it.")


def test_a_cancelled_fit_is_not_an_error_of_the_user():
    assert not issubclass(FitCancelled, FittingError)


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("SMPLfy", ["SMPLify", "SMPLifyX"], "Did you mean 'SMPLify'?"),
        ("SMPLIFY", ["smplify", "other"], "Did you mean 'smplify'?"),
        ("qqq", ["b", "a"], "Known: 'a', 'b'."),
        ("anything", [], ""),
    ],
)
def test_did_you_mean(name, known, expected):
    assert did_you_mean(name, known) == expected


def test_did_you_mean_counts_what_it_leaves_out():
    assert did_you_mean("qqq", ["a", "b", "c", "a"], limit=2) == "Known: 'a', 'b' and 1 more."
