"""Our body model against the package `smplx`: same joints, vertices, keypoints and gradients."""

import numpy as np
import pytest
import torch

from fitting.body import BodyModel, build_body_model
from fitting.data.bodies.export import vertex_order
from fitting.rotations import axis_angle_to_matrix

N_FRAMES = 5
METRES = 1e-5
N_VALUES = {"n_betas": 10}

FORMS = {
    "smpl": ("smpl", {}, {}),
    "smplh": ("smplh", {"use_pca": False}, {}),
    "smplh, components": ("smplh", {"use_pca": True, "num_pca_comps": 12}, {"n_hand_components": 12}),
    "smplx": ("smplx", {"use_pca": False, "use_face_contour": True}, {}),
    "smplx, flat hands": ("smplx", {"use_pca": False, "flat_hand_mean": True}, {"flat_hand_mean": True, "face_contour": False}),
    "smplx, components": ("smplx", {"use_face_contour": True}, {"n_hand_components": 6}),
}
"""Each form by the options of `smplx` and our own."""


@pytest.fixture(scope="module", params=FORMS)
def pair(request, create, rich_bodies):
    """Our model and theirs."""
    model_type, options, own_options = FORMS[request.param]
    return BodyModel(rich_bodies[model_type], **N_VALUES, **own_options), create(model_type, batch_size=N_FRAMES, **options)


def parameters(body, seed, pose_scale=0.3, n_frames=N_FRAMES):
    generator = torch.Generator().manual_seed(seed)
    scales = {"betas": 1, "expression": 1, "transl": 3, "global_orient": 3 * pose_scale}
    widths = body.parameter_shapes()
    return {name: scales.get(name, pose_scale) * torch.randn(n_frames, width, generator=generator) for name, width in widths.items()}


@pytest.mark.parametrize("seed", range(3))
def test_joints_and_keypoints(pair, seed):
    ours, theirs = pair
    values = parameters(ours, seed)
    with torch.no_grad():
        joints, expected = ours(**values).joints, theirs(**values).joints
    assert joints.shape == expected.shape == (N_FRAMES, len(ours.convention), 3)
    torch.testing.assert_close(joints, expected, atol=METRES, rtol=0)


def test_heads_that_turn(create, rich_bodies):
    """Every row of the contour's table, and beyond it."""
    ours = BodyModel(rich_bodies["smplx"], **N_VALUES)
    degrees = torch.cat([torch.arange(-45.0, 46, 1) + 0.2, torch.tensor([89.0, 91, 135, 180, -135])])
    theirs = create("smplx", use_pca=False, use_face_contour=True, batch_size=len(degrees))
    values = parameters(ours, 5, 0.002, len(degrees))
    values["global_orient"] = torch.deg2rad(degrees)[:, None] * torch.tensor([0.0, 1, 0])
    with torch.no_grad():
        joints, expected = ours(**values).joints, theirs(**values).joints
    assert len(set(ours.surface.contour.rows(torch.unflatten(ours.full_pose(values), 1, (-1, 3))).tolist())) > 70
    torch.testing.assert_close(joints, expected, atol=METRES, rtol=0)


def test_vertices(pair):
    ours, theirs = pair
    values = parameters(ours, 7)
    with torch.no_grad():
        output, expected = ours(**values, return_verts=True), theirs(**values, return_full_pose=True)
    torch.testing.assert_close(output.vertices[:, vertex_order(ours.data)], expected.vertices, atol=METRES, rtol=0)
    torch.testing.assert_close(output.full_pose, expected.full_pose)


def test_rest_pose(pair):
    ours, theirs = pair
    with torch.no_grad():
        output, expected = ours(return_verts=True), theirs()
    torch.testing.assert_close(output.vertices[0, vertex_order(ours.data)], expected.vertices[0], atol=METRES, rtol=0)
    torch.testing.assert_close(output.joints[0], expected.joints[0], atol=METRES, rtol=0)


def gradients(model, values, pull):
    values = {name: value.clone().requires_grad_() for name, value in values.items()}
    (model(**values).joints * pull).sum().backward()
    return {name: value.grad for name, value in values.items()}


