"""Reader of Acclaim skeletons (.asf) and motions (.amc): global rotations of the bones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fitting.errors import TrackError

Floats = NDArray[np.floating[Any]]

ROOT = "root"
_ROOT_CHANNELS = ("tx", "ty", "tz", "rx", "ry", "rz")


@dataclass
class Bone:
    """A bone of a skeleton.

    Attributes:
        parent: Name of the parent; the root is "root".
        direction: (3,) from its head to its tail at rest.
        axis: (3, 3) rotation of the frame in which its channels turn.
        channels: Names of its channels, in the order of the motion file: "rx", "ry", "rz".
    """

    parent: str = ROOT
    direction: Floats = field(default_factory=lambda: np.zeros(3))
    axis: Floats = field(default_factory=lambda: np.eye(3))
    channels: tuple[str, ...] = ()


def read_skeleton(path: Path) -> dict[str, Bone]:
    """The bones of an .asf, without the root.

    Raises:
        TrackError: The file holds no bones, or its angles are not in degrees.
    """
    bones: dict[str, Bone] = {}
    section, bone = "", Bone()
    for words in _lines(path):
        if words[0].startswith(":"):
            section = words[0]
        elif section == ":units" and words[0] == "angle" and words[1] != "deg":
            raise TrackError(f"{path.name!r} has angles in {words[1]!r}, but degrees are expected.", "Export it in degrees.")
        elif section == ":bonedata":
            match words[0]:
                case "begin":
                    bone = Bone()
                case "name":
                    bones[words[1]] = bone
                case "direction":
                    bone.direction = np.array(words[1:4], float)
                case "axis":
                    bone.axis = Rotation.from_euler(words[4].lower(), np.array(words[1:4], float), degrees=True).as_matrix()
                case "dof":
                    bone.channels = tuple(word.lower() for word in words[1:])
        elif section == ":hierarchy" and words[0] not in ("begin", "end"):
            for child in words[1:]:
                bones[child].parent = words[0]
    if not bones:
        raise TrackError(f"{path.name!r} has no bones.", "Give the .asf that belongs to the motion.")
    return bones


def read_motion(path: Path, every: int = 1) -> list[dict[str, Floats]]:
    """The channels of each bone for every n-th frame of an .amc.

    Raises:
        TrackError: The file holds no frames.
    """
    frames: list[dict[str, Floats]] = []
    for words in _lines(path):
        if len(words) == 1 and words[0].isdigit():
            frames.append({})
        elif frames:
            frames[-1][words[0]] = np.array(words[1:], float)
    if not frames:
        raise TrackError(f"{path.name!r} has no frames.", "Give an .amc file.")
    return frames[::every]


def global_rotations(bones: Mapping[str, Bone], frames: list[dict[str, Floats]]) -> dict[str, Floats]:
    """(F, 3, 3) rotation of each bone from its rest pose, in the world."""
    rotations = {ROOT: _rotation(_ROOT_CHANNELS, [frame[ROOT] for frame in frames])}

    def of(name: str) -> Floats:
        if name not in rotations:
            bone = bones[name]
            still = np.zeros(len(bone.channels))  # a bone that a frame leaves out is at rest
            own = _rotation(bone.channels, [frame.get(name, still) for frame in frames])
            rotations[name] = of(bone.parent) @ (bone.axis @ own @ bone.axis.T)
        return rotations[name]

    for name in bones:
        of(name)
    return rotations


def _rotation(channels: tuple[str, ...], values: list[Floats]) -> Floats:
    """(F, 3, 3) rotation about x, then y, then z, of the axes at rest; other channels are left out."""
    angles = np.zeros((len(values), 3))
    for column, channel in enumerate(channels):
        if channel[0] == "r":
            angles[:, "xyz".index(channel[1])] = [value[column] for value in values]
    return np.asarray(Rotation.from_euler("xyz", angles, degrees=True).as_matrix())


def _lines(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise TrackError(f"Cannot read {str(path)!r}: {error.strerror or error}.", "Check the path.") from error
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
