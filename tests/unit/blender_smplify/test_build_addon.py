import hashlib
import tomllib
import zipfile

import pytest

import build_addon


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with zipfile.ZipFile(build_addon.build(tmp_path_factory.mktemp("dist"))) as opened:
        yield opened


def test_the_zip_is_the_same_each_time(tmp_path):
    hashes = {hashlib.sha256(build_addon.build(tmp_path / name).read_bytes()).hexdigest() for name in ("a", "b")}
    assert len(hashes) == 1
    assert [path.name for path in (tmp_path / "a").iterdir()] == [f"blender_smplify-{build_addon.version()}.zip"]


def test_the_zip_holds_package_fitter_and_presets(archive):
    names = set(archive.namelist())
    assert {
        "__init__.py",
        "blender_manifest.toml",
        "core.py",
        "fitting/worker.py",
        "fitting/assets/default_body.npz",
        "presets/smplify.json",
    } <= names
    assert archive.namelist() == sorted(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc") or name.startswith(("tests", "."))]


def test_the_manifest_has_the_version_of_the_project(archive):
    manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert manifest["version"] == build_addon.version()
    assert manifest["id"] == "blender_smplify"
    assert manifest["blender_version_min"] == "4.2.0"
    assert "Blender" not in manifest["name"]


def test_a_manifest_without_a_version_is_refused():
    assert 'version = "' in build_addon.stamp('id = "x"\nversion = "9.9.9"\n')
    with pytest.raises(SystemExit, match="version"):
        build_addon.stamp('id = "x"\n')


def test_an_invalid_extension_is_refused(tmp_path):
    pytest.importorskip("bpy", reason="Blender's validator comes with bpy")
    path = tmp_path / "broken.zip"
    with zipfile.ZipFile(path, "w") as broken:
        broken.writestr("blender_manifest.toml", 'schema_version = "1.0.0"\n')
    with pytest.raises(SystemExit, match="not valid"):
        build_addon.validate(path)
