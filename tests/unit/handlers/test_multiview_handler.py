import math

import numpy as np
import pytest
import torch

from fitting.data.cameras import Camera
from fitting.data.conventions import get_convention
from fitting.errors import CameraError, FittingError
from fitting.handlers import (
    DepthPriorHandler,
    DepthPriorInput,
    MultiviewKeypoint2dMSEHandler,
    MultiviewKeypoint2dMSEInput,
    build_handler,
)
from fitting.handlers.projection import NEAR, Projection
from fitting.losses import KeypointMSELoss

LENS = (-0.12, 0.06, 0.001, -0.002, 0.01)
RATIONAL = (0.3, 0.2, 0.001, 0.002, 0.1, 0.2, 0.1, 0.05)
N_FRAMES = 3
SUM = {"type": "KeypointMSELoss", "reduction": "sum", "sigma": 1e4, "robust_on": "error"}


def cameras_around(n_views, lens=LENS):
    angles = 0.3 + 2 * np.pi * np.arange(n_views) / n_views
    return [
        Camera.look_at([4 * math.sin(a), 1.5, 4 * math.cos(a)], [0, 1, 0], 1000 + 10 * i, (1920, 1080), lens) for i, a in enumerate(angles)
    ]


@pytest.fixture
def joints():
    """(F, 24, 3) points in double precision: somewhere, as joints of smpl."""
    return torch.tensor(np.random.default_rng(0).normal(size=(N_FRAMES, 24, 3)) * 0.4 + [0, 1, 0])


@pytest.fixture
def pixels(joints):
    """Gives (F, V, 24, 2) pixels of the joints, in double precision."""
    return lambda cameras: torch.tensor(np.stack([camera.project(joints.numpy()) for camera in cameras], 1))


def handler(loss=SUM, **options):
    return MultiviewKeypoint2dMSEHandler(loss, **options)


def body_side(joints, convention="smpl"):
    return {"model_joints": joints, "model_joints_convention": convention, "model_joints_weights": torch.ones(joints.shape[1]).to(joints)}


