import dataclasses
from types import SimpleNamespace

import bpy
import pytest
from synthetic import random_result, random_track

from blender_smplify import api, overlay, panels, properties, python_setup, session
from blender_smplify.core import FitCancelled, PythonError, load_preset


class RecordingLayout:
    """Stands in for Blender's layout: notes what is drawn, and refuses what Blender does not know."""

    def __init__(self, record: list | None = None) -> None:
        object.__setattr__(self, "record", [] if record is None else record)

    def __setattr__(self, name, value):
        assert name in bpy.types.UILayout.bl_rna.properties, f"UILayout has no {name}"
        object.__setattr__(self, name, value)

    def _inner(self, **_):
        return RecordingLayout(self.record)

    row = column = box = split = _inner

    def panel(self, _name, default_closed=False):
        return self._inner(), self._inner()

    def label(self, text="", icon="NONE"):
        assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items
        self.record.append(text)

    def operator(self, name, text=None, icon="NONE", depress=False):
        group, _, rest = name.partition(".")
        label = getattr(getattr(bpy.ops, group), rest).get_rna_type().name
        self.record.append(f"[{text if text is not None else label}]")
        return SimpleNamespace()

    def prop(self, owner, name, text=None, **_):
        assert name in owner.bl_rna.properties, f"{owner} has no {name}"
        self.record.append(f"<{name}>")

    def menu(self, name, text=""):
        assert hasattr(bpy.types, name)
        self.record.append(f"({text})")

    def progress(self, factor=0.0, text=""):
        self.record.append(f"{factor:.0%} {text}")

    def template_list(self, list_class, _name, owner, collection, active_owner, active, rows=0):
        assert hasattr(bpy.types, list_class)
        for item in getattr(owner, collection):
            bpy.types.UIList.bl_rna_get_subclass_py(list_class).draw_item(None, bpy.context, self, owner, item, 0, active_owner, active)

    def separator(self):
        pass


def drawn(panel: type) -> list[str]:
    if hasattr(panel, "poll") and not panel.poll(bpy.context):
        return []
    layout = RecordingLayout()
    panel.draw(SimpleNamespace(layout=layout), bpy.context)
    return layout.record


@pytest.fixture
def running(monkeypatch):
    monkeypatch.setattr(session.state, "running", session.Request(random_track(), None))
    monkeypatch.setattr(session.state, "fraction", 0.5)
    monkeypatch.setattr(session.state, "text", "Stage 2/3, iteration 4/10")


def test_with_nothing_imported_the_panel_says_what_to_do():
    assert drawn(panels.SMPLIFY_PT_keypoints)[0] == "[Import 3D Keypoints]"
    assert "Import a file of 3D keypoints" in " ".join(drawn(panels.SMPLIFY_PT_keypoints))
    assert "[Try the Sample Take]" in drawn(panels.SMPLIFY_PT_keypoints)
    assert drawn(panels.SMPLIFY_PT_result) == []


def test_imported_keypoints_are_listed_with_their_facts():
    api.show_tracks([random_track(name="jump"), random_track(name="walk")], "take")
    assert "[jump]" in drawn(panels.SMPLIFY_PT_keypoints)
    bpy.ops.smplify.select_track(name="walk keypoints")
    lines = drawn(panels.SMPLIFY_PT_keypoints)
    assert {"[jump]", "[walk]", "6 frames at 29.97 fps, 5 keypoints", "<show_names>", "The data are in metres."} <= set(lines)
    assert {"[Fit]", "[Fit All 2]", "(smplify)", "(Neutral)", "<bones>"} <= set(drawn(panels.SMPLIFY_PT_fit))


def test_without_a_python_the_way_to_the_preferences_is_shown(monkeypatch):
    monkeypatch.setattr(python_setup.state, "problem", "No Python with PyTorch is known.")
    assert "[Open Preferences]" in drawn(panels.SMPLIFY_PT_fit)
    monkeypatch.setattr(python_setup.state, "problem", "")
    assert "[Open Preferences]" not in drawn(panels.SMPLIFY_PT_fit)


@pytest.mark.usefixtures("running")
def test_a_running_fit_shows_its_progress_and_can_be_cancelled():
    lines = drawn(panels.SMPLIFY_PT_fit)
    assert "50% Stage 2/3, iteration 4/10" in lines
    assert "[]" in lines
    assert "[Fit]" not in lines
    assert bpy.ops.smplify.cancel.poll()
    assert not bpy.ops.smplify.fit.poll()


