"""What a Python config says, found from its syntax tree: nothing of it is run."""

import ast
import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from ..errors import PresetError, did_you_mean
from .config_values import Budget, Refusal, checked_number

MAX_DEPTH = 50

_SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_}

_DOES = {
    (ast.Import, ast.ImportFrom): "imports something",
    (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda): "defines a function",
    (ast.ClassDef,): "defines a class",
    (ast.Call,): "calls a function",
    (ast.Attribute,): "reads an attribute",
    (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp): "has a comprehension",
    (ast.For, ast.AsyncFor, ast.While): "has a loop",
    (ast.If, ast.IfExp, ast.Match, ast.BoolOp, ast.Compare): "has a condition",
}


def values_of(source: str, file: str, budget: Budget) -> dict[str, Any]:
    """The names that the source of a config assigns, and their values; names that begin with two underscores are left out.

    Args:
        source: Python source.
        file: Name of the file, for errors.
        budget: Bounds the number of values.

    Raises:
        PresetError: The source is no Python, or it has something else than plain values; the sentence names the line.
    """
    try:
        tree = ast.parse(source, file)
    except SyntaxError as error:
        raise PresetError(f"Line {error.lineno or 1} of {file!r} is not Python ({error.msg}).", "Correct it.") from error
    except (ValueError, RecursionError, MemoryError) as error:  # null characters; nesting beyond what the parser takes
        raise PresetError(f"The config {file!r} cannot be read ({error or type(error).__name__}).", "Write it in a simpler way.") from error
    reader = _SourceReader(budget)
    for statement in tree.body:
        try:
            reader.read(statement)
        except Refusal as refusal:
            node = reader.node
            code = (ast.get_source_segment(source, node) or "").strip().split("\n")[0]
            code = code if len(code) <= 60 else f"{code[:60]} ..."
            raise PresetError(f"Line {node.lineno} of {file!r} {refusal.does} ({code}).", refusal.hint) from refusal
    return {name: value for name, value in reader.names.items() if not name.startswith("__")}


