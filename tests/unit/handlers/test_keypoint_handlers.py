import pytest
import torch

from fitting.data.conventions import get_convention
from fitting.errors import FittingError, PresetError
from fitting.handlers import Keypoint3dLimbLenHandler, Keypoint3dLimbLenInput, Keypoint3dMSEHandler, Keypoint3dMSEInput
from fitting.losses import KeypointMSELoss, LimbLengthLoss

SMPL, COCO = get_convention("smpl"), get_convention("coco")
SQUARE = {"type": "KeypointMSELoss", "reduction": "none", "sigma": 1e6, "robust_on": "error"}
"""Plain squares of the distance."""


def model(n_frames=1):
    """Keypoints of a model in smpl_45: keypoint k lies at x = k."""
    points = torch.zeros(n_frames, 45, 3)
    points[..., 0] = torch.arange(45.0)
    return {"model_joints": points, "model_joints_convention": "smpl_45", "model_joints_weights": torch.ones(45)}


def mse(**options):
    return Keypoint3dMSEHandler(dict(SQUARE), **options)


def costs(handler, observed, **changes):
    """Cost of each keypoint of the first frame, by name, where it is not 0."""
    elements = handler(related_input=observed, **{**model(observed.get_batch_size()), **changes})[0].sum(-1)
    names = observed.keypoints3d_convention.names
    return {name: value for name, value in zip(names, elements.tolist(), strict=True) if value}


def test_keypoints_are_compared_by_name_in_the_convention_of_the_input():
    observed = Keypoint3dMSEInput(torch.zeros(1, 17, 3), "coco")
    smpl_45 = get_convention("smpl_45")
    shared = [name for name in COCO.names if name in smpl_45]
    assert len(shared) == 15
    assert costs(mse(), observed) == pytest.approx({name: float(smpl_45.index(name)) ** 2 for name in shared})


def test_keypoints_that_the_body_lacks_weigh_nothing():
    assert not {"left_hip_extra", "right_hip_extra"} & set(costs(mse(), Keypoint3dMSEInput(torch.full((1, 17, 3), 9.0), "coco")))


def test_approximate_keypoints():
    """The hips of COCO stand for those of the body; the middle of the hips, and of the shoulders, is computed."""
    coco = costs(mse(keypoint_approximate=True), Keypoint3dMSEInput(torch.zeros(1, 17, 3), "coco"))
    assert coco["left_hip_extra"] == 1
    assert coco["right_hip_extra"] == 4
    names = ("pelvis_openpose", "neck_openpose")
    observed = Keypoint3dMSEInput(torch.zeros(1, 2, 3), type(COCO)("detector", names))
    shoulders = SMPL.index("left_shoulder") + SMPL.index("right_shoulder")
    found = costs(mse(keypoint_approximate=True), observed)
    assert found == pytest.approx({"pelvis_openpose": 1.5**2, "neck_openpose": (shoulders / 2) ** 2})
    assert costs(mse(), observed) == {}


def test_weights_of_the_models_keypoints_are_converted_too():
    weights = torch.ones(45)
    weights[SMPL.index("left_shoulder")] = 0
    weights[SMPL.index("right_shoulder")] = 0.25
    observed = Keypoint3dMSEInput(torch.zeros(1, 17, 3), "coco")
    plain, found = (costs(mse(), observed, model_joints_weights=value) for value in (torch.ones(45), weights))
    assert "left_shoulder" not in found
    assert found["right_shoulder"] == pytest.approx(0.25 * plain["right_shoulder"])
    assert found["left_elbow"] == plain["left_elbow"]


def test_weights_may_be_left_out():
    observed = Keypoint3dMSEInput(torch.zeros(1, 24, 3), "smpl")
    assert costs(mse(), observed, model_joints_weights=None) == costs(mse(), observed)


