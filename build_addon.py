"""Builds the Blender extension: ``python build_addon.py [--blender BLENDER]`` writes ``dist/blender_smplify-<version>.zip``.

The zip holds the package, and inside it the fitter and the presets. It is the same to the last byte for the same sources.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent
PACKAGE = "blender_smplify"
PARTS = {PACKAGE: "", "fitting": "fitting", "presets": "presets", "LICENSES": "LICENSES", "LICENSE": "LICENSE", "NOTICE": "NOTICE"}
"""Where each part of the repository goes inside the extension."""
LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store"}
TIME = (2020, 1, 1, 0, 0, 0)
"""The time of every file in the zip: it must not depend on when it was built."""


def main() -> None:
    """Builds the zip and checks it with Blender's own validator."""
    parser = argparse.ArgumentParser(description="Builds the Blender extension.")
    parser.add_argument("--blender", help="a Blender to validate the zip with; otherwise an installed bpy is used, if there is one")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder for the zip (default: dist)")
    given = parser.parse_args()
    path = build(given.output)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {validate(path, given.blender)}")


def build(folder: Path) -> Path:
    """Writes the zip into a folder and hands back its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{PACKAGE}-{version()}.zip"
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        unfinished = Path(temporary) / path.name
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in sorted(contents()):
                entry = zipfile.ZipInfo(name, TIME)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, content)
        unfinished.replace(path)
    return path


def version() -> str:
    """Version of the project."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def contents() -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files of the extension."""
    for source, target in PARTS.items():
        for path in _files(ROOT / source):
            name = Path(target) / path.relative_to(ROOT / source)
            content = path.read_bytes()
            if name == Path("blender_manifest.toml"):
                content = stamp(content.decode()).encode()
            yield name.as_posix(), content


def stamp(manifest: str) -> str:
    """The manifest with the version of the project."""
    stamped, count = re.subn(r'(?m)^version = ".*"$', f'version = "{version()}"', manifest)
    if count != 1:
        sys.exit('blender_manifest.toml has no line of the form: version = "..."')
    return stamped


def validate(path: Path, blender: str | None = None) -> str:
    """Checks the zip with a Blender, or with the script that comes in the `bpy` wheel; says how."""
    if blender:
        command = [blender, "--command", "extension", "validate", str(path)]
    else:
        spec = find_spec("bpy")
        scripts = (
            []
            if spec is None or spec.origin is None
            else sorted(Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
        )
        if not scripts:
            return "not validated (no Blender and no bpy)"
        command = [sys.executable, str(scripts[0]), "validate", str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(f"The extension is not valid:\n{answer.stdout}{answer.stderr}")
    return f"validated by {'Blender' if blender else 'the bpy wheel'}"


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file() and not LEFT_OUT & set(file.parts) and file.suffix != ".pyc"]


if __name__ == "__main__":
    main()
