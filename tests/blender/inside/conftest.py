"""A fresh, empty scene for each test, and an extension that is registered while the tests run."""

import os
import sys
import tempfile

import pytest

STATUS = pytest.StashKey[int]()
PROFILE = tempfile.TemporaryDirectory(prefix="smplify-profile-")


def pytest_configure():
    """Never the user's own settings: Blender looks for them when it is imported."""
    os.environ["BLENDER_USER_RESOURCES"] = PROFILE.name


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[STATUS] = exitstatus


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Blender 4.2 crashes at its end where its own glTF exporter has run."""
    if "io_scene_gltf2.io.exp" in sys.modules and sys.modules["bpy"].app.version < (4, 3):
        sys.stdout.flush()
        os._exit(config.stash[STATUS])


@pytest.fixture(scope="module", autouse=True)
def extension():
    import blender_smplify

    blender_smplify.register()
    yield
    blender_smplify.unregister()  # Blender 4.2 crashes and 4.5 hangs at exit where a class is still registered


@pytest.fixture(autouse=True)
def empty_file():
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture
def scene():
    import bpy

    return bpy.context.scene


def data_counts() -> dict[str, int]:
    """How many data-blocks of each kind the file has."""
    import bpy

    kinds = ("objects", "meshes", "armatures", "actions", "collections", "materials", "texts", "cameras", "lights", "shape_keys")
    return {kind: len(getattr(bpy.data, kind)) for kind in kinds}
