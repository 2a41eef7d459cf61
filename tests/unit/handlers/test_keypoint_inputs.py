import numpy as np
import pytest
import torch

from fitting.data.conventions import Convention
from fitting.errors import ConventionError, FittingError
from fitting.handlers import Keypoint3dLimbLenInput, Keypoint3dMSEInput

INPUTS = pytest.mark.parametrize(
    ("input_class", "key"), [(Keypoint3dMSEInput, "keypoints3d_mse"), (Keypoint3dLimbLenInput, "keypoints3d_limb_len")]
)


@INPUTS
def test_defaults(input_class, key):
    observed = input_class(torch.ones(4, 190, 3))
    assert observed.handler_key == key
    assert observed.get_batch_size() == 4
    assert observed.keypoints3d_convention.name == "human_data"
    assert torch.equal(observed.keypoints3d_conf, torch.ones(4, 190))


@INPUTS
def test_key_convention_and_fractional_confidence(input_class, key):
    confidence = torch.linspace(0.1, 1, 24).repeat(2, 1)
    observed = input_class(torch.ones(2, 24, 3), "smpl", confidence, "my_key")
    assert observed.handler_key == "my_key"
    assert torch.equal(observed.keypoints3d_conf, confidence)


@INPUTS
def test_what_is_not_observed_is_zero_everywhere(input_class, key):
    """Not a number times a confidence of zero would still be not a number."""
    points, confidence = torch.ones(1, 24, 3), torch.ones(1, 24)
    points[0, 0, 1], points[0, 1] = torch.nan, torch.inf
    confidence[0, 2], confidence[0, 3], confidence[0, 4] = 0, torch.nan, -1
    observed = input_class(points, "smpl", confidence)
    assert torch.equal(observed.keypoints3d[0, :5], torch.zeros(5, 3))
    assert observed.keypoints3d_conf[0].tolist() == [0] * 5 + [1] * 19
    assert torch.equal(observed.keypoints3d[0, 5:], torch.ones(19, 3))


@INPUTS
def test_given_tensors_are_left_unchanged(input_class, key):
    points, confidence = torch.full((1, 24, 3), torch.nan), torch.ones(1, 24)
    points[0, 0] = 0
    input_class(points, "smpl", confidence)
    assert points[0, 1:].isnan().all()
    assert torch.equal(confidence, torch.ones(1, 24))


@INPUTS
@pytest.mark.parametrize(("value", "confidence"), [(torch.nan, 1.0), (torch.inf, 1.0), (1.0, 0.0)])
def test_nothing_is_observed(input_class, key, value, confidence):
    with pytest.raises(FittingError, match=f"No point of keypoints3d for '{key}' is observed: none is finite with a confidence above 0."):
        input_class(torch.full((2, 24, 3), value), "smpl", torch.full((2, 24), confidence))


def test_a_convention_of_ones_own():
    observed = Keypoint3dMSEInput(torch.ones(2, 2, 3), Convention("mine", ("nose", "left_hip")))
    assert observed.keypoints3d_convention.names == ("nose", "left_hip")


def test_integer_masks_are_confidences():
    """As XRMoCap gives them: `get_mask()` of its keypoints."""
    mask = torch.from_numpy(np.array([[1] * 23 + [0]], np.uint8))
    observed = Keypoint3dMSEInput(torch.ones(1, 24, 3), "smpl", mask)
    assert observed.keypoints3d_conf.dtype == torch.float32
    assert observed.keypoints3d_conf.sum() == 23


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((torch.ones(2, 17, 3), "smpl"), FittingError, r"keypoints3d has shape \(2, 17, 3\), expected \(frames, 24, 3\) for 'smpl'"),
        ((torch.ones(2, 24, 4), "smpl"), FittingError, r"keypoints3d has shape \(2, 24, 4\)"),
        ((torch.ones(24, 3), "smpl"), FittingError, r"keypoints3d has shape \(24, 3\)"),
        ((torch.ones(2, 24, 3), "smpl", torch.ones(3, 24)), FittingError, r"keypoints3d_conf has shape \(3, 24\), expected \(2, 24\)"),
        ((torch.ones(2, 24, 3), "smpll"), ConventionError, r"no keypoint convention 'smpll'. Did you mean 'smpl'\?"),
    ],
)
def test_sentences(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        Keypoint3dMSEInput(*arguments)
