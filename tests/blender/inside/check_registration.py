import importlib
import subprocess
import sys
from pathlib import Path

import bpy
import pytest

import blender_smplify

ROOT = Path(__file__).parents[3]


def known_names() -> set[str]:
    return {name for name in dir(bpy.types) if "smplify" in name.lower()}


def test_registering_and_unregistering_leaves_nothing_behind():
    blender_smplify.unregister()
    try:
        handlers = list(bpy.app.handlers.load_pre)
        for _ in range(2):
            assert known_names() == set()
            assert not hasattr(bpy.types.Scene, "smplify")
            assert "smplify" not in dir(bpy.ops) or not dir(bpy.ops.smplify)
            blender_smplify.register()
            assert {"SMPLIFY_PT_keypoints", "SMPLIFY_OT_fit", "SMPLIFY_MT_presets"} <= known_names()
            assert hasattr(bpy.types.Scene, "smplify")
            blender_smplify.unregister()
        assert list(bpy.app.handlers.load_pre) == handlers
    finally:
        blender_smplify.register()


def test_every_class_is_named_in_blenders_way():
    kinds = {bpy.types.Operator: "OT", bpy.types.Panel: "PT", bpy.types.Menu: "MT", bpy.types.UIList: "UL", bpy.types.FileHandler: "FH"}
    classes = [
        cls for name in blender_smplify.MODULES for cls in getattr(importlib.import_module(f"blender_smplify.{name}"), "CLASSES", ())
    ]
    assert len(classes) > 20
    for cls in classes:
        for kind, letters in kinds.items():
            if issubclass(cls, kind):
                assert cls.__name__.startswith(f"SMPLIFY_{letters}_"), cls
        if issubclass(cls, bpy.types.Operator):
            assert cls.bl_idname == f"smplify.{cls.__name__.removeprefix('SMPLIFY_OT_')}"
            assert getattr(cls, "bl_description", "") or cls.__doc__
            assert not cls.bl_description.endswith(".")  # Blender adds one


@pytest.mark.parametrize("name", ["", ".core", ".environment", ".worker_client"])
def test_what_does_not_need_blender_imports_without_it(name):
    program = f"import sys; sys.modules['bpy'] = None; import blender_smplify{name}"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


def test_pytorch_is_never_imported():
    assert "torch" not in sys.modules