def test_a_failure_stays_readable(monkeypatch):
    monkeypatch.setattr(session.state, "message", "The device 'cuda' is not there. Choose another one, for example the processor.")
    assert "Choose another one" in " ".join(drawn(panels.SMPLIFY_PT_fit))


def test_a_result_that_waits_can_be_applied(monkeypatch):
    monkeypatch.setattr(session.state, "finished", [(session.Request(random_track(), None), random_result())])
    assert "[Apply Result]" in drawn(panels.SMPLIFY_PT_fit)


def test_stages_are_closed_until_they_are_edited(scene):
    assert "[Edit Stages]" in drawn(panels.SMPLIFY_PT_stages)
    bpy.ops.smplify.preset_load(name="smplify")
    lines = drawn(panels.SMPLIFY_PT_stages)
    assert [line for line in lines if line in ("Shape and pose", "Pose")] == ["Shape and pose", "Pose", "Pose"]
    assert {
        "<n_iter>",
        "<ftol>",
        "<max_frames>",
        "<least_noise>",
        "<fit_betas>",
        "<use_shoulder_hip_only>",
        "<reduction>",
        "[Save Preset]",
    } <= set(lines)
    assert lines.count("<value>") == len(scene.smplify.stages[0].terms) + 6


def test_the_switches_are_those_of_the_type_of_the_preset():
    bpy.ops.smplify.preset_load(name="smplify")
    settings = bpy.context.scene.smplify
    assert [line for line in drawn(panels.SMPLIFY_PT_stages) if line.startswith("<fit_")] == [
        *("<fit_global_orient>", "<fit_transl>", "<fit_body_pose>", "<fit_betas>")
    ]
    preset = dataclasses.replace(load_preset("smplify"), type="SMPLifyX")
    properties.edit_preset(settings, preset)
    lines = drawn(panels.SMPLIFY_PT_stages)
    assert {"<fit_left_hand_pose>", "<fit_right_hand_pose>", "<fit_expression>", "<fit_jaw_pose>", "<fit_reye_pose>"} <= set(lines)


def test_the_result_of_the_selected_body_is_shown():
    armature = api.apply_result(random_result())
    bpy.context.view_layer.objects.active = armature.children[0]
    assert drawn(panels.SMPLIFY_PT_result) == [
        "6 frames at 59.94 fps",
        "Mean residual 15.0 mm",
        "Worst keypoint right_knee, 20.0 mm",
        "SMPL, neutral, preset smplify",
        "[Update Joints]",
        "Report",
        "Found.",
    ]


def test_drawing_reads_no_file(monkeypatch):
    import builtins
    import io

    api.show_tracks([random_track()], "jump")
    bpy.ops.smplify.preset_load(name="smplify")
    bpy.context.view_layer.objects.active = api.apply_result(random_result())

    def refuse(*_, **__):
        raise AssertionError("a file is read while a panel is drawn")

    for module, name in ((builtins, "open"), (io, "open"), (overlay, "read_track")):
        monkeypatch.setattr(module, name, refuse)
    for panel in panels.CLASSES:
        if issubclass(panel, bpy.types.Panel):
            drawn(panel)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"problem": "No Python with PyTorch is known.\nChoose one."}, {"No Python with PyTorch is known.", "Choose one.", "[Test]"}),
        ({"python": "/opt/python"}, {"Fits use /opt/python", "[Build Environment]"}),
        ({"is_testing": True}, {"[Testing]"}),
        ({"test": "Python 3.12, PyTorch 2.9", "is_good": True}, {"Python 3.12, PyTorch 2.9"}),
        ({"managed": "Python 3.12, PyTorch 2.9"}, {"Built: Python 3.12, PyTorch 2.9", "[]"}),
        ({"build": SimpleNamespace(state="running", fraction=0.2, title="Installing PyTorch")}, {"20% Installing PyTorch"}),
        ({"build": SimpleNamespace(state="failed", error=PythonError("No room."))}, {"No room.", "[Build Environment]"}),
        ({"build": SimpleNamespace(state="cancelled", error=FitCancelled())}, {"[Build Environment]"}),
    ],
)
def test_the_preferences_show_the_python(monkeypatch, state, expected):
    from blender_smplify.preferences import SmplifyPreferences

    monkeypatch.setattr(python_setup, "state", python_setup.State(**state))
    layout = RecordingLayout()
    SmplifyPreferences.draw(SimpleNamespace(layout=layout, bl_rna=SmplifyPreferences.bl_rna), bpy.context)
    assert expected <= set(layout.record)
