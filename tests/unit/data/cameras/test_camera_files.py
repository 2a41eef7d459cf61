import json

import numpy as np
import pytest

from fitting.data.cameras import read_cameras
from fitting.errors import CameraError, FittingError

POINT = [0.3, 1.2, -0.4]


@pytest.fixture
def rig(ring):
    """Three cameras, with 4 decimals less than a file may have."""
    return ring(3)


def as_xrprimer(camera, world2cam=True, n=4):
    matrix = np.zeros((4, 4))
    matrix[:2, :3], matrix[2, 3], matrix[3, 2] = camera.matrix[:2], 1, 1
    k1, k2, p1, p2, k3, k4, k5, k6 = camera.distortion.tolist()
    rotation, translation = (camera.rotation, camera.translation) if world2cam else (camera.rotation.T, camera.centre)
    return {
        "class_name": "FisheyeCameraParameter", "convention": "opencv", "name": camera.name, "world2cam": world2cam,
        "intrinsic": (matrix if n == 4 else camera.matrix).tolist(), "extrinsic_r": rotation.tolist(), "extrinsic_t": translation.tolist(),
        "height": 1080, "width": 1920, "k1": k1, "k2": k2, "k3": k3, "k4": k4, "k5": k5, "k6": k6, "p1": p1, "p2": p2,
    }  # fmt: skip


def as_panoptic(camera):
    return {
        "name": camera.name, "type": "hd", "resolution": [1920, 1080], "K": camera.matrix.tolist(),
        "distCoef": camera.distortion[:5].tolist(), "R": camera.rotation.tolist(), "t": (100 * camera.translation)[:, None].tolist(),
    }  # fmt: skip


def rotation_vector(matrix):
    axis = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
    return axis / np.linalg.norm(axis) * np.arccos((np.trace(matrix) - 1) / 2)


def as_toml(camera):
    values = {
        "name": camera.name, "size": [1920.0, 1080.0], "matrix": camera.matrix.tolist(), "distortions": camera.distortion[:5].tolist(),
        "rotation": rotation_vector(camera.rotation).tolist(), "translation": camera.translation.tolist(),
    }  # fmt: skip
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([f"[int_{camera.name}]", *lines, "fisheye = false", ""])


def as_opencv_yaml(key, array):
    rows, columns = array.shape
    data = ", ".join(map(repr, array.ravel().tolist()))
    return f"{key}: !!opencv-matrix\n  rows: {rows}\n  cols: {columns}\n  dt: d\n  data: [{data}]\n"


def write_easymocap(folder, cameras, with_matrix=False):
    start = "%YAML:1.0\n---\nnames:\n" + "".join(f'  - "{camera.name}"\n' for camera in cameras)
    intri = [
        as_opencv_yaml(f"K_{camera.name}", camera.matrix) + as_opencv_yaml(f"dist_{camera.name}", camera.distortion[None, :5])
        + f"H_{camera.name}: 1080\nW_{camera.name}: 1920\n"
        for camera in cameras
    ]  # fmt: skip
    extri = [
        as_opencv_yaml(f"R_{camera.name}", rotation_vector(camera.rotation)[:, None])
        + (as_opencv_yaml(f"Rot_{camera.name}", camera.rotation) if with_matrix else "")
        + as_opencv_yaml(f"T_{camera.name}", camera.translation[:, None])
        for camera in cameras
    ]
    (folder / "intri.yml").write_text(start + "".join(intri))
    (folder / "extri.yml").write_text(start + "".join(extri))


def assert_same(found, expected):
    assert [camera.name for camera in found] == [camera.name for camera in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.project(POINT), other.project(POINT), atol=1e-6)
        assert one.image_size == (1920, 1080)


@pytest.mark.parametrize("world2cam", [True, False])
@pytest.mark.parametrize("n", [3, 4])
def test_a_folder_of_xrprimer(tmp_path, rig, world2cam, n):
    for index, camera in enumerate(rig):
        (tmp_path / f"fisheye_param_{index:02}.json").write_text(json.dumps(as_xrprimer(camera, world2cam, n)))
    assert_same(read_cameras(tmp_path), rig)
    assert_same(read_cameras(tmp_path / "fisheye_param_01.json"), rig[1:2])


def test_panoptic(tmp_path, rig):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"calibDataSource": "x", "cameras": [as_panoptic(camera) for camera in rig]}))
    assert_same(read_cameras(path, units="cm"), rig)


