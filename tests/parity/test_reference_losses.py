"""The losses give the numbers of XRMoCap's modules, values and gradients (float32)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fitting.losses import JointPriorLoss, KeypointMSELoss, MaxMixturePriorLoss

DATA = Path(__file__).parent / "data"
REDUCTIONS = ("none", "mean", "sum")
JOINT_PRIORS = {
    "full": {},
    "full_spine": {"smooth_spine": True, "smooth_spine_loss_weight": 20},
    "full_foot": {"lock_foot": True, "lock_foot_loss_weight": 2},
    "full_apose": {"lock_apose_spine": True, "lock_apose_spine_loss_weight": 3},
}
JOINT_PRIORS["everything"] = {key: value for options in list(JOINT_PRIORS.values()) for key, value in options.items()}


def numbers(name: str) -> dict[str, torch.Tensor]:
    with np.load(DATA / f"{name}.npz") as file:
        return {key: torch.as_tensor(file[key]) for key in file.files}


def assert_same(value: torch.Tensor, expected: torch.Tensor, rtol: float = 1e-4) -> None:
    torch.testing.assert_close(value.detach(), expected.to(value.dtype), rtol=rtol, atol=1e-6)


def gradient(loss: torch.Tensor, variable: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(loss, variable)[0]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("sigma", ["1", "100", "0.05"])
def test_keypoint_mse(sigma: str, reduction: str) -> None:
    data = numbers("loss_keypoint_mse")
    loss = KeypointMSELoss(reduction=reduction, loss_weight=10, sigma=float(sigma))
    weights = {key: data[key] for key in ("pred_conf", "target_conf", "keypoint_weight")}
    assert_same(loss(data["pred"], data["target"]), data[f"sigma{sigma}_plain_{reduction}"])
    assert_same(loss(data["pred"], data["target"], **weights), data[f"sigma{sigma}_conf_{reduction}"])
    assert_same(loss(data["pred"], data["target"], **weights, loss_weight_override=2.5), data[f"sigma{sigma}_conf_w2.5_{reduction}"])


@pytest.mark.parametrize("sigma", ["1", "100", "0.05"])
def test_keypoint_mse_gradient(sigma: str) -> None:
    data = numbers("loss_keypoint_mse")
    pred = data["pred"].requires_grad_()
    weights = {key: data[key] for key in ("pred_conf", "target_conf", "keypoint_weight")}
    loss = KeypointMSELoss(reduction="sum", loss_weight=10, sigma=float(sigma))(pred, data["target"], **weights)
    assert_same(gradient(loss, pred), data[f"sigma{sigma}_conf_sum_grad_pred"], rtol=1e-3)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("pose", ["p69", "p63"])
@pytest.mark.parametrize("options", JOINT_PRIORS)
def test_joint_prior(options: str, pose: str, reduction: str) -> None:
    data = numbers("loss_joint_prior")
    loss = JointPriorLoss(loss_weight=20, use_full_body=True, reduction=reduction, **JOINT_PRIORS[options])
    assert_same(loss(data[pose]), data[f"{options}_{pose}_{reduction}"])


@pytest.mark.parametrize("options", JOINT_PRIORS)
def test_joint_prior_weight_and_gradient(options: str) -> None:
    data = numbers("loss_joint_prior")
    pose = data["p69"].requires_grad_()
    loss = JointPriorLoss(loss_weight=20, use_full_body=True, reduction="sum", **JOINT_PRIORS[options])
    assert_same(loss(pose, loss_weight_override=1e-4), data[f"{options}_p69_sum_w1e-4"])
    assert_same(gradient(loss(pose), pose), data[f"{options}_p69_sum_grad"], rtol=1e-3)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("tag", "num_gaussians"), [("D9M8", 8), ("D69M2", 2)])
def test_max_mixture_prior(tag: str, num_gaussians: int, reduction: str, tmp_path: Path) -> None:
    data = numbers("loss_max_mixture_prior")
    mixture = {key: data[f"{tag}_{key}"].numpy() for key in ("means", "covars", "weights")}
    np.savez(tmp_path / f"gmm_{num_gaussians:02d}.npz", **mixture)
    loss = MaxMixturePriorLoss(prior_folder=tmp_path, num_gaussians=num_gaussians, loss_weight=4.78**2, reduction=reduction)
    pose = data[f"{tag}_body_pose"].requires_grad_()
    assert_same(loss(pose), data[f"{tag}_merged_{reduction}"])
    if reduction == "sum":
        assert_same(loss(pose, loss_weight_override=1e-4), data[f"{tag}_merged_sum_w1e-4"])
        assert_same(gradient(loss(pose), pose), data[f"{tag}_merged_sum_grad"], rtol=1e-3)
