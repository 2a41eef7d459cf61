"""What a user adds: a loss of one class, and a loss with a target of three. They work with every part of the fitter."""

import pytest
import torch

from fitting import BaseHandler, BaseInput, BodyPosePriorHandler, Loss, build_handler, build_loss
from fitting.errors import FittingError
from fitting.handlers import HANDLERS
from fitting.losses import LOSSES

OPTIMIZERS = [{"type": "LBFGS", "max_iter": 20, "line_search_fn": "strong_wolfe"}, {"type": "Adam", "lr": 0.05}]
N_FRAMES = 3


class KneesBent(torch.nn.Module):
    """A plain module, as the specification's tutorial (a) writes one: reduction, weight, forward, and nothing of ours."""

    def __init__(self, angle=0.7, reduction="mean", loss_weight=1.0):
        super().__init__()
        self.angle, self.reduction, self.loss_weight = angle, reduction, loss_weight

    def forward(self, body_pose, loss_weight_override=None, reduction_override=None):
        weight = self.loss_weight if loss_weight_override is None else loss_weight_override
        elements = weight * (body_pose[:, [9, 12]] - self.angle).abs()
        reduction = reduction_override or self.reduction
        return elements if reduction == "none" else getattr(elements, reduction)()


class FloorLoss(Loss):
    """Depth of each joint below the floor of its frame, metres."""

    def residuals(self, pred, floor):
        return (floor[:, None] - pred[..., 1]).clamp_min(0)


class FloorInput(BaseInput):
    def __init__(self, floor, handler_key="floor"):
        super().__init__(handler_key)
        self.floor = floor

    def get_batch_size(self):
        return len(self.floor)


class FloorHandler(BaseHandler):
    def __init__(self, floor_loss, handler_key="floor", device=None, logger=None):
        super().__init__(handler_key, device, logger)
        self.loss = build_loss(floor_loss)

    def loss_arguments(self, related_input, model_joints, **_):
        return {"pred": model_joints, "floor": related_input.floor}


class LowestVertexHandler(BaseHandler):
    """No loss at all: a handler that computes its value itself, from the vertices."""

    def __init__(self, handler_key="lowest_vertex", weight=1.0):
        super().__init__(handler_key)
        self.weight = weight

    def requires_input(self):
        return False

    def requires_verts(self):
        return True

    def get_loss_weight(self):
        return self.weight

    def __call__(self, model_vertices, loss_weight_override=None, reduction_override=None, **_):
        weight = self.weight if loss_weight_override is None else loss_weight_override
        heights = weight * model_vertices[..., 1].min(1).values.square()
        return heights if reduction_override == "none" else heights.mean()


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The classes by name, for the length of a test."""
    for registry, classes in ((LOSSES, (KneesBent, FloorLoss)), (HANDLERS, (FloorInput, FloorHandler, LowestVertexHandler))):
        monkeypatch.setattr(registry, "_classes", dict(registry._classes))
        for item in classes:
            registry.register(item)


@pytest.fixture
def points(observed, random_poses, keypoints_of):
    return observed(keypoints_of(random_poses(N_FRAMES)))[:1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda config: config["type"])
@pytest.mark.parametrize("type_", ["KneesBent", KneesBent], ids=["by name", "by class"])
def test_a_loss_of_the_pose(make, points, type_, optimizer):
    handler = {"type": "BodyPosePriorHandler", "handler_key": "knees", "prior_loss": {"type": type_, "angle": 0.4}}
    stages = [{"n_iter": 30, "ftol": 0, "knees_weight": 10.0, "knees_reduction": "sum"}]
    output = make(handlers=[handler], stages=stages, optimizer=optimizer)(points, return_losses=True)
    torch.testing.assert_close(output["body_pose"][:, [9, 12]], torch.full((N_FRAMES, 2), 0.4), atol=0.05, rtol=0)
    others = [column for column in range(69) if column not in (9, 12)]
    assert torch.equal(output["body_pose"][:, others], torch.zeros(N_FRAMES, 67))
    expected = (output["body_pose"][:, [9, 12]] - 0.4).abs().sum(1)
    torch.testing.assert_close(output["total_loss"], expected)


def test_a_module_of_ones_own_has_no_residuals():
    handler = BodyPosePriorHandler(KneesBent(), "knees")
    assert handler.get_loss_weight() == 1
    with pytest.raises(FittingError, match=r"The loss KneesBent of 'knees' is no sum of squares. Use LBFGS or Adam with it."):
        handler.residuals(body_pose=torch.zeros(2, 69))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda config: config["type"])
@pytest.mark.parametrize(
    "types", [("FloorHandler", "FloorLoss", "FloorInput"), (FloorHandler, FloorLoss, FloorInput)], ids=["by name", "by class"]
)
def test_a_loss_with_a_target(make, types, optimizer):
    """Each frame has a floor of its own; the body is lifted onto it, and by Adam's momentum a little further."""
    handler_type, loss_type, input_type = types
    handler = {"type": handler_type, "floor_loss": {"type": loss_type, "loss_weight": 100.0}}
    floor = torch.tensor([-5.0, -0.5, 0.0])
    stages = [{"n_iter": 120, "ftol": 0, "fit_body_pose": False, "fit_global_orient": False, "fit_betas": False}]
    smplify = make(handlers=[handler], stages=stages, optimizer=optimizer)
    output = smplify([build_handler({"type": input_type, "floor": floor})], return_joints=True)
    lowest = output["joints"][..., 1].min(1).values
    at_rest = make(handlers=[handler], stages=[{"n_iter": 0}])([FloorInput(floor)], return_joints=True)["joints"][..., 1].min(1).values
    above = lowest - torch.maximum(floor, at_rest)
    assert above.min() > -0.05
    assert above.max() < 0.5
    assert output["transl"][:, 1].tolist() == pytest.approx([0, 0.7, 1.2], abs=0.6)
    assert output["transl"][0].abs().max() == 0
    assert torch.equal(output["body_pose"], torch.zeros(3, 69))


