"""Calibration files of the field: OpenCV's TOML and YAML, and the JSON of XRPrimer and others."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import CameraError
from .camera import Camera

MAX_BYTES = 16 * 1024**2
MAX_CAMERAS = 1000

_MATRIX = ("matrix", "intrinsic", "K", "camera_matrix", "intrinsics")
_DISTORTION = ("distortions", "distortion", "distCoef", "dist", "dist_coeffs", "distortion_coefficients")
_ROTATION = ("rotation", "extrinsic_r", "R", "Rot", "rvec")
_TRANSLATION = ("translation", "extrinsic_t", "t", "T", "tvec")
_SIZE = ("size", "resolution", "image_size", "img_size")
"""Keys under which the tools of the field keep things; the first that is there counts."""

_COEFFICIENTS = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
_YAML_MATRIX = re.compile(r"^(\w+):\s*!!opencv-matrix\s+rows:\s*(\d+)\s+cols:\s*(\d+)\s+dt:\s*\S+\s+data:\s*\[([^\]]*)\]", re.MULTILINE)


def read_cameras(path: str | Path, *, up_axis: str = "y", units: str | float = "m") -> list[Camera]:
    """The cameras of a calibration, in the order of the file.

    Reads the TOML of Pose2Sim, Anipose and FreeMoCap; the JSON of XRPrimer and XRMoCap, of CMU Panoptic, and others with the
    same keys; the `intri.yml` and `extri.yml` of EasyMocap (give either, or their folder); and a folder with one JSON for each
    camera, in the order of their names. All follow OpenCV; none tells units or which axis points up.

    Args:
        path: A `.toml`, `.json` or `.yml` file, or a folder.
        up_axis: The axis of the calibration's world that points up: "x", "y", "z", "-x", "-y" or "-z".
        units: Units of the calibration: "m", "cm", "mm", ..., or the metres per unit.

    Raises:
        CameraError: The file cannot be read, or holds no camera.
        TrackError: Unknown axis or unit.
    """
    path = Path(path)
    found = list(_entries(path))
    if not found:
        raise CameraError(
            f"{path.name!r} holds no camera.", "Each needs its matrix, rotation and translation; see read_cameras for the formats."
        )
    if len(found) > MAX_CAMERAS:
        raise CameraError(f"{path.name!r} holds {len(found)} cameras, expected no more than {MAX_CAMERAS}.")
    return [_camera(entry, name, up_axis, units) for name, entry in found]


def _entries(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and values of each camera of a file or a folder."""
    if path.is_dir():
        if (path / "intri.yml").is_file():
            yield from _easymocap(path)
        else:
            for file in sorted(path.glob("*.json"))[: MAX_CAMERAS + 1]:
                yield from _cameras_in(_json(file), file.stem)
    elif not path.is_file():
        raise CameraError(f"There is no file {str(path)!r}.", "Check the path.")
    elif path.suffix.lower() in (".yml", ".yaml"):
        yield from _easymocap(path.parent)
    elif path.suffix.lower() == ".toml":
        try:
            values = tomllib.loads(_text(path))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise CameraError(f"{path.name!r} is no TOML file ({error}).", "Export it again.") from error
        yield from _cameras_in(values, path.stem)
    elif path.suffix.lower() == ".json":
        yield from _cameras_in(_json(path), path.stem)
    else:
        raise CameraError(f"{path.name!r} is no calibration file that is known.", "Known: .toml, .json, EasyMocap's .yml, or a folder.")


