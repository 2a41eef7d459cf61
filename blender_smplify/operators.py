"""The operators: each reads what the user has set, calls `api` or `session`, and reports in one line."""

# mypy: disable-error-code="valid-type"
# ruff: noqa: N801 - Blender names classes like this

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from . import api, overlay, preferences, preset_library, session
from .core import SAMPLE_TAKE, TRACK_SUFFIXES, FitResult, FittingError, KeypointTrack, TrackError, list_conventions, read_tracks
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
        _select(context, items[0])
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
        _select(context, api.import_tracks(SAMPLE_TAKE)[0])
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
        _select(context, _track_named(context, self.name))


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


class SMPLIFY_OT_fit(Operator):
    """Fit a body to the keypoints."""

    bl_idname = "smplify.fit"
    bl_label = "Fit"
    bl_options: ClassVar = set()  # starting changes nothing; what is undone is the result
    bl_description = "Fit a body to the keypoints"

    all_tracks: BoolProperty(name="All People", description="Fit all keypoints of the scene, one after the other", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There are keypoints, and no fit is running."""
        if session.state.running is not None:
            cls.poll_message_set("A fit is running already")
            return False
        if shown_track(context) is None and not scene_tracks(context):
            cls.poll_message_set("Import keypoints first")
            return False
        if shown_track(context) is None:
            cls.poll_message_set("Select the keypoints to fit")
            return False
        return True

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Starts the fit and returns; the result comes by itself."""
        try:
            session.start(self._requests(context))
        except FittingError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def run(self, context: bpy.types.Context) -> None:
        """Fits, waits, and puts the result into the scene."""
        for request in self._requests(context):
            result = session.fit_now(request)
            _put_into_scene(context, request, result)
            self.report({"INFO"}, result.summary())

    def _requests(self, context: bpy.types.Context) -> list[session.Request]:
        settings = context.scene.smplify
        items = scene_tracks(context) if self.all_tracks else [shown_track(context)]
        preset = preset_library.chosen(settings)
        return [
            session.Request(overlay.read_track(item), preset, gender=settings.gender, device=preferences.device(), overlay=item.name)
            for item in items
            if item is not None
        ]


class SMPLIFY_OT_cancel(Operator):
    """Stop the fit; nothing is changed."""

    bl_idname = "smplify.cancel"
    bl_label = "Cancel"
    bl_description = "Stop the fit; nothing is changed"
    bl_options: ClassVar = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """A fit is running."""
        if session.state.running is None or session.state.is_cancelling:
            cls.poll_message_set("No fit is running")
            return False
        return True

    def run(self, _context: bpy.types.Context) -> None:
        """Stops the fit."""
        session.cancel()


class SMPLIFY_OT_apply_result(Operator):
    """Put the fitted body into the scene."""

    bl_idname = "smplify.apply_result"
    bl_label = "Apply Result"
    bl_options: ClassVar = {"INTERNAL", "UNDO"}
    bl_description = "Put the fitted body into the scene"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """A result is waiting."""
        if not session.state.finished:
            cls.poll_message_set("No result is waiting")
            return False
        return True

    def run(self, context: bpy.types.Context) -> None:
        """Applies the oldest result."""
        request, result = session.state.finished[0]
        _put_into_scene(context, request, result)
        session.state.finished.pop(0)
        self.report({"INFO"}, result.summary())


def _track_named(context: bpy.types.Context, name: str) -> bpy.types.Object:
    item = context.scene.objects.get(name)
    if not overlay.is_overlay(item):
        raise TrackError(f"There are no keypoints named {name!r} in the scene.", "Import them again.")
    return item


def _put_into_scene(context: bpy.types.Context, request: session.Request, result: FitResult) -> None:
    _select(context, api.apply_result(result, keypoints=context.scene.objects.get(request.overlay)))


def _select(context: bpy.types.Context, item: bpy.types.Object) -> None:
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
    SMPLIFY_OT_fit,
    SMPLIFY_OT_cancel,
    SMPLIFY_OT_apply_result,
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