def test_keypoint_weights_by_name():
    observed = Keypoint3dMSEInput(torch.zeros(1, 24, 3), "smpl")
    plain, found = costs(mse(), observed), costs(mse(keypoint_weights={"left_knee": 0.5, "neck": 0, "nose": 3}), observed)
    assert "neck" not in found
    assert found["left_knee"] == pytest.approx(0.5 * plain["left_knee"])
    assert found["right_knee"] == plain["right_knee"]


def test_an_unknown_name_in_keypoint_weights():
    with pytest.raises(
        FittingError, match=r"keypoint_weights of 'points' names 'left_kne', which is no keypoint. Did you mean 'left_knee'\?"
    ):
        mse(handler_key="points", keypoint_weights={"left_kne": 1})


def test_fractional_confidence_is_a_factor():
    points, confidence = torch.zeros(1, 24, 3), torch.ones(1, 24)
    confidence[0, SMPL.index("head")] = 0.25
    plain = costs(mse(), Keypoint3dMSEInput(points, "smpl"))
    found = costs(mse(), Keypoint3dMSEInput(points, "smpl", confidence))
    assert found["head"] == pytest.approx(0.25 * plain["head"])
    assert {**found, "head": 0} == {**plain, "head": 0}


def test_unobserved_points_reach_no_loss_and_no_gradient():
    points, confidence = torch.zeros(1, 24, 3), torch.ones(1, 24)
    points[0, 5], confidence[0, 6] = torch.nan, 0
    points[0, 6] = 1e30
    joints = model()["model_joints"].requires_grad_()
    value = mse()(related_input=Keypoint3dMSEInput(points, "smpl", confidence), **{**model(), "model_joints": joints})
    value.sum().backward()
    assert value.isfinite().all()
    assert torch.equal(joints.grad[0, 5:7], torch.zeros(2, 3))
    assert (joints.grad[0, 7, 0] > 0).all()


def test_handler_follows_a_change_of_conventions():
    handler = mse()
    for _ in range(2):
        assert len(costs(handler, Keypoint3dMSEInput(torch.full((1, 17, 3), -1.0), "coco"))) == 15
        assert len(costs(handler, Keypoint3dMSEInput(torch.full((1, 24, 3), -1.0), "smpl"))) == 24


SHIN = [["left_knee", "left_ankle"]]


def limb_handler(convention="smpl", limbs=None, **options):
    return Keypoint3dLimbLenHandler({"type": "LimbLengthLoss", "convention": convention, "reduction": "none", "limbs": limbs}, **options)


def test_limbs_are_compared_in_the_convention_of_the_loss():
    """Both sides are converted: the body has smpl_45, the track COCO, the loss the limbs of SMPL."""
    observed = torch.zeros(1, 17, 3)
    observed[0, COCO.index("left_ankle"), 1] = 0.4
    handler = limb_handler(limbs=SHIN)
    length = float(SMPL.index("left_ankle") - SMPL.index("left_knee"))
    value = handler(related_input=Keypoint3dLimbLenInput(observed, "coco"), **model())
    assert value.shape == (1, 1)
    assert value.item() == pytest.approx((length - 0.4) ** 2, rel=1e-4)


def test_a_limb_whose_end_the_track_lacks_weighs_nothing():
    observed = Keypoint3dLimbLenInput(torch.zeros(1, 17, 3), "coco")
    values = limb_handler(limbs=[["left_hip", "left_knee"], *SHIN])(related_input=observed, **model())
    assert values[0, 0] == 0
    assert values[0, 1] > 0
    close = limb_handler(limbs=[["left_hip", "left_knee"]], keypoint_approximate=True)
    assert close(related_input=observed, **model()).item() == pytest.approx(9.0)


def test_confidence_of_a_limb_is_that_of_its_worse_end_in_each_frame():
    confidence = torch.ones(3, 17)
    confidence[:, COCO.index("left_ankle")] = torch.tensor([1, 0.99, 0])
    observed = Keypoint3dLimbLenInput(torch.zeros(3, 17, 3), "coco", confidence)
    values = limb_handler(limbs=SHIN)(related_input=observed, **model(3))[:, 0]
    torch.testing.assert_close(values / values[0], torch.tensor([1, 0.99, 0]))


