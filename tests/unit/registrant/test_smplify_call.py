"""One call: inputs, values to start from, and what comes back."""

import pytest
import torch

from fitting import build_registrant
from fitting.errors import FittingError, PresetError
from fitting.handlers import Keypoint3dMSEInput
from fitting.registrant import SMPLify

N_FRAMES = 4
STAY = [{"n_iter": 0}]


def test_every_parameter_comes_back(make, observed, target):
    output = make()(observed(target))
    shapes = {name: tuple(value.shape) for name, value in output.items()}
    assert shapes == {"global_orient": (4, 3), "transl": (4, 3), "body_pose": (4, 69), "betas": (4, 10)}
    assert not any(value.requires_grad for value in output.values())


def test_what_is_asked_for(make, observed, target, body):
    output = make()(observed(target), return_verts=True, return_joints=True, return_full_pose=True, return_losses=True)
    with torch.no_grad():
        expected = body(**{name: output[name] for name in body.parameter_shapes()}, return_verts=True)
    torch.testing.assert_close(output["vertices"], expected.vertices)
    torch.testing.assert_close(output["joints"], expected.joints)
    assert torch.equal(output["full_pose"], torch.cat([output["global_orient"], output["body_pose"]], 1))
    assert output["total_loss"].shape == (N_FRAMES,)


@pytest.mark.parametrize("shared", [False, True])
def test_total_loss_is_of_each_frame_with_the_weights_of_the_losses(make, observed, target, somewhere, body, shared):
    """Handlers that no stage used count too; without reduction, so that frames can be compared."""
    stages = [{"n_iter": 0, "keypoints3d_mse_weight": 0, "pose_reg_weight": 55.0, "body_weight": 0}]
    start = somewhere(N_FRAMES)
    smplify = make(stages=stages, use_one_betas_per_video=shared)
    output = smplify(observed(target)[:1], start, return_losses=True)
    betas = start["betas"].mean(0, keepdim=True).expand(N_FRAMES, -1) if shared else start["betas"]
    with torch.no_grad():
        error = body(**{**start, "betas": betas}).joints[:, :24] - target[:, :24]
    expected = 100 * (error.square() / (1 + error.square())).sum((1, 2))
    expected += 1e-3 * (betas.square().sum(1) + start["body_pose"].square().sum(1))
    torch.testing.assert_close(output["total_loss"], expected, rtol=1e-4, atol=1e-4)


def test_one_shape_for_all_frames(make, observed, target):
    output = make(use_one_betas_per_video=True)(observed(target))
    assert output["betas"].shape == (1, 10)
    assert output["betas"].abs().max() > 0


def test_one_shape_starts_from_the_mean(make, observed, target, somewhere):
    start = {"betas": somewhere(N_FRAMES)["betas"]}
    output = make(use_one_betas_per_video=True, stages=STAY)(observed(target), start)
    torch.testing.assert_close(output["betas"], start["betas"].mean(0, keepdim=True))


@pytest.mark.parametrize("n_rows", [1, N_FRAMES])
def test_values_to_start_from(make, observed, target, somewhere, n_rows):
    start = {name: value[:n_rows] for name, value in somewhere(N_FRAMES).items()}
    before = {name: value.clone() for name, value in start.items()}
    output = make(stages=STAY, start="torso")(observed(target), start)
    for name, value in start.items():
        torch.testing.assert_close(output[name], value.expand(N_FRAMES, -1))
    make()(observed(target), start)
    assert all(torch.equal(start[name], before[name]) for name in start), "given values are left unchanged"


def test_values_to_start_from_may_be_arrays(make, observed, target, somewhere):
    pose = somewhere(N_FRAMES)["body_pose"].double().numpy()
    output = make(stages=STAY)(observed(target), {"body_pose": pose})
    assert output["body_pose"].dtype == torch.float32
    torch.testing.assert_close(output["body_pose"], torch.as_tensor(pose).float())
    assert torch.equal(output["transl"], torch.zeros(N_FRAMES, 3))


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ({"body_poes": torch.zeros(4, 69)}, "init_param_dict has an unknown parameter 'body_poes'. Did you mean 'body_pose'?"),
        ({"body_pose": torch.zeros(4, 63)}, "init_param_dict has body_pose of shape (4, 63), expected (1, 69) or (4, 69)."),
        ({"transl": torch.zeros(3, 3)}, "init_param_dict has transl of shape (3, 3), expected (1, 3) or (4, 3)."),
        ({"betas": torch.zeros(10)}, "init_param_dict has betas of shape (10,), expected (1, 10) or (4, 10)."),
    ],
)
def test_wrong_values_to_start_from(make, observed, target, start, sentence):
    with pytest.raises(FittingError) as raised:
        make()(observed(target), start)
    assert str(raised.value) == sentence


