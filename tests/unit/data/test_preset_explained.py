import pytest

from fitting.data.preset import Preset
from fitting.data.preset_explained import explain_stages, oddities, sentences_about
from fitting.errors import PresetError

POINTS = {"handler_key": "keypoints3d_mse", "type": "Keypoint3dMSEHandler", "mse_loss": {"type": "KeypointMSELoss", "reduction": "sum"}}
LIMBS = {
    "handler_key": "keypoints3d_limb_len",
    "type": "Keypoint3dLimbLenHandler",
    "loss": {"type": "LimbLengthLoss", "convention": "smpl", "loss_weight": 3.0, "reduction": "sum"},
}
SHAPE = {"handler_key": "shape", "type": "BetasPriorHandler", "prior_loss": {"type": "ShapePriorLoss", "loss_weight": 0.5}}
POSE = {"handler_key": "pose", "type": "BodyPosePriorHandler", "prior_loss": {"type": "PoseRegLoss"}}


def preset(handlers=(POINTS,), stages=({},), **more):
    return Preset.from_dict({"optimizer": {"type": "LBFGS"}, **more, "handlers": list(handlers), "stages": list(stages)}, "mine")


def only(*names):
    return {f"fit_{name}": name in names for name in ("global_orient", "transl", "body_pose", "betas")}


def test_defaults_of_a_stage():
    (stage,) = explain_stages(preset())
    assert (stage.fits, stage.n_iter, stage.ftol, stage.parts) == (("global_orient", "transl", "body_pose", "betas"), 1, 1e-4, {})
    assert stage.max_frames is None
    term = stage.terms["keypoints3d_mse"]
    assert (term.weight, term.reduction, term.is_own_weight) == (1.0, "sum", True)
    assert term.acts_on == {"global_orient", "transl", "body_pose", "betas"}


def test_what_a_stage_says():
    values = {
        **{
            "n_iter": 7,
            "ftol": 0,
            "max_frames": 60,
            "fit_transl": False,
            "keypoints3d_mse_weight": 0,
            "shape_weight": 2,
            "shape_reduction": "none",
        },
        **{"body_weight": 0.0, "hip_weight": None, "hand_weight": 2, "use_shoulder_hip_only": False},
    }
    _, stage = explain_stages(preset([POINTS, LIMBS, SHAPE], [{}, values]))
    assert (stage.fits, stage.n_iter, stage.ftol, stage.max_frames) == (("global_orient", "body_pose", "betas"), 7, None, 60)
    assert stage.parts == {"body_weight": 0.0, "hand_weight": 2}
    assert [(term.key, term.weight, term.reduction, term.is_own_weight) for term in stage.active] == [
        ("keypoints3d_limb_len", 3.0, "sum", True),
        ("shape", 2, "none", False),
    ]
    assert stage.terms["keypoints3d_mse"].weight == 0


def test_what_is_fitted_of_other_bodies():
    (stage,) = explain_stages(preset(type="SMPLifyX", stages=[{"fit_expression": False}]))
    assert stage.fits[4:] == ("left_hand_pose", "right_hand_pose", "jaw_pose", "leye_pose", "reye_pose")


def test_with_individual_optimizers_a_stage_fits_what_it_names():
    optimizer = {"individual_optimizer": True, "default_optimizer": {"type": "Adam"}}
    (stage,) = explain_stages(preset(optimizer=optimizer, stages=[{"fit_betas": True}]))
    assert stage.fits == ("betas",)


def test_a_prior_of_one_parameter_acts_on_it():
    jaw = {"handler_key": "jaw", "type": "ParameterPriorHandler", "parameter": "jaw_pose", "prior_loss": {"type": "PoseRegLoss"}}
    (stage,) = explain_stages(preset([POINTS, jaw], type="SMPLifyX"))
    assert stage.terms["jaw"].acts_on == {"jaw_pose"}


@pytest.mark.parametrize(
    ("term", "of_a_body", "more_with_hands_and_face"),
    [
        ("JointTolerance", {"body_pose"}, True),
        ("RotationAcceleration", {"global_orient", "body_pose"}, True),
        ("RootAcceleration", {"transl"}, False),
        ("ShapeEstimate", {"betas"}, False),
    ],
)
def test_what_terms_of_the_motion_and_the_shape_act_on(term, of_a_body, more_with_hands_and_face):
    handler = {"handler_key": "term", "type": f"{term}Handler", "prior_loss": {"type": f"{term}Loss"}}
    (stage,) = explain_stages(preset([POINTS, handler]))
    assert stage.terms["term"].acts_on == of_a_body
    (stage,) = explain_stages(preset([POINTS, handler], type="SMPLifyX"))
    more = {"left_hand_pose", "right_hand_pose", "jaw_pose", "leye_pose", "reye_pose"} if more_with_hands_and_face else set()
    assert stage.terms["term"].acts_on == of_a_body | more


@pytest.mark.parametrize("weight", ["1", None, True, [1]])
def test_a_loss_with_a_wrong_weight(weight):
    with pytest.raises(PresetError) as raised:
        explain_stages(preset([{**POINTS, "mse_loss": {"type": "KeypointMSELoss", "loss_weight": weight}}]))
    assert str(raised.value) == f"The loss of 'keypoints3d_mse' has loss_weight = {weight!r}, expected a number. Correct the value."


