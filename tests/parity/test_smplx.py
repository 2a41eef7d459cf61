"""Our body model against the package `smplx`, which is an optional extra: same joints, vertices and gradients."""

import warnings

import numpy as np
import pytest
import torch
from export_smplx import N_BETAS, SMPL_SLOTS, export_smpl, smpl_arrays, vertex_order

from fitting.body import load_body
from fitting.data.bodies import GENDERS, load_default_body

N_FRAMES = 5
METRES = 1e-5


@pytest.fixture(scope="module", params=GENDERS)
def models(request, tmp_path_factory):
    """Our model, theirs, and our vertex at each of their places."""
    smplx = pytest.importorskip("smplx", reason="the extra 'smplx' (non-commercial licence) is not installed")
    data = load_default_body(request.param)
    path = export_smpl(data, tmp_path_factory.mktemp("smplx"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = smplx.create(str(path), model_type="smpl", gender=request.param, batch_size=N_FRAMES)
    path.unlink()
    return load_body(gender=request.param, n_betas=N_BETAS), theirs, torch.from_numpy(vertex_order(data))


def parameters(seed, pose_scale=0.5):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    return {
        "betas": normal(N_FRAMES, N_BETAS),
        "body_pose": pose_scale * normal(N_FRAMES, 69),
        "global_orient": 2 * pose_scale * normal(N_FRAMES, 3),
        "transl": 3 * normal(N_FRAMES, 3),
    }


@pytest.mark.parametrize("seed", range(3))
def test_joints_and_surface_keypoints(models, seed):
    ours, theirs, _ = models
    with torch.no_grad():
        joints, expected = (model(**parameters(seed)).joints for model in (ours, theirs))
    assert joints.shape == expected.shape == (N_FRAMES, 45, 3)
    torch.testing.assert_close(joints, expected, atol=METRES, rtol=0)


def test_vertices(models):
    ours, theirs, order = models
    with torch.no_grad():
        output, expected = ours(**parameters(7), return_verts=True), theirs(**parameters(7), return_verts=True)
    torch.testing.assert_close(output.vertices[:, order], expected.vertices, atol=METRES, rtol=0)


def test_rest_pose(models):
    ours, theirs, order = models
    with torch.no_grad():
        output, expected = ours(return_verts=True), theirs(return_verts=True)
    torch.testing.assert_close(output.vertices[0, order], expected.vertices[0], atol=METRES, rtol=0)
    torch.testing.assert_close(output.joints[0], expected.joints[0], atol=METRES, rtol=0)


def gradients(model, values, pull):
    values = {name: value.clone().requires_grad_() for name, value in values.items()}
    (model(**values).joints * pull).sum().backward()
    return {name: value.grad for name, value in values.items()}


@pytest.mark.parametrize("pose_scale", [0.5, 1e-3])
def test_gradients_of_joints(models, pose_scale):
    """Metres per radian and per shape value, for a random pull at each joint; also near the rest pose."""
    ours, theirs, _ = models
    values = parameters(11, pose_scale)
    pull = torch.randn(N_FRAMES, 45, 3, generator=torch.Generator().manual_seed(12))
    found, expected = gradients(ours, values, pull), gradients(theirs, values, pull)
    for name in values:
        torch.testing.assert_close(found[name], expected[name], atol=2e-4, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def test_export_swaps_vertices_only():
    body = load_default_body()
    order = vertex_order(body)
    np.testing.assert_array_equal(np.sort(order), np.arange(body.n_vertices))
    assert (order != np.arange(body.n_vertices)).sum() <= 3 * len(SMPL_SLOTS)
    assert {name: order[slot] for name, slot in SMPL_SLOTS.items()} == dict(body.keypoint_vertices)
    arrays = smpl_arrays(body)
    np.testing.assert_array_equal(arrays["v_template"][arrays["f"]], body.v_template[body.faces])
    np.testing.assert_allclose(arrays["J_regressor"] @ arrays["v_template"], body.joints_template, atol=1e-6)
