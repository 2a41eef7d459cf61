import copy

import pytest
import torch

from fitting.errors import PresetError
from fitting.handlers import (
    HANDLERS,
    BodyPosePriorHandler,
    Keypoint3dMSEHandler,
    Keypoint3dMSEInput,
    build_handler,
    build_loss,
)
from fitting.losses import PoseRegLoss

CONFIG = {
    "type": "BodyPosePriorHandler",
    "handler_key": "pose_reg",
    "prior_loss": {"type": "PoseRegLoss", "loss_weight": 0.5, "reduction": "sum"},
    "logger": None,
    "device": "cuda",
}
"""As XRMoCap's configs have it; the device is that of the registrant, so none is needed here."""


@pytest.mark.parametrize("type_", ["BodyPosePriorHandler", BodyPosePriorHandler])
def test_by_name_and_by_class(type_):
    handler = build_handler({**CONFIG, "type": type_})
    assert type(handler) is BodyPosePriorHandler
    assert type(handler.loss) is PoseRegLoss
    assert (handler.handler_key, handler.get_loss_weight(), handler.loss.reduction) == ("pose_reg", 0.5, "sum")


def test_configs_are_left_unchanged():
    before = copy.deepcopy(CONFIG)
    build_handler(CONFIG)
    assert before == CONFIG


@pytest.mark.parametrize("type_", ["Keypoint3dMSEInput", Keypoint3dMSEInput])
def test_inputs_are_built_alike(type_):
    observed = build_handler({"type": type_, "keypoints3d": torch.zeros(2, 24, 3), "keypoints3d_convention": "smpl"})
    assert type(observed) is Keypoint3dMSEInput
    assert observed.get_batch_size() == 2


def test_objects_are_handed_back():
    loss = PoseRegLoss()
    handler = BodyPosePriorHandler(loss)
    assert build_handler(handler) is handler
    assert build_loss(loss) is loss
    assert handler.loss is loss


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"type": "BodyPosePriorHandlr"}, "There is no handler of type 'BodyPosePriorHandlr'. Did you mean 'BodyPosePriorHandler'?"),
        ({"prior_los": {}}, "The handler BodyPosePriorHandler has no argument 'prior_los'. Did you mean 'prior_loss'?"),
        ({"prior_loss": {"type": "PoseRegLos"}}, "There is no loss of type 'PoseRegLos'. Did you mean 'PoseRegLoss'?"),
        ({"prior_loss": {"type": "PoseRegLoss", "wieght": 1}}, "The loss PoseRegLoss has no argument 'wieght'. "),
        ({"prior_loss": {"reduction": "sum"}}, "A loss config has no 'type': {'reduction': 'sum'}. Known: "),
        ({"prior_loss": {"type": "LimbLengthLoss"}}, "The loss LimbLengthLoss needs 'convention'. Add it to its config."),
    ],
)
def test_sentences(change, sentence):
    with pytest.raises(PresetError) as raised:
        build_handler({**CONFIG, **change})
    assert str(raised.value).startswith(sentence)


def test_missing_argument():
    with pytest.raises(PresetError, match=r"The handler Keypoint3dMSEHandler needs 'mse_loss'. Add it to its config."):
        build_handler({"type": "Keypoint3dMSEHandler"})


@pytest.mark.parametrize("config", ["Keypoint3dMSEHandler", Keypoint3dMSEHandler, None, PoseRegLoss()])
def test_what_is_neither_config_nor_handler(config):
    with pytest.raises(TypeError, match=r"The handler is a \w+, expected a config \(dict\), a BaseHandler or a BaseInput"):
        build_handler(config)


@pytest.mark.parametrize("config", ["PoseRegLoss", PoseRegLoss, None, 1.0])
def test_what_is_neither_config_nor_module(config):
    with pytest.raises(TypeError, match=r"The loss is a \w+, expected a config \(dict\) or a torch module"):
        build_loss(config)


def test_what_is_registered():
    assert {"Keypoint3dMSEHandler", "Keypoint3dLimbLenHandler", "BetasPriorHandler", "BodyPosePriorHandler"} <= set(HANDLERS)
    assert {"Keypoint3dMSEInput", "Keypoint3dLimbLenInput"} <= set(HANDLERS)
