"""The compiled kernels are a second way to write what `registrant.least_squares` does: both find the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitting import KeypointTrack, devices, fit, load_body, load_default_body, load_preset
from fitting.body import BodyModel
from fitting.body.surface_keypoints import CONTOUR_NAMES
from fitting.data.conventions import conversion_matrix
from fitting.device import PLAIN
from fitting.kernels import kernels
from fitting.rotations import axis_angle_to_matrix, rotation_log

MILLIMETRES, DEGREES = 0.05, 0.1
OTHERS = (PLAIN, *(device["name"] for device in devices() if device["name"] != "cpu"))
"""What the compiled kernels are compared with: plain PyTorch on the CPU, and on every other device of this machine."""

WORST = 0.5
"""Millimetres: where an optimum is flat, single precision does not tell its middle."""


@pytest.fixture(scope="module", autouse=True)
def loaded():
    pytest.importorskip("numba")
    assert kernels(wait=True) is not None


def track_of(body, parameters, layout, noise, seed=0):
    """What a camera might see: a layout of the body's keypoints with noise, some of them missing."""
    with torch.no_grad():
        joints = body(**parameters).joints
    matrix = conversion_matrix(body.keypoint_convention, layout, approximate=True, derive=True)
    rng = np.random.default_rng(seed)
    points = np.einsum("nk,fkc->fnc", matrix, joints.numpy()) + noise * rng.normal(size=(len(joints), len(matrix), 3))
    confidence = rng.uniform(0.3, 1, points.shape[:2]) * (matrix != 0).any(1)
    confidence[rng.random(points.shape[:2]) < 0.05] = 0
    return KeypointTrack(points.astype(np.float32), confidence.astype(np.float32), layout, 30.0)


def patient(preset):
    """The preset with stages that go on until nothing changes, so that only the optimum counts."""
    stages = [{**stage, "n_iter": 60, "ftol": 1e-9} for stage in preset.stages]
    return replace(preset, stages=tuple(stages))


def apart(first, second):
    """Mean and largest distance of joints in millimetres, and mean angle between rotations of a joint in degrees."""
    millimetres = 1000 * np.linalg.norm(first.joints - second.joints, axis=-1)
    parts = [name for name in first.params if name.endswith(("pose", "orient"))]
    poses = (torch.tensor(np.concatenate([result.params[name] for name in parts], 1)) for result in (first, second))
    a, b = (axis_angle_to_matrix(torch.unflatten(pose, 1, (-1, 3)).permute(2, 1, 0), 0) for pose in poses)
    turn = rotation_log(torch.einsum("banf,bcnf->acnf", a, b))
    return millimetres.mean(), millimetres.max(), torch.rad2deg(turn.norm(dim=0)).mean().item()


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("preset", ["fast", "smplify"])
@pytest.mark.parametrize(("layout", "noise"), [("smpl", 0.005), ("coco", 0.01), ("openpose_25", 0.003)])
def test_smpl(body, turning, preset, layout, noise, other):
    track = track_of(body, turning(40, turns=1), layout, noise)
    compiled, plain = (fit(track, patient(load_preset(preset)), device=device) for device in ("cpu", other))
    millimetres, worst, degrees = apart(compiled, plain)
    assert millimetres < MILLIMETRES
    assert worst < WORST
    assert degrees < DEGREES
    np.testing.assert_allclose(compiled.betas, plain.betas, atol=0.01)


@pytest.mark.parametrize(("preset", "layout"), [("smplifyx", "smplx"), ("smplifyh", "coco_wholebody")])
def test_hands_and_face(turning, preset, layout):
    """The expression is left out: the kernels find it by turns with the pose, and stop before the last hundredth of a millimetre."""
    model_type = "smplx" if preset.endswith("x") else "smplh"
    body = load_body(n_betas=10, model_type=model_type)
    parameters = turning(24, turns=0.5)
    parameters["body_pose"] = parameters["body_pose"][:, :63]
    generator = torch.Generator().manual_seed(0)
    phase = torch.linspace(0, 3, 24)[:, None]
    for side in ("left", "right"):
        parameters[f"{side}_hand_pose"] = 0.2 * torch.randn(1, 45, generator=generator) * torch.sin(phase)
    chosen = patient(load_preset(preset))
    stages = [{**stage, **({"fit_expression": False} if "x" in preset[-1:] else {})} for stage in chosen.stages]
    track = track_of(body, parameters, layout, 0.003)
    compiled, plain = (fit(track, replace(chosen, stages=tuple(stages)), device=device) for device in ("cpu", PLAIN))
    millimetres, worst, degrees = apart(compiled, plain)
    assert millimetres < MILLIMETRES
    assert worst < WORST
    assert degrees < DEGREES


