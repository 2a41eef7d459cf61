"""The machine that follows a pickle without running it: it knows numbers, text, lists and dicts, and notes down everything else."""

import re
import struct
from dataclasses import dataclass
from typing import Any

_NAMES = frozenset({
    "numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar", "numpy.core.numeric._frombuffer", "numpy.ndarray", "numpy.dtype",
    "numpy.bool_", "numpy.float16", "numpy.float32", "numpy.float64", "numpy.int8", "numpy.int16", "numpy.int32", "numpy.int64",
    "numpy.uint8", "numpy.uint16", "numpy.uint32", "numpy.uint64",
    "builtins.object", "builtins.set", "builtins.frozenset", "builtins.slice", "builtins.complex",
    "builtins.bytes", "builtins.bytearray",
    "copyreg._reconstructor", "_codecs.encode", "collections.OrderedDict",
})  # fmt: skip
_NAME_PATTERN = re.compile(r"chumpy(\.\w+)*|scipy\.sparse(\.\w+)?\.(csc|csr|coo)_(matrix|array)")
"""What a pickle may name, beside its own data: the classes of model files, and what pickles of numpy need."""

_MODULE_NOW = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Modules of Python 2."""


class RefusedPickleError(ValueError):
    """A pickle wants what no model file needs."""


@dataclass(frozen=True, eq=False)
class Name:
    """A class or function that a pickle names, in the words of Python 3; it is not imported."""

    path: str


@dataclass(eq=False)
class Record:
    """What a pickle would have made: the class or function, its arguments, and the state given afterwards."""

    path: str
    arguments: tuple[Any, ...]
    state: Any = None


class PickleMachine:
    """The data and the place in it, the stack and the memo.

    Args:
        data: The pickle.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise ValueError("it ends too early")
        start, self.at = self.at, end
        return self.data[start:end]

    def number(self, format_: str) -> Any:
        """The next number, in a format of `struct`."""
        return struct.unpack(format_, self.take(struct.calcsize(format_)))[0]

    def line(self) -> bytes:
        """The rest of the line."""
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise ValueError("it ends too early")
        start, self.at = self.at, end + 1
        return self.data[start:end]

    def since_mark(self) -> list[Any]:
        """Takes what lies above the last mark off the stack."""
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def extend_list(self, items: list[Any]) -> None:
        """Adds items to the list on the stack."""
        target = self.stack[-1]
        if not isinstance(target, list):
            raise ValueError("items for what is no list")
        target.extend(items)

    def extend_dict(self, items: list[Any]) -> None:
        """Adds keys and values, one after the other, to the dict on the stack."""
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise ValueError("entries for what is no dict")
        _fill(target, zip(items[::2], items[1::2], strict=True))

    def name(self, module: Any, name: Any) -> None:
        """Puts a name on the stack, if it is one of those that model files use."""
        module, name = _text(module), _text(name)
        module = _MODULE_NOW.get(module, module).replace("numpy._core.", "numpy.core.")
        path = f"{module}.{name}"
        if "." in name or not (path in _NAMES or _NAME_PATTERN.fullmatch(path)):
            raise RefusedPickleError(path[:80])
        self.stack.append(Name(path))

    def make(self, what: Any, arguments: Any) -> None:
        """Puts down what a class or function would have made of its arguments."""
        if not isinstance(what, Name) or not isinstance(arguments, tuple):
            raise RefusedPickleError("a call of what is no function")
        made: Any = Record(what.path, arguments)
        if what.path == "copyreg._reconstructor":  # how protocols 0 and 1 make an object: class, base, state of the base
            class_, base, state = arguments
            if not isinstance(class_, Name) or not isinstance(base, Name) or base.path != "builtins.object" or state is not None:
                raise RefusedPickleError("copyreg._reconstructor of a class of its own")
            made = Record(class_.path, ())
        elif what.path == "collections.OrderedDict":
            made = {}
            _fill(made, arguments[0] if arguments else ())
        self.stack.append(made)

    def build(self) -> None:
        """Gives a record its state."""
        state = self.stack.pop()
        made = self.stack[-1]
        if not isinstance(made, Record):
            raise RefusedPickleError("a state for what is no object")
        made.state = state


def _fill(target: dict[str, Any], entries: Any) -> None:
    """Adds the entries whose keys are text: no other is ever asked for, and hashing a nested key could take for ever."""
    for key, value in entries:
        if isinstance(key, str | bytes):
            target[_text(key)] = value


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin1")
    if not isinstance(value, str):
        raise ValueError("a name that is no text")
    return value
