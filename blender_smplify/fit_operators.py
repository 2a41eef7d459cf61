"""The operators for fits: start, stop, apply."""

# mypy: disable-error-code="valid-type"
# ruff: noqa: N801 - Blender names classes like this

from typing import ClassVar

import bpy
from bpy.props import BoolProperty

from . import api, bodies, overlay, preferences, preset_library, session
from .core import FitResult, FittingError
from .fit_request import Request
from .keypoint_operators import scene_tracks, select, shown_track
from .operator_base import Operator


class SMPLIFY_OT_fit(Operator):
    """Fit a body to the keypoints."""

    bl_idname = "smplify.fit"
    bl_label = "Fit"
    bl_options: ClassVar = set()  # starting changes nothing; what is undone is the result
    bl_description = "Fit a body to the keypoints"

    still: BoolProperty(name="Single Pose", description="Also fit a take of one frame, as a single pose", options={"SKIP_SAVE"})
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

    def _requests(self, context: bpy.types.Context) -> list[Request]:
        settings = context.scene.smplify
        items = scene_tracks(context) if self.all_tracks else [shown_track(context)]
        preset, body = preset_library.chosen(settings), bodies.chosen(settings)
        gender = None if body else settings.gender
        requests = []
        for item in filter(None, items):
            track = overlay.read_track(item)
            if not self.still:
                track.require_motion("Press 'Fit Single Pose', or call the operator with still=True.")
            requests.append(Request(track, preset, body, gender, preferences.device(), overlay=item.name))
        return requests


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


def _put_into_scene(context: bpy.types.Context, request: Request, result: FitResult) -> None:
    select(context, api.apply_result(result, keypoints=context.scene.objects.get(request.overlay), bones=context.scene.smplify.bones))


CLASSES = (SMPLIFY_OT_fit, SMPLIFY_OT_cancel, SMPLIFY_OT_apply_result)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