class _SourceReader:
    """Takes in one statement after the other; `node` is what it was at when it refused something."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.names: dict[str, Any] = {}
        self.node: ast.stmt | ast.expr = ast.Pass()

    def read(self, statement: ast.stmt) -> None:
        self.node = statement
        match statement:
            case ast.Assign(targets=targets, value=value) if all(isinstance(target, ast.Name) for target in targets):
                self._assign([target.id for target in targets if isinstance(target, ast.Name)], value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self._assign([name], value)
            case ast.Delete(targets=targets) if all(isinstance(target, ast.Name) for target in targets):
                for name in [target.id for target in targets if isinstance(target, ast.Name)]:
                    self._named(name)
                    del self.names[name]
            case ast.Expr(value=ast.Constant(value=str())):  # a docstring
                pass
            case ast.Expr(value=value):
                self._value(value, 0)
                self._refuse(statement, "has a value without a name", "Write name = value.")
            case ast.Assign() | ast.AugAssign() | ast.Delete():
                self._refuse(statement, "changes something else than a whole name", "Write name = value.")
            case _:
                self._refuse(statement)

    def _assign(self, names: list[str], node: ast.expr) -> None:
        if "dict" in names:
            raise Refusal("gives 'dict' another meaning", "Choose another name.")
        value = self._value(node, 0)
        self.names |= {names[0]: value, **{name: self.budget.copy(value) for name in names[1:]}}

    def _value(self, node: ast.expr, depth: int) -> Any:
        """The value of an expression. What refuses it points at its node: `node` is set anew after each part."""
        self.node = node
        self.budget.spend(1)
        if depth > MAX_DEPTH:
            raise Refusal(f"is nested deeper than {MAX_DEPTH} levels", "Write it in a simpler way.")
        match node:
            case ast.Constant(value=None | bool() | int() | float() | str() as constant):
                return checked_number(constant)
            case ast.Name(id=name):
                return self.budget.copy(self._named(name))
            case ast.List(elts=items):
                return list(self._items(items, depth))
            case ast.Tuple(elts=items):
                return tuple(self._items(items, depth))
            case ast.Set(elts=items):
                return self._set(node, list(self._items(items, depth)))
            case ast.Dict():
                return self._dict_display(node, depth)
            case ast.Call(func=ast.Name(id="dict")):
                return self._dict_call(node, depth)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
                number = self._value(operand, depth + 1)
                if not isinstance(number, int | float):
                    self._refuse(node, "computes with something that is no number")
                return _SIGNS[type(op)](number)
            case ast.BinOp(left=left, op=op, right=right):
                values = self._value(left, depth + 1), self._value(right, depth + 1)
                self.node = node
                return self.budget.combine(values[0], op, values[1])
            case ast.Subscript():
                return self._item(node, depth)
            case ast.JoinedStr(values=parts):
                return self.budget.text("".join(self._text(part, depth) for part in parts))
        self._refuse(node)

    def _named(self, name: str) -> Any:
        if name not in self.names:
            raise Refusal("uses a name that is not defined above it", did_you_mean(name, self.names) or "Write the value itself.")
        return self.names[name]

    def _items(self, nodes: list[ast.expr], depth: int) -> Iterator[Any]:
        for node in nodes:
            if not isinstance(node, ast.Starred):
                yield self._value(node, depth + 1)
                continue
            items = self._value(node.value, depth + 1)
            if not isinstance(items, list | tuple | set):
                self._refuse(node, "spreads something that is no list")
            yield from items

    def _set(self, node: ast.expr, items: list[Any]) -> set[Any]:
        try:
            return set(items)
        except TypeError:
            self._refuse(node, "puts a list or a dict into a set", "Write a list.")

    def _dict_display(self, node: ast.Dict, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            if key_node is None:
                result |= self._spread(value_node, depth)
                continue
            key = self._value(key_node, depth + 1)
            if not isinstance(key, str):
                self._refuse(key_node, "has a key that is no text", "Write it in quotes.")
            result[key] = self._entry(key, value_node, depth)
        return result

    def _dict_call(self, node: ast.Call, depth: int) -> dict[str, Any]:
        if len(node.args) > 1:
            self._refuse(node, "calls dict() with more than one value", "Write dict(name=value).")
        result = self._spread(node.args[0], depth) if node.args else {}
        given: set[str] = set()
        for keyword in node.keywords:
            key, value = keyword.arg, keyword.value
            entries = self._spread(value, depth) if key is None else {key: self._entry(key, value, depth)}
            if given & entries.keys():
                self._refuse(
                    value,
                    f"gives {min(given & entries.keys())!r} twice in one dict()",
                    "Write {**earlier, 'key': value} to replace a value.",
                )
            given |= entries.keys()
            result |= entries
        return result

    def _entry(self, key: str, node: ast.expr, depth: int) -> Any:
        if key == "type" and isinstance(node, ast.Name) and node.id not in self.names:
            self._refuse(node, "gives a class as the type", f"Write its name in quotes: '{node.id}'.")
        return self._value(node, depth + 1)

    def _spread(self, node: ast.expr, depth: int) -> dict[str, Any]:
        values = self._value(node, depth + 1)
        if not isinstance(values, dict):
            self._refuse(node, "spreads something that is no dict")
        return values

    def _item(self, node: ast.Subscript, depth: int) -> Any:
        values = self._value(node.value, depth + 1)
        if isinstance(node.slice, ast.Slice):
            bounds = (node.slice.lower, node.slice.upper, node.slice.step)
            key: Any = slice(*(None if bound is None else self._value(bound, depth + 1) for bound in bounds))
        else:
            key = self._value(node.slice, depth + 1)
        try:
            return values[key]
        except (LookupError, TypeError, ValueError):
            self._refuse(node, "asks for an item that is not there")

    def _text(self, node: ast.expr, depth: int) -> str:
        if not isinstance(node, ast.FormattedValue):
            return str(self._value(node, depth + 1))
        value = self._value(node.value, depth + 1)
        if node.format_spec is not None or node.conversion != -1 or not isinstance(value, str | int | float):
            self._refuse(node, "formats a value", "Inside f-strings write only {name}, of a text or a number.")
        return str(value)

    def _refuse(self, node: ast.stmt | ast.expr, does: str = "", hint: str = "") -> NoReturn:
        self.node = node
        if not does:
            does = next((words for types, words in _DOES.items() if isinstance(node, types)), "has more than plain values")
            hint = hint or "A config is read without being run: write the value itself."
        raise Refusal(does, hint or "Write the value itself.")