def _cameras_in(values: Any, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A camera itself, or those one or two levels below: in a list, by name, or under "cameras"."""
    if isinstance(values, Mapping):
        if _first(values, _MATRIX) is not None and _first(values, _ROTATION) is not None:
            yield str(values.get("name", name)), values
            return
        inner = values.get("cameras", values)
        items: list[tuple[Any, Any]] = list(inner.items()) if isinstance(inner, Mapping) else list(enumerate(_listed(inner)))
    else:
        items = list(enumerate(_listed(values)))
    for key, value in items:
        if isinstance(value, Mapping) and _first(value, _MATRIX) is not None:
            yield str(value.get("name", key)), value


def _camera(entry: Mapping[str, Any], name: str, up_axis: str, units: str | float) -> Camera:
    rotation, translation = _first(entry, _ROTATION), _first(entry, _TRANSLATION)
    if rotation is None or translation is None:
        raise CameraError(f"Camera {name!r} has no rotation or no translation.", "Calibrate where the cameras stand, too.")
    if str(entry.get("convention", "opencv")).lower() != "opencv":
        raise CameraError(f"Camera {name!r} has the convention {entry['convention']!r}, expected 'opencv'.", "Export it in that one.")
    distortion = _first(entry, _DISTORTION)
    if distortion is None:
        distortion = [entry.get(key, 0.0) for key in _COEFFICIENTS]
    if entry.get("fisheye") is True:
        raise CameraError(f"Camera {name!r} has the fisheye model, which is not supported.", "Calibrate it with the pinhole model.")
    matrix = _first(entry, _MATRIX)
    if isinstance(matrix, list) and len(matrix) == 4:  # XRPrimer keeps it as (4, 4)
        matrix = [row[:3] if isinstance(row, list) else row for row in matrix[:2]] + [[0, 0, 1]]
    size = _first(entry, _SIZE)
    if size is None and {"width", "height"} <= set(entry):
        size = (entry["width"], entry["height"])
    return Camera.from_opencv(
        matrix,
        rotation,
        translation,
        distortion,
        size,
        name,
        camera_to_world=entry.get("world2cam") is False,
        up_axis=up_axis,
        units=units,
    )


def _easymocap(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The cameras of `intri.yml` and `extri.yml`, the matrices of which OpenCV writes as text."""
    values: dict[str, Any] = {}
    for name in ("intri.yml", "extri.yml"):
        if not (folder / name).is_file():
            raise CameraError(f"There is no {name!r} in {str(folder)!r}.", "A calibration of EasyMocap is an intri.yml and an extri.yml.")
        text = _text(folder / name)
        for key, rows, columns, data in _YAML_MATRIX.findall(text):
            values[key] = _matrix(key, int(rows), int(columns), data)
        values |= {key: int(number) for key, number in re.findall(r"^([HW]_\w+):\s*(\d{1,6})\s*$", text, re.MULTILINE)}
    for key in [key for key in values if key.startswith("K_")]:
        name = key.removeprefix("K_")
        entry = {part: values[f"{part}_{name}"] for part in ("K", "dist", "R", "T") if f"{part}_{name}" in values}
        if f"Rot_{name}" in values:
            entry["R"] = values[f"Rot_{name}"]
        if f"H_{name}" in values and f"W_{name}" in values:
            entry["size"] = [values[f"W_{name}"], values[f"H_{name}"]]
        yield name, entry


def _matrix(key: str, n_rows: int, n_columns: int, data: str) -> list[list[float]]:
    try:
        numbers = [float(number) for number in data.split(",")]
    except ValueError as error:
        raise CameraError(f"{key!r} holds {data.strip()[:40]!r}, expected numbers.", "Export the calibration again.") from error
    if len(numbers) != n_rows * n_columns or not n_columns:
        raise CameraError(f"{key!r} has {len(numbers)} numbers, expected {n_rows} rows of {n_columns}.", "Export the calibration again.")
    return [numbers[start : start + n_columns] for start in range(0, len(numbers), n_columns)]


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise CameraError(f"{path.name!r} is no JSON file ({error}).", "Export it again.") from error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CameraError(f"{path.name!r} is larger than {MAX_BYTES // 1024**2} MB.", "Give a calibration file.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CameraError(f"{path.name!r} cannot be read as text ({error}).", "Give a calibration file.") from error


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _first(values: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((values[key] for key in keys if key in values), None)
