"""Stages: what is weighed, what is free, when it ends."""

import copy
import logging

import pytest
import torch

from fitting import build_registrant, load_preset
from fitting.errors import FitCancelled, FittingError, PresetError
from fitting.handlers import Keypoint3dLimbLenInput, Keypoint3dMSEInput

N_FRAMES = 4
PARAMETERS = ("global_orient", "transl", "body_pose", "betas")
FREEZE = {f"fit_{name}": False for name in PARAMETERS}
AS_BUILT = {"keypoints3d_mse": (100, "sum"), "shape_prior": (1e-3, "mean"), "pose_reg": (1e-3, "mean")}
"""Weights and reductions of the losses that the registrant is built with."""


@pytest.fixture
def values(somewhere, body, target):
    """Each term at the parameters of `somewhere`, as sum and as mean over its elements, without weight."""
    start = somewhere(N_FRAMES)
    with torch.no_grad():
        error = body(**start).joints[:, :24] - target[:, :24]
    robust = error.square() / (1 + error.square())
    elements = {"keypoints3d_mse": robust, "shape_prior": start["betas"].square(), "pose_reg": start["body_pose"].square()}
    return {key: {"sum": value.sum().item(), "mean": value.mean().item()} for key, value in elements.items()}


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ({}, {}),
        ({"shape_prior_weight": 5.0}, {"shape_prior": (5, "mean")}),
        ({"keypoints3d_mse_weight": 0}, {"keypoints3d_mse": None}),
        ({"keypoints3d_mse_reduction": "mean"}, {"keypoints3d_mse": (100, "mean")}),
        ({"shape_prior_reduction": "sum"}, {"shape_prior": (1e-3, "sum")}),
        ({"pose_reg_reduction": "none"}, {"pose_reg": (1e-3, "sum")}),
        (
            {"pose_reg_weight": 2, "pose_reg_reduction": "sum", "shape_prior_weight": 0},
            {"pose_reg": (2, "sum"), "shape_prior": None},
        ),
    ],
)
def test_weights_and_reductions_reach_their_own_handler_only(nothing_moves, observed, target, somewhere, values, stage, change):
    """In XRMoCap a reduction leaks to all later handlers. 'none' is summed: a stage minimises one number."""
    (terms,) = nothing_moves(observed(target)[:1], somewhere(N_FRAMES), stages=[{"n_iter": 1, **stage}])
    expected = {key: value for key, value in {**AS_BUILT, **change}.items() if value is not None}
    assert terms == pytest.approx({key: weight * values[key][reduction] for key, (weight, reduction) in expected.items()}, rel=1e-4)


def test_a_stage_does_not_change_the_next(nothing_moves, observed, target, somewhere, values):
    stages = [{"pose_reg_weight": 7.0, "shape_prior_reduction": "sum", "keypoints3d_mse_weight": 0}, {}]
    first, second = nothing_moves(observed(target)[:1], somewhere(N_FRAMES), stages=stages)
    assert first["pose_reg"] == pytest.approx(7 * values["pose_reg"]["mean"], rel=1e-4)
    assert second["pose_reg"] == pytest.approx(1e-3 * values["pose_reg"]["mean"], rel=1e-4)
    assert second["shape_prior"] == pytest.approx(1e-3 * values["shape_prior"]["mean"], rel=1e-4)
    assert second["keypoints3d_mse"] == pytest.approx(100 * values["keypoints3d_mse"]["sum"], rel=1e-4)


def test_part_weights_and_ignored_keypoints_reach_the_keypoints(nothing_moves, observed, target, somewhere, body):
    start = somewhere(N_FRAMES)
    with torch.no_grad():
        error = body(**start).joints[:, :24] - target[:, :24]
    by_joint = 100 * (error.square() / (1 + error.square())).sum((0, 2))
    shoulders = [body.convention.index(name) for name in ("left_shoulder", "right_shoulder")]
    hip = body.convention.index("right_hip")
    only = {"body_weight": 0, "face_weight": 0, "hand_weight": 0, "shoulder_weight": 5, "hip_weight": 2, "use_shoulder_hip_only": True}
    (terms,) = nothing_moves(observed(target)[:1], start, stages=[only], ignore_keypoints=["left_hip", "not_there"])
    assert terms["keypoints3d_mse"] == pytest.approx((5 * by_joint[shoulders].sum() + 2 * by_joint[hip]).item(), rel=1e-4)


