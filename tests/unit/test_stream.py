"""Frame after frame, as from a camera."""

import numpy as np
import pytest
import torch

from fitting import Fitter, fit, load_preset
from fitting.errors import PresetError, TrackError


@pytest.fixture(scope="module")
def walk(turning, keypoints_of):
    """(90, 24, 3) joints of a person who turns, and the parameters."""
    parameters = turning(90, turns=1)
    return parameters, keypoints_of(parameters)[:, :24].numpy()


def millimetres(pose, truth):
    return 1000 * np.linalg.norm(pose.joints - truth, axis=-1)


def test_every_frame_is_found_and_the_shape_is_learned(walk):
    parameters, truth = walk
    fitter = Fitter("smpl")
    errors = [millimetres(fitter.step(points), points).mean() for points in truth]
    assert np.mean(errors[60:]) < 2.5
    assert np.mean(errors[60:]) <= np.mean(errors[:5])
    assert np.abs(fitter.betas - parameters["betas"].numpy()[0]).mean() < 0.5


def test_a_stream_is_the_fit_of_each_frame(walk):
    """With the same shape and the same noise, the fit of the whole take frame by frame ends at the same poses."""
    _, truth = walk
    rng = np.random.default_rng(0)
    noisy = (truth + 0.005 * rng.normal(size=truth.shape)).astype(np.float32)
    from fitting import KeypointTrack

    whole = fit(KeypointTrack(noisy, None, "smpl", 30.0), "fast", device="cpu")
    fitter = Fitter("smpl", betas=whole.betas)
    found = np.stack([fitter.step(points).joints for points in noisy])
    np.testing.assert_array_equal(fitter.betas, whole.betas.ravel())
    assert 1000 * np.linalg.norm(found - whole.joints, axis=-1).mean() < 1


def test_missing_points_and_frames(walk):
    _, truth = walk
    fitter = Fitter("smpl")
    for points in truth[:10]:
        last = fitter.step(points)
    nothing = fitter.step(np.full((24, 3), np.nan))
    assert np.isnan(nothing.residual)
    for name, value in last.params.items():
        np.testing.assert_array_equal(nothing.params[name], value)
    confidence = np.ones(24)
    confidence[[4, 7, 10]] = 0
    wrong = truth[11].copy()
    wrong[[4, 7, 10]] = 50
    pose = fitter.step(wrong, confidence)
    assert millimetres(pose, truth[11])[:4].max() < 10
    assert pose.residual < 0.01


def test_a_jump_is_followed(walk):
    """Another heading far away, as after a cut: the last pose is no start."""
    _, truth = walk
    fitter = Fitter("smpl")
    for points in truth[:5]:
        fitter.step(points)
    turned = truth[45] * np.array([-1, 1, -1]) + np.array([3, 0, 2])
    for _ in range(2):
        pose = fitter.step(turned.astype(np.float32))
    assert millimetres(pose, turned).mean() < 5


@pytest.mark.parametrize(
    ("points", "confidence", "sentence"),
    [
        (np.zeros((23, 3)), None, r"step got points of shape \(23, 3\) and confidence of shape \(24,\), expected \(24, 3\) and \(24,\)"),
        (np.zeros((24, 3)), np.ones(3), r"confidence of shape \(3,\)"),
        (np.full((24, 3), np.inf), None, "No keypoint of the first frame is observed"),
    ],
)
def test_wrong_frames(points, confidence, sentence):
    with pytest.raises(TrackError, match=sentence):
        Fitter("smpl").step(points, confidence)


def test_wrong_set_up():
    with pytest.raises(PresetError, match="Fitter needs a preset with the optimizer LevenbergMarquardt, but 'xrmocap_smplify' has another"):
        Fitter("smpl", preset="xrmocap_smplify")
    with pytest.raises(TrackError, match="betas has 3 values, but the body 'default' has 10"):
        Fitter("smpl", betas=np.zeros(3))


def test_another_body(walk):
    fitter = Fitter("smpl", preset=load_preset("fast"), gender="female")
    pose = fitter.step(walk[1][0])
    assert set(pose.params) == {"global_orient", "body_pose", "betas", "transl"}
    assert all(np.isfinite(value).all() and value.ndim == 1 for value in pose.params.values())
    assert torch.get_num_threads() >= 1
