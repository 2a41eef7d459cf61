"""The whole way from a track to a result, on motions of the default body itself, where the truth is known."""

import re

import numpy as np
import pytest
import torch

from fitting import FitCancelled, KeypointTrack, devices, fit, load_preset
from fitting.errors import BodyError, DeviceError, PresetError, TrackError
from fitting.rotations import axis_angle_to_matrix

FPS = 50.0
QUICK = {"n_iter": 1, "fit_betas": False}


def track(points, confidence=None, convention="smpl", **options):
    return KeypointTrack(points, confidence, convention, FPS, **options)


def millimetres(result, truth):
    """(F, J) distances of the joints from the true ones."""
    return 1000 * np.linalg.norm(result.joints - truth, axis=-1)


def degrees_apart(params, truth):
    """(F, 24) angle between the fitted and the true rotation of each joint relative to its parent."""
    rotations = [
        axis_angle_to_matrix(torch.cat([torch.as_tensor(values[name]) for name in ("global_orient", "body_pose")], 1).reshape(-1, 24, 3))
        for values in (params, truth)
    ]
    trace = (rotations[0].mT @ rotations[1]).diagonal(dim1=-2, dim2=-1).sum(-1)
    return torch.rad2deg(torch.acos(((trace - 1) / 2).clamp(-1, 1))).numpy()


@pytest.fixture(scope="module")
def swinging(turning, keypoints_of):
    """Thirty frames of a turn, and their joints."""
    parameters = turning(30, turns=1)
    return parameters, keypoints_of(parameters)[:, :24].numpy()


@pytest.fixture(scope="module")
def swinging_result(swinging):
    reports = []
    result = fit(track(swinging[1], name="swing", decisions=("Read by hand.",)), device="cpu", on_progress=reports.append)
    return result, reports


@pytest.fixture
def one_stage():
    """A preset of one short stage of the root and the pose, for what does not depend on a good fit."""
    preset = load_preset("smplify")
    keys = [handler["handler_key"] for handler in preset.handlers]
    weights = {f"{key}_weight": float(key in ("keypoints3d_mse", "joint_tolerance")) for key in keys}
    return preset.with_stages([{**QUICK, **weights}])


def test_exact_joints_of_a_motion(swinging, swinging_result):
    parameters, truth = swinging
    result, _ = swinging_result
    assert millimetres(result, truth).mean() < 1
    assert millimetres(result, truth).max() < 10
    names = result.keypoint_names
    limbs = [names.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("hip", "knee", "shoulder", "elbow")]
    assert degrees_apart(result.params, parameters)[:, limbs].mean() < 8, "the twist of a nearly straight limb cannot be seen"
    assert degrees_apart(result.params, parameters)[:, 0].max() < 3


def test_exact_joints_of_unrelated_poses(random_poses, keypoints_of):
    """Every frame looks another way, so smoothness is of no help and must be of no harm."""
    truth = keypoints_of(random_poses(20))[:, :24].numpy()
    assert millimetres(fit(track(truth), device="cpu"), truth).mean() < 1


def test_five_turns_in_two_seconds(turning, keypoints_of):
    parameters = turning(60, turns=5, seed=1)
    truth = keypoints_of(parameters)[:, :24].numpy()
    result = fit(track(truth), device="cpu")
    assert millimetres(result, truth).mean() < 1.5
    assert degrees_apart(result.params, parameters)[:, 0].max() < 5


def test_half_a_turn_is_passed_without_a_jump(swinging_result):
    """The heading goes on beyond pi, where axis-angle vectors turn round."""
    heading = swinging_result[0].params["global_orient"][:, 1]
    np.testing.assert_allclose(np.diff(heading), 2 * np.pi / 30, atol=0.1)
    assert heading[-1] > 1.8 * np.pi


def test_a_fifth_of_the_points_is_missing(swinging):
    _, truth = swinging
    points = truth.copy()
    points[np.random.default_rng(0).random(truth.shape[:2]) < 0.2] = np.nan
    result = fit(track(points), device="cpu")
    assert all(np.isfinite(value).all() for value in (*result.params.values(), result.joints))
    assert np.array_equal(np.isnan(result.residuals), np.isnan(points[..., 0]))
    assert 1000 * result.mean_residual() < 2
    assert millimetres(result, truth).mean() < 4, "also where nothing was seen"


def test_five_millimetres_of_noise(swinging):
    _, truth = swinging
    noise = np.random.default_rng(1).normal(scale=0.005, size=truth.shape)
    assert 1000 * np.linalg.norm(noise, axis=-1).mean() > 7.5, "as far as the points are moved"
    assert millimetres(fit(track(truth + noise), device="cpu"), truth).mean() < 6


@pytest.mark.parametrize("device", [item["name"] for item in devices()])
def test_every_device_of_this_machine_gives_the_same(swinging, swinging_result, device):
    result = fit(track(swinging[1]), device=device)
    np.testing.assert_allclose(result.joints, swinging_result[0].joints, atol=1e-3)


def test_a_kilometre_away(swinging, swinging_result):
    shift = np.float32([1000, 0, -800])
    result = fit(track(swinging[1] + shift), device="cpu")
    near = swinging_result[0]
    np.testing.assert_allclose(result.joints - shift, near.joints, atol=1e-3)
    np.testing.assert_allclose(result.params["transl"] - shift, near.params["transl"], atol=1e-3)
    np.testing.assert_allclose(result.params["betas"], near.params["betas"], atol=0.1)


