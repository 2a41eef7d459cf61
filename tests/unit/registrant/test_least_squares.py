"""A stage as a sum of squares: its cost is the loss, and its normal equations are the derivatives of the cost."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

import fitting
from fitting.body import build_body_model
from fitting.handlers import Keypoint3dMSEHandler, Keypoint3dMSEInput, build_handler
from fitting.registrant.least_squares.stage import StageLeastSquares
from fitting.registrant.problem import Problem, Term

N_FRAMES = 6
POINTS = {"type": "KeypointMSELoss", "reduction": "sum", "sigma": 0.05, "robust_on": "distance"}


def body_of(model_type: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return build_body_model({"type": model_type, "num_betas": 4, **options}).double()


def problem_of(body: Any, handlers: Sequence[dict[str, Any]], free: Sequence[str], *, layout: str = "smpl", betas_rows: int = 1) -> Problem:
    torch.manual_seed(1)
    widths = body.parameter_shapes()
    parameters = {
        name: 0.3 * torch.randn(betas_rows if name == "betas" else N_FRAMES, width, dtype=torch.float64) for name, width in widths.items()
    }
    for name in ("leye_pose", "reye_pose"):  # they are never sought here: what they cost is no matter of a stage
        if name in parameters:
            parameters[name].zero_()
    n_keypoints = len(fitting.get_convention(layout).names)
    target = torch.randn(N_FRAMES, n_keypoints, 3, dtype=torch.float64) * 0.2
    confidence = torch.rand(N_FRAMES, n_keypoints, dtype=torch.float64)
    confidence[2, :4] = 0
    observed = Keypoint3dMSEInput(target, layout, confidence)
    terms = []
    for config in handlers:
        handler = build_handler(dict(config))
        handler.to(torch.device("cpu"))
        if handler.loss is not None:
            handler.loss.double()
        terms.append(Term(handler, observed if isinstance(handler, Keypoint3dMSEHandler) else None, 0.7))
    weights = torch.rand(len(body.convention), dtype=torch.float64)
    return Problem(body, parameters, list(free), terms, weights, N_FRAMES, fps=12.0)


TERMS: dict[str, dict[str, Any]] = {
    "points": {"type": "Keypoint3dMSEHandler", "keypoint_approximate": True, "noise": 0.05, "mse_loss": POINTS},
    "coordinates": {"type": "Keypoint3dMSEHandler", "keypoint_approximate": True, "mse_loss": {**POINTS, "robust_on": "error"}},
    "tolerance": {"type": "JointToleranceHandler", "prior_loss": {"type": "JointToleranceLoss", "reduction": "sum"}},
    "rotation": {"type": "RotationAccelerationHandler", "prior_loss": {"type": "RotationAccelerationLoss", "reduction": "sum"}},
    "root": {"type": "RootAccelerationHandler", "prior_loss": {"type": "RootAccelerationLoss", "reduction": "sum"}},
    "shape": {"type": "BetasPriorHandler", "prior_loss": {"type": "ShapePriorLoss", "reduction": "sum"}},
    "pose": {"type": "BodyPosePriorHandler", "prior_loss": {"type": "PoseRegLoss", "reduction": "mean"}},
    "smooth": {"type": "BodyPosePriorHandler", "prior_loss": {"type": "SmoothJointLoss", "loss_func": "L2", "reduction": "sum"}},
    "motion": {"type": "JointMotionHandler", "prior_loss": {"type": "JointAccelerationLoss", "reduction": "sum", "sigma": 0.1}},
}
SMPL = ("global_orient", "transl", "body_pose")
WHOLE = (*SMPL, "betas", "left_hand_pose", "right_hand_pose", "jaw_pose", "expression")
CASES: dict[str, tuple[dict[str, Any], list[str], tuple[str, ...], str]] = {
    "common stage": ({"model_type": "SMPL"}, ["points", "tolerance", "rotation", "root"], SMPL, "smpl"),
    "each frame": ({"model_type": "SMPL"}, ["points", "tolerance"], SMPL, "openpose_25"),
    "with shape": ({"model_type": "SMPL"}, ["points", "tolerance", "shape"], (*SMPL, "betas"), "smpl"),
    "coupled, with shape": ({"model_type": "SMPL"}, ["points", "rotation", "root", "shape"], (*SMPL, "betas"), "smpl"),
    "residuals only": ({"model_type": "SMPL"}, ["coordinates", "pose", "shape"], (*SMPL, "betas"), "smpl"),
    "residuals over frames": ({"model_type": "SMPL"}, ["points", "smooth", "motion", "shape"], (*SMPL, "betas"), "smpl"),
    "all at once": ({"model_type": "SMPL"}, ["points", "rotation", "root", "smooth", "tolerance", "motion"], SMPL, "smpl"),
    "whole body": ({"model_type": "SMPLX"}, ["points", "tolerance", "shape"], WHOLE, "smplx"),
    "hands by components": (
        {"model_type": "SMPLX", "use_pca": True, "num_pca_comps": 5}, ["points", "tolerance", "shape"], WHOLE, "smplx",
    ),
    "shape of each frame": ({"model_type": "SMPL"}, ["points", "shape"], (*SMPL, "betas"), "smpl"),
}  # fmt: skip


def stage_of(case: str) -> tuple[Problem, StageLeastSquares]:
    options, terms, free, layout = CASES[case]
    options = dict(options)
    handlers = [{"handler_key": "keypoints3d_mse" if key == "points" else key, **TERMS[key]} for key in terms]
    rows = N_FRAMES if case == "shape of each frame" else 1
    problem = problem_of(body_of(options.pop("model_type"), **options), handlers, free, layout=layout, betas_rows=rows)
    return problem, problem.least_squares()


@pytest.mark.parametrize("case", CASES)
def test_the_cost_is_the_loss(case: str) -> None:
    problem, stage = stage_of(case)
    problem.take(stage)  # joints that nothing moves have been set to rest
    loss, terms = problem.loss()
    evaluation = stage.evaluate()
    assert evaluation.costs.sum().item() == pytest.approx(loss.item(), rel=1e-6)
    for key, value in evaluation.terms.items():
        assert value.sum().item() == pytest.approx(terms[key].item(), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_that_of_the_cost(case: str) -> None:
    _, stage = stage_of(case)
    here = stage.evaluate()
    equations = stage.normal_equations(here)
    generator = torch.Generator().manual_seed(2)
    for _ in range(3):
        step = torch.randn(equations.gradient.shape, generator=generator, dtype=torch.float64)
        n_shared = 0 if equations.shared_gradient is None else len(equations.shared_gradient)
        shared = torch.randn(n_shared, generator=generator, dtype=torch.float64) if n_shared else None
        expected = 2 * (equations.gradient * step).sum()
        if shared is not None:
            assert equations.shared_gradient is not None
            expected = expected + 2 * equations.shared_gradient @ shared
        size = 1e-6
        ahead, back = (
            stage.moved(here, sign * size * step, None if shared is None else sign * size * shared).costs.sum() for sign in (1, -1)
        )
        assert ((ahead - back) / (2 * size)).item() == pytest.approx(expected.item(), rel=2e-5)


@pytest.mark.parametrize("case", CASES)
def test_the_hessian_is_that_of_squares(case: str) -> None:
    """Gauss-Newton: where residuals change linearly and no weight is robust, the quadratic form is the square of their change."""
    _, stage = stage_of(case)
    here = stage.evaluate()
    equations = stage.normal_equations(here)
    whole = dense(equations)
    assert torch.equal(torch.isfinite(whole), torch.ones_like(whole, dtype=torch.bool))
    torch.testing.assert_close(whole, whole.mT, rtol=1e-6, atol=1e-8 * whole.abs().max().item())
    assert torch.linalg.eigvalsh(whole).min() > -1e-7 * whole.diagonal().max()


def dense(equations: Any) -> Tensor:
    """The whole matrix of normal equations."""
    n_frames, width = equations.gradient.shape
    n_shared = 0 if equations.cross is None else equations.cross.shape[-1]
    size = n_frames * width
    whole = torch.zeros(size + n_shared, size + n_shared, dtype=equations.hessian.dtype)
    for frame in range(n_frames):
        own = slice(frame * width, (frame + 1) * width)
        whole[own, own] = equations.hessian[frame]
        for distance, blocks in enumerate(equations.coupling, 1):
            if frame + distance < n_frames:
                other = slice((frame + distance) * width, (frame + distance + 1) * width)
                whole[own, other], whole[other, own] = blocks[frame], blocks[frame].mT
        if n_shared:
            whole[own, size:], whole[size:, own] = equations.cross[frame], equations.cross[frame].mT
    if n_shared:
        whole[size:, size:] = equations.shared_hessian
    return whole
