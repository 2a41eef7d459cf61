import pytest
import torch

from fitting.body.kinematics import KinematicTree
from fitting.body.posed_points import CarriedPoints
from fitting.body.skinning import skin
from fitting.rotations import axis_angle_to_matrix

PARENTS = [-1, 0, 0, 1, 3]
N_FRAMES, N_POINTS = 3, 4
WEIGHTS = torch.tensor([[1.0, 0, 0, 0, 0], [0, 0.5, 0, 0.5, 0], [0.2, 0, 0.3, 0, 0.5], [0, 0, 0, 0, 1]], dtype=torch.float64)


POINT, JOINT = torch.nonzero(WEIGHTS, as_tuple=True)
WEIGHT = WEIGHTS[POINT, JOINT]


@pytest.fixture
def pose():
    """Poses joints and points: (F, J + E, 3) from axis-angle, translation, rest joints and rest points."""
    carried = CarriedPoints(POINT, JOINT, WEIGHT, KinematicTree(PARENTS))

    def make(axis_angle, transl, rest_joints, rest_points):
        return carried.pose(axis_angle, transl, rest_joints, (rest_points[:, POINT] * WEIGHT[:, None]).permute(2, 1, 0))

    return make


def values(n_rest, pose_scale=1.0, seed=0):
    """Axis-angle, translation, rest joints and rest points, in double precision."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    axis_angle = pose_scale * normal(N_FRAMES, len(PARENTS), 3)
    return [axis_angle, normal(N_FRAMES, 3), normal(n_rest, len(PARENTS), 3), normal(n_rest, N_POINTS, 3)]


def by_tree_and_skinning(axis_angle, transl, rest_joints, rest_points):
    world, joints = KinematicTree(PARENTS).pose(axis_angle_to_matrix(axis_angle), rest_joints)
    return torch.cat([joints, skin(rest_points, WEIGHTS, world, rest_joints, joints)], 1) + transl[:, None]


@pytest.mark.parametrize("n_rest", [1, N_FRAMES], ids=["one shape", "a shape for each frame"])
@pytest.mark.parametrize("pose_scale", [1.0, 1e-5, 0.0])
def test_points_are_those_of_tree_and_skinning(pose, n_rest, pose_scale):
    arguments = values(n_rest, pose_scale)
    torch.testing.assert_close(pose(*arguments), by_tree_and_skinning(*arguments), atol=1e-12, rtol=0)


@pytest.mark.parametrize("n_rest", [1, N_FRAMES], ids=["one shape", "a shape for each frame"])
@pytest.mark.parametrize("pose_scale", [1.0, 3.0, 1e-3])
def test_gradient_against_finite_differences(pose, n_rest, pose_scale):
    arguments = [value.requires_grad_() for value in values(n_rest, pose_scale)]
    assert torch.autograd.gradcheck(pose, arguments)


@pytest.mark.parametrize("n_rest", [1, N_FRAMES], ids=["one shape", "a shape for each frame"])
@pytest.mark.parametrize("pose_scale", [0.0, 1e-9, 1e-5, 1e-2, 1.0, 6.0])
def test_gradient_against_autograd(pose, n_rest, pose_scale):
    """Also in the T-pose, where a derivative of the angle would divide by zero."""
    pull = torch.randn(N_FRAMES, len(PARENTS) + N_POINTS, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    gradients = []
    for function in (pose, by_tree_and_skinning):
        arguments = [value.requires_grad_() for value in values(n_rest, pose_scale)]
        gradients.append(torch.autograd.grad((function(*arguments) * pull).sum(), arguments))
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("wanted", range(4))
def test_gradient_of_one_argument_alone(pose, wanted):
    arguments = values(1)
    arguments[wanted].requires_grad_()
    pose(*arguments).square().sum().backward()
    (expected,) = torch.autograd.grad(by_tree_and_skinning(*arguments).square().sum(), arguments[wanted])
    torch.testing.assert_close(arguments[wanted].grad, expected, atol=1e-9, rtol=1e-9)


def test_weights_that_change_from_frame_to_frame():
    """Each frame is posed, and has the gradient, as if its weights were those of all frames."""
    tree, (axis_angle, transl, rest_joints, _) = KinematicTree(PARENTS), values(1)
    generator = torch.Generator().manual_seed(3)
    weight = torch.rand(len(POINT), N_FRAMES, generator=generator, dtype=torch.float64)
    weight = weight / torch.zeros(N_POINTS, N_FRAMES, dtype=torch.float64).index_add(0, POINT, weight)[POINT]
    levers = torch.randn(3, len(POINT), N_FRAMES, generator=generator, dtype=torch.float64)
    arguments = [value.requires_grad_() for value in (axis_angle, transl, rest_joints, levers)]
    together = CarriedPoints(POINT, JOINT, WEIGHT, tree).pose(*arguments, weight)
    singles = [
        CarriedPoints(POINT, JOINT, weight[:, f], tree).pose(axis_angle[f : f + 1], transl[f : f + 1], rest_joints, levers[..., f : f + 1])
        for f in range(N_FRAMES)
    ]
    torch.testing.assert_close(together, torch.cat(singles), atol=1e-12, rtol=0)
    found, expected = (torch.autograd.grad(points.square().sum(), arguments) for points in (together, torch.cat(singles)))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("shared_betas", [True, False])
def test_gradient_through_the_whole_body(random_body, random_parameters, shared_betas):
    """Betas, pose correctives and pose together, float32 against the mesh that autograd walks through."""
    surface = [random_body.data.keypoint_vertices[name] for name in random_body.convention.names[24:]]
    gradients = []
    for of_mesh in (False, True):
        parameters = random_parameters(random_body, 2, shared_betas=shared_betas)
        parameters = {name: (0.5 * value).requires_grad_() for name, value in parameters.items()}
        output = random_body(**parameters, return_verts=of_mesh)
        points = output.vertices[:, surface] if of_mesh else output.joints[:, 24:]
        points.square().sum().backward()
        gradients.append({name: value.grad for name, value in parameters.items()})
    for name, found in gradients[0].items():
        assert found.shape == gradients[1][name].shape
        torch.testing.assert_close(found, gradients[1][name], atol=2e-3, rtol=1e-3)
