import numpy as np
import pytest
import torch

from fitting.body import BodyModel, load_body
from fitting.data.bodies import JOINT_NAMES, KEYPOINT_CONVENTIONS, PARENTS, BodyData
from fitting.data.conventions import get_convention

N_VERTICES, N_SHAPES = 80, 5


def make_random_data(model_type, seed=0):
    """A body of 80 loose vertices with random weights, shapes and pose correctives: every path of the arithmetic, in milliseconds."""
    rng = np.random.default_rng(seed)
    n_joints = len(JOINT_NAMES[model_type])

    def normal(*shape, scale=1.0):
        return (scale * rng.normal(size=shape)).astype(np.float32)

    def shares(*shape):
        parts = rng.random((*shape, 3)) + 0.1
        return (parts / parts.sum(-1, keepdims=True)).astype(np.float32)

    weights = rng.random((N_VERTICES, n_joints)) * (rng.random((N_VERTICES, n_joints)) < 3.6 / n_joints)
    weights += np.eye(n_joints)[rng.integers(0, n_joints, N_VERTICES)]
    regressor = rng.random((n_joints, N_VERTICES))
    surface = get_convention("smpl_45").names[24:]
    face = {}
    if model_type == "smplx":
        face = {
            "expression_dirs": normal(N_VERTICES, 3, 4, scale=0.1),
            "landmark_vertices": rng.integers(0, N_VERTICES, (51, 3)),
            "landmark_weights": shares(51),
            "contour_vertices": rng.integers(0, 20, (79, 17, 3)),
            "contour_weights": shares(79, 17),
        }
    return BodyData(
        model_type=model_type,
        gender="neutral",
        name="random",
        joint_names=JOINT_NAMES[model_type],
        parents=np.array(PARENTS[model_type], np.int64),
        v_template=normal(N_VERTICES, 3),
        shapedirs=normal(N_VERTICES, 3, N_SHAPES, scale=0.1),
        joint_regressor=(regressor / regressor.sum(1, keepdims=True)).astype(np.float32),
        weights=(weights / weights.sum(1, keepdims=True)).astype(np.float32),
        faces=np.arange(3)[None],
        posedirs=normal(N_VERTICES, 3, 9 * (n_joints - 1), scale=0.02),
        keypoint_vertices={name: int(vertex) for name, vertex in zip(surface, rng.permutation(N_VERTICES), strict=False)},
        convention=KEYPOINT_CONVENTIONS[model_type],
        **face,
    )


@pytest.fixture(scope="session")
def random_data():
    """A small random body of the type SMPL."""
    return make_random_data("smpl")


@pytest.fixture(scope="session")
def random_face_data():
    """A small random body of the type SMPL-X, with landmarks on triangles and a contour that depends on the pose."""
    return make_random_data("smplx")


@pytest.fixture(scope="session")
def random_body(random_data):
    return BodyModel(random_data)


@pytest.fixture(scope="session", params=["random", "random face", "default", "smplh", "smplx", "smplx, components"])
def any_body(request, random_body, random_face_data, body):
    """Bodies with and without pose correctives, hands, face, keypoints on triangles and components of hands."""
    if request.param == "random":
        return random_body
    if request.param == "random face":
        return BodyModel(random_face_data)
    if request.param == "default":
        return body
    model_type, _, components = request.param.partition(", ")
    return load_body(model_type=model_type, n_betas=10, n_hand_components=6 if components else None, flat_hand_mean=model_type == "smplh")


@pytest.fixture(scope="session")
def random_parameters():
    def make(body, n_frames, seed=0, shared_betas=False):
        generator = torch.Generator().manual_seed(seed)
        rows = {name: 1 if name == "betas" and shared_betas else n_frames for name in body.parameter_shapes()}
        return {name: torch.randn(rows[name], width, generator=generator) for name, width in body.parameter_shapes().items()}

    return make
