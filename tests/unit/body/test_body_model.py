import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fitting.body import BodyModel, load_body
from fitting.data.conventions import get_convention
from fitting.errors import BodyError

N_FRAMES = 3
METRES = 2e-5


def rotation(axis_angle):
    """One rotation in double precision, by Rodrigues' formula."""
    angle = np.linalg.norm(axis_angle)
    if angle == 0:
        return np.eye(3)
    x, y, z = axis_angle / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * k @ k


def posed_by_hand(data, values):
    """(V, 3) vertices and (J, 3) joints of one frame: the equations of SMPL, joint by joint, vertex by vertex."""
    transl = values["transl"]
    rotations = [rotation(turn) for turn in values["full_pose"].reshape(-1, 3)]
    vertices = data.v_template + data.shapedirs[..., : len(values["betas"])] @ values["betas"]
    if "expression" in values:
        vertices = vertices + data.expression_dirs @ values["expression"]
    rest = data.joint_regressor.astype(float) @ vertices
    if data.posedirs is not None:
        vertices = vertices + data.posedirs @ np.concatenate([(turn - np.eye(3)).ravel() for turn in rotations[1:]])
    chain = []
    for joint, parent in enumerate(data.parents):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = rest[joint] - (rest[parent] if joint else 0)
        chain.append(chain[parent] @ local if joint else local)
    joints = np.array([matrix[:3, 3] for matrix in chain])
    moves = []
    for joint, matrix in enumerate(chain):
        back = np.eye(4)
        back[:3, 3] = -rest[joint]
        moves.append(matrix @ back)
    blended = np.einsum("vj,jab->vab", data.weights, np.array(moves))
    posed = np.einsum("vab,vb->va", blended, np.c_[vertices, np.ones(len(vertices))])[:, :3]
    return posed + transl, joints + transl


def turned_by_hand(data, full_pose):
    """How far the neck is turned to the right of the world's +z, in whole degrees from -39 to 39."""
    turn, joint = np.eye(3), data.joint_names.index("neck")
    while joint >= 0:
        turn, joint = rotation(full_pose.reshape(-1, 3)[joint]) @ turn, data.parents[joint]
    return round(min(39, max(-39, math.degrees(math.asin(turn[2, 0])))))


def surface_by_hand(body, vertices, full_pose):
    """(E, 3) keypoints behind the joints from all vertices: at a vertex, on the triangle of a landmark, or on the contour."""
    data, points, names = body.data, [], get_convention("smplx").names
    degrees = turned_by_hand(data, full_pose)
    row = degrees if degrees >= 0 else 39 - degrees
    for name in body.convention.names[body.n_joints :]:
        if name in data.keypoint_vertices:
            points.append(vertices[data.keypoint_vertices[name]])
        elif "contour" in name:
            place = names.index(name) - 127
            points.append(data.contour_weights[row, place] @ vertices[data.contour_vertices[row, place]])
        else:
            place = names.index(name) - 76
            points.append(data.landmark_weights[place] @ vertices[data.landmark_vertices[place]])
    return np.array(points)


def one_frame(body, values, frame):
    """The parameters of one frame, and its full pose: the parts in the order of the joints, hands with what belongs to them."""
    rows = {name: value[min(frame, len(value) - 1)].double().numpy() for name, value in values.items()}
    components, mean = body.hand_components, body.pose_mean.double().numpy()
    for side, name in enumerate(("left_hand_pose", "right_hand_pose")):
        if name in rows:
            pose = rows[name] if components is None else rows[name] @ components[side].double().numpy()
            rows[name] = pose + mean[-90:].reshape(2, 45)[side]
    order = ("global_orient", "body_pose", "jaw_pose", "leye_pose", "reye_pose", "left_hand_pose", "right_hand_pose")
    return {**rows, "full_pose": np.concatenate([rows[name] for name in order if name in rows])}


