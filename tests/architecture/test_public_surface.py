"""The names that users write: they are there, documented, and known to type checkers."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fitting

FITTING = Path(fitting.__file__).parent

SPECIFIED = {
    "build_registrant", "build_handler", "convert_keypoints", "SMPLify", "BaseHandler", "BaseInput",
    "Keypoint3dMSEInput", "Keypoint3dMSEHandler", "Keypoint3dLimbLenInput", "Keypoint3dLimbLenHandler",
    "BetasPriorHandler", "BodyPosePriorHandler", "KeypointMSELoss", "LimbLengthLoss", "ShapePriorLoss",
    "JointPriorLoss", "SmoothJointLoss", "PoseRegLoss", "MaxMixturePriorLoss",
    "fit", "read_track", "read_tracks", "KeypointTrack", "get_convention", "load_preset", "load_body", "build_loss", "FittingError",
}  # fmt: skip
"""Names of the specification and of the design, which users and other pages rely on."""


@pytest.mark.parametrize("name", fitting.__all__)
def test_public_names_resolve(name: str) -> None:
    assert getattr(getattr(fitting, name), "__name__", "__version__") == name
    assert name in dir(fitting)


def test_specified_names_are_public() -> None:
    assert set(fitting.__all__) >= SPECIFIED


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'fitting' has no attribute 'fitt'"):
        fitting.fitt  # noqa: B018


def test_type_checkers_know_the_same_names() -> None:
    tree = ast.parse((FITTING / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    homes = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert {*homes, "__version__"} == set(fitting.__all__)
    for name, home in homes.items():
        assert fitting._HOME_OF[name] == home


def undocumented(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each public module, class, function and method without a docstring."""
    if ast.get_docstring(tree) is None:
        yield 1, "the module"
    for node in public(tree):
        if ast.get_docstring(node) is None:
            yield node.lineno, node.name
        if isinstance(node, ast.ClassDef):
            yield from ((member.lineno, f"{node.name}.{member.name}") for member in public(node) if ast.get_docstring(member) is None)


def public(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            overloads = any(ast.unparse(decorator).endswith("overload") for decorator in child.decorator_list)
            if not overloads:
                yield child


def test_everything_public_is_documented() -> None:
    gaps = [
        f"fitting/{path.relative_to(FITTING)}:{line}: {name} has no docstring"
        for path in sorted(FITTING.rglob("*.py"))
        for line, name in undocumented(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not gaps, "\n".join(gaps)


def test_gaps_are_found() -> None:
    source = '"""Module."""\nclass A:\n    """Doc."""\n    def b(self): ...\n    def _c(self): ...\ndef d(): ...\ndef _e(): ...\n'
    assert list(undocumented(ast.parse(source))) == [(4, "A.b"), (6, "d")]
    assert list(undocumented(ast.parse("x = 1"))) == [(1, "the module")]
