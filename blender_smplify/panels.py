"""The panels of the sidebar. They read no file and start nothing."""

# ruff: noqa: N801 - Blender names classes like this

import textwrap
from typing import Any, ClassVar

import bpy

from . import api, correctives, overlay, python_setup, session
from .body_operators import body_title
from .keypoint_operators import scene_tracks, shown_track
from .properties import fit_keys, stage_title

BUTTON_HEIGHT = 1.5
CHARACTER_WIDTH = 6.1
"""Mean width of a character in the sidebar, in pixels of a screen of normal density."""


class SmplifyPanel:
    """Where the panels are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "SMPLify"


class SMPLIFY_PT_keypoints(SmplifyPanel, bpy.types.Panel):
    """The keypoints of the scene, and what the importer has decided about them."""

    bl_idname = "SMPLIFY_PT_keypoints"
    bl_label = "Keypoints"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        """Draws the panel."""
        layout, tracks, shown = self.layout, scene_tracks(context), shown_track(context)
        layout.operator("smplify.import_track", icon="IMPORT")
        if not tracks:
            _text(layout, "Import a file of 3D keypoints, or drop it into this view.")
            layout.operator("smplify.import_sample", icon="ARMATURE_DATA")
            return
        column = layout.column(align=True)
        for track in tracks:
            row = column.row(align=True)
            row.operator("smplify.select_track", text=overlay.track_facts(track)["name"], depress=track == shown).name = track.name
            row.operator("smplify.remove_track", text="", icon="X").name = track.name
        if shown is None:
            _text(layout, "Select the keypoints to fit.")
            return
        facts = overlay.track_facts(shown)
        layout.label(text=f"{facts['n_frames']} frames at {facts['fps']:g} fps, {len(facts['names'])} keypoints")
        layout.prop(shown.data, "show_names", text="Show Names")
        if body := _foldout(layout, "What Was Decided", "smplify_decisions"):
            for sentence in facts["decisions"]:
                _text(body, sentence)


class SMPLIFY_PT_fit(SmplifyPanel, bpy.types.Panel):
    """What is fitted, how, and how far it is."""

    bl_idname = "SMPLIFY_PT_fit"
    bl_label = "Fit"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        """Draws the panel."""
        layout, settings = self.layout, context.scene.smplify
        layout.use_property_split, layout.use_property_decorate = True, False
        if python_setup.state.problem:
            box = layout.box()
            _text(box, "Fits need a Python with PyTorch. The preferences help to choose or build one.", "ERROR")
            box.operator("preferences.addon_show", text="Open Preferences", icon="PREFERENCES").module = __package__
        _menu(layout, "Body", "SMPLIFY_MT_bodies", body_title(settings))
        _menu(layout, "Preset", "SMPLIFY_MT_presets", settings.preset)
        addon = context.preferences.addons.get(__package__)
        if addon:
            layout.prop(addon.preferences, "device")
        layout.prop(settings, "bones")
        if session.state.running is None:
            _fit_buttons(layout, context)
        else:
            row = layout.row(align=True)
            row.scale_y = BUTTON_HEIGHT
            row.progress(factor=session.state.fraction, text=session.state.text)
            row.operator("smplify.cancel", text="", icon="CANCEL")
        if session.state.message:
            _text(layout, session.state.message, "ERROR")
        if session.state.finished:
            layout.operator("smplify.apply_result", icon="CHECKMARK")


class SMPLIFY_UL_stages(bpy.types.UIList):
    """The stages of the fit, in their order."""

    bl_idname = "SMPLIFY_UL_stages"

    def draw_item(
        self, _context: bpy.types.Context, layout: bpy.types.UILayout, _data: Any, stage: Any, _icon: int, _active_data: Any, _active: str
    ) -> None:
        """Draws one stage."""
        row = layout.row()
        row.label(text=stage_title(stage))
        row.prop(stage, "n_iter", text="", emboss=False)


class SMPLIFY_PT_stages(SmplifyPanel, bpy.types.Panel):
    """The stages of the preset, for those who want to change them."""

    bl_idname = "SMPLIFY_PT_stages"
    bl_label = "Stages"
    bl_parent_id = "SMPLIFY_PT_fit"
    bl_options: ClassVar = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draws the panel."""
        layout, settings = self.layout, context.scene.smplify
        layout.use_property_split, layout.use_property_decorate = True, False
        if not settings.stages:
            _text(layout, "The stages are those of the preset.")
            layout.operator("smplify.preset_load", text="Edit Stages", icon="GREASEPENCIL").name = settings.preset
            return
        row = layout.row()
        row.template_list("SMPLIFY_UL_stages", "", settings, "stages", settings, "active_stage", rows=4)
        column = row.column(align=True)
        column.operator("smplify.stage_add", text="", icon="ADD")
        column.operator("smplify.stage_remove", text="", icon="REMOVE")
        column.separator()
        column.operator("smplify.stage_move", text="", icon="TRIA_UP").direction = "UP"
        column.operator("smplify.stage_move", text="", icon="TRIA_DOWN").direction = "DOWN"
        stage = settings.stages[settings.active_stage]
        parameters = layout.column(heading="Fit", align=True)
        for key in fit_keys(settings):
            parameters.prop(stage, key)
        column = layout.column(align=True)
        column.prop(stage, "n_iter")
        column.prop(stage, "ftol")
        column.prop(stage, "max_frames")
        column.prop(stage, "least_noise")
        if terms := _foldout(layout, "Terms", "smplify_terms"):
            _weights(terms, stage.terms)
        if reductions := _foldout(layout, "Reductions", "smplify_reductions"):
            for term in stage.terms:
                reductions.prop(term, "reduction", text=term.name)
        if parts := _foldout(layout, "Parts of the Body", "smplify_parts"):
            _weights(parts, stage.parts)
            parts.prop(stage, "use_shoulder_hip_only")
        row = layout.row(align=True)
        row.operator("smplify.preset_save", icon="FILE_TICK")
        row.operator("smplify.preset_remove", text="", icon="TRASH")


