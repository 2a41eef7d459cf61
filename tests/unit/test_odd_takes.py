"""Takes that give a solver little or nonsense: the result is finite, or a sentence says what is wrong; and it ends."""

import numpy as np
import pytest
import torch
from torch import nn

from fitting import KeypointTrack, build_registrant, fit, load_preset
from fitting.device import PLAIN
from fitting.errors import FittingError, TrackError
from fitting.handlers import Keypoint3dMSEInput
from fitting.kernels import kernels
from fitting.losses import Loss

PRESETS = ("fast", "smplify", "smplifyx")
DEVICES = ("cpu", PLAIN)


@pytest.fixture(scope="module", autouse=True)
def loaded():
    kernels(wait=True)


@pytest.fixture(scope="module")
def walk(turning, keypoints_of):
    """(20, 24, 3) joints of a person who turns."""
    return keypoints_of(turning(20, turns=0.5))[:, :24].numpy()


def fitted(points, preset, device, confidence=None):
    result = fit(KeypointTrack(points.astype(np.float32), confidence, "smpl", 30.0), preset, device=device)
    assert all(np.isfinite(value).all() for value in (*result.params.values(), result.joints))
    return result


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("n_frames", [1, 2, 3, 4])
def test_few_frames(walk, preset, device, n_frames):
    result = fitted(walk[:n_frames], preset, device)
    assert 1000 * result.mean_residual() < 5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("preset", PRESETS)
def test_joints_that_are_never_seen(walk, preset, device):
    confidence = np.ones(walk.shape[:2], np.float32)
    confidence[:, [4, 7, 10, 20, 22, 15]] = 0  # a leg, a hand, the head
    points = walk.copy()
    points[:, 15] = np.nan
    result = fitted(points, preset, device, confidence)
    seen = confidence[0] > 0
    assert 1000 * np.linalg.norm(result.joints[:, :22][:, seen[:22]] - walk[:, :22][:, seen[:22]], axis=-1).mean() < 10
    assert any(line.startswith("Not observed, left to the priors:") and "left_knee" in line for line in result.report)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("preset", PRESETS)
def test_one_hip_alone(preset, device):
    confidence = np.zeros((10, 24), np.float32)
    confidence[:, 1] = 1
    result = fitted(np.full((10, 24, 3), 0.3), preset, device, confidence)
    assert 1000 * result.mean_residual() < 5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("case", ["all in one place", "scattered", "far away", "giant", "mirrored"])
def test_contradictory_keypoints(walk, preset, device, case):
    points = {
        "all in one place": np.zeros_like(walk),
        "scattered": np.random.default_rng(0).normal(size=walk.shape) * 2,
        "far away": walk + 5000,
        "giant": walk * 8,
        "mirrored": walk * np.array([-1, 1, 1]),
    }[case]
    result = fitted(points, preset, device)
    if case == "far away":
        assert 1000 * result.mean_residual() < 5


@pytest.mark.parametrize("device", DEVICES)
def test_all_weights_zero(walk, device):
    preset = load_preset("smplify")
    keys = [handler["handler_key"] for handler in preset.handlers]
    nothing = preset.with_stages([{"n_iter": 3, **{f"{key}_weight": 0 for key in keys}}])
    fitted(walk, nothing, device)
    no_points = preset.with_stages([{**preset.stages[-1], "keypoints3d_mse_weight": 0}])
    fitted(walk, no_points, device)
    no_prior = preset.with_stages([{"n_iter": 5, **{f"{key}_weight": float(key == "keypoints3d_mse") for key in keys}}])
    fitted(walk, no_prior, device)


def test_nothing_observed(walk):
    with pytest.raises(TrackError, match=r"No keypoint of .* is observed in any frame"):
        fit(KeypointTrack(walk, np.zeros(walk.shape[:2], np.float32), "smpl", 30.0), "fast", device="cpu")


class NotANumber(Loss):
    """A residual of the user's own that is not a number in some frames."""

    def residuals(self, body_pose):
        return torch.where(torch.arange(len(body_pose))[:, None] == 3, torch.nan, body_pose)


class Sharp(Loss):
    """One that breaks down where the pose leaves the start."""

    def residuals(self, body_pose):
        return torch.where(body_pose.abs() > 1.0, torch.inf, 0.1 * body_pose)


class Neighbours(Loss):
    """One that compares frames without saying so."""

    def residuals(self, body_pose):
        return torch.cat([torch.zeros_like(body_pose[:1]), body_pose.diff(dim=0)])


class NoSquares(nn.Module):
    """A loss that is no sum of squares."""

    def forward(self, body_pose, loss_weight_override=None, reduction_override=None):
        return body_pose.abs().sum()


def with_loss(body, loss, walk):
    """Runs one stage of points and a loss of the user's own."""
    preset = load_preset("fast")
    own = {"type": "BodyPosePriorHandler", "handler_key": "mine", "prior_loss": loss}
    config = {**preset.registrant_config(), "body_model": body, "device": "cpu"}
    config["handlers"] = [*config["handlers"], own]
    config["stages"] = [{**config["stages"][-1], "mine_weight": 1.0}]
    return build_registrant(config)([Keypoint3dMSEInput(torch.tensor(walk), "smpl")], return_joints=True)


def test_not_a_number_from_a_loss_of_the_user(body, walk):
    with pytest.raises(FittingError, match=r"The loss is not a number; its terms: .*mine nan"):
        with_loss(body, NotANumber(reduction="sum"), walk)


def test_a_loss_that_breaks_down_on_the_way(body, walk):
    pose = torch.zeros(20, 24, 3)
    output = with_loss(body, Sharp(reduction="sum"), np.asarray(body().joints[:, :24].expand(20, -1, -1).detach()) + 0.01)
    assert torch.isfinite(output["body_pose"]).all()
    assert pose.shape == (20, 24, 3)


def test_a_loss_that_compares_frames_and_does_not_say_so(body, walk):
    with pytest.raises(FittingError, match=r"The loss Neighbours of 'mine' compares frames that are more than 0 apart.*`frame_reach`"):
        with_loss(body, Neighbours(reduction="sum"), walk)


def test_a_loss_that_compares_frames_and_says_so(body, walk):
    class Said(Neighbours):
        frame_reach = 1

    assert torch.isfinite(with_loss(body, Said(reduction="sum"), walk)["body_pose"]).all()


def test_a_loss_that_is_no_sum_of_squares(body, walk):
    with pytest.raises(FittingError, match=r"The loss NoSquares of 'mine' is no sum of squares. Use LBFGS or Adam with it"):
        with_loss(body, NoSquares(), walk)