@pytest.mark.parametrize("shared_betas", [False, True])
def test_joints_and_vertices_are_those_of_the_equations(any_body, random_parameters, shared_betas):
    values = random_parameters(any_body, N_FRAMES, shared_betas=shared_betas)
    output = any_body(**values, return_verts=True)
    n_joints = any_body.n_joints
    assert output.joints.shape == (N_FRAMES, {24: 45, 52: 73, 55: 144}[n_joints], 3)
    for frame in range(N_FRAMES):
        one = one_frame(any_body, values, frame)
        vertices, joints = posed_by_hand(any_body.data, one)
        np.testing.assert_allclose(output.joints[frame, :n_joints], joints, atol=METRES)
        np.testing.assert_allclose(output.vertices[frame], vertices, atol=METRES)
        np.testing.assert_allclose(output.joints[frame, n_joints:], surface_by_hand(any_body, vertices, one["full_pose"]), atol=METRES)


def test_vertices_only_where_they_are_asked_for(body):
    assert body().vertices is None
    assert body(return_verts=True).vertices.shape == (1, body.data.n_vertices, 3)


def test_full_pose_is_root_then_body(random_body, random_parameters):
    values = random_parameters(random_body, 2)
    assert torch.equal(random_body(**values).full_pose, torch.cat([values["global_orient"], values["body_pose"]], 1))


def test_what_is_left_out_is_zero(random_body):
    zeros = {name: torch.zeros(1, width) for name, width in random_body.parameter_shapes().items()}
    torch.testing.assert_close(random_body().joints, random_body(**zeros).joints)
    np.testing.assert_allclose(random_body().joints[0, :24], random_body.data.joints_template, atol=1e-6)


@pytest.mark.parametrize("name", ["betas", "body_pose", "global_orient", "transl"])
def test_one_row_serves_all_frames(random_body, random_parameters, name):
    values = random_parameters(random_body, N_FRAMES)
    values[name] = values[name][:1]
    repeated = {**values, name: values[name].expand(N_FRAMES, -1)}
    torch.testing.assert_close(random_body(**values).joints, random_body(**repeated).joints)
    shared, single = (random_body(**parameters, return_verts=True).vertices for parameters in (values, repeated))
    torch.testing.assert_close(shared, single)


def test_the_root_turns_about_the_pelvis(body, random_parameters):
    """The pelvis of each frame lies at `transl` plus the rest pelvis of the shape, whatever the heading."""
    values = random_parameters(body, N_FRAMES)
    rest = np.stack([body.data.rest_joints(betas)[0] for betas in values["betas"].numpy()])
    for global_orient in (values["global_orient"], -3 * values["global_orient"], torch.zeros(N_FRAMES, 3)):
        joints = body(**{**values, "global_orient": global_orient}).joints
        np.testing.assert_allclose(joints[:, 0], values["transl"].numpy() + rest, atol=1e-6)


def test_betas_that_are_not_used_stay_zero(random_data):
    few, many = BodyModel(random_data, 2), BodyModel(random_data)
    betas = torch.tensor([[0.5, -1.0]])
    assert few.parameter_shapes() == {"global_orient": 3, "transl": 3, "body_pose": 69, "betas": 2}
    expected = many(betas=torch.cat([betas, torch.zeros(1, 3)], 1), return_verts=True)
    found = few(betas=betas, return_verts=True)
    torch.testing.assert_close(found.joints, expected.joints)
    torch.testing.assert_close(found.vertices, expected.vertices)


@pytest.mark.parametrize("n_betas", [0, 6, -1])
def test_more_betas_than_there_are(random_data, n_betas):
    with pytest.raises(BodyError, match=rf"num_betas is {n_betas}, but the body 'random' has 5. Ask for 1 to 5."):
        BodyModel(random_data, n_betas)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"betas": (4, 4)}, r"betas has shape \(4, 4\), expected \(4, 5\) for the body 'random'"),
        ({"body_pose": (4, 63)}, r"body_pose has shape \(4, 63\), expected \(4, 69\)"),
        ({"global_orient": (3,)}, r"global_orient has shape \(3,\), expected \(4, 3\)"),
        ({"transl": (2, 3)}, r"transl has shape \(2, 3\), expected \(4, 3\)"),
        ({"body_pose": (4, 23, 3)}, r"body_pose has shape \(4, 23, 3\), expected \(4, 69\)"),
    ],
)
def test_wrong_shapes(random_body, random_parameters, wrong, sentence):
    values = random_parameters(random_body, 4) | {name: torch.zeros(shape) for name, shape in wrong.items()}
    with pytest.raises(BodyError, match=sentence):
        random_body(**values)