def test_residuals_come_with_the_loss():
    handler = FloorHandler(FloorLoss(reduction="sum", loss_weight=4.0))
    joints = torch.tensor([[[0.0, -0.5, 0.0], [0.0, 1.0, 0.0]]])
    arguments = {"related_input": FloorInput(torch.zeros(1)), "model_joints": joints}
    assert handler.residuals(**arguments).tolist() == [[1.0, 0.0]]
    assert handler(**arguments) == 1


def test_an_input_follows_the_registrant_to_its_device():
    moved = FloorInput(torch.zeros(2)).to(torch.device("meta"))
    assert moved.floor.device.type == "meta"
    with pytest.raises(NotImplementedError, match=r"BaseInput needs get_batch_size\(\)"):
        BaseInput("floor").get_batch_size()


def test_a_handler_that_needs_vertices_is_given_them(make, points):
    stages = [{"n_iter": 10, "ftol": 0, "fit_body_pose": False, "fit_global_orient": False, "fit_betas": False}]
    output = make(handlers=[LowestVertexHandler()], stages=stages)(points, return_verts=True, return_losses=True)
    lowest = output["vertices"][..., 1].min(1).values
    torch.testing.assert_close(lowest, torch.zeros(N_FRAMES), atol=1e-3, rtol=0)
    torch.testing.assert_close(output["total_loss"], lowest.square())


def test_nobody_pays_for_vertices_that_no_handler_needs(make, points, body, monkeypatch):
    asked = []
    forward = body.forward
    monkeypatch.setattr(body, "forward", lambda **arguments: asked.append(arguments.get("return_verts", False)) or forward(**arguments))
    handlers = [LowestVertexHandler(), BodyPosePriorHandler(KneesBent(), "knees")]
    make_with = {"handlers": handlers, "optimizer": {"type": "Adam"}}
    make(**make_with, stages=[{"lowest_vertex_weight": 0}])(points)
    assert not any(asked)
    make(**make_with, stages=[{}])(points)
    assert any(asked)


def test_unknown_and_missing_arguments_of_ones_own_classes():
    with pytest.raises(FittingError, match=r"The handler FloorHandler has no argument 'floor_los'. Did you mean 'floor_loss'\?"):
        build_handler({"type": "FloorHandler", "floor_los": FloorLoss()})
    with pytest.raises(FittingError, match=r"The handler FloorInput needs 'floor'. Add it to its config."):
        build_handler({"type": "FloorInput"})
