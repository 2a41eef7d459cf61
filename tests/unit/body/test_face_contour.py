from dataclasses import replace

import numpy as np
import pytest
import torch

from fitting.body import BodyModel
from fitting.body.surface_keypoints import CONTOUR_NAMES, LANDMARK_NAMES

NECK_CHAIN = ["neck", "spine3", "spine2", "spine1", "pelvis"]


@pytest.fixture(scope="module")
def face(random_face_data):
    return BodyModel(random_face_data)


def turned(face, joint, axis, degrees):
    """(F, J, 3) poses with one joint turned."""
    axis_angle = torch.zeros(len(degrees), face.n_joints, 3)
    axis_angle[:, face.data.joint_names.index(joint), axis] = torch.deg2rad(torch.tensor(degrees))
    return axis_angle


@pytest.mark.parametrize("joint", NECK_CHAIN)
def test_rows_are_degrees_of_the_neck_and_all_below_it(face, joint):
    degrees = [0.0, 0.4, -0.6, 10.2, -10.2, 38.8, -38.8, 39.4, -39.4, 60, -60, 90, -90, 100, 180]
    expected = [0, 0, 1, 49, 10, 78, 39, 78, 39, 78, 39, 78, 39, 78, 0]  # a turn to the left is positive; beyond 90 it counts back
    assert face.surface.contour.rows(turned(face, joint, 1, degrees)).tolist() == expected


@pytest.mark.parametrize(("joint", "axis"), [("head", 1), ("left_hip", 1), ("neck", 0), ("pelvis", 0)])
def test_what_does_not_turn_the_neck_sideways(face, joint, axis):
    assert face.surface.contour.rows(turned(face, joint, axis, [-30.0, 30.0])).tolist() == [0, 0]


def test_a_pose_that_is_not_a_number_stays_one(face):
    """The solver then says so; it is no error of an index."""
    pose = torch.full((2, 63), torch.nan)
    assert face(body_pose=pose).joints.isnan().any()


def test_the_contour_jumps_at_a_row_and_is_smooth_between(face):
    def contour(degrees):
        return face(body_pose=turned(face, "neck", 1, degrees)[:, 1:22].flatten(1)).joints[:, -17:]

    before, same, after = contour([10.40, 10.45, 10.55])
    assert (same - before).norm(dim=-1).max() < 0.02
    assert (after - same).norm(dim=-1).min() > 0.02


def test_gradient_against_autograd_through_the_mesh(face, random_face_data, random_parameters):
    """Betas, expression, pose correctives and pose together; frames with different rows, in double precision."""
    face = BodyModel(random_face_data).double()
    parameters = {name: (0.2 * value.double()).requires_grad_() for name, value in random_parameters(face, 3, shared_betas=True).items()}
    output = face(**parameters, return_verts=True)
    rows = face.surface.contour.rows(torch.unflatten(output.full_pose, 1, (-1, 3)))
    assert len(set(rows.tolist())) == 3
    corners = output.vertices[torch.arange(3)[:, None, None], torch.from_numpy(random_face_data.contour_vertices)[rows]]
    expected = (torch.from_numpy(random_face_data.contour_weights).double()[rows][..., None] * corners).sum(2)
    torch.testing.assert_close(output.joints[:, -17:], expected, atol=1e-6, rtol=0)
    pull = torch.randn(3, 17, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gradients = [
        torch.autograd.grad((points * pull).sum(), list(parameters.values()), retain_graph=True)
        for points in (output.joints[:, -17:], expected)
    ]
    for found, through_mesh in zip(*gradients, strict=True):
        assert found.any()
        torch.testing.assert_close(found, through_mesh, atol=1e-5, rtol=1e-5)


def test_without_contour(face, random_face_data, random_parameters):
    plain = BodyModel(random_face_data, face_contour=False)
    assert (plain.keypoint_convention, len(plain.convention)) == ("agora", 127)
    values = random_parameters(face, 2)
    torch.testing.assert_close(plain(**values).joints, face(**values).joints[:, :127])
    lacking = BodyModel(replace(random_face_data, contour_vertices=None, contour_weights=None))
    assert lacking.keypoint_convention == "agora"


@pytest.mark.parametrize(
    ("model_type", "change", "convention"),
    [
        ("smplx", {"landmark_vertices": None}, "smplx_55"),
        ("smplx", {"keypoint_vertices": {}}, "smplx_55"),
        ("smpl", {"keypoint_vertices": {}}, "smpl"),
    ],
)
def test_a_body_with_joints_only(random_data, random_face_data, random_parameters, model_type, change, convention):
    data = random_data if model_type == "smpl" else random_face_data
    body, whole = BodyModel(replace(data, **change)), BodyModel(data)
    assert (body.keypoint_convention, len(body.convention)) == (convention, body.n_joints)
    values = random_parameters(body, 3)
    joints = body(**values).joints
    torch.testing.assert_close(joints, whole(**values).joints[:, : body.n_joints])
    body(**{name: value.requires_grad_() for name, value in values.items()}).joints.square().sum().backward()
    assert values["body_pose"].grad.any()
    assert set(body.effects(torch.ones(body.n_joints))) == set(body.parameter_shapes())


def test_effects_of_a_body_with_a_contour(face):
    """The keypoints of the face move with jaw and neck, and as far as a small step shows."""
    only_contour = torch.zeros(144)
    only_contour[-17:] = 1
    effects = face.effects(only_contour)
    moved = (face(betas=1e-2 * torch.eye(5)).joints - face().joints)[:, -17:].square().sum((1, 2)).sqrt() / 1e-2
    torch.testing.assert_close(effects["betas"], moved, rtol=0.01, atol=2e-3)


def test_names_of_the_face():
    assert (LANDMARK_NAMES[0], LANDMARK_NAMES[-1]) == ("right_eyebrow_1", "right_lip_3")
    assert (CONTOUR_NAMES[0], CONTOUR_NAMES[8], CONTOUR_NAMES[-1]) == ("right_contour_1", "contour_middle", "left_contour_1")


def test_landmarks_lie_on_their_triangles(face, random_face_data):
    output = face(return_verts=True)
    corners = output.vertices[0].numpy()[random_face_data.landmark_vertices]
    expected = np.einsum("lk,lka->la", random_face_data.landmark_weights, corners)
    np.testing.assert_allclose(output.joints[0, 76:127], expected, atol=1e-5)
