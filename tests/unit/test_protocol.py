import io
import json

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fitting import errors
from fitting.errors import BodyError, FitCancelled, FittingError, TrackError, WorkerError
from fitting.progress import Progress
from fitting.protocol import (
    EVENTS,
    MAX_LINE_BYTES,
    MAX_TRACEBACK,
    PROTOCOL_VERSION,
    REQUESTS,
    UnexpectedError,
    decode,
    encode,
    error_fields,
    raised_error,
    read_lines,
)

VALUES = {str: "text", int: 3, float: 0.5, dict: {"a": 1}, list: [1, "b", None]}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [(kinds, kind) for kinds in (REQUESTS, EVENTS) for kind in kinds],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_message_survives_its_way(kinds, kind):
    fields = {name: VALUES[type_] for name, type_ in kinds[kind].items()}
    line = encode(kind, **fields)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line, kinds) == {"v": PROTOCOL_VERSION, "type": kind, **fields}
    for name in fields:
        without = {key: value for key, value in fields.items() if key != name}
        with pytest.raises(WorkerError, match=f"The message '{kind}' has {name} = None, expected a value of type"):
            decode(encode(kind, **without), kinds)


@given(st.dictionaries(st.text().filter(lambda key: key not in ("v", "type")), json_values, max_size=4))
def test_any_further_field_survives_on_one_line(fields):
    line = encode("pong", **fields)
    assert line.count(b"\n") == 1
    assert decode(line, EVENTS) == {"v": PROTOCOL_VERSION, "type": "pong", **fields}


@given(st.binary(max_size=300))
def test_no_bytes_but_a_message_or_a_worker_error(line):
    try:
        kind = decode(line, REQUESTS)["type"]
    except WorkerError:
        kind = "ping"
    assert kind in REQUESTS


def test_numbers_of_numpy_and_numbers_that_json_lacks():
    progress = Progress(np.int64(1), 2, 3, 4, np.float32("nan"), {"a": float("inf"), "b": np.float64(0.25)}, np.float32(0.5))
    message = decode(encode("progress", job="/job", **progress.to_dict(), eta=None), EVENTS)
    assert (message["stage"], message["loss"], message["terms"], message["fraction"]) == (1, None, {"a": None, "b": 0.25}, 0.5)


def test_a_version_that_is_not_ours_names_both_and_the_remedy():
    line = json.dumps({"v": 2, "type": "hello"}).encode()
    with pytest.raises(WorkerError, match=r"speaks version 2 of the worker protocol, this side version 1\. .*point to the right Python"):
        decode(line, EVENTS)


@pytest.mark.parametrize("value", ["true", '"1"', "null", "1.5", "[1]"])
def test_a_field_of_the_wrong_type(value):
    line = f'{{"v":1,"type":"stage","job":"j","stage":{value},"n_stages":1,"n_iterations":1}}'.encode()
    with pytest.raises(WorkerError, match=r"The message 'stage' has stage = .*, expected a value of type int"):
        decode(line, EVENTS)


def test_a_whole_number_is_a_number():
    line = b'{"v":1,"type":"progress","job":"j","stage":0,"n_stages":1,"iteration":1,"n_iterations":1,"fraction":1}'
    assert decode(line, EVENTS)["fraction"] == 1


@pytest.mark.parametrize(
    "class_", [class_ for class_ in vars(errors).values() if isinstance(class_, type) and issubclass(class_, FittingError)]
)
def test_each_error_comes_back_as_itself(class_):
    fields = decode(encode("error", **error_fields(class_("What is wrong.", "What to do."))), EVENTS)
    error = raised_error(fields)
    assert type(error) is class_
    assert (error.message, error.hint) == ("What is wrong.", "What to do.")


def test_an_error_of_a_class_of_its_own_comes_back_as_one_that_the_user_can_mend():
    class FloorError(FittingError):
        pass

    assert type(raised_error(error_fields(FloorError("No floor.")))) is FittingError


@pytest.mark.parametrize("code", ["did_you_mean", "difflib", "FitCancelled2", "__doc__", "Iterable"])
def test_a_code_that_is_no_error_is_not_called(code):
    assert type(raised_error({"code": code, "message": "m", "hint": ""})) is FittingError


def test_cancelled_comes_back_as_cancelled():
    assert isinstance(raised_error(error_fields(FitCancelled())), FitCancelled)


def test_a_bug_carries_its_traceback_and_a_limit():
    try:
        raise ZeroDivisionError("x" * 10 * MAX_TRACEBACK)
    except ZeroDivisionError as error:
        fields = error_fields(error)
    assert len(fields["traceback"]) == MAX_TRACEBACK
    assert len(fields["message"]) < 1000
    back = raised_error(fields)
    assert isinstance(back, UnexpectedError)
    assert not isinstance(back, FittingError)
    assert str(back).startswith("The fitter failed unexpectedly (ZeroDivisionError: xxx")
    assert back.details == fields["traceback"]


def test_only_a_bug_has_a_traceback():
    assert "traceback" not in error_fields(TrackError("m"))
    assert "traceback" not in error_fields(FitCancelled())
    assert error_fields(BodyError("m", "h")) == {"code": "BodyError", "message": "m", "hint": "h"}


def test_lines_are_cut_but_not_split():
    endless = b"x" * (2 * MAX_LINE_BYTES + 5)
    lines = list(read_lines(io.BytesIO(b"one\n" + endless + b"\ntwo\nlast")))
    assert [len(line) for line in lines] == [4, MAX_LINE_BYTES + 1, 4, 4]
    assert (lines[0], lines[2], lines[3]) == (b"one\n", b"two\n", b"last")
    with pytest.raises(WorkerError, match=f"over {MAX_LINE_BYTES} bytes"):
        decode(lines[1], REQUESTS)


def test_the_longest_line_that_is_accepted():
    line = encode("ping", x="")
    line = encode("ping", x="y" * (MAX_LINE_BYTES - len(line)))
    assert [decode(line, REQUESTS)["type"] for line in read_lines(io.BytesIO(line))] == ["ping"]
