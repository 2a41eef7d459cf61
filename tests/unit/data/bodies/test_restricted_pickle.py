"""Pickles are read bit by bit as Python would, without running them."""

import collections
import io
import os
import pickle
import re
import struct

import made_bodies
import numpy as np
import pytest
import scipy.sparse

from fitting.data.bodies import restricted_pickle
from fitting.data.bodies.restricted_pickle import parse_pickle, read_pickle
from fitting.errors import BodyError, PresetError


def written(tmp_path, data, name="model.pkl"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_pickles_of_python_2_with_chumpy_are_read_exactly(unpacked, protocol):
    arrays = read_pickle(unpacked(f"smpl_protocol{protocol}"))
    expected = made_bodies.body()
    for key, array in expected.items():
        np.testing.assert_array_equal(arrays[key], array, err_msg=key)
        assert arrays[key].dtype == array.dtype
    np.testing.assert_array_equal(arrays["reshaped"], expected["v_template"].reshape(3, -1))
    for key in ("J_regressor_prior", "csr", "coo"):
        np.testing.assert_array_equal(arrays[key], expected["J_regressor"])
    np.testing.assert_array_equal(arrays["vert_sym_idxs"], np.arange(12)[::-1])
    assert (str(arrays["bs_type"]), str(arrays["bs_style"])) == ("lrotmin", "lbs")


def test_what_nobody_needs_may_be_anything(unpacked):
    arrays = read_pickle(unpacked("smpl_protocol2", "SMPL.pkl"))
    assert {"J", "pose_training_info"} < set(arrays)
    with pytest.raises(BodyError) as raised:
        read_pickle(unpacked("smpl_protocol2", "SMPL.pkl"), BodyError)["J"]
    assert str(raised.value) == (
        "'J' in 'SMPL.pkl' is no array (the expression chumpy.ch_ops.dot, which only chumpy can compute). Store it as a plain numpy array."
    )
    with pytest.raises(KeyError):
        arrays["nothing"]


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_python_3(tmp_path, protocol):
    values = {
        "floats": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        "big_endian": np.arange(3, dtype=">i4"),
        "strided": np.arange(10)[::3],
        "booleans": np.array([True, False]),
        "text": np.array(["male", "f"]),
        "scalar": np.float32(0.5),
        "number": 7,
        "empty": np.zeros((0, 3)),
        "word": "männlich",
        "list": [1, 2.5],
        "sparse": scipy.sparse.csr_matrix(np.eye(3)),
    }
    arrays = read_pickle(written(tmp_path, pickle.dumps(collections.OrderedDict(values), protocol)))
    assert list(arrays) == list(values)
    for key, written_value in values.items():
        value = written_value.toarray() if key == "sparse" else np.asarray(written_value)
        np.testing.assert_array_equal(arrays[key], value, err_msg=key)
        assert arrays[key].dtype == value.dtype


@pytest.mark.parametrize("layout", ["csc_matrix", "csr_matrix", "coo_matrix", "csc_array", "coo_array"])
def test_sparse_matrices_of_todays_scipy(tmp_path, layout):
    dense = made_bodies.body()["J_regressor"]
    arrays = read_pickle(written(tmp_path, pickle.dumps({"J_regressor": getattr(scipy.sparse, layout)(dense)})))
    np.testing.assert_array_equal(arrays["J_regressor"], dense)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_those_of_pickle(protocol):
    values = {
        "none": None, "flags": [True, False], "whole": [0, 255, 256, 65536, -1, 2**31, -(2**80)], "real": [0.1, -1e300],
        "text": ["", "a'b\\n", "\u1234\n\U0001f600", "x" * 300], "deep": {"a": [({"b": ()},), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]},
    }  # fmt: skip
    values["again"] = values["deep"]
    assert parse_pickle(pickle.dumps(values, protocol)) == values
    assert parse_pickle(pickle.dumps({"bytes": b"\x00\xff"}, max(protocol, 3))) == {"bytes": b"\x00\xff"}


def test_keys_that_are_no_text_are_left_out():
    assert parse_pickle(pickle.dumps({"a": 1, 2: 3, (4,): 5})) == {"a": 1}


def test_the_error_is_of_the_class_that_was_asked_for(tmp_path):
    for data in (b"", b"cos\nsystem\n.", pickle.dumps([1])):
        with pytest.raises(PresetError, match=r"'gmm.pkl'"):
            read_pickle(written(tmp_path, data, "gmm.pkl"), PresetError)
    with pytest.raises(PresetError, match=r"There is no file '.*none.pkl'. Check the path."):
        read_pickle(tmp_path / "none.pkl", PresetError)


def test_the_size_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(restricted_pickle, "MAX_ARRAY_BYTES", 100)
    with pytest.raises(BodyError, match=r"'model.pkl' has 0.0 GB. Files of up to 2 GB are read."):
        read_pickle(written(tmp_path, bytes(101)), BodyError)


class Calls:
    """What would be called if the pickle were run."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def array_pickle(shape, dtype="f8", data=b"", state=None):
    """A pickled array whose description need not be true."""

    class Array:
        def __reduce__(self):
            type_ = np.dtype(dtype)
            return np.zeros(0).__reduce__()[0], (np.ndarray, (0,), b"b"), state or (1, shape, type_, False, data)

    return pickle.dumps({"v_template": Array()}, 2)


def stubbed(path, state):
    """A pickled object of a class that is named, with a state."""
    module, name = path
    data = pickle.dumps({"x": state}, 2)
    inner = data[data.index(b"X\x01\x00\x00\x00x") + 6 :]
    inner = inner[2:] if inner[:1] == b"q" else inner
    return b"\x80\x02}U\nv_templatec" + f"{module}\n{name}\n".encode() + b")\x81" + inner[: inner.rindex(b"s.")] + b"bs."


class Subclass(np.ndarray):
    pass


CANARY = "canary"
HOSTILE = {
    "os.system": pickle.dumps({"a": Calls(os.system, f"touch {CANARY}")}),
    "os.system, protocol 0": f"cos\nsystem\n(Vtouch {CANARY}\ntR.".encode(),
    "eval": pickle.dumps({"a": Calls(eval, f"open({CANARY!r}, 'w')")}),
    "exec, Python 2": f"c__builtin__\nexecfile\n(S'{CANARY}'\ntR.".encode(),
    "open": pickle.dumps({"a": Calls(open, CANARY, "w")}),
    "getattr": b"cbuiltins\ngetattr\n(cos\nsystem\nVx\ntR.",
    "an instance": f"(S'touch {CANARY}'\nios\nsystem\n.".encode(),
    "an object": f"(cos\nsystem\nS'touch {CANARY}'\no.".encode(),
    "runstring of numpy": f"cnumpy.testing._private.utils\nrunstring\n(Vopen('{CANARY}', 'w')\n}}tR.".encode(),
    "numpy.load": b"cnumpy\nload\n(V/etc/passwd\ntR.",
    "numpy.fromfile": b"cnumpy\nfromfile\n(V/etc/passwd\ntR.",
    "another name in scipy": b"cscipy.sparse._sputils\nnp\n.",
    "scipy.io": b"cscipy.io\nloadmat\n(V/etc/passwd\ntR.",
    "a stand-in that calls": f"cchumpy.ch\nCh\n(cos\nsystem\nVtouch {CANARY}\ntRtR.".encode(),
    "a call of a value": b"(dS'a'\nI1\n(I2\ntRs.",
    "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x09os.system\x93.",
    "a dotted name in chumpy": b"\x80\x04\x8c\x06chumpy\x8c\x09os.system\x93.",
    "a subclass of an array": pickle.dumps({"v_template": Subclass((2, 3))}),
    "a persistent id": b"Pfoo\n.",
    "a binary persistent id": b"K\x01Q.",
    "an extension": b"\x82\x01.",
    "a buffer out of band": b"\x80\x05\x97.",
    "a state for a dict": b"}}b.",
    "a state for a function": b"ccopy_reg\n_reconstructor\n}b.",
    "a state for a class": b"cnumpy\ndtype\n}S'x'\nI1\nsb.",
    "keywords": b"\x80\x04cnumpy\ndtype\n)}\x8c\x01aK\x01s\x92.",
    "reconstructor with a base": b"ccopy_reg\n_reconstructor\n(cchumpy.ch\nCh\nc__builtin__\nset\nNtR.",
    "no dict": pickle.dumps([1]),
    "a class in place of a dict": b"cnumpy\nndarray\n.",
    "a memo of gigabytes": b"}r\xff\xff\xff\x7f0j\xff\xff\xff\x7e.",
    "text of gigabytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
    "a bytearray of gigabytes": b"\x80\x05\x96" + struct.pack("<Q", 2**36) + b"x.",
    "text of negative length": b"T\xff\xff\xff\xff.",
    "endless operations": b"N0" * 600_000,
    "a number of a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
    "nothing on the stack": b"0.",
    "no mark": b"t.",
    "half an entry": b"(dS'a'\nI1\n(S'b'\nu.",
    "an entry of a number": b"I1\nS'a'\nI1\ns.",
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_pickles_are_refused_and_not_run(tmp_path, monkeypatch, attack):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, HOSTILE[attack])
    with pytest.raises(BodyError) as raised:
        read_pickle(path, BodyError)
    refusal = r"'model.pkl' (asks for .*, which no model file needs; it was not run|is a pickle, but not|is not a readable)"
    assert re.match(refusal, str(raised.value))
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.pkl"]


def test_a_refusal_names_what_was_wanted(tmp_path):
    with pytest.raises(BodyError) as raised:
        read_pickle(written(tmp_path, HOSTILE["os.system, protocol 0"]), BodyError)
    assert str(raised.value) == (
        "'model.pkl' asks for os.system, which no model file needs; it was not run. Get the file from its publisher."
    )


SPARSE = ("scipy.sparse.csc", "csc_matrix")
INDICES, ONES = np.zeros(2, np.int32), np.ones(2)


def matrix(indptr, indices=INDICES, shape=(2, 2)):
    """The state of a sparse matrix."""
    return {"_shape": shape, "data": ONES, "indices": indices, "indptr": np.asarray(indptr)}


LYING = {
    "a huge shape": array_pickle((2**40, 2**20), data=b"x" * 8),
    "a negative shape": array_pickle((-1, -8), data=b"x" * 64),
    "a shape of numbers without end": array_pickle((10**4000, 10**4000)),
    "a shape of text": array_pickle(("abc", 2**39)),
    "too many axes": array_pickle((1,) * 40, data=b"x" * 8),
    "too little data": array_pickle((3, 3), data=b"x" * 71),
    "too much data": array_pickle((3, 3), data=b"x" * 73),
    "Python objects": array_pickle((1,), "O", [1]),
    "bytes as Python objects": array_pickle((1,), "O", b"x" * 8),
    "records": array_pickle((1,), [("a", "f8")], b"x" * 8),
    "dates": array_pickle((1,), "M8[s]", b"x" * 8),
    "no dtype": array_pickle((1,), state=(1, (1,), "f8", False, b"x" * 8)),
    "no state": array_pickle((1,), state=(1,)),
    "a stub as data": array_pickle((1,), data=np.float64),
    "a number without end": pickle.dumps({"v_template": 10**4000}),
    "a nested list": pickle.dumps({"v_template": [[1.0, 2.0, 3.0]]}),
    "a dict": pickle.dumps({"v_template": {}}),
    "nothing": pickle.dumps({"v_template": None}),
    "a huge sparse matrix": stubbed(SPARSE, matrix([0, 1, 2], shape=(2**39, 2**39))),
    "sparse rows that count down": stubbed(SPARSE, matrix([0, 5, 2])),
    "sparse columns without signs": stubbed(SPARSE, matrix(np.array([0, 2**63, 2], np.uint64))),
    "negative sparse rows": stubbed(SPARSE, matrix([0, 1, 2], INDICES - 1)),
    "sparse rows outside": stubbed(SPARSE, matrix([0, 1, 2], INDICES + 2)),
    "a sparse matrix without parts": stubbed(SPARSE, {}),
    "a selection from outside": stubbed(("chumpy.reordering", "Select"), {"a": ONES, "idxs": INDICES + 7, "preferred_shape": (2,)}),
    "a selection of text": stubbed(("chumpy.reordering", "Select"), {"a": np.array(["a"]), "idxs": INDICES, "preferred_shape": (2,)}),
    "a chumpy array without a value": stubbed(("chumpy.ch", "Ch"), {}),
    "chumpy with a number as state": stubbed(("chumpy.ch", "Ch"), 7),
}  # fmt: skip


@pytest.mark.parametrize("lie", LYING)
def test_arrays_that_are_not_what_they_claim(tmp_path, lie):
    arrays = read_pickle(written(tmp_path, LYING[lie]), BodyError)
    assert list(arrays) == ["v_template"]
    with pytest.raises(BodyError, match=r"'v_template' in 'model.pkl' is no array \(.*\)\. Store it as a plain numpy array\."):
        arrays["v_template"]


def test_the_stubs_of_this_test_are_read_when_they_are_true(tmp_path):
    csc = scipy.sparse.csc_matrix([[1.0, 0.0], [0.0, 2.0]])
    state = {"_shape": (2, 2), "data": csc.data, "indices": csc.indices, "indptr": csc.indptr}
    np.testing.assert_array_equal(read_pickle(written(tmp_path, stubbed(SPARSE, state)))["v_template"], csc.toarray())
    np.testing.assert_array_equal(read_pickle(written(tmp_path, array_pickle((1,), data=bytes(8))))["v_template"], [0.0])


def test_bombs_of_nesting_are_cheap(tmp_path):
    """Each level holds the last one twice: 2^60 tuples for whoever counts, hashes or shows them."""
    doubled = b"K\x01\x85q\x00" + b"h\x00\x86q\x00" * 60
    as_value, as_key = b"}S'v_template'\n" + doubled + b"s.", b"}" + doubled + b"K\x01s."
    arrays = read_pickle(written(tmp_path, as_value), BodyError)
    with pytest.raises(BodyError, match=r"'v_template' in 'model.pkl' is no array"):
        arrays["v_template"]
    assert list(read_pickle(written(tmp_path, as_key))) == []
    array = b"}S'v_template'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n"
    shape = array + doubled + b"cnumpy\ndtype\n(S'f8'\ntRI00\nS''\ntbs."
    with pytest.raises(BodyError, match="a shape that is none"):
        read_pickle(written(tmp_path, shape), BodyError)["v_template"]


def test_deep_nesting_ends(tmp_path):
    wrapped = b"cchumpy.ch\nCh\n)\x81}S'x'\n" * 30_000 + b"K\x01" + b"sb" * 30_000
    arrays = read_pickle(written(tmp_path, b"}S'v_template'\n" + wrapped + b"s."), BodyError)
    with pytest.raises(BodyError, match="nested too deep"):
        arrays["v_template"]
    deep = written(tmp_path, b"}S'v_template'\n" + b"]" * 200_000 + b"a" * 199_999 + b"s.")
    with pytest.raises(BodyError, match="it is of type list"):
        read_pickle(deep, BodyError)["v_template"]


def test_a_loop_ends(tmp_path):
    loop = b"}S'v_template'\ncchumpy.ch\nCh\n)\x81q\x00}S'x'\nh\x00sbs."
    with pytest.raises(BodyError, match="nested too deep"):
        read_pickle(written(tmp_path, loop), BodyError)["v_template"]


def test_nothing_is_imported(tmp_path, monkeypatch):
    def forbidden(*_):
        raise AssertionError("a pickle was run")

    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, forbidden)
    buffer = io.BytesIO()
    pickle.Pickler(buffer, 2).dump(made_bodies.body())
    np.testing.assert_array_equal(read_pickle(written(tmp_path, buffer.getvalue()))["f"], made_bodies.body()["f"])


@pytest.mark.parametrize("data", [b"\x05.", b"h\x07.", b"0.", b"(dS'a'\n\xff."])
def test_damage_is_told_in_plain_words(tmp_path, data):
    with pytest.raises(BodyError) as raised:
        read_pickle(written(tmp_path, data), BodyError)
    assert str(raised.value) == "'model.pkl' is not a readable pickle file (it is damaged). Download it again: it may be incomplete."
