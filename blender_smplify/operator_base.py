"""The base of all operators."""

from typing import ClassVar

import bpy

from .core import FittingError


class Operator(bpy.types.Operator):
    """An operator whose `run` may raise what the user can mend: it becomes the one line that Blender shows."""

    bl_options: ClassVar = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Runs the operator; where it raises, nothing has changed."""
        try:
            self.run(context)
        except FittingError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def run(self, context: bpy.types.Context) -> None:
        """What the operator does."""
        raise NotImplementedError
