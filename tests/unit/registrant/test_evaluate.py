import pytest
import torch

from fitting.errors import FittingError, PresetError

N_FRAMES = 4


def test_terms_add_up(make, observed, target, somewhere):
    losses = make().evaluate(observed(target), somewhere(N_FRAMES))
    total = losses.pop("total_loss")
    assert set(losses) == {"keypoints3d_mse", "keypoints3d_limb_len", "shape_prior", "pose_reg"}
    torch.testing.assert_close(total, sum(losses.values()))


def test_weights_reductions_and_parts_are_those_of_a_stage(make, observed, target, somewhere):
    registrant, values = make(), somewhere(N_FRAMES)
    usual = registrant.evaluate(observed(target), values)
    stage = {"keypoints3d_mse_weight": 0, "shape_prior_weight": 3.0, "shape_prior_reduction": "sum"}
    changed = registrant.evaluate(observed(target), values, **stage)
    assert "keypoints3d_mse" not in changed
    torch.testing.assert_close(changed["shape_prior"], 3 * values["betas"].square().sum())
    without_body = registrant.evaluate(observed(target), values, body_weight=0.0)
    assert 0 < without_body["keypoints3d_mse"] < usual["keypoints3d_mse"], "the head and the hands are no part of the body"


def test_each_frame_by_itself(make, observed, target, somewhere):
    registrant, values = make(), somewhere(N_FRAMES)
    by_frame = registrant.evaluate(observed(target), values, reduction_override="none")
    assert all(value.shape == (N_FRAMES,) for value in by_frame.values())
    one = {name: value[1:2] for name, value in values.items()}
    alone = registrant.evaluate(observed(target[1:2]), one, reduction_override="none")
    for key, value in alone.items():
        torch.testing.assert_close(by_frame[key][1:2], value, rtol=1e-4, atol=1e-5)


def test_it_agrees_with_what_a_fit_returns(make, observed, target):
    registrant = make(stages=[{"n_iter": 2}])
    output = registrant(observed(target), return_losses=True, return_verts=True, return_joints=True, return_full_pose=True)
    parameters = {name: output[name] for name in registrant.OPTIM_PARAM}
    again = registrant.evaluate(
        observed(target), parameters, return_verts=True, return_joints=True, return_full_pose=True, reduction_override="none"
    )
    for name in ("total_loss", "vertices", "joints", "full_pose"):
        torch.testing.assert_close(again[name], output[name])
    assert "keypoints3d_mse" not in output, "as XRMoCap, a fit gives the total alone"


def test_gradients_flow_and_parameters_stay(make, observed, target, somewhere):
    values = somewhere(N_FRAMES)
    values["transl"].requires_grad_()
    make().evaluate(observed(target), values)["total_loss"].backward()
    assert values["transl"].grad.norm() > 0
    assert not values["betas"].requires_grad


def test_one_row_and_what_is_left_out(make, observed, target):
    losses = make().evaluate(observed(target), {"betas": torch.zeros(1, 10)})
    assert losses["total_loss"].isfinite()


def test_wrong_keys(make, observed, target, somewhere):
    with pytest.raises(PresetError, match=r"The stage has an unknown key 'shape_prio_weight'. Did you mean 'shape_prior_weight'"):
        make().evaluate(observed(target), somewhere(N_FRAMES), shape_prio_weight=1.0)
    with pytest.raises(FittingError, match=r"no parameter 'beta'. Did you mean 'betas'"):
        make().evaluate(observed(target), {"beta": torch.zeros(1, 10)})
