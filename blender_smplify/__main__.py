"""``python -m blender_smplify TAKE -o take.blend``, with the `bpy` wheel."""

import os
import sys


def main() -> None:
    """Runs the command line and ends the process."""
    try:
        from .cli import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "bpy":
            raise
        sys.exit("Error: This Python has no bpy. Install it (pip install bpy), or use blender --command smplify.")
    code = run(sys.argv[1:], "python -m blender_smplify")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the bpy wheels complain, hang or crash when the interpreter ends in the usual way


if __name__ == "__main__":
    main()
