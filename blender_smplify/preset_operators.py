"""The operators for presets and their stages."""

# mypy: disable-error-code="valid-type"
# ruff: noqa: N801 - Blender names classes like this

from typing import Any, ClassVar

import bpy
from bpy.props import EnumProperty, StringProperty

from . import preset_library
from .core import load_preset
from .operator_base import Operator
from .properties import add_stage, edit_preset, stage_values


class SMPLIFY_MT_presets(bpy.types.Menu):
    """The presets, shipped and own."""

    bl_idname = "SMPLIFY_MT_presets"
    bl_label = "Presets"

    def draw(self, _context: bpy.types.Context) -> None:
        """Lists the presets."""
        for name in preset_library.listed:
            self.layout.operator(SMPLIFY_OT_preset_load.bl_idname, text=name).name = name


class SMPLIFY_OT_preset_load(Operator):
    """Takes a preset and opens its stages for editing."""

    bl_idname = "smplify.preset_load"
    bl_label = "Load Preset"
    bl_description = "Use this preset. Stages that were edited in the panel are lost"

    bl_options: ClassVar = {"INTERNAL", "UNDO"}

    name: StringProperty(name="Preset")

    def run(self, context: bpy.types.Context) -> None:
        """Loads the preset."""
        edit_preset(context.scene.smplify, load_preset(self.name, preset_library.folder()))


class SMPLIFY_OT_preset_save(Operator):
    """Saves the stages of the panel as a preset of the user."""

    bl_idname = "smplify.preset_save"
    bl_label = "Save Preset"
    bl_description = "Save the stages of the panel as a preset of your own"
    bl_options: ClassVar = {"INTERNAL"}

    name: StringProperty(name="Name", description="Name of the preset", options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Asks for the name."""
        now = context.scene.smplify.preset
        self.name = now if preset_library.is_own(now) else f"my {now}"
        return context.window_manager.invoke_props_dialog(self)

    def run(self, context: bpy.types.Context) -> None:
        """Writes the file."""
        settings = context.scene.smplify
        preset_library.save(preset_library.chosen(settings), self.name)
        settings.preset = self.name
        self.report({"INFO"}, f"Saved the preset {self.name!r}.")


class SMPLIFY_OT_preset_remove(Operator):
    """Removes a preset of the user."""

    bl_idname = "smplify.preset_remove"
    bl_label = "Delete Preset"
    bl_description = "Delete this preset of your own"
    bl_options: ClassVar = {"INTERNAL"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks first."""
        return context.window_manager.invoke_confirm(self, event)

    def run(self, context: bpy.types.Context) -> None:
        """Deletes the file; the stages stay in the panel."""
        settings = context.scene.smplify
        preset_library.remove(settings.preset)
        self.report({"INFO"}, f"Deleted the preset {settings.preset!r}.")


class StageOperator(Operator):
    """An operator on the stages of the panel."""

    bl_options: ClassVar = {"INTERNAL", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The stages are being edited."""
        if not context.scene.smplify.stages:
            cls.poll_message_set("Load a preset first")
            return False
        return True


class SMPLIFY_OT_stage_add(StageOperator):
    """Adds a stage like the active one, behind it."""

    bl_idname = "smplify.stage_add"
    bl_label = "Add Stage"
    bl_description = "Add a stage like the active one"

    def run(self, context: bpy.types.Context) -> None:
        """Adds the stage."""
        settings = context.scene.smplify
        add_stage(settings, stage_values(settings, settings.stages[settings.active_stage]))
        settings.active_stage += 1
        settings.stages.move(len(settings.stages) - 1, settings.active_stage)


class SMPLIFY_OT_stage_remove(StageOperator):
    """Removes the active stage; the last one stays."""

    bl_idname = "smplify.stage_remove"
    bl_label = "Remove Stage"
    bl_description = "Remove the active stage"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """More than one stage is there."""
        if len(context.scene.smplify.stages) < 2:
            cls.poll_message_set("A fit needs at least one stage")
            return False
        return True

    def run(self, context: bpy.types.Context) -> None:
        """Removes the stage."""
        settings = context.scene.smplify
        settings.stages.remove(settings.active_stage)
        settings.active_stage = min(settings.active_stage, len(settings.stages) - 1)


class SMPLIFY_OT_stage_move(StageOperator):
    """Moves the active stage up or down."""

    bl_idname = "smplify.stage_move"
    bl_label = "Move Stage"
    bl_description = "Run the active stage earlier or later"

    direction: EnumProperty(items=[("UP", "Up", "Earlier"), ("DOWN", "Down", "Later")])

    def run(self, context: bpy.types.Context) -> None:
        """Moves the stage, if there is room."""
        settings = context.scene.smplify
        place = settings.active_stage + (-1 if self.direction == "UP" else 1)
        if 0 <= place < len(settings.stages):
            settings.stages.move(settings.active_stage, place)
            settings.active_stage = place


CLASSES: tuple[Any, ...] = (
    SMPLIFY_MT_presets,
    SMPLIFY_OT_preset_load,
    SMPLIFY_OT_preset_save,
    SMPLIFY_OT_preset_remove,
    SMPLIFY_OT_stage_add,
    SMPLIFY_OT_stage_remove,
    SMPLIFY_OT_stage_move,
)


def register() -> None:
    """Registers the operators and lists the presets."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    preset_library.refresh()


def unregister() -> None:
    """Undoes `register`."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