@pytest.mark.parametrize("inputs", [[], ()])
def test_no_input(make, inputs):
    with pytest.raises(FittingError, match=r"There is no input to fit to. Give a list with at least one input."):
        make()(inputs)


def test_two_inputs_of_one_key(make, target):
    """In XRMoCap the last one wins."""
    observed = Keypoint3dMSEInput(target[:, :24], "smpl")
    with pytest.raises(FittingError, match=r"Two inputs have the key 'keypoints3d_mse'. Give each input the key of its own handler."):
        make()([observed, observed])


def test_inputs_of_different_length(make, observed, target):
    points, limbs = observed(target)[0], observed(target[:3])[1]
    with pytest.raises(
        FittingError, match=r"different numbers of frames: keypoints3d_mse 4, keypoints3d_limb_len 3. Give all inputs the same"
    ):
        make()([points, limbs])


def test_zeros_is_the_t_pose_at_the_origin(make, observed, target):
    output = make(start="zeros", stages=STAY)(observed(target))
    assert all(torch.equal(value, torch.zeros_like(value)) for value in output.values())


def test_torso_is_the_default_start(body, observed, target):
    from fitting.registrant.start import pose_from_keypoints

    smplify = SMPLify(body, STAY, {"type": "Adam"}, [], device="cpu")
    output = smplify(observed(target)[:1])
    expected = pose_from_keypoints(body, target[:, :24], torch.ones(N_FRAMES, 24), "smpl")
    assert all(torch.equal(output[name], value) for name, value in expected.items())
    assert torch.equal(output["betas"], torch.zeros(N_FRAMES, 10))


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_short_takes(make, observed, random_poses, keypoints_of, n_frames):
    """Smoothness and acceleration have nothing to compare with, but give no error and no wrong number."""
    smooth = [
        {"type": "BodyPosePriorHandler", "handler_key": "smooth_joint", "prior_loss": {"type": "SmoothJointLoss", "loss_func": func}}
        for func in ("L1", "L2")
    ]
    smooth[1]["handler_key"] = "smooth_joint_l2"
    motion = {"type": "JointMotionHandler", "prior_loss": {"type": "JointAccelerationLoss", "sigma": 0.1}}
    points = {"type": "Keypoint3dMSEHandler", "mse_loss": {"type": "KeypointMSELoss", "loss_weight": 100.0, "robust_on": "error"}}
    stages = [{"n_iter": 1, "keypoints3d_mse_weight": 0}, {"n_iter": 3}]
    target = keypoints_of(random_poses(n_frames))
    output = make(handlers=[*smooth, motion, points], stages=stages, start="torso")(observed(target)[:1], return_losses=True)
    assert all(value.isfinite().all() for value in output.values())
    assert output["total_loss"].shape == (n_frames,)


@pytest.mark.parametrize("type_", ["SMPLify", SMPLify])
def test_build_registrant(body, type_):
    config = {"type": type_, "body_model": body, "stages": STAY, "optimizer": {"type": "Adam"}, "handlers": [], "device": "cpu"}
    assert type(build_registrant(config)) is SMPLify
    assert build_registrant({**config, "body_model": {"num_betas": 4}}).body_model.n_betas == 4


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"type": "SMPLfy"}, PresetError, r"There is no registrant of type 'SMPLfy'. Did you mean 'SMPLify'\?"),
        ({"n_epoch": 2}, PresetError, r"The registrant SMPLify has no argument 'n_epoch'. Did you mean 'n_epochs'\?"),
        ({"body_model": "SMPL"}, TypeError, r"body_model is a str, expected a config \(dict\) or a torch module"),
        ({"handlers": ["BetasPriorHandler"]}, TypeError, r"The handler is a str, expected a config \(dict\)"),
    ],
)
def test_build_registrant_sentences(body, change, error, sentence):
    config = {"type": "SMPLify", "body_model": body, "stages": STAY, "optimizer": {"type": "Adam"}, "handlers": [], "device": "cpu"}
    with pytest.raises(error, match=sentence):
        build_registrant({**config, **change})


def test_build_registrant_names_what_is_missing():
    with pytest.raises(PresetError, match=r"The registrant SMPLify needs 'body_model', 'stages', 'optimizer', 'handlers'"):
        build_registrant({"type": "SMPLify"})