class SMPLIFY_PT_result(SmplifyPanel, bpy.types.Panel):
    """How good the fit of the selected body is."""

    bl_idname = "SMPLIFY_PT_result"
    bl_label = "Result"
    bl_order = 2

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A fitted body is selected."""
        return api.fitted_armature(context.active_object) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """Draws the panel."""
        layout = self.layout
        armature = api.fitted_armature(context.active_object)
        known, skin = api.metadata(armature), api.skin_of(armature)
        column = layout.column(align=True)
        column.label(text=f"{known['n_frames']} frames at {known['fps']:g} fps")
        column.label(text=f"Mean residual {known['mean_residual_mm']:.1f} mm")
        if known["worst_keypoint"]:
            column.label(text=f"Worst keypoint {known['worst_keypoint']}, {known['worst_keypoint_mm']:.1f} mm")
        column.label(text=f"{known['model_type'].upper()}, {known['gender']}, preset {known['preset']}")
        if skin is not None:
            layout.operator("smplify.update_joints", icon="ARMATURE_DATA")
        if skin is not None and (level := correctives.level(skin)):
            layout.label(text="Pose Correctives")
            row = layout.row(align=True)
            for name in correctives.LEVELS:
                row.operator("smplify.set_correctives", text=name.title(), depress=name == level).level = name
        if body := _foldout(layout, "Report", "smplify_report"):
            for sentence in known["report"].splitlines():
                _text(body, sentence)


def _fit_buttons(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    column = layout.column(align=True)
    column.scale_y = BUTTON_HEIGHT
    track = shown_track(context)
    is_still = track is not None and overlay.track_facts(track)["n_frames"] == 1
    button = column.operator("smplify.fit", text="Fit Single Pose" if is_still else "Fit", icon="ARMATURE_DATA")
    button.all_tracks, button.still = False, is_still
    n_tracks = len(scene_tracks(context))
    if n_tracks > 1:
        layout.operator("smplify.fit", text=f"Fit All {n_tracks}").all_tracks = True


def _menu(layout: bpy.types.UILayout, title: str, menu: str, text: str) -> None:
    """A menu with its title where properties have theirs."""
    split = layout.row(align=True).split(factor=0.4)
    label = split.row()
    label.alignment = "RIGHT"
    label.label(text=title)
    split.menu(menu, text=text)


def _weights(layout: bpy.types.UILayout, weights: Any) -> None:
    for weight in weights:
        split = layout.split(factor=0.65, align=True)
        split.use_property_split = False
        split.prop(weight, "is_set", text=weight.name)
        field = split.row(align=True)
        field.enabled = weight.is_set
        field.prop(weight, "value", text="")


def _foldout(layout: bpy.types.UILayout, title: str, name: str) -> bpy.types.UILayout | None:
    header, body = layout.panel(name, default_closed=True)
    header.label(text=title)
    return body


def _text(layout: bpy.types.UILayout, text: str, icon: str = "NONE") -> None:
    """A text of any length, as lines: Blender cuts a label that does not fit."""
    region, scale = bpy.context.region, bpy.context.preferences.system.ui_scale
    width = (region.width / scale if region else 300) - (90 if icon != "NONE" else 60)  # less margins, tabs and icon
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(textwrap.wrap(text, max(20, int(width / CHARACTER_WIDTH)))):
        column.label(text=line, icon=icon if number == 0 or icon == "NONE" else "BLANK1")


CLASSES = (SMPLIFY_PT_keypoints, SMPLIFY_PT_fit, SMPLIFY_UL_stages, SMPLIFY_PT_stages, SMPLIFY_PT_result)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
