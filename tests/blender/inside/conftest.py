"""A fresh, empty scene for each test, and an extension that is registered while the tests run."""

import os
import tempfile

os.environ.setdefault("BLENDER_USER_RESOURCES", tempfile.mkdtemp(prefix="smplify-profile-"))  # never the user's own settings

import bpy
import pytest

import blender_smplify


@pytest.fixture(scope="session", autouse=True)
def extension():
    blender_smplify.register()
    yield
    blender_smplify.unregister()  # Blender 4.2 crashes and 4.5 hangs at exit where a class is still registered


@pytest.fixture(autouse=True)
def empty_file():
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture
def scene():
    return bpy.context.scene


def data_counts() -> dict[str, int]:
    """How many data-blocks of each kind the file has."""
    kinds = ("objects", "meshes", "armatures", "actions", "collections", "materials", "texts", "cameras", "lights")
    return {kind: len(getattr(bpy.data, kind)) for kind in kinds}
