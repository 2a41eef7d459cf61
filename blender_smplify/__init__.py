"""SMPLify Fit: fits SMPL bodies to 3D keypoint tracks, inside Blender.

The package imports without Blender, so that the parts that know nothing of it can be used and tested anywhere.
"""

from importlib import import_module

MODULES = (
    "preferences",
    "properties",
    "keypoint_operators",
    "body_operators",
    "fit_operators",
    "preset_operators",
    "panels",
    "session",
    "cli",
)
"""What Blender has to know of, in the order in which it is registered."""


def register() -> None:
    """Adds the extension to Blender."""
    for name in MODULES:
        import_module(f".{name}", __package__).register()


def unregister() -> None:
    """Takes the extension out of Blender again."""
    for name in reversed(MODULES):
        import_module(f".{name}", __package__).unregister()
