"""A calibrated camera: where it stands, which way it looks, and how its lens draws."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ...errors import CameraError
from ..tracks.units import parse_units
from ..tracks.up_axis import ROTATIONS, parse_up_axis
from .distortion import N_COEFFICIENTS, distort, undistort, valid_radius
from .values import Floats, coefficients, image_size_of, nearest_rotation, numbers, rotation_vector_to_matrix

_BLENDER_TO_OPENCV = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with lens distortion, in the convention of OpenCV.

    The camera looks along its z axis, x points right in the image and y down. Its world is that of the fitter: metres, y up.
    Pixels count from the upper left of the image, x right and y down, as in the calibration.

    Attributes:
        matrix: (3, 3) intrinsics in pixels: fx, skew, cx; 0, fy, cy; 0, 0, 1.
        rotation: (3, 3) from the world to the camera; a rounded one is made exact.
        translation: (3,) metres; a point of the world is at rotation @ point + translation in front of the camera.
        distortion: k1, k2, p1, p2, k3, k4, k5, k6 as OpenCV has them; 0, 4, 5 or 8 of them are given, the others are zero.
        image_size: Width and height in pixels, or None where they are not known.
        name: What the camera is called.

    Raises:
        CameraError: A value has a wrong shape, is not finite, or is no camera's.
    """

    matrix: Floats
    rotation: Floats
    translation: Floats
    distortion: Floats = field(default_factory=lambda: np.zeros(N_COEFFICIENTS))
    image_size: tuple[int, int] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        values = {
            "matrix": self._array("matrix", (3, 3)),
            "rotation": nearest_rotation(self._array("rotation", (3, 3)), self.name),
            "translation": self._array("translation", (3,)),
            "distortion": coefficients(self.distortion, self.name),
        }
        matrix = values["matrix"]
        if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or matrix[1, 0] != 0 or not np.array_equal(matrix[2], [0, 0, 1]):
            raise CameraError(
                f"The matrix of camera {self.name!r} is {matrix.tolist()}.",
                "Expected [[fx, skew, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0.",
            )
        for key, value in values.items():
            value.flags.writeable = False
            object.__setattr__(self, key, value)  # the one way to normalise the fields of a frozen dataclass
        object.__setattr__(self, "image_size", image_size_of(self.image_size, self.name))
        object.__setattr__(self, "valid_radius", valid_radius(values["distortion"]))

    valid_radius: float = field(init=False, repr=False)
    """Distance from the axis, at distance 1 from the camera, up to which the distortion is meant."""

    @classmethod
    def from_opencv(
        cls,
        matrix: ArrayLike,
        rotation: ArrayLike,
        translation: ArrayLike,
        distortion: ArrayLike = (),
        image_size: Sequence[int] | None = None,
        name: str = "",
        *,
        camera_to_world: bool = False,
        up_axis: str = "y",
        units: str | float = "m",
    ) -> "Camera":
        """A camera as OpenCV's calibration gives it: x right, y down, z forward.

        Args:
            matrix: (3, 3) intrinsics in pixels.
            rotation: (3, 3) rotation, or (3,) rotation vector in radians.
            translation: (3,) in the units of the calibration.
            distortion: 0, 4, 5 or 8 coefficients.
            image_size: Width and height in pixels.
            name: What the camera is called.
            camera_to_world: Whether rotation and translation take points of the camera to the world; else the other way.
            up_axis: The axis of the calibration's world that points up: "x", "y", "z", "-x", "-y" or "-z".
            units: Units of the calibration's world: "m", "cm", "mm", ..., or the metres per unit.

        Raises:
            CameraError: A value has a wrong shape, is not finite, or is no camera's.
            TrackError: Unknown axis or unit.
        """
        turn = numbers(rotation, "rotation", name)
        if turn.size == 3:
            turn = rotation_vector_to_matrix(turn.reshape(3))
        shift = numbers(translation, "translation", name)
        if turn.shape != (3, 3) or shift.size != 3:
            raise CameraError(
                f"Camera {name!r} has a rotation of shape {turn.shape} and a translation of shape {shift.shape}.",
                "Expected (3, 3) or (3,), and (3,).",
            )
        shift = shift.reshape(3)
        if camera_to_world:
            turn, shift = turn.T, -turn.T @ shift
        up = np.array(ROTATIONS[parse_up_axis(up_axis)], np.float64)
        metres, _ = parse_units(units)
        intrinsics, lens = numbers(matrix, "matrix", name), numbers(distortion, "distortion", name)
        return cls(intrinsics, turn @ up.T, metres * shift, lens, image_size_of(image_size, name), name)

    @classmethod
    def from_blender(
        cls,
        matrix_world: ArrayLike,
        lens: float,
        image_size: Sequence[int],
        sensor_width: float = 36.0,
        sensor_height: float = 24.0,
        sensor_fit: str = "AUTO",
        shift_x: float = 0.0,
        shift_y: float = 0.0,
        pixel_aspect: float = 1.0,
        name: str = "",
        *,
        up_axis: str = "z",
        units: str | float = "m",
    ) -> "Camera":
        """A perspective camera of Blender, which looks along -z with y up.

        Args:
            matrix_world: (4, 4) from the camera to the world; its scale does not count, as in Blender.
            lens: Focal length in millimetres.
            image_size: Width and height in pixels.
            sensor_width: Millimetres.
            sensor_height: Millimetres; counts for the sensor fit "VERTICAL" only.
            sensor_fit: "AUTO", "HORIZONTAL" or "VERTICAL".
            shift_x: Shift of the lens, as a part of the image's side that the sensor is fitted to.
            shift_y: The same, upwards.
            pixel_aspect: Height of a pixel over its width: pixel_aspect_y / pixel_aspect_x of the render settings.
            name: What the camera is called.
            up_axis: The axis of the world that points up; z in Blender. Fits stand in the fitter's world, y up, which Blender shows
                turned by 90 degrees about x.
            units: Units of the world; Blender's are metres unless the scene has another scale.

        Raises:
            CameraError: A value has a wrong shape, is not finite, or is no camera's.
            TrackError: Unknown axis or unit.
        """
        if sensor_fit not in ("AUTO", "HORIZONTAL", "VERTICAL"):
            raise CameraError(f"sensor_fit is {sensor_fit!r}, expected 'AUTO', 'HORIZONTAL' or 'VERTICAL'.", "Correct the value.")
        pose = numbers(matrix_world, "matrix_world", name)
        if pose.shape != (4, 4):
            raise CameraError(f"matrix_world of camera {name!r} has shape {pose.shape}, expected (4, 4).")
        size = image_size_of(image_size, name)
        if size is None:
            raise CameraError(f"Camera {name!r} of Blender has no image_size.", "Give width and height in pixels.")
        for key, value in (
            ("lens", lens),
            ("sensor_width", sensor_width),
            ("sensor_height", sensor_height),
            ("pixel_aspect", pixel_aspect),
        ):
            if not 0 < value < np.inf:
                raise CameraError(f"{key} of camera {name!r} is {value!r}, expected a number above 0.", "Correct the value.")
        width, height = size[0], pixel_aspect * size[1]  # in widths of a pixel
        vertical = sensor_fit == "VERTICAL" or (sensor_fit == "AUTO" and height > width)
        side = height if vertical else width
        focal = lens * side / (sensor_height if sensor_fit == "VERTICAL" else sensor_width)
        centre_x, centre_y = width / 2 - shift_x * side, (height / 2 + shift_y * side) / pixel_aspect
        matrix = np.array([[focal, 0, centre_x], [0, focal / pixel_aspect, centre_y], [0, 0, 1]])
        axes = pose[:3, :3] / np.linalg.norm(pose[:3, :3], axis=0)
        rotation = _BLENDER_TO_OPENCV @ axes.T
        return cls.from_opencv(matrix, rotation, -rotation @ pose[:3, 3], (), size, name, up_axis=up_axis, units=units)

    @classmethod
    def look_at(
        cls,
        position: ArrayLike,
        target: ArrayLike,
        focal_length: float,
        image_size: Sequence[int],
        distortion: ArrayLike = (),
        name: str = "",
    ) -> "Camera":
        """A camera at a place that looks at another, held upright.

        Args:
            position: (3,) metres, in the world of the fitter.
            target: (3,) metres; neither the same place nor straight above or below.
            focal_length: Pixels.
            image_size: Width and height in pixels.
            distortion: 0, 4, 5 or 8 coefficients.
            name: What the camera is called.

        Raises:
            CameraError: A value has a wrong shape, is not finite, or is no camera's.
        """
        place = numbers(position, "position", name)
        forward = numbers(target, "target", name) - place
        right = np.cross(forward, [0.0, 1.0, 0.0])
        if forward.shape != (3,) or np.linalg.norm(right) < 1e-9:
            raise CameraError(
                f"Camera {name!r} cannot look from {position!r} to {target!r}.", "Give two points that are not one above the other."
            )
        axes = np.stack([right, np.cross(forward, right), forward])
        rotation = axes / np.linalg.norm(axes, axis=1, keepdims=True)
        size = image_size_of(image_size, name) or (0, 0)
        matrix = np.array([[focal_length, 0, size[0] / 2], [0, focal_length, size[1] / 2], [0, 0, 1]])
        return cls.from_opencv(matrix, rotation, -rotation @ place, distortion, size, name)

    @property
    def centre(self) -> Floats:
        """(3,) where the camera stands in the world, metres."""
        return -self.rotation.T @ self.translation

    def depth(self, points: ArrayLike) -> Floats:
        """(...) distances of (..., 3) points along the axis of the camera, metres; negative behind it."""
        return np.asarray(np.asarray(points, np.float64) @ self.rotation[2] + self.translation[2])

    def project(self, points: ArrayLike) -> Floats:
        """(..., 2) pixels of (..., 3) points in metres; NaN for points that are not in front of the camera."""
        local = np.asarray(points, np.float64) @ self.rotation.T + self.translation
        depth = np.where(local[..., 2:] > 0, local[..., 2:], np.nan)
        return self._pixels(distort(local[..., :2] / depth, self.distortion, self.valid_radius))

    def undistort(self, pixels: ArrayLike) -> Floats:
        """(..., 2) pixels where a camera without distortion would have seen what this one saw at (..., 2) pixels."""
        return self._pixels(self.image_plane(pixels))

    def image_plane(self, pixels: ArrayLike) -> Floats:
        """(..., 2) points in the plane at distance 1 in front of the camera that are seen at (..., 2) pixels."""
        (fx, skew, cx), (_, fy, cy), _ = self.matrix
        x, y = np.moveaxis(np.asarray(pixels, np.float64), -1, 0)
        v = (y - cy) / fy
        return undistort(np.stack([(x - cx - skew * v) / fx, v], -1), self.distortion, self.valid_radius)

    def back_project(self, pixels: ArrayLike, depth: ArrayLike) -> Floats:
        """(..., 3) points of the world, in metres, that are seen at (..., 2) pixels and lie at (...) metres along the axis."""
        plane = self.image_plane(pixels)
        local = np.concatenate([plane, np.ones_like(plane[..., :1])], -1) * np.asarray(depth, np.float64)[..., None]
        return np.asarray((local - self.translation) @ self.rotation)

    def _pixels(self, plane: Floats) -> Floats:
        return np.asarray(plane @ self.matrix[:2, :2].T + self.matrix[:2, 2])

    def _array(self, key: str, shape: tuple[int, ...]) -> Floats:
        value = numbers(getattr(self, key), key, self.name)
        if value.shape != shape:
            raise CameraError(f"{key} of camera {self.name!r} has shape {value.shape}, expected {shape}.")
        return value