@pytest.mark.parametrize("free", PARAMETERS)
def test_what_is_not_fitted_stays_exactly(make, observed, target, somewhere, free):
    start = somewhere(N_FRAMES)
    output = make(stages=[{"n_iter": 2, **FREEZE, f"fit_{free}": True}])(observed(target), start)
    for name, value in start.items():
        assert torch.equal(output[name], value) == (name != free), name


def test_everything_is_fitted_by_default(make, observed, target, somewhere):
    start = somewhere(N_FRAMES)
    output = make()(observed(target), start)
    assert all(not torch.equal(output[name], value) for name, value in start.items())


def test_nothing_free_or_no_iteration_gives_the_start(make, observed, target, somewhere):
    start = somewhere(N_FRAMES)
    no_term = {f"{key}_weight": 0 for key in ("keypoints3d_mse", "keypoints3d_limb_len", "shape_prior", "pose_reg")}
    for stage in ({"n_iter": 3, **FREEZE}, {"n_iter": 0}, no_term):
        output = make(stages=[stage])(observed(target), start)
        for name, value in start.items():
            torch.testing.assert_close(output[name], value)


def test_terms_of_frozen_parameters_alone_are_no_error(make, observed, target, somewhere):
    """Betas are free, but the only term left is one of the pose."""
    start = somewhere(N_FRAMES)
    stage = {**FREEZE, "fit_betas": True, "keypoints3d_mse_weight": 0, "keypoints3d_limb_len_weight": 0, "shape_prior_weight": 0}
    output = make(stages=[stage])(observed(target), start)
    torch.testing.assert_close(output["betas"], start["betas"])


def test_n_iter_is_one_by_default(make, observed, target):
    reports = []
    make(stages=[{}])(observed(target), on_progress=reports.append)
    assert [(report.iteration, report.n_iterations) for report in reports] == [(1, 1)]


def test_epochs_repeat_the_stages_and_carry_parameters_on(make, observed, target, somewhere):
    start = somewhere(N_FRAMES)
    stages = [{"n_iter": 2, "ftol": 0}, {"n_iter": 1, "fit_betas": False}]
    reports = []
    twice = make(stages=stages, n_epochs=2)(observed(target), start, on_progress=reports.append)
    by_hand = make(stages=stages)(observed(target), make(stages=stages)(observed(target), start))
    assert all(torch.equal(twice[name], by_hand[name]) for name in start)
    assert [report.stage for report in reports] == [0, 0, 1, 2, 2, 3]
    assert {report.n_stages for report in reports} == {4}
    assert reports[-1].loss < reports[0].loss


@pytest.mark.parametrize(("ftol", "n_done"), [(1e3, 2), (0, 6)])
def test_early_stop(make, observed, target, ftol, n_done):
    """A change is known after two steps at the earliest; then the stage counts as done."""
    reports = []
    make(stages=[{"n_iter": 6, "ftol": ftol}, {}])(observed(target), on_progress=reports.append)
    first = [report for report in reports if report.stage == 0]
    assert max(report.iteration for report in first) == n_done
    assert first[-1].fraction == pytest.approx(6 / 7)