def test_parents_that_are_no_tree(random_data):
    with pytest.raises(BodyError, match="no tree"):
        BodyModel(replace(random_data, parents=random_data.parents[::-1]))


def test_hands_are_bent_from_the_relaxed_hand_or_from_flat():
    relaxed, flat = (load_body(model_type="smplx", flat_hand_mean=is_flat) for is_flat in (False, True))
    mean = torch.as_tensor(relaxed.data.hand_mean)
    torch.testing.assert_close(relaxed().joints, flat(left_hand_pose=mean[:1], right_hand_pose=mean[1:]).joints)
    assert (relaxed().joints[0, 66:76] - flat().joints[0, 66:76]).norm(dim=-1).min() > 0.005, "finger tips"


def test_parameters_of_the_other_forms():
    assert load_body(model_type="smplh", n_betas=3).parameter_shapes() == {
        **{"global_orient": 3, "body_pose": 63, "left_hand_pose": 45, "right_hand_pose": 45, "transl": 3, "betas": 3}
    }
    shapes = load_body(model_type="smplx", n_betas=3, n_expressions=4, n_hand_components=6).parameter_shapes()
    assert (shapes["left_hand_pose"], shapes["expression"], shapes["jaw_pose"]) == (6, 4, 3)
    assert "expression" not in load_body(model_type="smplx", n_expressions=0).parameter_shapes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_expressions": 11}, "num_expression_coeffs is 11, but the body 'default' has 10. Ask for 0 to 10."),
        ({"n_hand_components": 46}, "num_pca_comps is 46, but the body 'default' has 45. Ask for 1 to 45."),
    ],
)
def test_more_values_than_there_are(options, sentence):
    with pytest.raises(BodyError) as raised:
        load_body(model_type="smplx", **options)
    assert str(raised.value) == sentence


@pytest.mark.parametrize("name", ["global_orient", "transl", "betas"])
def test_effects_are_how_far_the_keypoints_move(body, name):
    """A small step of one parameter moves the weighted keypoints by about its effect."""
    weights = torch.linspace(0, 1, 45)
    effects = body.effects(weights)[name]
    rest = body().joints
    for column, effect in enumerate(effects.expand(body.parameter_shapes()[name])):
        step = torch.zeros(1, body.parameter_shapes()[name])
        step[0, column] = 1e-3
        moved = (body(**{name: step}).joints - rest).square().sum(-1)
        distance = (moved @ weights).sum().sqrt().item() / 1e-3
        # A turn about an axis moves less than the full lever arm, and every lever has a least length of 5 cm.
        assert distance <= effect * 1.01
        if name != "global_orient":
            assert distance >= effect * 0.95


def test_effects_grow_towards_the_root(body):
    levers = body.effects(torch.ones(45))["body_pose"].reshape(23, 3)[:, 0]
    names = body.data.joint_names[1:]
    hip, knee, ankle = (levers[names.index(f"left_{joint}")] for joint in ("hip", "knee", "ankle"))
    assert hip > knee > ankle > 0


def test_a_body_in_double_precision(random_data, random_parameters):
    """Everything follows the buffers, also what is no buffer: the same holds for devices."""
    single, double = BodyModel(random_data), BodyModel(random_data).double()
    effects = double.effects(torch.ones(45, dtype=torch.float64))
    for name, value in single.effects(torch.ones(45)).items():
        torch.testing.assert_close(effects[name].float(), value)
    values = random_parameters(single, 2)
    output = double(**{name: value.double() for name, value in values.items()}, return_verts=True)
    assert output.joints.dtype == output.vertices.dtype == torch.float64
    torch.testing.assert_close(output.joints.float(), single(**values).joints, atol=METRES, rtol=0)
    torch.testing.assert_close(output.vertices.float(), single(**values, return_verts=True).vertices, atol=METRES, rtol=0)