def test_the_result_describes_itself(swinging_result, body):
    result, _ = swinging_result
    assert {name: (value.shape, value.dtype) for name, value in result.params.items()} == {
        "global_orient": ((30, 3), np.float32),
        "transl": ((30, 3), np.float32),
        "body_pose": ((30, 69), np.float32),
        "betas": ((1, 10), np.float32),
    }
    assert (result.name, result.fps, result.preset) == ("swing", FPS, "smplify")
    assert result.body == {"model_type": "smpl", "gender": "neutral", "name": "default"}
    assert result.keypoint_names == body.convention.names[:24]
    *report, shape = result.report
    assert report == ["Read by hand.", "Keypoints: 24 of 24 are on the body and observed."]
    assert re.fullmatch(r"Shape: \d+ lengths of limbs tell it to \d\.\d mm\.", shape)


def test_joints_are_those_of_the_parameters(swinging_result, body):
    result, _ = swinging_result
    with torch.no_grad():
        joints = body(**{name: torch.as_tensor(value) for name, value in result.params.items()}).joints[:, :24]
    np.testing.assert_allclose(result.joints, joints, atol=1e-4)


def test_residuals_are_the_distances_of_the_keypoints(swinging, swinging_result):
    result, _ = swinging_result
    np.testing.assert_allclose(1000 * result.residuals, millimetres(result, swinging[1]), atol=0.05)


def test_progress_rises_to_the_end(swinging_result):
    _, reports = swinging_result
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[0] > 0
    assert fractions[-1] == pytest.approx(1)
    assert {report.stage for report in reports} == {0, 1, 2}
    assert {report.n_stages for report in reports} == {3}


def test_cancelling(swinging):
    def cancel(progress):
        raise FitCancelled

    with pytest.raises(FitCancelled):
        fit(track(swinging[1]), device="cpu", on_progress=cancel)


def test_preset_by_path_and_as_an_object(swinging, one_stage, tmp_path):
    one_stage.save(tmp_path / "mine.json")
    by_path, as_object = (fit(track(swinging[1][:4]), preset, device="cpu") for preset in (tmp_path / "mine.json", one_stage))
    assert (by_path.preset, as_object.preset) == ("mine", "smplify")
    assert np.array_equal(by_path.joints, as_object.joints)


@pytest.mark.parametrize(("asked", "expected"), [(None, "neutral"), ("female", "female"), ("male", "male")])
def test_gender(swinging, one_stage, asked, expected):
    assert fit(track(swinging[1][:2]), one_stage, gender=asked, device="cpu").body["gender"] == expected


def test_one_frame(swinging):
    result = fit(track(swinging[1][:1]), device="cpu")
    assert result.n_frames == 1
    assert millimetres(result, swinging[1][:1]).mean() < 3


def test_keypoints_that_are_not_on_the_body(swinging, one_stage, body):
    """They have no residual, and the report counts them out and names the joints that only priors hold."""
    names = ("left_hip", "right_hip", "left_knee", "left_shoulder", "my_marker")
    points = np.zeros((3, 5, 3), np.float32)
    points[:, :4] = swinging[1][:3][:, [body.convention.index(name) for name in names[:4]]]
    confidence = np.ones((3, 5))
    confidence[:, 2] = 0
    result = fit(track(points, confidence, names), one_stage, device="cpu")
    assert np.isnan(result.residuals[:, 2:5:2]).all()
    assert np.isfinite(result.residuals[:, [0, 1, 3]]).all()
    counted, missing, shape = result.report
    assert counted == "Keypoints: 3 of 5 are on the body and observed."
    assert missing.startswith("Not observed, left to the priors: spine_1, left_knee, right_knee, ")
    assert "left_hip" not in missing
    assert "pelvis" not in missing, "it is the middle of the hips"
    assert shape.startswith("Shape: ")


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"preset": "smplfy"}, PresetError, "There is no preset 'smplfy', neither by that name nor as a file. Did you mean 'smplify'?"),
        ({"gender": "femal"}, BodyError, "There is no default body of gender 'femal'. Did you mean 'female'?"),
        ({"device": "gpu"}, DeviceError, "There is no device 'gpu' on this machine. Choose one of: auto, "),
        ({"body": "no_such_body.pkl"}, BodyError, "There is no body model 'no_such_body.pkl'. "),
    ],
)
def test_wrong_arguments(swinging, arguments, error, sentence):
    with pytest.raises(error) as raised:
        fit(track(swinging[1][:2]), **{"device": "cpu", **arguments})
    assert str(raised.value).startswith(sentence)


def test_nothing_observed():
    with pytest.raises(TrackError) as raised:
        fit(track(np.full((3, 24, 3), np.nan), name="empty"), device="cpu")
    assert str(raised.value) == "No keypoint of 'empty' is observed in any frame. Check the file, or export it again."


@pytest.mark.parametrize("names", [("nose", "left_knee"), ("left_hip_marker", "a", "b", "c", "d", "e", "f", "g", "h")])
def test_no_hip_and_no_shoulder(names):
    with pytest.raises(TrackError) as raised:
        fit(track(np.ones((2, len(names), 3)), convention=names, name="face"), device="cpu")
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    assert str(raised.value) == (
        f"'face' has no hip and no shoulder among its keypoints ({listed}). Give the convention of the file, or rename its keypoints."
    )


def test_hips_that_are_never_observed():
    confidence = np.ones((2, 24))
    confidence[:, [1, 2, 16, 17]] = 0
    with pytest.raises(TrackError, match="no hip and no shoulder"):
        fit(track(np.ones((2, 24, 3)), confidence), device="cpu")
