"""What `Camera.from_blender` draws is what Blender draws."""

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Euler, Matrix, Vector

from fitting.data.cameras import Camera

POINTS = np.random.default_rng(0).uniform(-1, 1, (20, 3)) + np.array([0, 0, 1])


@pytest.fixture
def camera(scene):
    """A camera four metres away that looks at where the points are, its rotation rolled a little."""
    item = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(item)
    item.matrix_world = Matrix.Translation((1.0, -4.0, 1.5)) @ Euler((1.45, 0.15, 0.25)).to_matrix().to_4x4()
    return item


def drawn(scene, item, points=POINTS) -> np.ndarray:
    """(N, 2) pixels of points in Blender's world, counted from the upper left."""
    bpy.context.view_layer.update()
    size = [scene.render.resolution_x, scene.render.resolution_y]
    view = np.array([world_to_camera_view(scene, item, Vector(point)) for point in points])
    return np.stack([view[:, 0], 1 - view[:, 1]], 1) * size


def read(scene, item, **options) -> Camera:
    data, render = item.data, scene.render
    return Camera.from_blender(
        item.matrix_world,
        lens=data.lens,
        image_size=(render.resolution_x, render.resolution_y),
        sensor_width=data.sensor_width,
        sensor_height=data.sensor_height,
        sensor_fit=data.sensor_fit,
        shift_x=data.shift_x,
        shift_y=data.shift_y,
        pixel_aspect=render.pixel_aspect_y / render.pixel_aspect_x,
        **options,
    )


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (800, 800)], ids=str)
@pytest.mark.parametrize("sensor_fit", ["AUTO", "HORIZONTAL", "VERTICAL"])
@pytest.mark.parametrize("shift", [(0, 0), (0.13, -0.21)], ids=str)
@pytest.mark.parametrize("pixel_aspect", [(1, 1), (1, 1.5), (2, 1)], ids=str)
def test_pixels(scene, camera, size, sensor_fit, shift, pixel_aspect):
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = pixel_aspect
    camera.data.sensor_fit = sensor_fit
    camera.data.shift_x, camera.data.shift_y = shift
    camera.data.lens, camera.data.sensor_width, camera.data.sensor_height = 35, 32, 20
    expected = drawn(scene, camera)
    found = read(scene, camera, up_axis="y").project(POINTS)  # no axis is exchanged: the points are in Blender's world
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_a_body_where_blender_shows_it(scene, camera):
    """A point of the fitter, y up, stands in Blender under an object turned by 90 degrees about x."""
    camera.data.lens = 28
    in_blender = POINTS @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0.0]])
    np.testing.assert_allclose(read(scene, camera).project(POINTS), drawn(scene, camera, in_blender), atol=0.01)


def test_a_scaled_camera(scene, camera):
    camera.matrix_world = camera.matrix_world @ Matrix.Diagonal((2.0, 3.0, 0.5, 1.0))
    np.testing.assert_allclose(read(scene, camera, up_axis="y").project(POINTS), drawn(scene, camera), atol=0.01)


def test_depth_and_what_is_behind(scene, camera):
    bpy.context.view_layer.update()
    behind = np.array(camera.matrix_world @ Vector((0.2, 0.1, 2.5)))
    item = read(scene, camera, up_axis="y")
    assert item.depth(behind) == pytest.approx(-2.5, abs=1e-5)
    assert np.isnan(item.project(behind)).all()
    assert world_to_camera_view(scene, camera, Vector(behind)).z == pytest.approx(-2.5, abs=1e-5)
