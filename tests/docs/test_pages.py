"""The pages of docs/ are true: what they show is run, in the order of the page, in one folder and one namespace.

A fence says its language and, where the block is a file, its name: `python`, `json base.json`, `python smplify.py`, `sh`. A block may end
with the sentence of an error that it raises, `# PresetError: ...`, or name a warning that is logged, `# Warning: ...`.
"""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator

import fitting
from fitting import cli, errors
from fitting.data.preset import read_preset
from fitting.handlers import HANDLERS
from fitting.losses import LOSSES
from fitting.registrant import HOOKS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
SCHEMA = json.loads((Path(fitting.__file__).parent / "data" / "preset.schema.json").read_text(encoding="utf-8"))
N_FRAMES = 6


@dataclass(frozen=True)
class Block:
    """What is between two fences; `file` is its name on disk, or empty."""

    language: str
    file: str
    text: str


def blocks_of(page):
    fences = re.findall(r"^```(\w+) ?([\w.]*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(*fence) for fence in fences]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a short take, as a track and as Keypoints of XRMoCap."""
    monkeypatch.chdir(tmp_path)
    walk = fitting.read_track(Path(fitting.__file__).parent / "assets" / "walk.npz")
    frames = slice(100, 100 + 10 * N_FRAMES, 10)
    take = fitting.KeypointTrack(walk.points[frames], walk.confidence[frames], walk.names, walk.fps / 10, "take")
    take.save("take.npz")
    smpl = fitting.convert_keypoints(take, "smpl")
    values = np.concatenate([smpl.points, smpl.confidence[..., None]], -1)[:, None]
    fitting.Keypoints(values, smpl.observed[:, None].astype(np.uint8), "smpl").dump("keypoints3d.npz")
    return tmp_path


@pytest.fixture
def as_before(monkeypatch):
    """Classes that a page registers are forgotten after it; it runs on one thread."""
    for registry in (LOSSES, HANDLERS, HOOKS):
        monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_all_blocks_run(page, folder, caplog):
    namespace = {"__name__": page.stem}
    for block in (block for block in blocks_of(page) if block.file):
        (folder / block.file).write_text(block.text, encoding="utf-8")
    for block in blocks_of(page):
        if block.language == "python" and not block.file:
            run_python(block.text, namespace, page, caplog)
        elif block.language == "sh":
            run_commands(block.text)
        elif block.language == "json":
            check_json(block)


def run_python(text, namespace, page, caplog):
    caplog.clear()
    code = compile(text, page.name, "exec")
    expected = re.search(r"^# (\w*Error): (.+)$", text, re.MULTILINE)
    if expected is None:
        exec(code, namespace)
    else:
        with pytest.raises(getattr(errors, expected[1])) as raised:
            exec(code, namespace)
        assert (type(raised.value).__name__, str(raised.value)) == expected.groups()
    for warning in re.findall(r"^# Warning: (.+)$", text, re.MULTILINE):
        assert warning in caplog.messages


def run_commands(text):
    prefix = "python -m fitting "
    for line in text.splitlines():
        if line.startswith(prefix):
            assert cli.main(shlex.split(line.removeprefix(prefix), comments=True)) == 0, line


def check_json(block):
    values = json.loads(block.text)
    if block.file:
        assert list(Draft202012Validator(SCHEMA).iter_errors(values)) == []
        read_preset(block.file)
    elif "handler_key" in values:
        schema = {"$ref": "#/$defs/handler", "$defs": SCHEMA["$defs"]}
        assert list(Draft202012Validator(schema).iter_errors(values)) == []
        fitting.build_handler(values)
    else:
        fragment = {"$defs": SCHEMA["$defs"], "properties": SCHEMA["properties"], "additionalProperties": False}
        assert list(Draft202012Validator(fragment).iter_errors(values)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_it_begins_with_five_lines_that_work(page):
    text = page.read_text(encoding="utf-8")
    first = blocks_of(page)[0]
    assert first.language == "python"
    assert text.index(first.text) < text.index("\n## ")
    assert len([line for line in first.text.splitlines() if line.strip()]) <= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links(page):
    """They lead to files and headings that are there, and each page to all others."""
    targets = [target.split("#") for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")) if "://" not in target]
    for file, *anchors in targets:
        target = DOCS / file if file else page
        assert target.exists(), file
        assert set(anchors) <= headings_of(target), (file, anchors)
    assert {other.name for other in PAGES if other != page} <= {file for file, *_ in targets}


def headings_of(page):
    """The headings of a page as GitHub makes anchors of them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_three_pages_are_there():
    assert {"coming_from_xrmocap.md", "presets.md", "write_your_own_loss.md"} <= {page.name for page in PAGES}
