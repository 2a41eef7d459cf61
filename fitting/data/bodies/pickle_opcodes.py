"""What each opcode of a pickle does, protocols 0 to 5. Opcodes and their arguments are those of Python's `pickletools`."""

from collections.abc import Callable, Mapping
from typing import Any

from .pickle_machine import PickleMachine, RefusedPickleError


def _quoted(line: bytes) -> bytes:
    """The bytes of a literal of Python 2."""
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise ValueError("text without quotes")
    return line[1:-1].decode("unicode_escape").encode("latin1")


def _integer(line: bytes) -> int | bool:
    """A number of protocol 0, which writes booleans as 00 and 01."""
    return line == b"01" if line in (b"00", b"01") else int(line.rstrip(b"L"))


def _little_endian(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _pushes(value: Callable[[PickleMachine], Any]) -> Callable[[PickleMachine], None]:
    return lambda machine: machine.stack.append(value(machine))


def _number(format_: str) -> Callable[[PickleMachine], None]:
    return _pushes(lambda machine: machine.number(format_))


def _counted(format_: str, decode: Callable[[bytes], Any] = bytes) -> Callable[[PickleMachine], None]:
    return _pushes(lambda machine: decode(machine.take(machine.number(format_))))


def _line(decode: Callable[[bytes], Any]) -> Callable[[PickleMachine], None]:
    return _pushes(lambda machine: decode(machine.line()))


def _last(count: int) -> Callable[[PickleMachine], None]:
    """Puts the last values of the stack into a tuple."""

    def operation(machine: PickleMachine) -> None:
        values = tuple(machine.stack.pop() for _ in range(count))
        machine.stack.append(values[::-1])

    return operation


def _put(index: Callable[[PickleMachine], int]) -> Callable[[PickleMachine], None]:
    return lambda machine: machine.memo.__setitem__(index(machine), machine.stack[-1])


def _get(index: Callable[[PickleMachine], int]) -> Callable[[PickleMachine], None]:
    return _pushes(lambda machine: machine.memo[index(machine)])


def _global(machine: PickleMachine) -> None:
    machine.name(machine.line(), machine.line())


def _stack_global(machine: PickleMachine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.name(module, name)


def _call(machine: PickleMachine) -> None:
    arguments, what = machine.stack.pop(), machine.stack.pop()
    machine.make(what, arguments)


def _call_with_keywords(machine: PickleMachine) -> None:
    if machine.stack.pop():
        raise RefusedPickleError("a call with keywords")
    _call(machine)


def _instance(machine: PickleMachine) -> None:
    _global(machine)
    what = machine.stack.pop()
    machine.make(what, tuple(machine.since_mark()))


def _object(machine: PickleMachine) -> None:
    what, *arguments = machine.since_mark()
    machine.make(what, tuple(arguments))


def _dict(machine: PickleMachine) -> None:
    items = machine.since_mark()
    machine.stack.append({})
    machine.extend_dict(items)


OPERATIONS: Mapping[bytes, Callable[[PickleMachine], Any]] = {
    b"\x80": lambda machine: machine.take(1),  # the protocol
    b"\x95": lambda machine: machine.take(8),  # the length of a frame, which only helps those who read from a stream
    b"N": _pushes(lambda _: None),
    b"\x88": _pushes(lambda _: True),
    b"\x89": _pushes(lambda _: False),
    b"I": _line(_integer),
    b"L": _line(_integer),
    b"J": _number("<i"),
    b"K": _number("<B"),
    b"M": _number("<H"),
    b"\x8a": _counted("<B", _little_endian),
    b"\x8b": _counted("<i", _little_endian),
    b"F": _line(float),
    b"G": _number(">d"),
    b"S": _line(_quoted),
    b"T": _counted("<i"),
    b"U": _counted("<B"),
    b"B": _counted("<I"),
    b"C": _counted("<B"),
    b"\x8e": _counted("<Q"),
    b"\x96": _counted("<Q"),
    b"V": _line(lambda line: line.decode("raw_unicode_escape")),
    b"X": _counted("<I", _utf8),
    b"\x8c": _counted("<B", _utf8),
    b"\x8d": _counted("<Q", _utf8),
    b"(": lambda machine: machine.marks.append(len(machine.stack)),
    b"0": lambda machine: machine.stack.pop(),
    b"1": lambda machine: machine.since_mark(),
    b"2": _pushes(lambda machine: machine.stack[-1]),
    b")": _pushes(lambda _: ()),
    b"\x85": _last(1),
    b"\x86": _last(2),
    b"\x87": _last(3),
    b"t": _pushes(lambda machine: tuple(machine.since_mark())),
    b"]": _pushes(lambda _: []),
    b"l": _pushes(lambda machine: machine.since_mark()),
    b"a": lambda machine: machine.extend_list([machine.stack.pop()]),
    b"e": lambda machine: machine.extend_list(machine.since_mark()),
    b"}": _pushes(lambda _: {}),
    b"d": _dict,
    b"s": lambda machine: machine.extend_dict([machine.stack.pop(), machine.stack.pop()][::-1]),
    b"u": lambda machine: machine.extend_dict(machine.since_mark()),
    b"\x8f": _pushes(lambda _: []),  # a set is kept as a list
    b"\x90": lambda machine: machine.extend_list(machine.since_mark()),
    b"\x91": _pushes(lambda machine: machine.since_mark()),
    b"p": _put(lambda machine: int(machine.line())),
    b"q": _put(lambda machine: machine.number("<B")),
    b"r": _put(lambda machine: machine.number("<I")),
    b"\x94": _put(lambda machine: len(machine.memo)),
    b"g": _get(lambda machine: int(machine.line())),
    b"h": _get(lambda machine: machine.number("<B")),
    b"j": _get(lambda machine: machine.number("<I")),
    b"c": _global,
    b"\x93": _stack_global,
    b"R": _call,
    b"\x81": _call,
    b"\x92": _call_with_keywords,
    b"i": _instance,
    b"o": _object,
    b"b": lambda machine: machine.build(),
}
"""What each opcode does."""

REFUSED = {
    **dict.fromkeys((b"P", b"Q"), "a persistent id"),
    **dict.fromkeys((b"\x82", b"\x83", b"\x84"), "a registered extension"),
    **dict.fromkeys((b"\x97", b"\x98"), "a buffer out of band"),
}
"""What an opcode asks for that a model file never needs."""
