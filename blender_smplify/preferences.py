"""What belongs to the machine and not to a scene: the Python that has PyTorch, the device, and folders of the user."""

# mypy: disable-error-code="valid-type"
# ruff: noqa: N801 - Blender names classes like this

from pathlib import Path
from typing import Any, ClassVar

import bpy
from bpy.props import EnumProperty, StringProperty

from . import bodies, python_setup
from .core import PythonError
from .managed_environment import BACKENDS
from .operator_base import Operator

DEVICES = (
    ("auto", "Automatic", "The graphics card if PyTorch can use it, otherwise the processor"),
    ("cpu", "CPU", "The processor"),
    ("cuda", "CUDA or ROCm", "A graphics card of NVIDIA or AMD"),
    ("mps", "Metal", "The graphics processor of a Mac"),
)


def _python_changed(_preferences: Any, _context: bpy.types.Context) -> None:
    python_setup.refresh(python_path())


def _bodies_changed(_preferences: Any, _context: bpy.types.Context) -> None:
    bodies.refresh()


class SmplifyPreferences(bpy.types.AddonPreferences):
    """Preferences of the extension."""

    bl_idname = __package__

    python: StringProperty(
        name="Python",
        subtype="FILE_PATH",
        update=_python_changed,
        description="A Python that has PyTorch, or the folder of its environment. Empty: the environment below, or what else is found",
    )
    bodies: StringProperty(
        name="Body Models",
        subtype="DIR_PATH",
        update=_bodies_changed,
        description="A folder with body models of the SMPL family (.npz, .pkl). They are listed in the panel",
    )
    device: EnumProperty(name="Device", items=DEVICES, description="Where fits are computed")
    backend: EnumProperty(
        name="PyTorch for",
        items=[(name, title.split(":")[0].split(" (")[0], title) for name, title in BACKENDS.items()],
        description="Which PyTorch the environment gets",
    )

    def draw(self, _context: bpy.types.Context) -> None:
        """Draws the preferences."""
        layout, state = self.layout, python_setup.state
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(self, "bodies")
        layout.prop(self, "device")
        layout.separator()
        layout.label(text="Fits run in a Python of their own that has PyTorch. Name one, or let one be built.")
        split = layout.split(factor=0.85, align=True)
        split.prop(self, "python")
        split.operator(SMPLIFY_OT_test_python.bl_idname, text="Testing" if state.is_testing else "Test")
        if state.test:
            _lines(layout, state.test, "CHECKMARK" if state.is_good else "ERROR")
        elif state.problem:
            _lines(layout, state.problem, "ERROR")
        else:
            _lines(layout, f"Fits use {state.python}", "INFO")
        layout.separator()
        if state.is_building and state.build is not None:
            row = layout.row()
            row.progress(factor=state.build.fraction, text=state.build.title)
            row.operator(SMPLIFY_OT_cancel_build.bl_idname, text="", icon="CANCEL")
            return
        row = layout.row(align=True)
        row.prop(self, "backend")
        row.operator(SMPLIFY_OT_build_environment.bl_idname)
        if not bpy.app.online_access:
            _lines(layout, "To build it, allow online access in System > Network.", "INTERNET_OFFLINE")
        if state.managed:
            row.operator(SMPLIFY_OT_remove_environment.bl_idname, text="", icon="TRASH")
            _lines(layout, f"Built: {state.managed}", "CHECKMARK")
        elif state.build is not None and state.build.state == "failed":
            _lines(layout, str(state.build.error), "ERROR")


def _lines(layout: bpy.types.UILayout, text: str, icon: str) -> None:
    column = layout.column(align=True)
    for number, line in enumerate(text.splitlines()):
        column.label(text=line, icon=icon if number == 0 else "BLANK1")


class SMPLIFY_OT_test_python(Operator):
    """Tests the Python that fits would use."""

    bl_idname = "smplify.test_python"
    bl_label = "Test"
    bl_description = "Start this Python and look whether its PyTorch works, and on which devices"
    bl_options: ClassVar = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """No test is running."""
        if python_setup.state.is_testing:
            cls.poll_message_set("A test is running")
            return False
        return True

    def run(self, _context: bpy.types.Context) -> None:
        """Starts the test."""
        python_setup.start_test()


class SMPLIFY_OT_build_environment(Operator):
    """Builds an environment with PyTorch."""

    bl_idname = "smplify.build_environment"
    bl_label = "Build Environment"
    bl_description = "Download PyTorch into a folder of yours (1 to 8 GB). Blender's own Python is left alone"
    bl_options: ClassVar = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Blender may go online, and no build is running."""
        if not bpy.app.online_access:
            cls.poll_message_set("Allow online access first: Preferences, System, Network")
            return False
        if python_setup.state.is_building:
            cls.poll_message_set("A build is running")
            return False
        return True

    def run(self, _context: bpy.types.Context) -> None:
        """Starts the build."""
        chosen = preferences()
        python_setup.start_build(chosen.backend if chosen else "auto")


class SMPLIFY_OT_cancel_build(Operator):
    """Stops the build."""

    bl_idname = "smplify.cancel_build"
    bl_label = "Stop Building"
    bl_description = "Stop the download. What is there so far is not used"
    bl_options: ClassVar = {"INTERNAL"}

    def run(self, _context: bpy.types.Context) -> None:
        """Stops the build."""
        if python_setup.state.build is None:
            raise PythonError("No environment is being built.")
        python_setup.state.build.cancel()


class SMPLIFY_OT_remove_environment(Operator):
    """Deletes the environment that the extension has built."""

    bl_idname = "smplify.remove_environment"
    bl_label = "Remove Environment"
    bl_description = "Delete the environment with PyTorch that this extension has built"
    bl_options: ClassVar = {"INTERNAL"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks first."""
        return context.window_manager.invoke_confirm(self, event)

    def run(self, _context: bpy.types.Context) -> None:
        """Deletes it."""
        python_setup.remove()


def preferences() -> SmplifyPreferences | None:
    """The preferences; None where the package runs without being enabled as an extension."""
    addon = bpy.context.preferences.addons.get(__package__)
    return addon.preferences if addon else None


def python_path() -> str | None:
    """The Python that the user has chosen, if any."""
    chosen = preferences()
    return bpy.path.abspath(chosen.python) if chosen and chosen.python else None


def device() -> str:
    """The device that the user has chosen."""
    chosen = preferences()
    return chosen.device if chosen else "auto"


def user_folder(name: str, create: bool = False) -> Path:
    """A folder of the user for this extension: "presets" or "logs"."""
    try:
        return Path(bpy.utils.extension_path_user(__package__, path=name, create=create))
    except ValueError:  # not installed as an extension
        return Path(bpy.utils.user_resource("CONFIG", path=f"smplify/{name}", create=create))


CLASSES: tuple[Any, ...] = (
    SMPLIFY_OT_test_python,
    SMPLIFY_OT_build_environment,
    SMPLIFY_OT_cancel_build,
    SMPLIFY_OT_remove_environment,
    SmplifyPreferences,
)


def register() -> None:
    """Registers the preferences, and looks which Python there is."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    python_setup.refresh(python_path())


def unregister() -> None:
    """Undoes `register`."""
    python_setup.stop()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
