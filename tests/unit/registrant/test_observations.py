"""What keypoints are worth: noise, quickness, outliers, gaps."""

import numpy as np
import pytest
import torch

from fitting.data.conventions import get_convention
from fitting.handlers import Keypoint3dMSEInput
from fitting.registrant.limb_lengths import noise_of_lengths
from fitting.registrant.observations import filled, jitter_of, noise_and_hurry, observations, outliers
from fitting.registrant.shape_start import shape_from_lengths

SMPL = get_convention("smpl")


@pytest.fixture(scope="module")
def walk(turning, keypoints_of):
    """(200, 24, 3) joints of a person who swings all limbs and turns twice."""
    return keypoints_of(turning(200, turns=2))[:, :24]


def noisy(points, sigma, seed=0):
    return points + sigma * torch.randn(points.shape, generator=torch.Generator().manual_seed(seed))


def everything(points):
    return torch.ones(points.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize("sigma", [0.002, 0.005, 0.015])
def test_jitter_is_the_noise(walk, sigma):
    found = jitter_of(noisy(walk, sigma), everything(walk))
    np.testing.assert_allclose(found, sigma, rtol=0.35)
    assert found.mean() == pytest.approx(sigma, rel=0.1)


def test_jitter_of_each_keypoint(walk):
    sigma = torch.full((24, 1), 0.002)
    sigma[20] = 0.02
    found = jitter_of(noisy(walk, sigma), everything(walk))
    assert found[20] == pytest.approx(0.02, rel=0.25)
    assert found[:20].max() < 0.004


def test_gaps_and_outliers_do_not_make_noise(walk):
    points, seen = noisy(walk, 0.005), torch.rand(200, 24, generator=torch.Generator().manual_seed(1)) > 0.1
    points[~seen] = 0
    outlying = torch.rand(200, 24, generator=torch.Generator().manual_seed(2)) < 0.03
    points[outlying] += 0.3
    assert jitter_of(points, seen).mean() == pytest.approx(0.005, rel=0.4)


def test_lengths_tell_noise_from_motion(body, walk):
    confidence = everything(walk).float()
    quick = walk[::8]  # every eighth frame: limbs jump by decimetres
    assert jitter_of(quick, everything(quick)).median() > 0.01
    assert noise_of_lengths(body, quick, confidence[::8], SMPL) < 0.001
    noise, hurry = noise_and_hurry(body, quick, confidence[::8], SMPL, jitter_of(quick, everything(quick)))
    assert noise.max() < 0.003
    assert hurry > 5
    noise, hurry = noise_and_hurry(body, noisy(walk, 0.005), confidence, SMPL, jitter_of(noisy(walk, 0.005), everything(walk)))
    assert hurry == 1
    assert noise.mean() == pytest.approx(0.005, rel=0.15)


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_few_frames_have_no_noise_of_their_own(body, walk, n_frames):
    points = walk[:n_frames]
    noise, hurry = noise_and_hurry(body, points, torch.ones(points.shape[:2]), SMPL, jitter_of(points, everything(points)))
    assert hurry == 1
    assert torch.equal(noise, noise[:1].expand(24))


def test_outliers_are_found_and_nothing_else(walk):
    points = noisy(walk, 0.003)
    generator = torch.Generator().manual_seed(3)
    wrong = torch.rand(200, 24, generator=generator) < 0.05
    direction = torch.nn.functional.normalize(torch.randn(200, 24, 3, generator=generator), dim=-1)
    points = points + 0.2 * direction * wrong[..., None]
    found = outliers(points, everything(points), jitter_of(points, everything(points)))
    assert (found & wrong).sum() > 0.95 * wrong.sum()
    assert (found & ~wrong).sum() < 0.002 * (~wrong).sum()


@pytest.mark.parametrize("step", [1, 2])
def test_quick_motion_is_no_outlier(walk, step):
    points = walk[::step]
    assert not outliers(points, everything(points), jitter_of(points, everything(points))).any()


def test_gaps_are_filled_with_straight_lines():
    points = torch.zeros(6, 3, 3)
    points[:, 0, 0] = torch.tensor([0.0, 1.0, 9.0, 9.0, 4.0, 9.0])
    seen = torch.tensor([[1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]], dtype=torch.bool).mT
    found = filled(points, seen)
    assert found[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 4]
    assert torch.equal(found[:, 1:], points[:, 1:])


def test_the_given_input_stays_as_it_is(body, walk):
    points = walk.clone()
    points[50, 20] += 0.5
    given = Keypoint3dMSEInput(points, "smpl")
    found = observations({"keypoints3d_mse": given}, body, gate_outliers=True)
    assert found.inputs["keypoints3d_mse"].keypoints3d_conf[50, 20] == 0
    assert found.notes == ["Outliers left out: 1 of 4800 points."]
    assert torch.equal(given.keypoints3d_conf, torch.ones(200, 24))
    assert given.keypoints3d_noise is None


@pytest.mark.parametrize("sigma", [0.0, 0.005, 0.015])
def test_lengths_of_the_shape_are_right_on_average(body, turning, keypoints_of, sigma):
    """Noise makes distances longer: without care, bones at 15 mm of noise come out several millimetres too long."""
    parameters = turning(200, turns=2)
    points = noisy(keypoints_of(parameters)[:, :24], sigma)
    estimate = shape_from_lengths(body, points, torch.ones(200, 24), SMPL, torch.full((24,), max(sigma, 0.0005)))
    found, true = (body(betas=betas).joints[0, :24] for betas in (estimate.betas, parameters["betas"]))
    bones = [(1, 4), (4, 7), (2, 5), (5, 8), (16, 18), (18, 20), (17, 19), (19, 21)]
    errors = torch.stack([(found[a] - found[b]).norm() - (true[a] - true[b]).norm() for a, b in bones])
    assert errors.abs().max() < 0.002 + 0.2 * sigma
    assert estimate.n_lengths > 20
    assert errors.square().mean().sqrt() < 3 * estimate.uncertainty + 0.001


def test_no_lengths_no_shape(body):
    points = torch.zeros(5, 24, 3)
    confidence = torch.zeros(5, 24)
    confidence[:, 0] = 1
    estimate = shape_from_lengths(body, points, confidence, SMPL, torch.full((24,), 0.01))
    assert estimate.n_lengths == 0
    assert torch.equal(estimate.betas, torch.zeros(1, 10))
    assert torch.equal(estimate.root, torch.eye(10))


def test_a_keypoint_that_means_another_point_is_found(body, turning, keypoints_of):
    """A pelvis ten centimetres too low, as in some laboratories: its lengths are wrong, those of the limbs are not."""
    points = keypoints_of(turning(60, turns=1))[:, :24].clone()
    points[:, 0] += 0.1 * torch.nn.functional.normalize(points[:, 0] - points[:, 3], dim=-1)
    estimate = shape_from_lengths(body, points, torch.ones(60, 24), SMPL, torch.full((24,), 0.001))
    limbs = [4, 5, 7, 8, 18, 19, 20, 21]
    assert estimate.mismatch[0] > 0.01
    assert estimate.mismatch[limbs].max() < 0.004
    given = Keypoint3dMSEInput(points, "smpl")
    given.keypoints3d_noise = torch.full((24,), 0.001)
    displaced = given.displaced_by(estimate.mismatch)
    assert displaced.keypoints3d_noise[0] > 10 * displaced.keypoints3d_noise[4]
    assert displaced.noise_beside(given) < 5
    assert torch.equal(given.keypoints3d_noise, torch.full((24,), 0.001))
    assert given.displaced_by(torch.zeros(0)) is given


def test_a_misplaced_pelvis_does_not_bend_the_body(body, turning, keypoints_of):
    from fitting import KeypointTrack, fit

    parameters = turning(40, turns=0.5)
    true = keypoints_of(parameters)[:, :24]
    points = true.clone()
    points[:, 0] += 0.1 * torch.nn.functional.normalize(points[:, 0] - points[:, 3], dim=-1)
    result = fit(KeypointTrack(points.numpy(), None, "smpl", 30.0), "smplify", device="cpu")
    away = 1000 * np.linalg.norm(result.joints - true.numpy(), axis=-1)
    assert away[:, [1, 2, 4, 5, 7, 8, 16, 17, 18, 19]].mean() < 10
    assert away[:, 0].mean() < 30, "most of the ten centimetres are not believed"
