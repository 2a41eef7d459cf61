"""Values that a config may hold, and what it may compute with them, within bounds."""

import ast
import operator
from collections.abc import Callable
from typing import Any

MAX_VALUES = 100_000
"""Number of values that a config may hold with all its bases; a stock config has about 300."""

MAX_BITS = 64
CHARACTERS_PER_VALUE = 64
"""Long texts count as more than one value."""

_NUMBER_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


class Refusal(Exception):  # noqa: N818 - it becomes a PresetError where the line is known
    """A value that a config may not have.

    Args:
        does: What the config does, as the end of a sentence about a line.
        hint: What to write.
    """

    def __init__(self, does: str, hint: str = "Write the value itself.") -> None:
        super().__init__(does, hint)
        self.does = does
        self.hint = hint


class Budget:
    """Makes values as long as there are not too many; a config shares it with its bases."""

    def __init__(self) -> None:
        self.left = MAX_VALUES

    def spend(self, n_values: int) -> None:
        """Takes values from the budget; Refusal if it is empty."""
        self.left -= n_values
        if self.left < 0:
            raise Refusal(f"makes more than {MAX_VALUES} values", "Write a smaller config.")

    def text(self, text: str) -> str:
        """A text that was made from others."""
        self.spend(len(text) // CHARACTERS_PER_VALUE)
        return text

    def copy(self, value: Any) -> Any:
        """A copy all the way down: what is used twice counts twice, so nothing small can stand for something huge."""
        self.spend(1)
        if isinstance(value, dict):
            return {key: self.copy(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple | set):
            return type(value)(self.copy(item) for item in value)
        return self.text(value) if isinstance(value, str) else value

    def combine(self, left: Any, op: ast.operator, right: Any) -> Any:
        """Arithmetic of numbers, joined and repeated texts and lists, and `|` of dicts; Refusal for all else."""
        match left, op, right:
            case (int() | float(), _, int() | float()) if type(op) in _NUMBER_OPERATORS:
                return _number(left, op, right)
            case (str(), ast.Add(), str()):
                return self.text(left + right)
            case (list(), ast.Add(), list()) | (tuple(), ast.Add(), tuple()):
                return left + right
            case (dict(), ast.BitOr(), dict()):
                return left | right
            case (str() | list() | tuple(), ast.Mult(), int()):
                return self._repeat(left, right)
            case (int(), ast.Mult(), str() | list() | tuple()):
                return self._repeat(right, left)
        raise Refusal(f"combines a {type(left).__name__} and a {type(right).__name__} in a way that is not known")

    def _repeat(self, items: Any, count: int) -> Any:
        if not items or count <= 0:
            return items[:0]
        if isinstance(items, str):
            self.spend(len(items) * count // CHARACTERS_PER_VALUE)
            return items * count
        return type(items)(self.copy(item) for _ in range(count) for item in items)


def checked_number(value: Any) -> Any:
    """The number itself; Refusal if it is complex, or a whole number that is too large."""
    if isinstance(value, complex):
        raise Refusal("computes a complex number")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise Refusal("has too large a number", "Write it as a decimal number, such as 1e20.")
    return value


def _number(left: Any, op: ast.operator, right: Any) -> Any:
    if isinstance(op, ast.Pow) and isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > MAX_BITS:
        raise Refusal("computes too large a number", "Write it as a decimal number, such as 1e20.")
    try:
        return checked_number(_NUMBER_OPERATORS[type(op)](left, right))
    except ArithmeticError as error:
        raise Refusal(f"cannot be computed: {error}") from error