def test_the_shipped_presets_stop_near_the_same_place(body, turning):
    """As they are, without patience, the two ways may stop a step apart."""
    track = track_of(body, turning(60, turns=1), "smpl", 0.005)
    compiled, plain = (fit(track, "smplify", device=device) for device in ("cpu", PLAIN))
    millimetres, _, degrees = apart(compiled, plain)
    assert millimetres < MILLIMETRES
    assert degrees < 2 * DEGREES


def test_chunks_of_a_long_take(body, turning):
    track = track_of(body, turning(300, turns=3), "smpl", 0.005)
    preset = load_preset("smplify")
    cut = replace(preset, optimizer={**preset.optimizer, "chunk": 100})
    whole, in_chunks = fit(track, preset, device="cpu"), fit(track, cut, device="cpu")
    assert 1000 * np.linalg.norm(whole.joints - in_chunks.joints, axis=-1).max() < 0.5


def test_several_threads_find_the_same(body, turning, monkeypatch):
    from fitting.kernels import pose_fit

    monkeypatch.setattr(pose_fit, "FRAMES_AT_ONCE", 7)
    track = track_of(body, turning(50, turns=1), "smpl", 0.005)
    one = fit(track, "fast", device="cpu")
    monkeypatch.setattr("fitting.registrant.least_squares.compiled.torch.get_num_threads", lambda: 3)
    three = fit(track, "fast", device="cpu")
    np.testing.assert_array_equal(one.joints, three.joints)


def test_a_hook_that_watches_evaluations_gets_them(body, turning):
    """The kernels have nothing to show between start and end: whoever watches gets the plain form."""
    from fitting import build_registrant
    from fitting.handlers import Keypoint3dMSEInput

    seen = []

    class Watch:
        def after_evaluate(self, registrant, **what):
            seen.append(float(what["loss_dict"]["total_loss"]))

    track = track_of(body, turning(10), "smpl", 0.005)
    config = {**load_preset("fast").registrant_config(), "body_model": body, "device": "cpu", "hooks": [Watch()]}
    observed = Keypoint3dMSEInput(torch.tensor(track.points), "smpl", torch.tensor(track.confidence))
    build_registrant(config)([observed])
    assert len(seen) > 5
    assert seen[-1] < seen[0]


@pytest.mark.parametrize("preset", ["fast", "smplify"])
def test_a_body_with_pose_correctives(turning, preset):
    """What joints carry then differs from frame to frame, as in SMPL's own files."""
    data = load_default_body()
    rng = np.random.default_rng(0)
    correctives = rng.normal(size=(data.n_vertices, 3, 207), scale=1e-3).astype(np.float32)
    body = BodyModel(replace(data, posedirs=correctives), n_betas=10)
    parameters = turning(40, turns=1)
    track = track_of(body, parameters, "smpl_45", 0.0)
    compiled, plain = (fit(track, preset, body=body, device=device) for device in ("cpu", PLAIN))
    with torch.no_grad():
        true = body(**parameters).joints[:, :24].numpy()
    assert 1000 * np.linalg.norm(compiled.joints - true, axis=-1).mean() < 2
    assert apart(compiled, plain)[0] < 10 * MILLIMETRES


def test_a_face_whose_contour_wanders(turning):
    """Another point of the skin for each degree of the head: levers and weights differ from frame to frame."""
    data = load_default_body(model_type="smplx")
    rng = np.random.default_rng(0)
    head = np.flatnonzero(data.weights[:, data.joint_names.index("head")] > 0.3)
    corners = rng.choice(head, (79, 17, 3))
    shares = rng.dirichlet(np.ones(3), (79, 17)).astype(np.float32)
    fixed = {name: vertex for name, vertex in data.keypoint_vertices.items() if name not in CONTOUR_NAMES}
    face = replace(data, contour_vertices=corners, contour_weights=shares, keypoint_vertices=fixed)
    body = BodyModel(face, n_betas=10, n_expressions=10)
    assert body.surface.contour is not None
    parameters = turning(30, turns=0.5)
    parameters["body_pose"] = parameters["body_pose"][:, :63]
    track = track_of(body, parameters, "smplx", 0.0)
    compiled, plain = (fit(track, "smplifyx", body=body, device=device) for device in ("cpu", PLAIN))
    with torch.no_grad():
        true = body(**parameters).joints[:, :55].numpy()
    for result in (compiled, plain):
        assert 1000 * np.linalg.norm(result.joints - true, axis=-1).mean() < 3
