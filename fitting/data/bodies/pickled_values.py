"""Arrays from the records of a pickle: numpy's own, scipy's sparse matrices and what chumpy wraps; neither package is needed."""

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pickle_machine import Name, Record

_MAX_DENSE_BYTES = 2**28
"""Of a sparse matrix when it is filled up; a joint regressor takes a few megabytes."""

_BYTES = ("_codecs.encode", "builtins.bytes", "builtins.bytearray")
_MAX_DEPTH = 16
_MAX_AXES = 32
_MAX_SIZE = 2**40
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d{1,4}")


def array_of(value: Any, depth: int = 0) -> NDArray[Any]:
    """The array that a value of `parse_pickle` stands for.

    Args:
        value: A record, a number, text, or a list of numbers.
        depth: How many wrappers have been opened.

    Raises:
        Exception: Any, where it stands for none; the message says why.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    if isinstance(value, Record) and value.path in _BYTES:
        value = _bytes(value)
    if isinstance(value, bytes | str):
        return np.asarray(value.decode("latin1") if isinstance(value, bytes) else value)
    if not isinstance(value, Record):
        numbers = value if isinstance(value, list) else [value]
        if not all(isinstance(number, int | float) and -_MAX_SIZE < number < _MAX_SIZE for number in numbers):
            raise ValueError(f"it is of type {type(value).__name__}")
        return np.asarray(value)
    module, _, name = value.path.rpartition(".")
    if module.startswith("numpy"):
        return _numpy(value)
    if module.startswith("scipy"):
        return _dense(value)
    if module.startswith("chumpy"):
        return _chumpy(name, value, depth)
    raise ValueError(f"it is of type {value.path}")


def _numpy(record: Record) -> NDArray[Any]:
    """An array or a scalar of numpy."""
    fortran: Any = False
    if record.path.endswith("._reconstruct"):
        if not isinstance(record.arguments[0], Name) or record.arguments[0].path != "numpy.ndarray":
            raise ValueError("a subclass of numpy.ndarray")
        *_, shape, dtype, fortran, data = record.state
    elif record.path.endswith("._frombuffer"):
        data, dtype, shape, order = record.arguments
        fortran = order in ("F", b"F")
    elif record.path.endswith(".scalar"):
        dtype, data = record.arguments
        shape = ()
    else:
        raise ValueError(f"it is of type {record.path}")
    type_, raw, sizes = _dtype(dtype), _bytes(data), _shape(shape)
    if len(raw) != math.prod(sizes) * type_.itemsize:
        raise ValueError(f"{len(raw)} bytes for the shape {sizes}")
    return np.frombuffer(raw, type_).reshape(sizes, order="F" if fortran else "C")


def _shape(value: Any) -> tuple[int, ...]:
    sizes = tuple(value)
    if len(sizes) > _MAX_AXES or not all(type(size) is int and 0 <= size < _MAX_SIZE for size in sizes):
        raise ValueError("a shape that is none")
    return sizes


def _dtype(record: Any) -> np.dtype[Any]:
    """A type of numbers or text, made from its name: numpy itself would believe whatever a pickle says about it."""
    if not isinstance(record, Record) or record.path != "numpy.dtype":
        raise ValueError("a dtype that is none")
    code = record.arguments[0]
    code = code.decode("latin1") if isinstance(code, bytes) else code
    if not isinstance(code, str) or not _DTYPE.fullmatch(code):
        raise ValueError("elements that are neither numbers nor text")
    order = record.state[1] if isinstance(record.state, tuple) else "="
    order = order.decode("latin1") if isinstance(order, bytes) else order
    if order not in ("<", ">", "=", "|"):
        raise ValueError("an unknown byte order")
    return np.dtype(code).newbyteorder(order)  # type: ignore[arg-type]


def _bytes(value: Any) -> bytes:
    """Bytes, which Python 3 wraps for the older protocols: as text to be encoded, or as what makes bytes."""
    if isinstance(value, Record) and value.path == "_codecs.encode":
        text, encoding = value.arguments
        if encoding in ("latin1", "latin-1", b"latin1") and isinstance(text, str):
            return text.encode("latin1")
    if isinstance(value, Record) and value.path in ("builtins.bytes", "builtins.bytearray"):
        return _bytes(value.arguments[0]) if value.arguments else b""
    if not isinstance(value, bytes):
        raise ValueError("elements that are Python objects")
    return value


def _dense(record: Record) -> NDArray[Any]:
    """A sparse matrix, filled up with zeros."""
    state = record.state
    n_rows, n_columns = _shape(state["_shape"] if "_shape" in state else state["shape"])
    data = _numpy(state["data"])
    if n_rows * n_columns * data.itemsize > _MAX_DENSE_BYTES:
        raise ValueError(f"a sparse matrix of {n_rows} x {n_columns}")
    kind = record.path.rpartition(".")[2][:3]
    if kind == "coo":
        rows, columns = (_numpy(part) for part in (state["coords"] if "coords" in state else (state["row"], state["col"])))
    else:
        starts, inner = _numpy(state["indptr"]).astype(np.int64), _numpy(state["indices"])
        ends_fit = len(starts) == (n_columns if kind == "csc" else n_rows) + 1 and starts[0] == 0 and starts[-1] == len(data)
        if not ends_fit or (np.diff(starts) < 0).any():
            raise ValueError("a sparse matrix whose parts disagree")
        outer = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        rows, columns = (inner, outer) if kind == "csc" else (outer, inner)
    for indices in (rows, columns):
        if len(indices) != len(data) or (len(indices) and indices.min() < 0):
            raise ValueError("a sparse matrix whose parts disagree")
    dense = np.zeros((n_rows, n_columns), data.dtype.newbyteorder("="))
    np.add.at(dense, (rows, columns), data)
    return dense


def _chumpy(name: str, record: Record, depth: int) -> NDArray[Any]:
    """The value of a chumpy array that is stored, or a selection from one; chumpy's sums and products are not computed."""
    state = record.state
    if name == "Ch" and isinstance(state, dict) and "x" in state:
        return array_of(state["x"], depth + 1)
    if name not in ("Select", "transpose", "Reshape") or not isinstance(state, dict):
        raise ValueError(f"the expression {record.path}, which only chumpy can compute")
    whole = array_of(state["a"], depth + 1)
    if whole.dtype.kind not in "biuf":
        raise ValueError("a chumpy array of text")
    if name == "Select":
        chosen: NDArray[Any] = whole.ravel()[array_of(state["idxs"], _MAX_DEPTH)]  # chumpy keeps plain numbers here
        shape = state.get("preferred_shape")
        return chosen if shape is None else chosen.reshape(_shape(shape))
    reordered: NDArray[Any] = whole.transpose(state.get("axes")) if name == "transpose" else whole.reshape(state["newshape"])
    return reordered
