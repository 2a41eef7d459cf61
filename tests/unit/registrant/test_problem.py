import pytest
import torch

from fitting.errors import FittingError
from fitting.handlers import BetasPriorHandler, BodyPosePriorHandler, Keypoint3dMSEHandler, Keypoint3dMSEInput
from fitting.losses import KeypointMSELoss, MaxMixturePriorLoss, PoseRegLoss, ShapePriorLoss
from fitting.registrant.problem import Problem, Term

N_FRAMES = 3


@pytest.fixture
def problem(body, somewhere, random_poses, keypoints_of):
    """Builds a problem with shared betas and three terms; `more` are added."""

    def build(*more, free=("body_pose", "betas")):
        parameters = somewhere(N_FRAMES)
        parameters["betas"] = parameters["betas"][:1].clone()
        observed = Keypoint3dMSEInput(keypoints_of(random_poses(N_FRAMES))[:, :24], "smpl")
        terms = [
            Term(Keypoint3dMSEHandler(KeypointMSELoss(sigma=0.3)), observed, weight=50.0, reduction="sum"),
            Term(BetasPriorHandler(ShapePriorLoss(loss_weight=2.0)), None),
            Term(BodyPosePriorHandler(PoseRegLoss(reduction="none"), "pose_reg"), None, weight=0.5),
            *more,
        ]
        return Problem(body, parameters, list(free), terms, torch.ones(45), N_FRAMES)

    return build


def test_loss_is_the_sum_of_its_terms(problem):
    built = problem()
    loss, terms = built.loss()
    assert set(terms) == {"keypoints3d_mse", "betas_prior", "pose_reg"}
    assert loss.item() == pytest.approx(sum(value.item() for value in terms.values()), rel=1e-6)
    assert loss.requires_grad
    assert not any(value.requires_grad for value in terms.values())
    assert terms["pose_reg"].item() == pytest.approx(0.5 * built.parameters["body_pose"].square().sum().item(), rel=1e-5)
    assert terms["betas_prior"].item() == pytest.approx(2 * built.parameters["betas"].square().mean().item(), rel=1e-5)


def test_only_free_parameters_get_a_gradient(problem):
    built = problem()
    built.loss()[0].backward()
    assert set(built.free) == {"body_pose", "betas"}
    assert {name for name, value in built.parameters.items() if value.grad is not None} == {"body_pose", "betas"}
    assert built.parameters["betas"].grad.shape == (1, 10)


def test_squared_residuals_add_up_to_the_loss(problem):
    built = problem()
    residuals = built.residuals()
    assert residuals.shape == (N_FRAMES, 24 * 3 + 10 + 69)
    torch.testing.assert_close(residuals.square().sum(), built.loss()[0])


def test_a_term_that_is_no_sum_of_squares_is_refused_by_name(problem):
    built = problem(Term(BodyPosePriorHandler(MaxMixturePriorLoss(), "pose_prior"), None))
    assert built.loss()[0].isfinite()
    with pytest.raises(
        FittingError, match=r"The loss MaxMixturePriorLoss of 'pose_prior' is no sum of squares. Use LBFGS or Adam with it."
    ):
        built.residuals()


def test_scales_make_a_step_move_the_keypoints_alike(problem, body):
    """A step of one scale in any parameter moves the keypoints by about one metre in all, over all frames it acts on."""
    built = problem(free=("transl", "betas"))
    scales = built.scales()
    assert set(scales) == {"transl", "betas"}
    torch.testing.assert_close(scales["transl"], torch.full((3,), 45**-0.5))
    with torch.no_grad():
        moved = body(betas=1e-3 * torch.diag(scales["betas"])).joints - body().joints
    distances = (moved / 1e-3).square().sum((1, 2)) * N_FRAMES
    torch.testing.assert_close(distances, torch.ones(10), atol=0.05, rtol=0)


def test_shared_parameters_are_given_to_handlers_for_each_frame(problem):
    of_one_shape = problem()
    arguments = of_one_shape.arguments(of_one_shape.posed())
    assert arguments["betas"].shape == (N_FRAMES, 10)
    assert arguments["model_joints"].shape == (N_FRAMES, 45, 3)
    assert arguments["model_joints_convention"] == "smpl_45"
    assert arguments["model_vertices"] is None


def test_no_term_is_no_loss(body, somewhere):
    loss, terms = Problem(body, somewhere(2), ["transl"], [], torch.ones(45), 2).loss()
    assert (loss.item(), terms) == (0, {})
