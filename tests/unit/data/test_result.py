import json
import math
from dataclasses import replace

import numpy as np
import pytest

from fitting.data.files import read_npz, write_npz
from fitting.data.result import FORMAT_VERSION, FitResult
from fitting.errors import ResultError

NAN = math.nan


def result(n_frames=2, n_betas_rows=1, **options):
    rng = np.random.default_rng(0)
    arrays = {"global_orient": (n_frames, 3), "body_pose": (n_frames, 69), "betas": (n_betas_rows, 10), "transl": (n_frames, 3)}
    values = {
        "params": {name: rng.normal(size=shape).astype(np.float32) for name, shape in arrays.items()},
        "joints": rng.normal(size=(n_frames, 24, 3)).astype(np.float32),
        "residuals": np.array([[0.001, 0.002, NAN], [0.005, NAN, NAN]], np.float32)[:n_frames],
        "keypoint_names": ("left_knee", "nose", "my_marker"),
        "fps": 120.0,
        "body": {"model_type": "smpl", "gender": "female", "name": "default"},
        "name": "Rosalía",
        "preset": "smplify",
        "report": ("Read.", "Fitted."),
    }
    return FitResult(**{**values, **options})


@pytest.mark.parametrize("n_betas_rows", [1, 2])
def test_saved_and_loaded_exactly(tmp_path, n_betas_rows):
    before = result(n_betas_rows=n_betas_rows)
    before.save(tmp_path / "take.npz")
    after = FitResult.load(tmp_path / "take.npz")
    assert set(after.params) == set(before.params)
    for name, value in before.params.items():
        assert after.params[name].dtype == np.float32
        np.testing.assert_array_equal(after.params[name], value)
    np.testing.assert_array_equal(after.joints, before.joints)
    np.testing.assert_array_equal(after.residuals, before.residuals)
    for name in ("keypoint_names", "fps", "body", "name", "preset", "report"):
        assert getattr(after, name) == getattr(before, name)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    result().save(tmp_path / "take.npz")
    with pytest.raises(ValueError, match="Python objects"):
        replace(result(), joints=np.array([None])).save(tmp_path / "take.npz")
    assert FitResult.load(tmp_path / "take.npz").n_frames == 2
    assert [path.name for path in tmp_path.iterdir()] == ["take.npz"]


def changed(path, header=None, **arrays):
    """Writes a result whose header or arrays are changed; None leaves an array out."""
    result().save(path)
    contents = read_npz(path)
    contents["header"] = np.array(json.dumps({**json.loads(str(contents["header"])), **(header or {})}))
    contents.update(arrays)
    write_npz(path, {key: value for key, value in contents.items() if value is not None})


def test_a_newer_version(tmp_path):
    changed(tmp_path / "take.npz", {"version": FORMAT_VERSION + 1})
    with pytest.raises(ResultError) as raised:
        FitResult.load(tmp_path / "take.npz")
    assert str(raised.value) == "'take.npz' was written by a newer version of the fitter. Update this one."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"header": {"format": "other"}}, r" \(no 'format'\)"),
        ({"joints": None}, r" \(no 'joints'\)"),
        ({"keypoint_names": None}, r" \(no 'keypoint_names'\)"),
        ({"header": {"fps": "fast"}}, r" \(no could not convert"),
        ({"header": {"version": "one"}}, r" \("),
    ],
)
def test_not_a_result(tmp_path, change, reason):
    changed(tmp_path / "take.npz", **change)
    with pytest.raises(ResultError, match=rf"'take.npz' is not a fit result{reason}.*Give a file that a fit has written."):
        FitResult.load(tmp_path / "take.npz")


@pytest.mark.parametrize("header", ["no json", "[]", "5", "null"])
def test_not_a_header(tmp_path, header):
    write_npz(tmp_path / "take.npz", {"header": header})
    with pytest.raises(ResultError, match=r"'take.npz' is not a fit result"):
        FitResult.load(tmp_path / "take.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"param_transl": None},
        {"param_transl": np.zeros((3, 3))},
        {"param_body_pose": np.zeros((1, 69))},
        {"param_body_pose": np.zeros((2, 23, 3))},
        {"joints": np.zeros((3, 24, 3))},
        {"joints": np.zeros((2, 72))},
        {"residuals": np.zeros((2, 4))},
        {"residuals": np.zeros(2)},
    ],
)
def test_arrays_that_do_not_fit_together(tmp_path, change):
    changed(tmp_path / "take.npz", **change)
    with pytest.raises(ResultError, match=r"'take.npz' has arrays that do not fit together. Give a file that a fit has written."):
        FitResult.load(tmp_path / "take.npz")


def test_another_npz(tmp_path):
    np.savez(tmp_path / "other.npz", points=np.zeros(3))
    with pytest.raises(ResultError, match=r"'other.npz' is not a fit result"):
        FitResult.load(tmp_path / "other.npz")


def test_shape_and_pose():
    one, each = result(), result(n_betas_rows=2)
    np.testing.assert_array_equal(one.betas, one.params["betas"][0])
    np.testing.assert_allclose(each.betas, each.params["betas"].mean(0), rtol=1e-6)
    assert one.full_pose.shape == (2, 24, 3)
    np.testing.assert_array_equal(one.full_pose[:, 0], one.params["global_orient"])
    np.testing.assert_array_equal(one.full_pose[:, 5], one.params["body_pose"][:, 12:15])


def test_residuals_count_what_was_observed():
    assert result().mean_residual() == pytest.approx(0.008 / 3)
    assert result().mean_residual(main_only=True) == pytest.approx(0.003), "knees, but no nose"
    assert result().residual_by_keypoint() == pytest.approx({"left_knee": 0.003, "nose": 0.002})


def test_no_residual_at_all():
    empty = result(residuals=np.full((2, 3), NAN, np.float32))
    assert math.isnan(empty.mean_residual())
    assert math.isnan(empty.mean_residual(main_only=True))
    assert empty.residual_by_keypoint() == {}


def test_summary_names_the_worst_frame():
    assert result().summary() == "2 frames at 120 fps, mean residual 2.7 mm, worst frame 1 with 5.0 mm"
    partly = result(residuals=np.array([[NAN] * 3, [0.001] * 3], np.float32), fps=29.97)
    assert partly.summary() == "2 frames at 29.97 fps, mean residual 1.0 mm, worst frame 1 with 1.0 mm"


def test_summary_without_any_residual():
    assert result(residuals=np.full((2, 3), NAN, np.float32)).summary() == "2 frames at 120 fps"
