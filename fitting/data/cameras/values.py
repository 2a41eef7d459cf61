"""The values of a calibration, checked: files and scripts give them in many forms."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CameraError
from .distortion import N_COEFFICIENTS

Floats = NDArray[np.float64]


def rotation_vector_to_matrix(vector: Floats) -> Floats:
    """(3, 3) rotation about a (3,) vector by its length in radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / angle if angle > 0 else vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def numbers(value: Any, key: str, name: str) -> Floats:
    """A copy of a value of a camera as an array.

    Raises:
        CameraError: No numbers, or some that are not finite.
    """
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError) as error:
        raise CameraError(f"{key} of camera {name!r} is {value!r}, expected numbers.") from error
    if not np.isfinite(array).all():
        raise CameraError(f"{key} of camera {name!r} has values that are not finite.", "Calibrate the camera, or leave it out.")
    return array


def coefficients(value: Any, name: str) -> Floats:
    """(8,) distortion coefficients of 0, 4, 5 or 8.

    Raises:
        CameraError: Another number of them, or no numbers.
    """
    given = numbers(value, "distortion", name).reshape(-1)
    if len(given) > N_COEFFICIENTS and not given[N_COEFFICIENTS:].any():
        given = given[:N_COEFFICIENTS]
    if len(given) not in (0, 4, 5, N_COEFFICIENTS):
        raise CameraError(
            f"Camera {name!r} has {len(given)} distortion coefficients, expected k1, k2, p1, p2, then k3 or k3, k4, k5, k6.",
            "Calibrate without thin prism and tilt, and with the pinhole model.",
        )
    return np.concatenate([given, np.zeros(N_COEFFICIENTS - len(given))])


def nearest_rotation(matrix: Floats, name: str) -> Floats:
    """The rotation nearest to a rounded one.

    Raises:
        CameraError: A matrix that is far from a rotation.
    """
    left, _, right = np.linalg.svd(matrix)
    rotation = np.asarray(left @ right)
    if np.abs(matrix - rotation).max() > 0.02 or np.linalg.det(rotation) < 0:
        raise CameraError(
            f"The rotation of camera {name!r} is {matrix.round(3).tolist()}, which is no rotation.",
            "Give a calibrated camera, without a mirror.",
        )
    return rotation


def image_size_of(value: Any, name: str) -> tuple[int, int] | None:
    """Width and height in pixels, or None.

    Raises:
        CameraError: Not two positive numbers.
    """
    if value is None:
        return None
    size = numbers(value, "image_size", name)
    if size.shape != (2,) or not (size >= 1).all():
        raise CameraError(f"image_size of camera {name!r} is {value!r}, expected width and height in pixels.")
    return int(size[0]), int(size[1])
