"""The built zip, installed into a profile of its own as a user would."""

import importlib
import sys
from pathlib import Path

import bpy
import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

import build_addon

MODULE = "bl_ext.user_default.blender_smplify"


@pytest.fixture
def extension():
    """Instead of the source tree: this file is about the zip."""


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory):
    path = build_addon.build(tmp_path_factory.mktemp("dist"))
    assert bpy.ops.extensions.package_install_files(filepath=str(path), repo="user_default", enable_on_install=True) == {"FINISHED"}
    yield importlib.import_module(f"{MODULE}.api")
    bpy.ops.preferences.addon_disable(module=MODULE)


@pytest.fixture(autouse=True)
def empty_file(installed):
    bpy.ops.wm.read_homefile(use_empty=True)  # not the factory settings: they know no extension


def test_a_take_is_imported_fitted_and_applied(installed):
    overlay = importlib.import_module(f"{MODULE}.overlay")
    core = importlib.import_module(f"{MODULE}.core")
    assert core.VENDORED
    bpy.ops.smplify.import_sample()
    (shown,) = [item for item in bpy.data.objects if overlay.is_overlay(item)]
    (keypoints,) = installed.show_tracks([overlay.read_track(shown).frames(0, 10)], "short")
    bpy.ops.smplify.select_track(name=keypoints.name)
    assert bpy.ops.smplify.fit() == {"FINISHED"}
    known = installed.metadata(bpy.context.active_object)
    assert (known["n_frames"], known["version"]) == (10, build_addon.version())
    assert known["mean_residual_mm"] < 60


def test_what_the_user_saves_lies_in_the_folder_of_the_extension(installed):
    preferences = importlib.import_module(f"{MODULE}.preferences")
    folder = preferences.user_folder("presets", create=True)
    assert folder.is_dir()
    assert "blender_smplify" in folder.parts
    bpy.ops.smplify.preset_save(name="mine")
    assert (folder / "mine.json").is_file()
    bpy.ops.smplify.preset_load(name="mine")
    assert bpy.context.scene.smplify.preset == "mine"


def test_the_preferences_choose_the_python(installed, tmp_path):
    preferences = importlib.import_module(f"{MODULE}.preferences").preferences()
    python_setup = importlib.import_module(f"{MODULE}.python_setup")
    preferences.python = str(tmp_path / "python")
    assert "There is no file" in python_setup.state.problem
    preferences.python = ""
    assert python_setup.state.problem == ""


def test_the_preferences_name_a_folder_of_body_models(installed, tmp_path):
    preferences = importlib.import_module(f"{MODULE}.preferences").preferences()
    bodies = importlib.import_module(f"{MODULE}.bodies")
    (tmp_path / "SMPL_MALE.npz").write_bytes(b"")
    preferences.bodies = str(tmp_path)
    assert bodies.listed == [tmp_path / "SMPL_MALE.npz"]
    preferences.bodies = ""
    assert bodies.listed == []


def test_the_fitter_of_the_zip_is_used_and_nothing_of_the_source_tree(installed):
    modules = [name for name in sys.modules if name.split(".")[0] in {"fitting", "blender_smplify"}]
    assert modules == []
    assert f"{MODULE}.fitting.data.result" in sys.modules
    assert "torch" not in sys.modules


def test_it_can_be_switched_off_and_on(installed):
    bpy.ops.preferences.addon_disable(module=MODULE)
    assert [name for name in dir(bpy.types) if "smplify" in name.lower()] == []
    assert bpy.ops.preferences.addon_enable(module=MODULE) == {"FINISHED"}
    assert bpy.ops.smplify.import_sample() == {"FINISHED"}


def test_it_can_be_removed(installed):
    folder = Path(installed.__file__).parent
    assert folder.is_dir()
    index = next(i for i, repo in enumerate(bpy.context.preferences.extensions.repos) if repo.module == "user_default")
    assert bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="blender_smplify") == {"FINISHED"}
    assert not folder.exists()
