import numpy as np
import pytest

from fitting.data.cameras import Camera
from fitting.data.cameras.distortion import distort, valid_radius
from fitting.errors import CameraError, FittingError, TrackError

MATRIX = [[1000.0, 0.0, 640.0], [0.0, 1200.0, 360.0], [0.0, 0.0, 1.0]]
NO_TURN, NO_SHIFT = np.eye(3), np.zeros(3)
LENSES = [
    (),
    (-0.3, 0.1, 0.002, -0.001),
    (-0.12, 0.06, 0.001, -0.002, 0.01),
    (0.3, 0.2, 0.001, 0.002, 0.1, 0.2, 0.1, 0.05),
    (-0.4, 0, 0, 0),
]
OPENCV = [[817.109164, 233.143772], [363.029591, 379.91536], [770.606263, 608.953757]]


def camera(distortion=(), **options):
    values = {"matrix": MATRIX, "rotation": NO_TURN, "translation": NO_SHIFT, "distortion": distortion, "image_size": (1280, 720)}
    return Camera.from_opencv(**{**values, **options})


def test_a_pinhole_by_hand():
    """Right in the world is right in the image, and with no turn y points down."""
    pixels = camera().project([[0, 0, 2.0], [0.5, 0, 2.0], [0, 0.5, 4.0]])
    np.testing.assert_allclose(pixels, [[640, 360], [640 + 1000 * 0.25, 360], [640, 360 + 1200 * 0.125]])


def test_distortion_by_hand():
    """x = 0.5, y = 0, r^2 = 0.25: each coefficient by itself."""
    shifts = {0: (0.5 * 0.25, 0), 1: (0.5 * 0.25**2, 0), 2: (0, 0.25), 3: (0.75, 0), 4: (0.5 * 0.25**3, 0)}
    for index, (right, down) in shifts.items():
        coefficients = np.zeros(5)
        coefficients[index] = 0.1
        pixels = camera(coefficients).project([0.5, 0, 1])
        np.testing.assert_allclose(pixels, [640 + 1000 * (0.5 + 0.1 * right), 360 + 1200 * 0.1 * down])
    for index, power in ((5, 1), (6, 2), (7, 3)):
        coefficients = np.zeros(8)
        coefficients[index] = 0.1
        np.testing.assert_allclose(camera(coefficients).project([0.5, 0, 1]), [640 + 500 / (1 + 0.1 * 0.25**power), 360])


def test_what_opencv_gives():
    """Computed with `cv2.projectPoints` of OpenCV 5.0."""
    lens = [0.11, -0.07, 0.003, -0.002, 0.02, 0.05, -0.01, 0.004]
    seen = camera(lens, rotation=[0.3, -0.2, 0.5], translation=[0.1, -0.2, 3.0]).project(
        [[0.4, -0.3, 0.2], [-0.7, 0.5, -0.4], [1.1, 0.9, 0.6]]
    )
    np.testing.assert_allclose(seen, OPENCV, atol=1e-6)


@pytest.mark.parametrize("lens", LENSES)
def test_undistortion_is_the_inverse(lens):
    item = camera(lens)
    columns, rows = np.meshgrid(np.linspace(-0.6, 0.6, 9), np.linspace(-0.35, 0.35, 7))
    points = np.stack([columns, rows, np.ones_like(rows)], -1) * 3.0
    pixels = item.project(points)
    np.testing.assert_allclose(item.undistort(pixels), camera().project(points), atol=1e-6)
    np.testing.assert_allclose(item.back_project(pixels, np.full((7, 9), 3.0)), points, atol=1e-8)


def test_undistortion_of_what_was_not_seen():
    assert np.isnan(camera(LENSES[1]).undistort([np.nan, 3.0])).all()


def test_back_projection_through_a_skewed_matrix():
    item = camera(matrix=[[1000, 20, 640], [0, 1200, 360], [0, 0, 1]], rotation=[0.1, 0.2, 0.3], translation=[0.1, 0.2, 5])
    point = [0.3, -0.2, 0.4]
    np.testing.assert_allclose(item.back_project(item.project(point), item.depth(point)), point)


@pytest.mark.parametrize("lens", LENSES)
def test_no_two_points_share_an_image(lens):
    """A polynomial that turns back would put what is far outside of the picture into it."""
    item = camera(lens)
    along = np.linspace(0, 5, 400)
    radii = np.linalg.norm(distort(along[:, None] * [[0.6, 0.8]], item.distortion, item.valid_radius), axis=1)
    assert (np.diff(radii) > 0).all()


def test_valid_radius():
    """r (1 - 0.3 r^2) grows up to 1 - 0.9 r^2 = 0."""
    assert valid_radius(np.array([-0.3, 0, 0, 0, 0, 0, 0, 0])) == pytest.approx((1 / 0.9) ** 0.5)
    assert valid_radius(np.zeros(8)) == 10


def test_behind_the_camera_nothing_is_seen():
    item = camera()
    assert np.isnan(item.project([[0.1, 0.1, -2.0], [0.1, 0.1, 0.0]])).all()
    np.testing.assert_allclose(item.depth([[0.1, 0.1, -2.0], [0, 0, 3]]), [-2, 3])


