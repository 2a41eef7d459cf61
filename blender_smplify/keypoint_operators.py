"""The operators for keypoints: import, choose, remove."""

# mypy: disable-error-code="valid-type"
# ruff: noqa: N801 - Blender names classes like this

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from . import api, overlay
from .core import SAMPLE_TAKE, TRACK_SUFFIXES, KeypointTrack, TrackError, list_conventions, read_tracks
from .operator_base import Operator

AUTO = "AUTO"
UNITS = ("m", "cm", "mm", "inch", "foot")
UP_AXES = ("y", "z", "x", "-y", "-z", "-x")


def shown_track(context: bpy.types.Context) -> bpy.types.Object | None:
    """The keypoints that the panel is about: those that are selected, else the last ones used, else the only ones."""
    selected = context.active_object
    while selected is not None and not overlay.is_overlay(selected):
        selected = api.keypoints_of(selected) or selected.parent
    if selected is not None:
        return selected
    last = context.scene.smplify.track
    if last is not None and last.name in context.scene.objects:
        return last
    tracks = scene_tracks(context)
    return tracks[0] if len(tracks) == 1 else None


def scene_tracks(context: bpy.types.Context) -> list[bpy.types.Object]:
    """All keypoints of the scene."""
    return [item for item in context.scene.objects if overlay.is_overlay(item)]


