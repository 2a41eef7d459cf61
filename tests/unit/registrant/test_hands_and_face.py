"""SMPLifyH and SMPLifyX: fingers, jaw and expression are found from whole-body keypoints."""

import math

import pytest
import torch

import fitting
from fitting.data.conventions import conversion_matrix
from fitting.data.parameters import HAND_POSES
from fitting.errors import PresetError
from fitting.registrant import build_registrant
from fitting.rotations import axis_angle_to_matrix, matrix_to_axis_angle

N_FRAMES = 8
PARTS = {"body": range(22), "fingers": range(25, 55), "tips": range(66, 76), "face": range(76, 144)}
"""Keypoints of the convention smplx by part."""


@pytest.fixture(scope="module")
def body_x():
    return fitting.load_body(n_betas=10, model_type="smplx")


@pytest.fixture(scope="module")
def whole_body(turning):
    """A person who swings the limbs, turns half round, closes both hands and speaks; at 30 fps."""
    phase = torch.arange(N_FRAMES)[:, None] / 30
    generator = torch.Generator().manual_seed(4)
    values = turning(N_FRAMES, turns=0.5)
    values["body_pose"] = values["body_pose"][:, :63].clone()
    values["body_pose"][:, 27:33] = 0  # toes
    grip = 0.6 * torch.rand(15, generator=generator) * torch.sin(math.pi * phase + torch.arange(15))
    for name, sign in (("left_hand_pose", -1), ("right_hand_pose", 1)):
        hand = torch.zeros(N_FRAMES, 15, 3)
        hand[:, :12, 2] = sign * grip[:, :12]
        hand[:, 12:, 1] = 0.4 * sign * grip[:, 12:]
        values[name] = hand.flatten(1)
    values["jaw_pose"] = torch.cat([0.3 * torch.sin(math.pi * phase), torch.zeros(N_FRAMES, 2)], 1)
    values["expression"] = 0.7 * torch.randn(1, 10, generator=generator) * torch.sin(math.pi * phase)
    return values


def track(points, convention, noise=0.0):
    matrix = torch.as_tensor(conversion_matrix("smplx", convention, approximate=True))
    observed = matrix @ points
    observed = observed + noise * torch.randn(observed.shape, generator=torch.Generator().manual_seed(0))
    confidence = (matrix != 0).any(1).float().expand(len(points), -1)
    return fitting.KeypointTrack(observed.numpy(), confidence.numpy(), convention, 30.0)


def angles(found, expected):
    """(F, N) degrees between rotations."""
    a, b = (axis_angle_to_matrix(torch.unflatten(torch.as_tensor(pose), 1, (-1, 3))) for pose in (found, expected))
    return torch.rad2deg(matrix_to_axis_angle(a.mT @ b).norm(dim=-1))


def posed(result):
    flat = fitting.load_body(n_betas=10, model_type=result.model_type, flat_hand_mean=True)
    with torch.no_grad():
        return flat(**{name: torch.tensor(value) for name, value in result.params.items()})


@pytest.fixture(scope="module")
def truth(body_x, whole_body):
    with torch.no_grad():
        return body_x(**whole_body)


@pytest.fixture(scope="module", params=[("smplx", 0.0), ("coco_wholebody", 0.005)], ids=["exact", "noisy"])
def fitted(request, truth):
    """A fit, and the noise of what it was fitted to in metres."""
    convention, noise = request.param
    return fitting.fit(track(truth.joints, convention, noise), "smplifyx", device="cpu"), noise


def test_hands_and_face_are_found(fitted, truth):
    result, noise = fitted
    output = posed(result)
    error = {part: 1000 * (output.joints - truth.joints)[:, list(rows)].norm(dim=-1).mean().item() for part, rows in PARTS.items()}
    turns = angles(output.full_pose, truth.full_pose)
    assert error["body"] < 2 + 1400 * noise, error
    assert error["fingers"] < 1.5 + 500 * noise, error
    assert error["tips"] < 2 + 800 * noise, error
    assert error["face"] < 1 + 300 * noise, error
    assert turns[:, 25:].mean() < 6 + 800 * noise, "fingers, degrees"
    assert turns[:, 22].mean() < 1 + 400 * noise, "jaw, degrees"
    opened = torch.stack([output.full_pose[:, 66], truth.full_pose[:, 66]])
    assert torch.corrcoef(opened)[0, 1] > 0.95