def test_a_list_and_cameras_by_name(tmp_path, rig):
    path = tmp_path / "cameras.json"
    path.write_text(json.dumps([as_xrprimer(camera) for camera in rig]))
    assert_same(read_cameras(path), rig)
    entries = {camera.name: as_xrprimer(camera) for camera in rig}
    for entry in entries.values():
        del entry["name"]
    path.write_text(json.dumps(entries))
    assert_same(read_cameras(path), rig)


def test_toml(tmp_path, rig):
    path = tmp_path / "Calib_scene.toml"
    path.write_text("\n".join(map(as_toml, rig)) + "\n[metadata]\nadjusted = false\nerror = 0.0\n")
    assert_same(read_cameras(path), rig)


@pytest.mark.parametrize("with_matrix", [True, False])
def test_easymocap(tmp_path, rig, with_matrix):
    write_easymocap(tmp_path, rig, with_matrix)
    for path in (tmp_path, tmp_path / "intri.yml", tmp_path / "extri.yml"):
        assert_same(read_cameras(path), rig)


def test_the_world_of_the_file(tmp_path, rig):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(as_xrprimer(rig[0])))
    x, y, z = POINT
    (camera,) = read_cameras(path, up_axis="z", units="mm")
    np.testing.assert_allclose(camera.project([x / 1000, z / 1000, -y / 1000]), rig[0].project(POINT))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.json", "{", "'a.json' is no JSON file"),
        ("a.json", "[" * 100_000, "'a.json' is no JSON file"),
        ("a.json", "3", "'a.json' holds no camera. Each needs its matrix"),
        ("a.json", '{"cameras": [1, "x", null]}', "holds no camera"),
        ("a.json", '[{"K": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "name": "left"}]', "Camera 'left' has no rotation or no translation"),
        ("a.json", '[{"K": "x", "R": [0, 0, 0], "t": [0, 0, 0]}]', "matrix of camera '0' is 'x', expected numbers"),
        ("a.json", '[{"K": [[1], [2, 3]], "R": [0, 0, 0], "t": [0, 0, 0]}]', "matrix of camera '0' is"),
        ("a.json", '[{"K": [1, 2, 3, 4], "R": [0, 0, 0], "t": [0, 0, 0]}]', "matrix of camera '0'"),
        ("a.json", '[{"K": [[1]], "R": {"a": 1}, "t": [0, 0, 0]}]', "rotation of camera '0' is"),
        ("a.json", '{"K": [[1]], "R": [0, 0, 0], "t": [0, 0, 0], "convention": "pytorch3d"}', "convention 'pytorch3d', expected 'opencv'"),
        ("a.toml", "a = ", "'a.toml' is no TOML file"),
        ("a.toml", "[a]\nmatrix = [[1]]\nrotation = [0,0,0]\ntranslation = [0,0,0]\nfisheye = true", "has the fisheye model"),
        ("a.txt", "", "'a.txt' is no calibration file that is known"),
        ("a.json", b"\xff\xfe\x00", "cannot be read as text"),
        ("intri.yml", "", "There is no 'extri.yml'"),
    ],
)  # fmt: skip
def test_files_that_are_no_calibration(tmp_path, name, text, expected):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CameraError, match=expected):
        read_cameras(tmp_path / name)


@pytest.mark.parametrize(("data", "expected"), [("1, x", "expected numbers"), ("1, 2", "has 2 numbers, expected 3 rows of 3")])
def test_matrices_of_yaml_that_are_wrong(tmp_path, rig, data, expected):
    write_easymocap(tmp_path, rig)
    text = f"K_a: !!opencv-matrix\n  rows: 3\n  cols: 3\n  dt: d\n  data: [{data}]\n"
    (tmp_path / "intri.yml").write_text(text)
    with pytest.raises(CameraError, match=expected):
        read_cameras(tmp_path)


def test_sizes_are_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr("fitting.data.cameras.read.MAX_BYTES", 1024)
    path = tmp_path / "big.json"
    path.write_text(" " * 2000)
    with pytest.raises(CameraError, match=r"'big.json' is larger than"):
        read_cameras(path)


def test_too_many_cameras(tmp_path, rig, monkeypatch):
    monkeypatch.setattr("fitting.data.cameras.read.MAX_CAMERAS", 2)
    path = tmp_path / "cameras.json"
    path.write_text(json.dumps([as_xrprimer(camera) for camera in rig]))
    with pytest.raises(CameraError, match="holds 3 cameras, expected no more than 2"):
        read_cameras(path)


def test_no_file(tmp_path):
    with pytest.raises(FittingError, match="There is no file"):
        read_cameras(tmp_path / "missing.toml")
    with pytest.raises(CameraError, match="holds no camera"):
        read_cameras(tmp_path)
