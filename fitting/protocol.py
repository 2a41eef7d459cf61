"""The language of the worker: one JSON object on each line, and errors that cross from process to process."""

import json
import math
import traceback
from collections.abc import Iterator, Mapping
from typing import IO, Any

from . import errors
from .errors import FitCancelled, FittingError, WorkerError, did_you_mean

PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 1 << 20
"""Longest line that is accepted; arrays travel as files, so no honest message comes near it."""

REQUESTS: dict[str, dict[str, type]] = {
    "fit": {"job": str},
    "cancel": {"job": str},
    "devices": {},
    "ping": {},
    "quit": {},
}
"""What the worker understands, with the fields that each kind of message needs. `job` is the folder of a `FitJob`."""

EVENTS: dict[str, dict[str, type]] = {
    "hello": {"protocol": int, "versions": dict, "devices": list},
    "stage": {"job": str, "stage": int, "n_stages": int, "n_iterations": int},
    "progress": {"job": str, "stage": int, "n_stages": int, "iteration": int, "n_iterations": int, "fraction": float},
    "warning": {"message": str},
    "error": {"code": str, "message": str, "hint": str},
    "result": {"job": str, "path": str, "summary": str},
    "devices": {"devices": list},
    "pong": {},
}
"""What the worker says. `progress` also has `loss`, `terms` and `eta` in seconds (null where unknown); `error` has a `job` if it
ends one, and a `traceback` if it is a bug."""

CANCELLED = "FitCancelled"
BUG = "UnexpectedError"
"""Codes of `error` messages; the other codes are the names of the classes in `errors`."""

MAX_TRACEBACK = 20_000
"""Characters of a traceback that are sent, counted from its end."""

Message = dict[str, Any]


class UnexpectedError(RuntimeError):
    """The fitter failed for a reason that is no fault of the user.

    Args:
        message: What happened, in one line.
        details: The traceback from the worker.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


def encode(kind: str, /, **fields: Any) -> bytes:
    """One message as a line; numbers that JSON cannot say (NaN, infinity) become null."""
    message = {"v": PROTOCOL_VERSION, "type": kind, **fields}
    return json.dumps(_plain(message), allow_nan=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes, kinds: Mapping[str, Mapping[str, type]]) -> Message:
    """The message of a line.

    Args:
        line: The line, with or without its end.
        kinds: The messages that may come: `REQUESTS` or `EVENTS`.

    Raises:
        WorkerError: Too long, not a JSON object, another version of the protocol, an unknown kind, or a missing field.
    """
    if len(line) > MAX_LINE_BYTES:
        raise WorkerError(f"A message of over {MAX_LINE_BYTES} bytes came, expected less.", "Arrays are passed as files.")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WorkerError(f"{_shown(line)} is not a message, expected one JSON object on one line.") from error
    if not isinstance(message, dict):
        raise WorkerError(f"{_shown(line)} is not a message, expected one JSON object on one line.")
    if message.get("v") != PROTOCOL_VERSION:
        raise WorkerError(
            f"The other side speaks version {message.get('v')!r} of the worker protocol, this side version {PROTOCOL_VERSION}.",
            "Use the Blender add-on and the fitter of one release: point to the right Python.",
        )
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        raise WorkerError(f"There is no message of type {kind!r}.", did_you_mean(str(kind), kinds))
    for name, type_ in kinds[kind].items():
        value = message.get(name)
        is_right = isinstance(value, int | float if type_ is float else type_) and not isinstance(value, bool)
        if not is_right:
            raise WorkerError(f"The message {kind!r} has {name} = {value!r}, expected a value of type {type_.__name__}.")
    return message


def error_fields(error: BaseException) -> Message:
    """The fields of the `error` message that tells of an exception; `raised_error` is its inverse."""
    if isinstance(error, FittingError):
        return {"code": type(error).__name__, "message": error.message, "hint": error.hint}
    if isinstance(error, FitCancelled):
        return {"code": CANCELLED, "message": "The fit was stopped.", "hint": "Nothing was written."}
    return {
        "code": BUG,
        "message": f"The fitter failed unexpectedly ({type(error).__name__}: {str(error)[:500]}).",
        "hint": "This is a bug: please report it with the details.",
        "traceback": "".join(traceback.format_exception(error))[-MAX_TRACEBACK:],
    }


def raised_error(message: Mapping[str, Any]) -> Exception:
    """The exception that an `error` message stands for: a `FittingError` of the same class, `FitCancelled`, or `UnexpectedError`."""
    code = message["code"]
    if code == CANCELLED:
        return FitCancelled(message["message"])
    if code == BUG:
        return UnexpectedError(message["message"], str(message.get("traceback", "")))
    class_ = getattr(errors, code, FittingError)
    if not (isinstance(class_, type) and issubclass(class_, FittingError)):
        class_ = FittingError
    return class_(message["message"], message["hint"])


def read_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines of a byte stream; of an endless line only a little more than `decode` accepts is kept."""
    while line := stream.readline(MAX_LINE_BYTES + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE_BYTES + 1)
        yield line


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if hasattr(value, "item"):  # a number of numpy or torch
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _shown(line: bytes) -> str:
    text = line[:60].decode(errors="replace").strip()
    return repr(f"{text}..." if len(line) > 60 else text)
