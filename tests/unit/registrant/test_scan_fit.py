"""Scans and meshes of the default body, posed and shaped, are recovered from a start by keypoints."""

import pytest
import torch

from fitting.handlers import Keypoint3dMSEInput, MeshInput, PointCloudInput
from fitting.handlers.closest_points import TriangleSearch
from fitting.registrant import SMPLify

SURFACE_LOSS = {"type": "PointDistanceLoss", "reduction": "sum", "sigma": 0.05}
HANDLERS = [
    {
        "type": "Keypoint3dMSEHandler",
        "handler_key": "keypoints3d_mse",
        "mse_loss": {"type": "KeypointMSELoss", "reduction": "sum", "sigma": 0.1, "robust_on": "error"},
    },
    {"type": "BetasPriorHandler", "handler_key": "shape_prior", "prior_loss": {"type": "ShapePriorLoss", "reduction": "sum"}},
    {
        "type": "BodyPosePriorHandler",
        "handler_key": "joint_prior",
        "prior_loss": {"type": "JointPriorLoss", "reduction": "sum", "use_full_body": False},
    },
    {"type": "BodyPosePriorHandler", "handler_key": "pose_reg", "prior_loss": {"type": "PoseRegLoss", "reduction": "sum"}},
    {"type": "PointCloudHandler", "handler_key": "point_cloud", "loss": SURFACE_LOSS},
    {"type": "MeshHandler", "handler_key": "mesh", "loss": SURFACE_LOSS},
]
PRIORS = {"shape_prior_weight": 0.03, "joint_prior_weight": 1.0, "pose_reg_weight": 0.02}
KEYPOINTS = {"n_iter": 4, "ftol": 1e-3, "keypoints3d_mse_weight": 1e4, "point_cloud_weight": 0, "mesh_weight": 0, **PRIORS}
SURFACE = {"n_iter": 10, "ftol": 1e-3, "keypoints3d_mse_weight": 1e3, "point_cloud_weight": 1e6, "mesh_weight": 1e6, **PRIORS}
QUICK = [KEYPOINTS, {**SURFACE, "n_iter": 6}]


@pytest.fixture
def fit(body):
    """Fits a surface and keypoints; gives the parameters and the vertices."""

    def run(keypoints, *surfaces, stages=(KEYPOINTS, SURFACE)):
        smplify = SMPLify(
            body,
            [dict(stage) for stage in stages],
            {"type": "LBFGS", "max_iter": 20, "line_search_fn": "strong_wolfe", "history_size": 20, "scaled": True},
            [dict(handler) for handler in HANDLERS],
            use_one_betas_per_video=True,
            device="cpu",
            grad_clip=None,
        )
        return smplify([Keypoint3dMSEInput(keypoints, "smpl"), *surfaces], return_verts=True)

    return run


@pytest.fixture
def truth(body, random_poses):
    """Makes a person: vertices, faces, and joints that are 1 cm off in each coordinate."""

    def make(seed, n_frames=1):
        with torch.no_grad():
            output = body(**random_poses(n_frames, seed=seed), return_verts=True)
        joints = output.joints[:, :24]
        joints = joints + 0.01 * torch.randn(joints.shape, generator=torch.Generator().manual_seed(seed))
        return output.vertices, torch.as_tensor(body.data.faces, dtype=torch.long), joints

    return make


def surface_points(vertices, faces, count, towards=None, noise=0.0, seed=0):
    """(count, 3) points, spread evenly over the triangles, or over those that face a direction."""
    generator = torch.Generator().manual_seed(seed)
    corners = vertices[faces]
    across = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = across.norm(dim=-1)
    if towards is not None:
        areas = areas * (across @ torch.tensor(towards) > 0)
    triangles = torch.multinomial(areas, count, replacement=True, generator=generator)
    root, share = torch.rand(count, 1, generator=generator).sqrt(), torch.rand(count, 1, generator=generator)
    weights = torch.cat([1 - root, root * (1 - share), root * share], 1)
    return (weights[..., None] * corners[triangles]).sum(1) + noise * torch.randn(count, 3, generator=generator)


def surface_error(true, fitted, faces):
    """Mean distance of points on all of the true surface, seen or not, from the fitted one, in metres."""
    points = surface_points(true, faces, 4000, seed=1)
    triangles, barycentric = TriangleSearch(faces, len(fitted)).closest(points, fitted)
    return ((fitted[faces[triangles]] * barycentric[..., None]).sum(1) - points).norm(dim=-1).mean().item()


def test_half_a_scan(fit, truth):
    """15,000 points with 2 mm of noise in each coordinate, of the side that a camera sees; keypoints alone leave it 7 mm off."""
    vertices, faces, joints = truth(1)
    scan = surface_points(vertices[0], faces, 15000, towards=(0.0, 0.0, 1.0), noise=0.002)
    start = fit(joints, stages=[KEYPOINTS])["vertices"][0]
    found = fit(joints, PointCloudInput(scan[None]))["vertices"][0]
    assert surface_error(vertices[0], start, faces) > 0.006
    assert surface_error(vertices[0], found, faces) < 0.003
    assert (found - vertices[0]).norm(dim=-1).mean() < 0.008


