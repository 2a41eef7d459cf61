"""Damaged model files: whatever is in them, the answer is a body or one sentence, and it comes at once."""

import contextlib
import gzip
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fitting.data.bodies import load_body_data
from fitting.data.bodies.restricted_pickle import parse_pickle, read_pickle
from fitting.errors import BodyError

MODELS = Path(__file__).parents[1] / "data" / "models"
sys.path.insert(0, str(MODELS))

import made_bodies  # noqa: E402

PICKLES = {name: gzip.decompress((MODELS / f"{name}.pkl.gz").read_bytes()) for name in ("gmm_02", "smpl_protocol0", "smpl_protocol2")}
OPCODES = bytes(range(256))

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("models") / "SMPL_NEUTRAL.pkl"


def read_all(path):
    arrays = read_pickle(path, BodyError)
    for key in arrays:
        with contextlib.suppress(BodyError):
            assert isinstance(arrays[key], np.ndarray)
    load_body_data(path)


@settings(max_examples=150, deadline=20_000)
@given(
    name=st.sampled_from(sorted(PICKLES)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    end=st.floats(0.01, 1),
)
def test_changed_bytes(path, name, changes, end):
    data = bytearray(PICKLES[name])
    for place, value in changes:
        data[int(place * len(data))] = value
    path.write_bytes(data[: max(1, int(end * len(data)))] if end < 0.9 else data)
    with contextlib.suppress(BodyError):
        read_all(path)


@settings(max_examples=150, deadline=20_000)
@given(pieces=st.lists(st.tuples(st.integers(0, 430), st.integers(0, 40), st.binary(max_size=3)), min_size=1, max_size=12))
def test_pieces_of_a_pickle_in_another_order(path, pieces):
    """Where bytes are changed at random, most end up in numbers; here they are instructions."""
    source = PICKLES["gmm_02"]
    path.write_bytes(b"\x80\x02}" + b"".join(source[start : start + length] + inserted for start, length, inserted in pieces) + b".")
    with contextlib.suppress(BodyError):
        read_all(path)


@settings(max_examples=300, deadline=20_000)
@given(program=st.lists(st.sampled_from([OPCODES[i : i + 1] for i in range(256)]), max_size=60))
def test_random_programs(path, program):
    path.write_bytes(b"\x80\x02}" + b"".join(program) + b".")
    with contextlib.suppress(BodyError):
        read_all(path)


@settings(max_examples=150, deadline=20_000)
@given(value=PLAIN, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_read_as_pickle_would(value, protocol):
    assert parse_pickle(pickle.dumps(value, protocol)) == value


def any_array():
    dtypes = st.sampled_from(["f8", "f2", "i4", "u8", "b1", "c8", "S3", "U2", "M8[s]", "m8[s]", "f4,i4"])
    sizes = st.lists(st.sampled_from([0, 1, 2, 3, 12, 24, 207]), max_size=3)
    return st.builds(lambda dtype, shape: np.zeros(shape, dtype), dtypes, sizes)


@settings(max_examples=200, deadline=20_000)
@given(
    changes=st.dictionaries(st.sampled_from([*sorted(made_bodies.body()), "gender", "lmk_faces_idx"]), any_array(), min_size=1, max_size=3)
)
def test_any_arrays_under_the_keys_of_a_model(path, changes):
    np.savez(path.with_suffix(".npz"), **(made_bodies.body() | changes))
    with contextlib.suppress(BodyError):
        load_body_data(path.with_suffix(".npz"))


@settings(max_examples=150, deadline=20_000)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_of_an_npz(path, changes):
    file = path.with_suffix(".npz")
    np.savez_compressed(file, **made_bodies.body())
    data = bytearray(file.read_bytes())
    for place, value in changes:
        data[int(place * len(data))] = value
    file.write_bytes(data)
    with contextlib.suppress(BodyError):
        load_body_data(file)
