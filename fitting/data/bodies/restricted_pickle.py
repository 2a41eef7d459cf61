"""Reads the pickles of body models without unpickling: nothing is imported, nothing is called.

SMPL's files are pickles, and a pickle is a program. Here its instructions are followed by a small machine that knows only numbers,
text, lists and dicts. Where the pickle names a class or a function, the machine checks the name against those that model files use,
and writes down what would have been made of it: a `Record`. `pickled_values` finds the arrays in the records.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...errors import FittingError
from ..files import MAX_ARRAY_BYTES
from .pickle_machine import PickleMachine, RefusedPickleError
from .pickle_opcodes import OPERATIONS, REFUSED
from .pickled_values import array_of

MAX_OPERATIONS = 1_000_000
"""A real model file takes some thousands; this many take about a second."""


def read_pickle(path: str | Path, error: type[FittingError] = FittingError) -> Mapping[str, NDArray[Any]]:
    """The arrays of a pickled dict by key; each is made when it is asked for. Nothing of the file is executed.

    Args:
        path: The file.
        error: Class of the error to raise.

    Raises:
        FittingError: Missing, damaged or oversized file, or one that asks for more than arrays. Asking for a key raises it too where
            the value is no array.
    """
    path = Path(path)
    if not path.is_file():
        raise error(f"There is no file {str(path)!r}.", "Check the path.")
    try:
        size = path.stat().st_size
        if size > MAX_ARRAY_BYTES:
            raise error(f"{path.name!r} has {size / 1e9:.1f} GB.", "Files of up to 2 GB are read.")
        entries = parse_pickle(path.read_bytes())
    except FittingError:
        raise
    except RefusedPickleError as problem:
        raise error(
            f"{path.name!r} asks for {problem}, which no model file needs; it was not run.", "Get the file from its publisher."
        ) from problem
    except OSError as problem:
        raise error(f"{path.name!r} cannot be read ({problem.strerror or problem}).", "Check that you may read it.") from problem
    except Exception as problem:  # whatever a damaged pickle leads to
        raise error(
            f"{path.name!r} is not a readable pickle file ({_reason(problem)}).", "Download it again: it may be incomplete."
        ) from problem
    if not isinstance(entries, dict):
        raise error(f"{path.name!r} is a pickle, but not of a dict of arrays.", "Give a file as its publisher made it.")
    return PickledArrays(entries, path.name, error)


class PickledArrays(Mapping[str, NDArray[Any]]):
    """Arrays that are made when they are asked for: an entry that nobody needs may be anything.

    Args:
        entries: The values, as `parse_pickle` gives them.
        name: The file, for errors.
        error: Class of the error to raise for what is no array.
    """

    def __init__(self, entries: Mapping[str, Any], name: str, error: type[FittingError]) -> None:
        self._entries, self._name, self._error = entries, name, error

    def __getitem__(self, key: str) -> NDArray[Any]:
        value = self._entries[key]
        try:
            return array_of(value)
        except Exception as problem:  # the sizes and types in the file are not to be trusted
            raise self._error(
                f"{key!r} in {self._name!r} is no array ({_reason(problem)}).", "Store it as a plain numpy array."
            ) from problem

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def parse_pickle(data: bytes) -> Any:
    """What a pickle holds: None, bool, int, float, str, bytes, tuple, list, dict with text as keys, `Name` and `Record`.

    Text of Python 2 is bytes, except as the key of a dict; entries under other keys than text are left out.

    Raises:
        RefusedPickleError: A name that is not allowed, a persistent id, an extension, or too many operations.
        Exception: Any, for a damaged pickle.
    """
    machine = PickleMachine(data)
    for _ in range(MAX_OPERATIONS):
        opcode = machine.take(1)
        if opcode == b".":
            return machine.stack.pop()
        if opcode in REFUSED:
            raise RefusedPickleError(REFUSED[opcode])
        OPERATIONS[opcode](machine)
    raise RefusedPickleError(f"more than {MAX_OPERATIONS} operations")


def _reason(problem: Exception) -> str:
    """What is wrong in the words of the reader; errors of Python's own say nothing to a user."""
    return " ".join(str(problem).split())[:80] if type(problem) is ValueError else "it is damaged"
