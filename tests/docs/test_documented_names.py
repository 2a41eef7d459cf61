"""What the pages name is there, and what is there is named: "Presets, key by key" holds each key and argument with its default."""

import inspect
import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

import fitting
from fitting.body.load import CONFIG_KEYS
from fitting.data.parameters import PARAMETERS
from fitting.data.preset import PART_WEIGHTS, Preset, list_presets
from fitting.handlers import HANDLERS, BaseInput
from fitting.losses import LOSSES
from fitting.solvers import LevenbergMarquardt

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "presets.md").read_text(encoding="utf-8")
SCHEMA = json.loads((Path(fitting.__file__).parent / "data" / "preset.schema.json").read_text(encoding="utf-8"))
COMMON = {"handlers": {"handler_key": "", "device": None, "logger": None}, "losses": {"reduction": "mean", "loss_weight": 1.0}}
"""Arguments that all classes have; the key of a handler has a default of its own, in another table."""


def ours(registry, inputs):
    """The classes of the program in a registry, in which other tests may have theirs: inputs, or all else."""
    classes = {name: registry.get(name) for name in registry}
    return {name: cls for name, cls in classes.items() if cls.__module__.startswith("fitting.") and issubclass(cls, BaseInput) == inputs}


HANDLER_CLASSES, INPUT_CLASSES, LOSS_CLASSES = ours(HANDLERS, False), ours(HANDLERS, True), ours(LOSSES, False)
CLASSES = {**HANDLER_CLASSES, **LOSS_CLASSES}


def section(title):
    """The text below a heading, up to the next one."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"There is no section {title!r}."
    return found[1]


def rows_of(text):
    """The cells of each row of all tables, without their headers."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    rules = [number for number, row in enumerate(rows) if set("".join(row)) <= set("-| ")]
    skipped = {*rules, *(number - 1 for number in rules)}
    return [row for number, row in enumerate(rows) if number not in skipped]


def words(cell):
    return re.findall(r"`([^`]+)`", cell)


def documented(text):
    """Each key of the tables and the text of its default."""
    return {key: row[2] for row in rows_of(text) for key in words(row[0])}


def written(default):
    """A default as the page has it."""
    return "required" if default is inspect.Parameter.empty else f"`{json.dumps(default)}`"


def arguments(cls, kind):
    """The arguments of a class that others have not, and their defaults as the page has them."""
    parameters = inspect.signature(cls).parameters.values()
    return {parameter.name: written(parameter.default) for parameter in parameters if parameter.name not in COMMON[kind]}


def test_top_level():
    table = documented(section("Top level"))
    items = {item.name: item for item in fields(Preset)}
    assert set(table) == {*items, "$schema", "_base_"}
    for name, item in items.items():
        if item.default_factory is not MISSING:
            assert table[name] == written(item.default_factory())
        elif item.default is not MISSING:
            assert table[name] == written(item.default), name


def test_body_model():
    assert set(documented(section("body_model"))) == {key for keys in CONFIG_KEYS.values() for key in keys}


def test_optimizer():
    named = {*words(section("optimizer"))}
    assert set(SCHEMA["$defs"]["optimizer"]["properties"]) - {"_delete_"} <= named
    defaults = {words(row[0])[0]: row[2] for row in rows_of(section("optimizer")) if len(row) == 4}
    for name, default in LevenbergMarquardt._DEFAULTS.items():
        assert defaults[name] == written(default), name


def test_stages():
    parameters = {f"fit_{name}" for names in PARAMETERS.values() for name in names}
    patterns = {"{handler_key}_weight", "{handler_key}_reduction"}
    others = {"n_iter", "ftol", "max_frames", "least_noise", "use_shoulder_hip_only"}
    assert set(documented(section("Stages"))) == {*others, *parameters, *PART_WEIGHTS, *patterns}


@pytest.mark.parametrize("name", HANDLER_CLASSES)
def test_handlers(name):
    assert documented(section(f"`{name}`")) == arguments(HANDLER_CLASSES[name], "handlers")


@pytest.mark.parametrize("name", LOSS_CLASSES)
def test_losses(name):
    assert documented(section(f"`{name}`")) == arguments(LOSS_CLASSES[name], "losses")


def test_no_other_class_has_a_section():
    assert set(re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE)) == set(CLASSES)


def test_arguments_that_all_have():
    every, keys = {}, {}
    for row in rows_of(section("Handlers")):
        if len(row) == 4:
            every |= {key: row[2] for key in words(row[0])}
        else:
            keys[words(row[0])[0]] = row[1]
    assert set(every) == set(COMMON["handlers"])
    assert keys == {name: written(inspect.signature(cls).parameters["handler_key"].default) for name, cls in HANDLER_CLASSES.items()}
    assert documented(section("Losses")) == {name: written(default) for name, default in COMMON["losses"].items()}
    for cls, kind in [(cls, "handlers") for cls in HANDLER_CLASSES.values()] + [(cls, "losses") for cls in LOSS_CLASSES.values()]:
        assert set(COMMON[kind]) <= set(inspect.signature(cls).parameters), cls


def test_inputs():
    found = {name: {} for name in INPUT_CLASSES}
    for row in rows_of(section("Scans and meshes")):
        found[words(row[0])[0]][words(row[1])[0]] = row[2]
    assert found == {name: arguments(cls, "handlers") for name, cls in INPUT_CLASSES.items()}


def test_shipped_presets():
    assert [words(row[0])[0] for row in rows_of(section("The shipped presets"))] == sorted(list_presets())


def test_names_that_stay_the_same():
    """What "Coming from XRMoCap" calls the same can be imported from fitting."""
    page = (DOCS / "coming_from_xrmocap.md").read_text(encoding="utf-8")
    names = [name for row in rows_of(page) if row[1].startswith("the same") for name in words(row[0])]
    assert len(names) > 20
    assert set(names) <= set(fitting.__all__)