@pytest.mark.parametrize("pose_scale", [0.3, 1e-3])
def test_gradients_of_joints(pair, pose_scale):
    """Metres per radian and per shape value, for a random pull at each joint; also near the rest pose."""
    ours, theirs = pair
    values = parameters(ours, 11, pose_scale)
    pull = torch.randn(N_FRAMES, len(ours.convention), 3, generator=torch.Generator().manual_seed(12))
    found, expected = gradients(ours, values, pull), gradients(theirs, values, pull)
    for name in values:
        torch.testing.assert_close(found[name], expected[name], atol=3e-4, rtol=2e-4, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("form", FORMS)
def test_a_module_of_smplx_is_a_body(create, form):
    """Whatever the module's batch size and joint mapper: another number of frames, one row of betas, the same keypoints."""
    model_type, options, _ = FORMS[form]
    body = build_body_model(create(model_type, batch_size=2, joint_mapper=lambda joints, **_: joints[:, :1], **options))
    theirs = create(model_type, batch_size=N_FRAMES, **options)
    values = parameters(body, 3)
    values["betas"] = values["betas"][:1]
    with torch.no_grad():
        expected = theirs(**{**values, "betas": values["betas"].expand(N_FRAMES, -1)})
        output = body(**values, return_verts=True)
    torch.testing.assert_close(output.joints, expected.joints, atol=METRES, rtol=0)
    torch.testing.assert_close(output.vertices, expected.vertices, atol=METRES, rtol=0)
    assert (body.model_type, body.gender, body.name) == (model_type, "neutral", model_type.upper())
    np.testing.assert_array_equal(body.faces, theirs.faces_tensor)
    convention = {"smpl": "smpl_45", "smplh": "smplh", "smplx": "smplx" if options.get("use_face_contour") else "agora"}[model_type]
    assert body.keypoint_convention == convention


@pytest.mark.parametrize(("model_type", "options"), [("smpl", {}), ("smplh", {}), ("smplx", {}), ("smplx", {"use_face_contour": True})])
def test_a_layer_of_smplx_is_a_body(create, model_type, options):
    """The forms that take rotation matrices: no mean of hands, no components."""
    layer = create(model_type, layer=True, **options)
    body = build_body_model(layer)
    values = parameters(body, 4)
    matrices = {
        name: axis_angle_to_matrix(torch.unflatten(value, 1, (-1, 3))) if "pose" in name or "orient" in name else value
        for name, value in values.items()
    }
    with torch.no_grad():
        expected, output = layer(**matrices), body(**values, return_verts=True)
    torch.testing.assert_close(output.joints, expected.joints, atol=METRES, rtol=0)
    torch.testing.assert_close(output.vertices, expected.vertices, atol=METRES, rtol=0)


def test_modules_with_fewer_keypoints_or_in_double_precision(create):
    assert build_body_model(create("smpl", use_hands=False)).keypoint_convention == "smpl"
    body = build_body_model(create("smpl", dtype=torch.float64))
    assert body().joints.dtype == torch.float32


def test_a_registrant_fits_a_module_of_smplx(create):
    from fitting import build_handler, build_registrant

    module = create("smplh", use_pca=False)
    body = build_body_model(module)
    values = parameters(body, 6, 0.2)
    values["betas"] = values["betas"][:1]
    with torch.no_grad():
        target = body(**values).joints
    loss = {"type": "KeypointMSELoss", "reduction": "sum", "sigma": 0.1, "robust_on": "error"}
    handler = {"type": "Keypoint3dMSEHandler", "handler_key": "points", "mse_loss": loss}
    config = {
        "type": "SMPLifyH",
        "body_model": module,
        "handlers": [handler],
        "stages": [{"n_iter": 20, "ftol": 1e-6}],
        "optimizer": {"type": "LBFGS", "lr": 1.0, "max_iter": 20, "line_search_fn": "strong_wolfe"},
        "use_one_betas_per_video": True,
        "device": "cpu",
    }
    points = build_handler(
        {"type": "Keypoint3dMSEInput", "keypoints3d": target, "keypoints3d_convention": "smplh", "handler_key": "points"}
        | {"keypoints3d_conf": torch.ones(target.shape[:2])}
    )
    output = build_registrant(config)([points], return_joints=True)
    assert (output["joints"] - target).norm(dim=-1).mean() < 5e-3
    np.testing.assert_array_equal(module.betas.detach(), 0)


def test_modules_that_are_no_body(smplx, create):
    from fitting.errors import BodyError

    class Own(smplx.SMPL):
        def forward(self, **parameters):
            return super().forward(**parameters)

    module = create("smpl")
    module.__class__ = Own
    with pytest.raises(BodyError, match=r"Own poses SMPL of smplx in a way of its own \(it has a `forward`\)"):
        build_body_model(module)
    module.__class__ = smplx.MANO
    with pytest.raises(BodyError, match="The smplx module is a MANO, which is no whole body"):
        build_body_model(module)