def test_the_result_holds_absolute_hands(fitted):
    """A hand pose of the result is bent from flat; joints and residuals are those of its own parameters."""
    result, noise = fitted
    shapes = {name: value.shape for name, value in result.params.items()}
    assert shapes["left_hand_pose"] == shapes["right_hand_pose"] == (N_FRAMES, 45)
    assert shapes["jaw_pose"] == shapes["leye_pose"] == (N_FRAMES, 3)
    assert shapes["expression"] == (N_FRAMES, 10)
    assert (result.model_type, result.joints.shape, result.full_pose.shape) == ("smplx", (N_FRAMES, 55, 3), (N_FRAMES, 55, 3))
    torch.testing.assert_close(posed(result).joints[:, :55], torch.as_tensor(result.joints), atol=1e-5, rtol=0)
    assert result.mean_residual() < 0.002 + 1.6 * noise


def test_fingers_of_smplh(truth):
    result = fitting.fit(track(truth.joints, "smplh_52"), "smplifyh", device="cpu")
    assert (result.model_type, result.full_pose.shape) == ("smplh", (N_FRAMES, 52, 3))
    fingers = list(range(25, 55))
    error = torch.as_tensor(result.joints)[:, 22:] - truth.joints[:, fingers]
    assert 1000 * error.norm(dim=-1).mean() < 2
    expected = torch.unflatten(truth.full_pose, 1, (55, 3))[:, fingers].flatten(1)
    assert angles(result.full_pose[:, 22:].reshape(N_FRAMES, -1), expected).mean() < 6


def test_hands_that_nobody_saw_stay_relaxed(truth, body_x):
    result = fitting.fit(track(truth.joints, "coco"), "smplifyx", device="cpu")
    assert any(sentence.endswith("all fingers of the left hand, all fingers of the right hand.") for sentence in result.report)
    for name, mean in zip(("left_hand_pose", "right_hand_pose"), body_x.data.hand_mean, strict=True):
        assert abs(result.params[name] - mean).max() < 0.4
        assert abs(result.params[name] - mean).mean() < 0.05
    assert abs(result.params["jaw_pose"]).max() < 0.2


def test_components_of_hands(truth):
    """With `use_pca` a hand is some components; what comes back are the angles of its joints."""
    preset = fitting.load_preset("smplifyx").to_dict()
    for handler in preset["handlers"]:
        if handler.get("parameter") in HAND_POSES:
            handler["prior_loss"] = {"type": "PoseRegLoss", "reduction": "sum"}
    preset["stages"] = [{**preset["stages"][2], "n_iter": 2}]
    preset["body_model"] |= {"use_pca": True, "num_pca_comps": 12}
    result = fitting.fit(track(truth.joints, "smplx"), fitting.Preset.from_dict(preset, "components"), device="cpu")
    components = fitting.load_body(model_type="smplx").data.hand_components
    for name, mean, rows in zip(HAND_POSES, fitting.load_body(model_type="smplx").data.hand_mean, components, strict=True):
        bent = result.params[name] - mean
        assert abs(bent).max() > 0.05
        assert abs(bent @ rows[12:].T).max() < 1e-5, "no component but the first twelve"


@pytest.mark.parametrize(("registrant", "body"), [("SMPLifyX", "SMPL"), ("SMPLifyH", "SMPL"), ("SMPLifyX", "SMPLH")])
def test_a_body_that_lacks_what_is_fitted(registrant, body):
    preset = fitting.load_preset("smplify").to_dict()
    config = {"body_model": {"type": body}, "optimizer": preset["optimizer"], "handlers": [], "stages": [{}]}
    with pytest.raises(
        PresetError, match=rf"{registrant} fits .*_pose, which the body model does not have. Write body_model.type = 'SMPL[HX]'"
    ):
        build_registrant({"type": registrant, **config, "device": "cpu"})
