import numpy as np
import pytest

from fitting.data.cameras import triangulate
from fitting.errors import CameraError


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(5, 20, 3)) * 0.5 + [0, 1, 0]


@pytest.fixture
def seen_by(points):
    """Gives (5, 20, V, 2) pixels of the points."""
    return lambda cameras: np.stack([camera.project(points) for camera in cameras], 2)


@pytest.mark.parametrize("n_views", [2, 3, 4, 7])
def test_exact_pixels(ring, points, seen_by, n_views):
    cameras = ring(n_views) if n_views > 2 else ring(4)[:2]
    found, confidence = triangulate(cameras, seen_by(cameras))
    np.testing.assert_allclose(found, points, atol=1e-7)
    assert (confidence == 1).all()


def test_noise_is_averaged_over_the_views(ring, points, seen_by):
    errors = []
    for n_views in (4, 16):
        cameras = ring(n_views)
        noise = np.random.default_rng(1).normal(size=(*points.shape[:2], n_views, 2)) * 2
        found, _ = triangulate(cameras, seen_by(cameras) + noise)
        errors.append(np.linalg.norm(found - points, axis=-1).mean())
    assert errors[0] < 0.012
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.2)


def test_confident_views_count_more(ring, points, seen_by):
    cameras = ring(4)
    pixels, confidence = seen_by(cameras), np.ones((5, 20, 4))
    pixels[:, :, 0] += 8.0
    plain, _ = triangulate(cameras, pixels, confidence)
    confidence[:, :, 0] = 0.01
    weighted, _ = triangulate(cameras, pixels, confidence)
    assert np.linalg.norm(weighted - points, axis=-1).max() < 0.05 * np.linalg.norm(plain - points, axis=-1).min()


@pytest.mark.parametrize("n_wrong", [1, 2])
def test_views_that_are_wrong_are_left_out(ring, points, seen_by, n_wrong):
    cameras = ring(5)
    pixels = seen_by(cameras)
    pixels[:, :, :n_wrong] += np.random.default_rng(2).choice([-1, 1], (5, 20, n_wrong, 2)) * [150.0, 90.0]
    found, confidence = triangulate(cameras, pixels)
    np.testing.assert_allclose(found, points, atol=1e-6)
    np.testing.assert_allclose(confidence, (5 - n_wrong) / 5)


def test_what_was_not_seen(ring, points, seen_by):
    cameras = ring(4)
    pixels, confidence = seen_by(cameras), np.full((5, 20, 4), 0.5)
    pixels[0, 0, 1:] = np.nan
    confidence[1, 1, :2] = 0
    pixels[1, 1, :2] = 1e6
    confidence[2, 2] = 0
    confidence[3, 3, 0] = np.nan
    found, certainty = triangulate(cameras, pixels, confidence)
    nothing = np.zeros((5, 20), bool)
    nothing[0, 0] = nothing[2, 2] = True
    assert np.isnan(found[nothing]).all()
    np.testing.assert_allclose(found[~nothing], points[~nothing], atol=1e-7)
    np.testing.assert_allclose(certainty, np.where(nothing, 0, 0.5))


def test_two_views_that_contradict_each_other(ring, points, seen_by):
    cameras = ring(4)[:2]
    pixels = seen_by(cameras)
    pixels[..., 1, 1] += 300
    found, confidence = triangulate(cameras, pixels)
    assert np.isnan(found).all()
    assert not confidence.any()


def test_how_far_views_may_disagree(ring, seen_by):
    cameras = ring(4)
    pixels = seen_by(cameras)
    pixels[:, :, 0] += [0, 10]
    assert triangulate(cameras, pixels)[1].min() == 1
    np.testing.assert_allclose(triangulate(cameras, pixels, max_error=3)[1], 0.75)


def test_views_from_one_place_do_not_tell_the_distance(ring, seen_by):
    cameras = ring(4)[:1] * 2
    assert np.isnan(triangulate(cameras, seen_by(cameras))[0]).all()


def test_one_camera_tells_nothing(ring, seen_by):
    cameras = ring(4)[:1]
    found, confidence = triangulate(cameras, seen_by(cameras))
    assert np.isnan(found).all()
    assert not confidence.any()


def test_arrays_that_do_not_fit(ring):
    with pytest.raises(CameraError, match=r"pixels has shape \(6, 3, 2\), expected \(..., 4, 2\)"):
        triangulate(ring(4), np.zeros((6, 3, 2)))
    with pytest.raises(CameraError, match=r"confidence has shape \(4,\), expected \(6, 4\)"):
        triangulate(ring(4), np.zeros((6, 4, 2)), np.zeros(4))