def test_outliers(fit, truth):
    """A tenth of the points are anywhere within half a metre of the middle."""
    vertices, faces, joints = truth(2)
    scan = surface_points(vertices[0], faces, 3000, towards=(1.0, 0.0, 0.0), noise=0.002)
    scan[::10] = vertices[0].mean(0) + 0.5 * torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    found = fit(joints, PointCloudInput(scan[None]), stages=QUICK)["vertices"][0]
    assert surface_error(vertices[0], found, faces) < 0.003


def test_clouds_of_different_sizes(fit, truth):
    """Two frames of one person; the second is seen from behind, by fewer points."""
    vertices, faces, joints = truth(3, n_frames=2)
    clouds = [surface_points(vertices[0], faces, 2000, (0.0, 0.0, 1.0)), surface_points(vertices[1], faces, 1200, (0.0, 0.0, -1.0))]
    found = fit(joints, PointCloudInput(clouds))["vertices"]
    assert max(surface_error(true, other, faces) for true, other in zip(vertices, found, strict=True)) < 0.003


def test_a_mesh_of_the_same_topology(fit, truth):
    vertices, faces, joints = truth(4)
    found = fit(joints, MeshInput(vertices, faces), stages=[KEYPOINTS, {**SURFACE, "keypoints3d_mse_weight": 1.0}])["vertices"]
    assert (found - vertices).norm(dim=-1).mean() < 0.001
    assert surface_error(vertices[0], found[0], faces) < 0.001


def merged(vertices, faces, cell):
    """A mesh of another topology: the vertices in a cell become one, the triangles that are left are fewer and larger."""
    cells, index = torch.div(vertices, cell, rounding_mode="floor").long().unique(dim=0, return_inverse=True)
    total = torch.zeros(len(cells), 3).index_add(0, index, vertices)
    faces = index[faces]
    kept = (faces != faces.roll(1, 1)).all(1)
    return total / torch.bincount(index)[:, None], faces[kept]


def test_a_mesh_of_another_topology(fit, truth):
    """Its triangles are larger, and those of one side are missing."""
    vertices, faces, joints = truth(5)
    points, triangles = merged(vertices[0], faces, 0.015)
    corners = points[triangles]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    found = fit(joints, MeshInput(points[None], triangles[normals[:, 2] > 0]), stages=QUICK)["vertices"][0]
    assert len(points) < 0.6 * len(vertices[0])
    assert surface_error(vertices[0], found, faces) < 0.003


def test_limbs_that_were_not_seen_are_left_to_the_other_terms(fit, truth):
    """A scan of the head alone moves neither legs nor arms."""
    vertices, faces, joints = truth(6)
    start = fit(joints, stages=[KEYPOINTS])
    near = (vertices[0] - joints[0, 15]).norm(dim=-1) < 0.12
    scan = surface_points(vertices[0], faces[near[faces].all(1)], 500)
    frozen = {"fit_betas": False, "fit_transl": False, "fit_global_orient": False, "keypoints3d_mse_weight": 0, "n_iter": 3}
    priors = dict.fromkeys(PRIORS, 0)
    found = fit(joints, PointCloudInput(scan[None]), stages=[KEYPOINTS, {**SURFACE, **frozen, **priors}])
    limbs = [3 * (joint - 1) + axis for joint in (1, 2, 4, 5, 7, 8, 10, 11, 18, 19, 20, 21, 22, 23) for axis in range(3)]
    torch.testing.assert_close(found["body_pose"][:, limbs], start["body_pose"][:, limbs], atol=1e-6, rtol=0)
    assert (found["body_pose"] - start["body_pose"]).abs().max() > 0.01


def test_inputs_of_different_lengths(fit, truth):
    vertices, faces, joints = truth(1)
    with pytest.raises(ValueError, match=r"The inputs have different numbers of frames: keypoints3d_mse 1, mesh 2"):
        fit(joints, MeshInput(vertices.repeat(2, 1, 1), faces))


def test_total_loss_of_a_scan(body, truth):
    """One number for each frame; the surface of the start is the body itself, one centimetre away."""
    with torch.no_grad():
        vertices = body(transl=torch.tensor([[0.0, 0.0, 0.01], [0.0, 0.0, 0.02]]), return_verts=True).vertices
    loss = {**SURFACE_LOSS, "sigma": 1e3}
    still = {"type": "SGD", "lr": 0.0}
    handlers = [{"type": "MeshHandler", "loss": loss}]
    faces = torch.as_tensor(body.data.faces, dtype=torch.long)
    output = SMPLify(body, [{}], still, handlers, device="cpu")([MeshInput(vertices, faces)], return_losses=True)
    assert output["total_loss"].tolist() == pytest.approx([0.01**2, 0.02**2], rel=1e-3)
