import pytest
import torch

from fitting.data.conventions import get_convention
from fitting.errors import PresetError
from fitting.losses import LimbLengthLoss

SMPL = get_convention("smpl")
SHIN = [("left_knee", "left_ankle")]


def skeleton(**places):
    points = torch.zeros(1, 24, 3)
    for name, place in places.items():
        points[0, SMPL.index(name)] = torch.tensor(place)
    return points


PRED = skeleton(left_knee=(0.0, 1, 0), left_ankle=(0.0, 1, 0.5))
TARGET = skeleton(left_knee=(5.0, 0, 0), left_ankle=(5.3, 0, 0.4))


def test_difference_of_lengths():
    """0.5 m against 0.5 m is nothing, though no point agrees; 0.7 m against 0.5 m costs 0.04."""
    loss = LimbLengthLoss("smpl", limbs=SHIN, reduction="none", loss_weight=3.0)
    assert loss(PRED, TARGET).item() == pytest.approx(0, abs=1e-12)
    longer = skeleton(left_knee=(0.0, 0.7, 0))
    assert loss(longer, TARGET).item() == pytest.approx(3 * 0.2**2, rel=1e-4)


def test_all_limbs_of_the_convention_by_default():
    loss = LimbLengthLoss("smpl")
    assert sorted(map(tuple, loss.limb_index.mT.tolist())) == list(SMPL.limbs())
    assert loss.limb_index.shape == (2, 25)


def test_limbs_by_name():
    loss = LimbLengthLoss("smpl", limbs=[*SHIN, ["neck", "head"]])
    assert loss.limb_index.mT.tolist() == [[SMPL.index(a), SMPL.index(b)] for a, b in [*SHIN, ("neck", "head")]]


@pytest.mark.parametrize(("knee", "ankle", "expected"), [(1, 1, 1), (0.5, 1, 0.5), (1, 0.3, 0.3), (0.3, 0.5, 0.3), (0, 1, 0)])
def test_a_limb_is_known_as_well_as_its_worse_end(knee, ankle, expected):
    loss = LimbLengthLoss("smpl", limbs=SHIN, reduction="sum")
    longer = skeleton(left_knee=(0.0, 0.7, 0))
    confidence = torch.ones(1, 24)
    confidence[0, [SMPL.index(name) for name in SHIN[0]]] = torch.tensor([float(knee), float(ankle)])
    plain = loss(longer, TARGET)
    torch.testing.assert_close(loss(longer, TARGET, target_conf=confidence), plain * expected)
    torch.testing.assert_close(loss(longer, TARGET, pred_conf=confidence), plain * expected)
    torch.testing.assert_close(loss(longer, TARGET, confidence, 0.5 * torch.ones(1, 24)), plain * expected * 0.5)


def test_each_frame_has_its_own_confidence():
    """XRMoCap takes that of the first frame for all."""
    loss = LimbLengthLoss("smpl", limbs=SHIN, reduction="none")
    longer = skeleton(left_knee=(0.0, 0.7, 0)).repeat(2, 1, 1)
    confidence = torch.ones(2, 24)
    confidence[0] = 0
    values = loss(longer, TARGET.repeat(2, 1, 1), target_conf=confidence)[:, 0].tolist()
    assert values == pytest.approx([0, 0.04], rel=1e-4)


def test_pose_does_not_matter(body, random_poses, keypoints_of):
    poses = random_poses(4)
    still = {"betas": poses["betas"], "transl": poses["transl"]}
    rigid = [("left_hip", "left_knee"), ("right_elbow", "right_wrist"), ("neck", "head")]
    loss = LimbLengthLoss("smpl", limbs=rigid)
    assert loss(keypoints_of(poses)[:, :24], keypoints_of(still)[:, :24]).item() < 1e-10


def test_gradient_where_both_ends_coincide():
    pred = torch.zeros(1, 24, 3, requires_grad=True)
    LimbLengthLoss("smpl")(pred, TARGET).backward()
    assert pred.grad.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"convention": "smpl", "limbs": [["left_knee", "left_ankel"]]}, "'smpl' has no keypoint 'left_ankel'. Did you mean 'left_ankle'?"),
        ({"convention": "smpl", "limbs": []}, r"the convention 'smpl' has no limbs. Name them with limbs="),
    ],
)
def test_sentences(arguments, sentence):
    with pytest.raises(PresetError) as raised:
        LimbLengthLoss(**arguments)
    assert sentence in str(raised.value)
