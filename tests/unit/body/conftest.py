import numpy as np
import pytest
import torch

from fitting.body import BodyModel, load_body
from fitting.data.bodies import JOINT_NAMES, PARENTS, BodyData
from fitting.data.conventions import get_convention

N_VERTICES, N_SHAPES = 80, 5


@pytest.fixture(scope="session")
def random_data():
    """A body of 80 loose vertices with random weights, shapes and pose correctives: every path of the arithmetic, in milliseconds."""
    rng = np.random.default_rng(0)

    def normal(*shape, scale=1.0):
        return (scale * rng.normal(size=shape)).astype(np.float32)

    weights = rng.random((N_VERTICES, 24)) * (rng.random((N_VERTICES, 24)) < 0.15) + np.eye(24)[rng.integers(0, 24, N_VERTICES)]
    regressor = rng.random((24, N_VERTICES))
    surface = get_convention("smpl_45").names[24:]
    return BodyData(
        model_type="smpl",
        gender="neutral",
        name="random",
        joint_names=JOINT_NAMES["smpl"],
        parents=np.array(PARENTS["smpl"], np.int64),
        v_template=normal(N_VERTICES, 3),
        shapedirs=normal(N_VERTICES, 3, N_SHAPES, scale=0.1),
        joint_regressor=(regressor / regressor.sum(1, keepdims=True)).astype(np.float32),
        weights=(weights / weights.sum(1, keepdims=True)).astype(np.float32),
        faces=np.arange(3)[None],
        posedirs=normal(N_VERTICES, 3, 9 * 23, scale=0.02),
        keypoint_vertices={name: int(vertex) for name, vertex in zip(surface, rng.permutation(N_VERTICES), strict=False)},
        convention="smpl_45",
    )


@pytest.fixture(scope="session")
def random_body(random_data):
    return BodyModel(random_data)


@pytest.fixture(scope="session", params=["random", "default", "smplh", "smplx", "smplx, components"])
def any_body(request, random_body, body):
    """Bodies with and without pose correctives, hands, face and components of hands."""
    if request.param == "random":
        return random_body
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