def test_a_derived_end_is_unknown_where_one_of_its_sources_is():
    """The pelvis of COCO is the middle of its hips."""
    confidence = torch.ones(2, 17)
    confidence[1, COCO.index("left_hip_extra")] = 0
    handler = limb_handler(limbs=[["pelvis", "left_knee"]], keypoint_approximate=True)
    values = handler(related_input=Keypoint3dLimbLenInput(torch.zeros(2, 17, 3), "coco", confidence), **model(2))[:, 0]
    assert values[0] > 0
    assert values[1] == 0


def test_part_weights_do_not_touch_limbs():
    observed = Keypoint3dLimbLenInput(torch.zeros(1, 24, 3), "smpl")
    plain = limb_handler()(related_input=observed, **model())
    assert torch.equal(limb_handler()(related_input=observed, **{**model(), "model_joints_weights": torch.zeros(45)}), plain)


@pytest.mark.parametrize(
    ("handler", "key"),
    [(Keypoint3dMSEHandler(KeypointMSELoss(loss_weight=3)), "keypoints3d_mse"), (limb_handler(), "keypoints3d_limb_len")],
)
def test_they_need_an_input_and_no_vertices(handler, key):
    assert (handler.handler_key, handler.requires_input(), handler.requires_verts()) == (key, True, False)


def test_weight_is_that_of_the_loss():
    assert Keypoint3dMSEHandler(KeypointMSELoss(loss_weight=3)).get_loss_weight() == 3
    assert Keypoint3dLimbLenHandler(LimbLengthLoss("smpl")).get_loss_weight() == 1


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weight", [None, 2.5])
def test_squared_residuals_add_up_to_the_value(weight, reduction):
    generator = torch.Generator().manual_seed(0)
    points, confidence = torch.randn(3, 17, 3, generator=generator), torch.rand(3, 17, generator=generator)
    confidence[0, 3] = 0
    loss = KeypointMSELoss(loss_weight=7, sigma=0.5)
    for handler, input_class in ((Keypoint3dMSEHandler(loss), Keypoint3dMSEInput), (limb_handler(), Keypoint3dLimbLenInput)):
        arguments = {**model(3), "related_input": input_class(points, "coco", confidence)}
        overrides = {"loss_weight_override": weight, "reduction_override": reduction}
        residuals = handler.residuals(**overrides, **arguments)
        assert residuals.shape[0] == 3
        torch.testing.assert_close(residuals.square().sum(), handler(**overrides, **arguments).sum())


def test_arguments_that_are_not_used_are_ignored():
    observed = Keypoint3dMSEInput(torch.zeros(1, 24, 3), "smpl")
    extra = {"betas": torch.zeros(1, 10), "body_pose": torch.zeros(1, 69), "model_vertices": None, "something": 1}
    assert costs(mse(), observed, **extra) == costs(mse(), observed)


def test_losses_of_a_wrong_kind():
    for build in (Keypoint3dMSEHandler, Keypoint3dLimbLenHandler):
        with pytest.raises(TypeError, match=r"The loss is a str, expected a config \(dict\) or a torch module"):
            build("KeypointMSELoss")
    with pytest.raises(PresetError, match="no loss of type 'KeypointMSELos'"):
        Keypoint3dMSEHandler({"type": "KeypointMSELos"})


def test_a_body_without_any_of_the_keypoints_is_a_mistake():
    observed = Keypoint3dMSEInput(torch.zeros(1, 25, 3), "openpose_25")
    with pytest.raises(FittingError, match=r"none of the keypoints of 'openpose_25' by the same name .* keypoint_approximate = true"):
        mse().check_input(observed, "smpl_45")
    mse(keypoint_approximate=True).check_input(observed, "smpl_45")