class SMPLIFY_OT_import_track(Operator, ImportHelper):
    """Import 3D keypoints from motion capture."""

    bl_idname = "smplify.import_track"
    bl_label = "Import 3D Keypoints"
    bl_description = "Import 3D keypoints from motion capture"

    filter_glob: StringProperty(default=";".join(f"*{suffix}" for suffix in TRACK_SUFFIXES), options={"HIDDEN"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    units: EnumProperty(
        name="Units",
        description="Unit of length of the file",
        items=[(AUTO, "Automatic", "By the size of the body"), *((unit, unit, "") for unit in UNITS)],
    )
    up_axis: EnumProperty(
        name="Up",
        description="The axis of the file that points up",
        items=[(AUTO, "Automatic", "By the posture of the body"), *((axis, axis.upper(), "") for axis in UP_AXES)],
    )
    convention: EnumProperty(
        name="Keypoints",
        description="What the keypoints are, where the file does not name them",
        items=[(AUTO, "Automatic", "By their names, or by their number and layout"), *((name, name, "") for name in list_conventions())],
    )
    use_fps: BoolProperty(name="Set Frame Rate", description="Use another frame rate than the file says")
    fps: FloatProperty(name="Frame Rate", default=30, min=0.01, soft_max=240)
    match_rate: BoolProperty(
        name="Set Scene Rate", default=True, description="Set the frame rate and the length of the scene to those of the take"
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Imports what was dropped into the window, or asks for a file."""
        if self.directory and self.files:
            return self.execute(context)
        return ImportHelper.invoke(self, context, event)

    def draw(self, _context: bpy.types.Context) -> None:
        """The settings beside the file browser."""
        layout = self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        for name in ("units", "up_axis", "convention"):
            layout.prop(self, name)
        row = layout.row(heading="Frame Rate")
        row.prop(self, "use_fps", text="")
        field = row.row()
        field.enabled = self.use_fps
        field.prop(self, "fps", text="")
        layout.prop(self, "match_rate")

    def run(self, context: bpy.types.Context) -> None:
        """Imports the files."""
        names = [item.name for item in self.files if item.name]
        paths = [Path(self.directory, name) for name in names] if names else [Path(self.filepath)]
        takes = {path.stem: self._read(path) for path in paths}  # all of them, before anything is shown
        items = [item for name, tracks in takes.items() for item in api.show_tracks(tracks, name, match_rate=self.match_rate)]
        select(context, items[0])
        _show_selected(context)
        facts = overlay.track_facts(items[0])
        people = "" if len(items) == 1 else f"{len(items)} people, the first: "
        self.report(
            {"INFO"},
            f"{people}{facts['n_frames']} frames at {facts['fps']:g} fps, {len(facts['names'])} keypoints. {' '.join(facts['decisions'])}",
        )

    def _read(self, path: Path) -> list[KeypointTrack]:
        return read_tracks(
            path,
            fps=self.fps if self.use_fps else None,
            units=None if self.units == AUTO else self.units,
            up_axis=None if self.up_axis == AUTO else self.up_axis,
            convention=None if self.convention == AUTO else self.convention,
        )


class SMPLIFY_OT_import_sample(Operator):
    """Import the take that comes with the extension, to try it out."""

    bl_idname = "smplify.import_sample"
    bl_label = "Try the Sample Take"
    bl_description = "Import the take that comes with the extension, to try it out"

    def run(self, context: bpy.types.Context) -> None:
        """Imports the sample."""
        select(context, api.import_tracks(SAMPLE_TAKE)[0])
        _show_selected(context)


class SMPLIFY_OT_select_track(Operator):
    """Select these keypoints."""

    bl_idname = "smplify.select_track"
    bl_label = "Select Keypoints"
    bl_description = "Select these keypoints"
    bl_options: ClassVar = {"INTERNAL", "UNDO"}

    name: StringProperty()

    def run(self, context: bpy.types.Context) -> None:
        """Makes the keypoints active."""
        select(context, _track_named(context, self.name))


class SMPLIFY_OT_remove_track(Operator):
    """Removes the keypoints of one person."""

    bl_idname = "smplify.remove_track"
    bl_label = "Remove Keypoints"
    bl_description = "Remove these keypoints. Bodies that were fitted to them stay"
    bl_options: ClassVar = {"INTERNAL", "UNDO"}

    name: StringProperty()

    def run(self, context: bpy.types.Context) -> None:
        """Removes the objects and what only they have used."""
        overlay.remove(_track_named(context, self.name))


def _track_named(context: bpy.types.Context, name: str) -> bpy.types.Object:
    item = context.scene.objects.get(name)
    if not overlay.is_overlay(item):
        raise TrackError(f"There are no keypoints named {name!r} in the scene.", "Import them again.")
    return item


def select(context: bpy.types.Context, item: bpy.types.Object) -> None:
    """Makes an object the only selected one, unless the user is at work on another."""
    if overlay.is_overlay(item):
        context.scene.smplify.track = item
    if context.mode != "OBJECT":
        return  # the user is at work on something else
    for other in list(context.view_layer.objects.selected):
        other.select_set(False)
    item.select_set(True)
    context.view_layer.objects.active = item


def _show_selected(context: bpy.types.Context) -> None:
    """Turns the 3D views to what was imported: a recording may lie metres away from where the user looks."""
    if bpy.app.background:
        return
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D" and area.spaces.active.region_3d.view_perspective != "CAMERA":
                region = next(region for region in area.regions if region.type == "WINDOW")
                with context.temp_override(window=window, area=area, region=region):
                    bpy.ops.view3d.view_selected()


class SMPLIFY_FH_track(bpy.types.FileHandler):
    """Imports keypoint files that are dropped into the 3D view."""

    bl_idname = "SMPLIFY_FH_track"
    bl_label = "3D Keypoints"
    bl_import_operator = "smplify.import_track"
    bl_file_extensions = ";".join(TRACK_SUFFIXES)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Keypoints belong into a 3D view."""
        return bool(context.area and context.area.type == "VIEW_3D")


def _draw_import_entry(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    menu.layout.operator(SMPLIFY_OT_import_track.bl_idname, text=f"3D Keypoints ({', '.join(TRACK_SUFFIXES)})")


CLASSES = (
    SMPLIFY_OT_import_track,
    SMPLIFY_OT_import_sample,
    SMPLIFY_OT_select_track,
    SMPLIFY_OT_remove_track,
    SMPLIFY_FH_track,
)


def register() -> None:
    """Registers the operators and the menu entry."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.TOPBAR_MT_file_import.append(_draw_import_entry)


def unregister() -> None:
    """Undoes `register`."""
    bpy.types.TOPBAR_MT_file_import.remove(_draw_import_entry)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