def test_rotation_vector_and_matrix():
    """A quarter turn about z takes x to y."""
    vector, matrix = camera(rotation=[0, 0, np.pi / 2]), camera(rotation=[[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(vector.rotation, matrix.rotation, atol=1e-12)
    np.testing.assert_allclose(vector.project([0.5, 0, 1.0]), [640, 360 + 600])


def test_camera_to_world():
    there = camera(rotation=[0.2, -0.4, 0.1], translation=[0.3, -0.1, 4])
    back = camera(rotation=there.rotation.T, translation=there.centre, camera_to_world=True)
    np.testing.assert_allclose(back.rotation, there.rotation, atol=1e-12)
    np.testing.assert_allclose(back.translation, there.translation, atol=1e-12)


def test_centre():
    item = Camera.look_at([1, 2, 3], [0, 1, 0], 1000, (640, 480))
    np.testing.assert_allclose(item.centre, [1, 2, 3])
    np.testing.assert_allclose(item.project([0, 1, 0]), [320, 240])
    assert item.project([0, 1.5, 0])[1] < 240  # what is higher is farther up in the picture


def test_a_world_with_another_axis_up_and_other_units():
    """A point one metre up and two to the right, in centimetres with z up and in metres with y up."""
    theirs, turn, shift = [200.0, 30.0, 100.0], [0.2, -0.4, 0.1], np.array([3.0, -1.0, 400])
    from_centimetres = camera(rotation=turn, translation=shift, up_axis="z", units="cm")
    as_calibrated = camera(rotation=turn, translation=shift)
    np.testing.assert_allclose(from_centimetres.project([2, 1, -0.3]), as_calibrated.project(theirs))


def test_blender_by_hand():
    """Camera at (0, -4, 1), z up, that looks along y: a quarter turn about x from Blender's downward look."""
    pose = np.array([[1, 0, 0, 0], [0, 0, -1, -4], [0, 1, 0, 1], [0, 0, 0, 1.0]])
    item = Camera.from_blender(pose, lens=36, sensor_width=36, image_size=(1000, 500))
    np.testing.assert_allclose(item.centre, [0, 1, 4])
    np.testing.assert_allclose(item.project([[0, 1, 0], [0.4, 1, 0], [0, 1.4, 0]]), [[500, 250], [600, 250], [500, 150]])
    in_their_world = Camera.from_blender(pose, lens=36, sensor_width=36, image_size=(1000, 500), up_axis="y")
    np.testing.assert_allclose(in_their_world.project([0.4, 0, 1]), [600, 250])


def test_scale_of_a_blender_camera_does_not_count():
    pose = np.eye(4)
    plain, scaled = (Camera.from_blender(pose @ np.diag([s, 2 * s, s, 1]), 50, (640, 480)) for s in (1, 3))
    np.testing.assert_allclose(plain.rotation, scaled.rotation)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"matrix": np.eye(2)}, r"matrix of camera '' has shape \(2, 2\), expected \(3, 3\)"),
        ({"matrix": np.zeros((3, 3))}, r"expected \[\[fx, skew, cx\]|Expected \[\[fx, skew, cx\]"),
        ({"matrix": [[1000, 0, 640], [0, float("nan"), 360], [0, 0, 1]]}, "not finite"),
        ({"rotation": 2 * np.eye(3)}, "which is no rotation"),
        ({"rotation": np.diag([1, 1, -1])}, "which is no rotation"),
        ({"rotation": np.zeros(4)}, r"rotation of shape \(4,\)"),
        ({"rotation": "up"}, "rotation of camera '' is 'up', expected numbers"),
        ({"distortion": [0.1, 0.2]}, "2 distortion coefficients, expected k1, k2, p1, p2"),
        ({"distortion": np.ones(14)}, "14 distortion coefficients"),
        ({"image_size": (0, 720)}, "width and height in pixels"),
        ({"image_size": 720}, "width and height in pixels"),
    ],
)
def test_values_that_are_no_cameras(options, expected):
    with pytest.raises(CameraError, match=expected):
        camera(**options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"matrix_world": np.eye(3)}, r"matrix_world of camera '' has shape \(3, 3\)"),
        ({"lens": 0}, "lens of camera '' is 0, expected a number above 0"),
        ({"sensor_fit": "FILL"}, "sensor_fit is 'FILL', expected 'AUTO'"),
        ({"image_size": None}, "has no image_size"),
    ],
)
def test_values_that_are_no_blender_cameras(options, expected):
    with pytest.raises(CameraError, match=expected):
        Camera.from_blender(**{"matrix_world": np.eye(4), "lens": 50, "image_size": (640, 480), **options})


def test_worlds_that_do_not_exist():
    with pytest.raises(TrackError, match="up_axis is 'w'"):
        camera(up_axis="w")
    with pytest.raises(FittingError, match="units is 'parsec'"):
        camera(units="parsec")


def test_looking_straight_down_is_refused():
    with pytest.raises(CameraError, match="cannot look from"):
        Camera.look_at([0, 3, 0], [0, 0, 0], 1000, (640, 480))


def test_zeros_after_eight_coefficients_do_not_count():
    assert camera([0.1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).distortion.tolist() == [0.1, 0, 0, 0, 0, 0, 0, 0]


def test_a_camera_does_not_change():
    with pytest.raises(ValueError, match="read-only"):
        camera().matrix[0, 0] = 1