def test_progress_rises_to_one(make, observed, target):
    reports = []
    make(stages=[{"n_iter": 3, "ftol": 0}, {"n_iter": 2, "ftol": 0}], n_epochs=2)(observed(target), on_progress=reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == pytest.approx([i / 10 for i in range(1, 11)])
    assert [(report.iteration, report.n_iterations) for report in reports[:5]] == [(1, 3), (2, 3), (3, 3), (1, 2), (2, 2)]
    assert set(reports[0].terms) == {"keypoints3d_mse", "keypoints3d_limb_len", "shape_prior", "pose_reg"}
    assert all(sum(report.terms.values()) == pytest.approx(report.loss) for report in reports)


def test_cancelling_passes_through(make, observed, target):
    def cancel(progress):
        if progress.iteration == 2:
            raise FitCancelled

    with pytest.raises(FitCancelled):
        make(stages=[{"n_iter": 5, "ftol": 0}])(observed(target), on_progress=cancel)


@pytest.mark.parametrize(
    "optimizer", [{"type": "Adam", "lr": 0.02}, {"type": "Adam", "lr": 0.02, "scaled": True}, {"type": "SGD", "lr": 1e-4, "momentum": 0.9}]
)
def test_other_optimizers(make, observed, target, optimizer):
    reports = []
    make(optimizer=optimizer, stages=[{"n_iter": 60, "ftol": 0}], start="torso")(observed(target), on_progress=reports.append)
    assert reports[-1].loss < 0.6 * reports[0].loss


def test_a_handler_without_its_input_is_left_out(nothing_moves, observed, target):
    (terms,) = nothing_moves(observed(target)[1:])
    assert set(terms) == {"keypoints3d_limb_len", "shape_prior", "pose_reg"}


def test_an_input_without_a_handler_is_told(make, observed, target, caplog):
    other = Keypoint3dMSEInput(target[:, :24], "smpl", handler_key="keypoints3d_msee")
    with caplog.at_level(logging.WARNING):
        make()([*observed(target), other])
    assert caplog.messages == ["No handler has the key 'keypoints3d_msee': this input is not used. Did you mean 'keypoints3d_mse'?"]


def test_the_key_brings_handler_and_input_together(nothing_moves, target):
    handlers = [
        {"type": "Keypoint3dMSEHandler", "handler_key": key, "mse_loss": {"type": "KeypointMSELoss", "robust_on": "error"}}
        for key in ("near", "far")
    ]
    near, far = (Keypoint3dMSEInput(target[:, :24] + shift, "smpl", handler_key=key) for key, shift in (("near", 0), ("far", 5)))
    (terms,) = nothing_moves([far, near], handlers=handlers)
    assert terms["far"] > terms["near"] > 0


def test_configs_are_left_unchanged(body, observed, target):
    config = load_preset("xrmocap_smplify").to_dict()
    config.pop("description")
    config["stages"] = [{**stage, "n_iter": 1} for stage in config["stages"]]
    before = copy.deepcopy(config)
    smplify = build_registrant({**config, "device": "cpu"})
    smplify([Keypoint3dMSEInput(target[:, :24], "smpl"), Keypoint3dLimbLenInput(target[:, :24], "smpl")])
    assert config == before


BETAS_PRIOR = {"type": "BetasPriorHandler", "handler_key": "a", "prior_loss": {"type": "ShapePriorLoss"}}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stages": []}, "There is no stage. Give at least one."),
        ({"stages": [{"n_iters": 3}]}, "Stage 0 has an unknown key 'n_iters'. Did you mean 'n_iter'?"),
        ({"stages": [{}, {"fit_beta": True}]}, "Stage 1 has an unknown key 'fit_beta'. Did you mean 'fit_betas'?"),
        ({"stages": [{"shape_prio_weight": 1.0}]}, "Stage 0 has an unknown key 'shape_prio_weight'. Did you mean 'shape_prior_weight'?"),
        ({"stages": [{"n_iter": 1.5}]}, "Stage 0 has n_iter = 1.5, expected a whole number from 0. Correct the value."),
        ({"stages": [{"pose_reg_reduction": "max"}]}, "Stage 0 has pose_reg_reduction = 'max', expected one of mean, sum, none."),
        ({"stages": [{"use_shoulder_hip_only": True}]}, "use_shoulder_hip_only needs shoulder_weight and hip_weight"),
        ({"optimizer": {"type": "LBGFS"}}, "There is no optimizer of type 'LBGFS'. Did you mean 'LBFGS'?"),
        ({"optimizer": {"type": "LBFGS", "learning_rate": 1}}, "The optimizer LBFGS does not accept {'learning_rate': 1} ("),
        ({"start": "torsos"}, "start is 'torsos'. Did you mean 'torso'?"),
        ({"info_level": "steps"}, "info_level is 'steps'. Did you mean 'step'?"),
        ({"device": "gpu"}, "There is no device 'gpu' on this machine. "),
        ({"handlers": [BETAS_PRIOR] * 2}, "Two handlers have the key 'a'."),
    ],
)
def test_sentences(make, options, sentence):
    with pytest.raises(FittingError) as raised:
        make(**options)
    assert str(raised.value).startswith(sentence)


