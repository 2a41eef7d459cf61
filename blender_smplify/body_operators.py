"""The operators for bodies: choose one, update its joints, switch its correctives."""

# mypy: disable-error-code="valid-type"
# ruff: noqa: N801 - Blender names classes like this

from typing import Any, ClassVar

import bpy
from bpy.props import EnumProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from . import api, bodies, correctives
from .core import BODY_SUFFIXES, GENDERS, BodyError
from .operator_base import Operator


def body_title(settings: Any) -> str:
    """The body of the panel in a few words."""
    return bodies.title(settings.body_file) if settings.body_file else settings.gender.title()


class SMPLIFY_MT_bodies(bpy.types.Menu):
    """The default bodies, and the body models of the user."""

    bl_idname = "SMPLIFY_MT_bodies"
    bl_label = "Body"

    def draw(self, _context: bpy.types.Context) -> None:
        """Lists the bodies."""
        layout = self.layout
        for gender in GENDERS:
            layout.operator(SMPLIFY_OT_choose_body.bl_idname, text=gender.title()).gender = gender
        layout.separator()
        for path in bodies.listed:
            layout.operator(SMPLIFY_OT_choose_body_file.bl_idname, text=bodies.title(path)).filepath = str(path)
        layout.operator(SMPLIFY_OT_choose_body_file.bl_idname, text="Open...", icon="FILEBROWSER").filepath = ""


class SMPLIFY_OT_choose_body(Operator):
    """Fit a default body."""

    bl_idname = "smplify.choose_body"
    bl_label = "Default Body"
    bl_description = "Fit a body that comes with the extension"
    bl_options: ClassVar = {"INTERNAL", "UNDO"}

    gender: EnumProperty(items=[(item, item.title(), "") for item in GENDERS])

    def run(self, context: bpy.types.Context) -> None:
        """Chooses it."""
        settings = context.scene.smplify
        settings.gender, settings.body_file = self.gender, ""


class SMPLIFY_OT_choose_body_file(Operator, ImportHelper):
    """Fit a body model of the user."""

    bl_idname = "smplify.choose_body_file"
    bl_label = "Choose Body"
    bl_description = "Fit a body model of yours: SMPL, SMPL-H or SMPL-X"
    bl_options: ClassVar = {"INTERNAL", "UNDO"}

    filter_glob: StringProperty(default=";".join(f"*{suffix}" for suffix in BODY_SUFFIXES), options={"HIDDEN"})
    filepath: StringProperty(subtype="FILE_PATH")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Takes the file of the menu, or asks for one."""
        return self.execute(context) if self.filepath else ImportHelper.invoke(self, context, event)

    def run(self, context: bpy.types.Context) -> None:
        """Reads the file and chooses it."""
        model_type, gender = bodies.type_of(bpy.path.abspath(self.filepath))
        context.scene.smplify.body_file = self.filepath
        self.report({"INFO"}, f"{bodies.title(self.filepath)}: {model_type.upper()}, {gender}.")


class RigOperator(Operator):
    """An operator for the fitted body that is selected."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A fitted body is selected."""
        if api.fitted_armature(context.active_object) is None:
            cls.poll_message_set("Select a body that was fitted")
            return False
        return True

    def selected(self, context: bpy.types.Context) -> bpy.types.Object:
        """The armature of the body that is selected."""
        armature = api.fitted_armature(context.active_object)
        if armature is None:
            raise BodyError("No fitted body is selected.", "Select one.")
        return armature


class SMPLIFY_OT_update_joints(RigOperator):
    """Move the joints to where the shape has them."""

    bl_idname = "smplify.update_joints"
    bl_label = "Update Joints"
    bl_description = "Move the joints to where they belong in the shape that the shape keys show. The motion stays"

    def run(self, context: bpy.types.Context) -> None:
        """Moves them."""
        api.update_joints(self.selected(context))


class SMPLIFY_OT_set_correctives(RigOperator):
    """Switch the pose correctives of a body."""

    bl_idname = "smplify.set_correctives"
    bl_label = "Pose Correctives"
    bl_description = "How many joints correct the skin when they bend. Fewer play faster"

    level: EnumProperty(
        name="Level",
        items=[
            (correctives.ALL, "All", "All joints"),
            (correctives.BODY, "Body", "The joints of the body, but not those of hands and face"),
            (correctives.OFF, "Off", "No joint"),
        ],
    )

    def run(self, context: bpy.types.Context) -> None:
        """Switches them."""
        api.set_correctives(self.selected(context), self.level)


CLASSES = (
    SMPLIFY_MT_bodies,
    SMPLIFY_OT_choose_body,
    SMPLIFY_OT_choose_body_file,
    SMPLIFY_OT_update_joints,
    SMPLIFY_OT_set_correctives,
)


def register() -> None:
    """Registers the operators, and looks which body files there are."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bodies.refresh()


def unregister() -> None:
    """Undoes `register`."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