@pytest.mark.parametrize("lens", [(), LENS, RATIONAL, (-0.5, 0, 0, 0)])
def test_projection_is_that_of_the_cameras(joints, lens):
    cameras = cameras_around(3, lens)
    found = Projection(cameras, 3, N_FRAMES, torch.float64)(joints)
    expected = np.stack([camera.project(joints.numpy()) for camera in cameras], 1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


def test_depth_is_that_of_the_cameras(joints):
    cameras = cameras_around(3)
    found = Projection(cameras, 3, N_FRAMES, torch.float64).depth(joints)
    np.testing.assert_allclose(found.numpy(), np.stack([camera.depth(joints.numpy()) for camera in cameras], 1), atol=1e-12)


def test_cameras_that_move(joints):
    cameras = cameras_around(2 * N_FRAMES)
    found = Projection(cameras, 2, N_FRAMES, torch.float64)(joints)
    for frame in range(N_FRAMES):
        for view in range(2):
            expected = cameras[2 * frame + view].project(joints[frame].numpy())
            np.testing.assert_allclose(found[frame, view].numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("lens", [(), LENS, RATIONAL])
def test_gradient_of_the_projection(joints, lens):
    projection = Projection(cameras_around(2, lens), 2, 1, torch.float64)
    points = joints[:1, :5].clone().requires_grad_()
    assert torch.autograd.gradcheck(projection, points)


def test_gradient_outside_of_the_picture_and_behind():
    """Beyond the radius that the lens is meant for, near the camera and behind it."""
    camera = Camera.from_opencv([[1000, 0, 0], [0, 1000, 0], [0, 0, 1]], np.eye(3), np.zeros(3), (-0.3, 0.01, 0.001, 0.002))
    projection = Projection([camera], 1, 1, torch.float64)
    points = torch.tensor([[[3.0, 1, 1], [0.1, 0.2, 0.05], [0.1, 0.2, -1.0]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(projection, points, eps=1e-7, atol=1e-3)


@pytest.mark.parametrize("depth", [1e-6, 0.0, -1e-6, -0.5, -5.0, -1000.0])
@pytest.mark.parametrize("robust_on", ["error", "squared_error"])
def test_behind_the_camera(depth, robust_on):
    """Finite, and the pull is to the front, not to a mirror image."""
    camera = Camera.from_opencv([[1000, 0, 960], [0, 1000, 540], [0, 0, 1]], np.eye(3), np.zeros(3), LENS)
    observed = MultiviewKeypoint2dMSEInput(camera, torch.tensor([[[[1160.0, 440.0]] * 24]]), "smpl")
    joints = torch.zeros(1, 24, 3) + torch.tensor([0.6, -0.3, depth])
    joints.requires_grad_()
    value = handler({"type": "KeypointMSELoss", "reduction": "sum", "sigma": 1e6, "robust_on": robust_on})(
        related_input=observed, **body_side(joints)
    )
    value.backward()
    assert value.isfinite()
    assert joints.grad.isfinite().all()
    assert (joints.grad[..., 2] <= 0).all()  # a step against it is a step to the front
    assert depth < -1 or (joints.grad[..., 2] < 0).all()


def test_the_image_moves_out_without_a_jump_as_a_point_comes_near():
    camera = Camera.from_opencv([[1000, 0, 0], [0, 1000, 0], [0, 0, 1]], np.eye(3), np.zeros(3))
    depths = torch.linspace(2 * NEAR, -2 * NEAR, 401, dtype=torch.float64)
    points = torch.stack([torch.full_like(depths, 0.1), torch.zeros_like(depths), depths], -1)[None]
    x = Projection([camera], 1, 1, torch.float64)(points)[0, 0, :, 0]
    steps = x.diff()
    assert (steps > 0).all()
    assert steps.max() < 1.05 * steps[: len(steps) // 3].max()


def test_value_and_residuals_by_hand(joints, pixels):
    """One pixel off in x and two in y in each of 2 views: 5 per point."""
    cameras = cameras_around(2)
    observed = MultiviewKeypoint2dMSEInput(cameras, pixels(cameras) + torch.tensor([1.0, 2.0]), "smpl")
    arguments = {"related_input": observed, **body_side(joints)}
    assert handler()(**arguments).item() == pytest.approx(5 * 2 * 24 * N_FRAMES, rel=1e-5)
    residuals = handler().residuals(loss_weight_override=4.0, **arguments)
    assert residuals.shape == (N_FRAMES, 2 * 24 * 2)
    np.testing.assert_allclose(residuals.reshape(-1, 2), np.broadcast_to([-2, -4], (2 * 24 * N_FRAMES, 2)), rtol=1e-5)
    assert handler({**SUM, "reduction": "mean"})(**arguments).item() == pytest.approx(2.5, rel=1e-5)
    assert handler()(reduction_override="none", **arguments).shape == (N_FRAMES, 2 * 24, 2)


@pytest.mark.parametrize("missing", ["nan", "inf", "zero", "nan confidence"])
def test_what_was_not_observed(joints, pixels, missing):
    cameras = cameras_around(2)
    seen, confidence = pixels(cameras) + 1, torch.full((N_FRAMES, 2, 24), 0.5, dtype=torch.float64)
    if missing in ("nan", "inf"):
        seen[1, 0, 3] = float(missing)
    else:
        seen[1, 0, 3] += 500
        confidence[1, 0, 3] = 0 if missing == "zero" else math.nan
    observed = MultiviewKeypoint2dMSEInput(cameras, seen, "smpl", confidence)
    joints.requires_grad_()
    value = handler()(related_input=observed, **body_side(joints))
    value.backward()
    assert value.item() == pytest.approx(0.5 * 2 * (2 * 24 * N_FRAMES - 1), rel=1e-5)
    assert joints.grad.isfinite().all()


def test_a_view_that_saw_nobody(joints, pixels):
    cameras = cameras_around(3)
    seen = pixels(cameras) + 1
    seen[:, 1] = math.nan
    value = handler()(related_input=MultiviewKeypoint2dMSEInput(cameras, seen, "smpl"), **body_side(joints))
    assert value.item() == pytest.approx(2 * 2 * 24 * N_FRAMES, rel=1e-5)


def test_outliers_are_bounded_in_pixels(joints, pixels):
    cameras = cameras_around(2)
    seen = pixels(cameras)
    seen[0, 0, 0, 0] += 1000
    observed = MultiviewKeypoint2dMSEInput(cameras, seen, "smpl")
    value = handler(KeypointMSELoss(sigma=20, reduction="sum", robust_on="error"))(related_input=observed, **body_side(joints))
    assert value.item() == pytest.approx(20**2 * 1000**2 / (20**2 + 1000**2))


def test_weights_of_keypoints(joints, pixels):
    cameras = cameras_around(2)
    knee = get_convention("smpl").index("left_knee")
    seen = pixels(cameras)
    seen[:, :, knee] += 3
    weight = torch.ones(24)
    weight[knee] = 0.25
    part_weights = torch.ones(24).double()
    part_weights[knee] = 2
    plain, weighted = (MultiviewKeypoint2dMSEInput(cameras, seen, "smpl", keypoints_weight=item) for item in (None, weight))
    expected = 2 * 9 * 2 * N_FRAMES
    sides = body_side(joints)
    assert handler()(related_input=plain, **sides).item() == pytest.approx(expected, rel=1e-5)
    assert handler()(related_input=weighted, **sides).item() == pytest.approx(expected / 4, rel=1e-5)
    assert handler(keypoint_weights={"left_knee": 0.5})(related_input=plain, **sides).item() == pytest.approx(expected / 2, rel=1e-5)
    sides["model_joints_weights"] = part_weights
    assert handler()(related_input=plain, **sides).item() == pytest.approx(expected * 2, rel=1e-5)


def test_keypoints_of_another_convention(joints, pixels):
    """Compared by name; what the body lacks gets no weight."""
    cameras = cameras_around(2)
    coco = get_convention("coco")
    seen = torch.full((N_FRAMES, 2, 17, 2), 50.0, dtype=torch.float64)
    knee = pixels(cameras)[:, :, get_convention("smpl").index("left_knee")]
    seen[:, :, coco.index("left_knee")] = knee + 1
    confidence = torch.zeros(N_FRAMES, 2, 17)
    confidence[..., [coco.index("left_knee"), coco.index("nose"), coco.index("left_hip_extra")]] = 1
    observed = MultiviewKeypoint2dMSEInput(cameras, seen, "coco", confidence)
    assert handler()(related_input=observed, **body_side(joints)).item() == pytest.approx(2 * 2 * N_FRAMES, rel=1e-5)


def test_no_keypoint_in_common():
    observed = MultiviewKeypoint2dMSEInput(cameras_around(1), torch.zeros(1, 1, 19, 2), "fourdag_19")
    handler(keypoint_approximate=True).check_input(observed, "smpl")
    with pytest.raises(FittingError, match="Write keypoint_approximate = true for the handler 'mview_keypoints2d_mse'"):
        handler().check_input(observed, "smpl")


def test_built_from_configs(pixels):
    cameras = cameras_around(2)
    built = build_handler({"type": "MultiviewKeypoint2dMSEHandler", "mse_loss": SUM})
    config = {"type": "MultiviewKeypoint2dMSEInput", "cameras": cameras, "keypoints2d": pixels(cameras), "keypoints2d_convention": "smpl"}
    assert built.handler_key == build_handler(config).handler_key == "mview_keypoints2d_mse"
    with pytest.raises(FittingError, match="keypoint_weights of 'mview_keypoints2d_mse' names 'left_kne'"):
        handler(keypoint_weights={"left_kne": 1.0})


def test_one_camera_needs_no_place_for_views(joints, pixels):
    (camera,) = cameras = cameras_around(1)
    confidence = torch.rand(N_FRAMES, 24)
    short = MultiviewKeypoint2dMSEInput(camera, pixels(cameras)[:, 0], "smpl", confidence)
    full = MultiviewKeypoint2dMSEInput(cameras, pixels(cameras), "smpl", confidence[:, None])
    assert torch.equal(short.keypoints2d, full.keypoints2d)
    assert torch.equal(short.keypoints2d_conf, full.keypoints2d_conf)
    assert short.get_batch_size() == N_FRAMES


def test_all_of_an_input_moves_to_a_device(pixels):
    cameras = cameras_around(2)
    observed = MultiviewKeypoint2dMSEInput(cameras, pixels(cameras), "smpl", keypoints_weight=torch.ones(24)).to(torch.device("meta"))
    tensors = [observed.keypoints2d, observed.keypoints2d_conf, observed.keypoints_weight, *observed.projection.buffers()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"keypoints2d": torch.zeros(3, 2, 24, 3)}, r"keypoints2d has shape \(3, 2, 24, 3\), expected \(frames, views, 24, 2\) for 'smpl'"),
        ({"keypoints2d": torch.zeros(3, 2, 17, 2)}, r"keypoints2d has shape \(3, 2, 17, 2\)"),
        ({"keypoints2d_conf": torch.ones(3, 2, 23)}, r"keypoints2d_conf has shape \(3, 2, 23\), expected \(3, 2, 24\)"),
        ({"keypoints2d_conf": torch.ones(3, 24)}, r"keypoints2d_conf has shape \(3, 1, 24\), expected \(3, 2, 24\)"),
        ({"keypoints_weight": torch.ones(2, 24)}, r"keypoints_weight has shape \(2, 24\), expected \(24,\)"),
        ({"cameras": cameras_around(3)}, "There are 3 cameras for 2 views of 3 frames. Give 2, or 6 for cameras that move"),
        ({"cameras": ["left", "right"]}, "cameras has a str, expected Camera. Make it with Camera.from_opencv"),
    ],
)
def test_inputs_that_do_not_fit_together(options, expected):
    values = {"cameras": cameras_around(2), "keypoints2d": torch.zeros(3, 2, 24, 2), "keypoints2d_convention": "smpl"}
    with pytest.raises(FittingError, match=expected):
        MultiviewKeypoint2dMSEInput(**{**values, **options})


@pytest.mark.parametrize("moving", [False, True])
def test_start_from_several_views(joints, pixels, moving):
    cameras = cameras_around(4)
    observed = MultiviewKeypoint2dMSEInput(cameras * N_FRAMES if moving else cameras, pixels(cameras), "smpl")
    found, confidence, convention = observed.initial_keypoints3d()
    np.testing.assert_allclose(found, joints, atol=1e-6)
    assert (confidence == 1).all()
    assert convention.name == "smpl"


def test_start_without_points_that_jump():
    """Two views that are wrong alike put a point elsewhere, for one frame."""
    cameras = cameras_around(2)
    steady = np.tile([0.1, 1.2, 0.3], (9, 24, 1))
    steady[4, 7] = [0.5, 1.0, 0.0]
    seen = torch.tensor(np.stack([camera.project(steady) for camera in cameras], 1))
    found, confidence, _ = MultiviewKeypoint2dMSEInput(cameras, seen, "smpl").initial_keypoints3d()
    expected = torch.ones(9, 24).double()
    expected[4, 7] = 0
    assert torch.equal(confidence, expected)
    assert found[4, 7].tolist() == [0, 0, 0]


def test_start_of_what_only_one_of_several_views_saw(pixels):
    cameras = cameras_around(3)
    seen = pixels(cameras)
    seen[:, 1:, 5] = math.nan
    found, confidence, _ = MultiviewKeypoint2dMSEInput(cameras, seen, "smpl").initial_keypoints3d()
    assert (confidence[:, 5] == 0).all()
    assert found.isfinite().all()


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("depth", [2.0, 5.0])
def test_start_from_one_view(body, keypoints_of, depth, moving):
    """A body of average size in the T-pose is as far away as it is; every point is on its ray."""
    rest = keypoints_of({})[:, :24].double().repeat(N_FRAMES, 1, 1)
    camera = Camera.look_at([0, 0.1, depth], [0, 0.1, 0], 1000, (1920, 1080), LENS)
    seen = torch.tensor(camera.project(rest.numpy()))
    seen[1, 3] = math.nan
    observed = MultiviewKeypoint2dMSEInput([camera] * N_FRAMES if moving else camera, seen, "smpl")
    found, confidence, _ = observed.initial_keypoints3d()
    assert confidence.sum() == 24 * N_FRAMES - 1
    assert found[1, 3].tolist() == [0, 0, 0]
    np.testing.assert_allclose(camera.depth(found[0].numpy()), depth, rtol=0.05)
    np.testing.assert_allclose(camera.project(found[0].numpy()), seen[0].numpy(), atol=1e-6)


def test_start_from_one_view_that_saw_next_to_nothing():
    camera = cameras_around(1)[0]
    seen = torch.full((4, 24, 2), math.nan)
    seen[:, 3] = 500.0
    found, confidence, _ = MultiviewKeypoint2dMSEInput(camera, seen, "smpl").initial_keypoints3d()
    assert found.isfinite().all()
    assert confidence.sum() == 4


def test_depth_prior(joints):
    (camera,) = cameras_around(1)
    away = torch.tensor(camera.depth(joints.numpy()))[:, get_convention("smpl").index("pelvis")]
    prior = away + torch.tensor([0.2, math.nan, -0.1])
    observed = DepthPriorInput(camera, prior, torch.tensor([0.1, 0.1, 0.2]))
    built = build_handler({"type": "DepthPriorHandler", "prior_loss": {"type": "DepthPriorLoss", "reduction": "sum"}})
    arguments = {"related_input": observed, **body_side(joints.requires_grad_())}
    value = built(**arguments)
    value.backward()
    assert value.item() == pytest.approx(2**2 + 0.5**2, rel=1e-5)
    np.testing.assert_allclose(built.residuals(**arguments).detach(), [[-2], [0], [0.5]], atol=1e-5)
    assert joints.grad.isfinite().all()
    assert joints.grad[0, 0].numpy() @ camera.rotation[2] == pytest.approx(-2 * 2 / 0.1, rel=1e-5)
    assert not joints.grad[1].any()


def test_depth_prior_of_a_camera_that_moves(joints):
    cameras = cameras_around(N_FRAMES)
    depth = torch.tensor([float(camera.depth(joints[frame, 0].numpy())) for frame, camera in enumerate(cameras)])
    observed = DepthPriorInput(cameras, depth.double(), 0.1)
    assert DepthPriorHandler({"type": "DepthPriorLoss"})(related_input=observed, **body_side(joints)).item() == pytest.approx(0, abs=1e-9)
    assert observed.get_batch_size() == N_FRAMES
    assert observed.to(torch.device("meta")).projection.rotation.device.type == "meta"


@pytest.mark.parametrize(
    ("options", "expected", "kind"),
    [
        ({"depth": torch.ones(3, 1)}, r"depth has shape \(3, 1\), expected \(frames,\)", FittingError),
        ({"sigma": 0.0}, r"sigma is 0.0, expected metres above 0", FittingError),
        ({"sigma": torch.ones(2)}, r"sigma is \[1.0, 1.0\], expected metres above 0", FittingError),
        ({"cameras": cameras_around(2)}, "There are 2 cameras for 1 views of 3 frames", CameraError),
    ],
)
def test_depth_priors_that_do_not_fit(options, expected, kind):
    with pytest.raises(kind, match=expected):
        DepthPriorInput(**{"cameras": cameras_around(1), "depth": torch.ones(3), **options})