def test_a_weight_of_zero_for_no_handler_is_a_warning(make, caplog):
    with caplog.at_level(logging.WARNING):
        make(stages=[{"keypoints2d_mse_weight": 0}])
    assert caplog.messages == ["stage 0: 'keypoints2d_mse_weight' matches no handler; its weight is 0, so nothing is lost."]
    with pytest.raises(PresetError, match="keypoints2d_mse_weight"):
        make(stages=[{"keypoints2d_mse_weight": 1}])


@pytest.mark.parametrize(("info_level", "n_messages"), [("stage", 2), ("step", 2 + 3 + 2)])
def test_verbose(make, observed, target, caplog, info_level, n_messages):
    """One message for each stage, or for each evaluation as well: three by Adam, and one more at the end of each stage."""
    stages = [{"n_iter": 2, "ftol": 0}, {"n_iter": 1}]
    with caplog.at_level(logging.INFO):
        make(stages=stages, optimizer={"type": "Adam"}, verbose=True, info_level=info_level)(observed(target))
        make(stages=[{"n_iter": 2}], verbose=False)(observed(target))
    assert len(caplog.messages) == n_messages
    assert caplog.messages[-1].startswith("epoch 0, stage 1: keypoints3d_mse ")
    assert "total_loss" in caplog.messages[-1]


def test_a_clip_cut_in_two_has_the_same_balance(body, turning, keypoints_of, somewhere):
    """Our own preset adds up keypoints and tolerances over the frames: those of both halves add up to those of the clip.

    Accelerations are added up too, but have no value in the first and the last frame of a clip. The estimate of the shape is of a take as a
    whole: it counts once for each, whatever its length. The noise is given here, as it is estimated anew for each take.

    XRMoCap's values mix sums and means, so that smoothness weighs less the longer a clip is.
    """
    n_frames = 24
    target, start = keypoints_of(turning(n_frames)), somewhere(n_frames)
    start["betas"] = start["betas"][:1]

    def terms(frames, preset):
        config = load_preset(preset).to_dict()
        config.pop("description")
        config["handlers"] = [{**handler, "noise": 0.01} if "noise" in handler else handler for handler in config["handlers"]]
        config |= {"stages": [{"n_iter": 1}], "optimizer": {"type": "SGD", "lr": 0.0}, "body_model": body, "device": "cpu"}
        inputs = [input_class(target[frames, :24], "smpl") for input_class in (Keypoint3dMSEInput, Keypoint3dLimbLenInput)]
        reports = []
        values = {name: value if name == "betas" else value[frames] for name, value in start.items()}
        build_registrant(config)(inputs, values, on_progress=reports.append)
        return reports[0].terms

    clip, halves = slice(0, n_frames), (slice(0, n_frames // 2), slice(n_frames // 2, n_frames))
    whole, first, second = (terms(frames, "smplify") for frames in (clip, *halves))
    assert set(whole) == {handler["handler_key"] for handler in load_preset("smplify").handlers}
    across_the_cut, once_per_take = {"rotation_acceleration", "root_acceleration"}, {"shape_estimate"}
    for key in set(whole) - across_the_cut - once_per_take:
        assert first[key] + second[key] == pytest.approx(whole[key], rel=1e-4), key
    for key in across_the_cut:
        assert 0.5 * whole[key] < first[key] + second[key] < whole[key], key
    for key in once_per_take:
        assert first[key] == second[key] == pytest.approx(whole[key], rel=1e-4), key
        assert whole[key] > 0
    reference, part = (terms(frames, "xrmocap_smplify") for frames in (clip, halves[0]))
    assert part["keypoints3d_mse"] < 0.8 * reference["keypoints3d_mse"]
    assert part["pose_reg"] == pytest.approx(reference["pose_reg"], rel=0.2)