def test_sentences():
    assert sentences_about(preset()) == [
        "Body: smpl, neutral, one shape for all frames.",
        "Optimizer: LBFGS.",
        "Start: heading, place and limb directions of the keypoints.",
    ]
    assert sentences_about(preset(start="limbs", gate_outliers=True))[2:] == [
        "Start: heading, place and limb directions of the keypoints, and the shape that their limb lengths tell.",
        "Keypoints far from where their neighbours in time put them count as not observed.",
    ]
    everything = preset(
        type="SMPLifyH",
        body_model={"gender": "male", "num_betas": 4},
        optimizer={"type": "Adam", "lr": 0.5},
        n_epochs=3,
        use_one_betas_per_video=False,
        grad_clip=2.0,
        start="zeros",
        ignore_keypoints=["nose"],
    )
    assert sentences_about(everything) == [
        "Body: smplh, male, 4 shape values, a shape for each frame.",
        "Optimizer: Adam (lr 0.5); the gradient is cut to a norm of 2.",
        "Start: the T-pose at the origin.",
        "The stages are run 3 times.",
        "Without weight: nose.",
    ]


def test_nothing_is_odd():
    stages = [{**only("betas"), "keypoints3d_mse_weight": 0, "pose_weight": 0}, {"keypoints3d_limb_len_weight": 0, "pose_reduction": "sum"}]
    assert oddities(preset([POINTS, LIMBS, POSE], stages)) == []


ESTIMATE = {
    "handler_key": "shape_estimate",
    "type": "ShapeEstimateHandler",
    "prior_loss": {"type": "ShapeEstimateLoss", "reduction": "sum"},
}
MANY_VIEWS = {**POINTS, "handler_key": "keypoints2d_mse", "type": "MultiviewKeypoint2dMSEHandler"}


@pytest.mark.parametrize(
    ("handlers", "stages", "more", "sentences"),
    [
        (
            [POINTS],
            [{"no_weight": 0}],
            {},
            ["stage 0 of the preset 'mine': 'no_weight' matches no handler; its weight is 0, so nothing is lost."],
        ),
        (
            [POINTS, LIMBS],
            [{"keypoints3d_limb_len_weight": 0}] * 2,
            {},
            ["Never used, as their weight is 0 in every stage: keypoints3d_limb_len."],
        ),
        ([POINTS], [only()], {}, ["Stage 0 does nothing: nothing is fitted."]),
        ([POINTS], [{}, {"keypoints3d_mse_weight": 0}], {}, ["Stage 1 does nothing: all weights are 0."]),
        ([POINTS], [{"n_iter": 0}], {}, ["Stage 0 does nothing: n_iter is 0."]),
        ([POINTS, LIMBS], [only("transl")], {}, ["Stage 0 has terms that depend on nothing it fits: keypoints3d_limb_len."]),
        ([LIMBS], [only("betas", "transl")], {}, ["Stage 0 fits what no term depends on: transl."]),
        (
            [POINTS, LIMBS, POSE],
            [{}],
            {},
            [
                "Stage 0 adds up keypoints3d_mse, keypoints3d_limb_len over the frames and averages pose: "
                "their balance changes with the length of the take."
            ],
        ),
        ([POINTS, SHAPE], [{"shape_reduction": "sum"}], {}, []),
        (
            [POINTS, ESTIMATE],
            [{}, {"fit_betas": False}],
            {"start": "limbs"},
            ["Stage 1 has terms that depend on nothing it fits: shape_estimate."],
        ),
        (
            [POINTS],
            [{}],
            {"ignore_keypoints": ["neck_openpose", "left_hip"]},
            ["ignore_keypoints names what the body (smpl_45) does not have, which does nothing: neck_openpose."],
        ),
        (
            [POINTS],
            [{}],
            {"body_model": {"model_path": "no/such"}},
            ["body_model.model_path = 'no/such' is not there: the default body is used."],
        ),
        (
            [{**POINTS, "handler_key": "points"}],
            [{}],
            {},
            ["points takes an input of its own key only, and a take of 3D keypoints gives keypoints3d_mse: it is left out."],
        ),
        (
            [POINTS, MANY_VIEWS],
            [{}],
            {},
            ["keypoints2d_mse needs 2D keypoints of several views: in a fit to a take of 3D keypoints alone it is left out."],
        ),
        (
            [POINTS, {**POSE, "prior_loss": {"type": "MaxMixturePriorLoss", "reduction": "sum"}}],
            [{}],
            {"optimizer": {"type": "LevenbergMarquardt"}},
            ["pose is no sum of squares, which LevenbergMarquardt refuses: use LBFGS or Adam, or another loss."],
        ),
        (
            [POINTS, {**POSE, "prior_loss": {"type": "SmoothJointLoss", "loss_func": "L2", "reduction": "sum"}}],
            [{}],
            {"optimizer": {"type": "LevenbergMarquardt"}},
            [],
        ),
        ([POINTS, MANY_VIEWS], [{"keypoints2d_mse_weight": 0}], {}, ["Never used, as their weight is 0 in every stage: keypoints2d_mse."]),
    ],
)
def test_what_is_odd(handlers, stages, more, sentences):
    assert oddities(preset(handlers, stages, **more)) == sentences
