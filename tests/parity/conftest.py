"""Bodies for the comparison with the package `smplx`, an optional extra with a non-commercial licence."""

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest

from fitting.data.bodies import load_default_body
from fitting.data.bodies.export import export_body
from fitting.data.conventions import get_convention


@pytest.fixture(scope="session")
def smplx():
    return pytest.importorskip("smplx", reason="the extra 'smplx' (non-commercial licence) is not installed")


@pytest.fixture(scope="session")
def rich_bodies():
    """The default body of each type with what the files of SMPL have more: pose correctives, landmarks on triangles, a contour."""
    return {model_type: make_rich(load_default_body(model_type=model_type)) for model_type in ("smpl", "smplh", "smplx")}


@pytest.fixture(scope="session")
def rich_files(rich_bodies, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rich")
    return {model_type: export_body(data, folder / f"{model_type.upper()}_NEUTRAL.npz") for model_type, data in rich_bodies.items()}


@pytest.fixture(scope="session")
def create(smplx, rich_files):
    """Makes a module of `smplx` from the file of a rich body."""

    def make(model_type, *, layer=False, **options):
        kind = getattr(smplx, model_type.upper() + ("Layer" if layer else ""))
        path = rich_files[model_type]
        with contextlib.redirect_stdout(io.StringIO()):  # it prints how many betas there are
            if model_type == "smpl":  # which smplx reads from a pickle only
                with np.load(path) as file:
                    return kind("", data_struct=smplx.utils.Struct(**file), **options)
            return kind(str(path), ext="npz", **options)

    return make


def make_rich(body):
    rng = np.random.default_rng(0)
    face = {}
    if body.model_type == "smplx":
        names = get_convention("smplx").names
        head = body.faces[body.weights[body.faces, body.joint_names.index("head")].min(1) > 0]
        shares = rng.dirichlet(np.ones(3), (79, 68)).astype(np.float32)
        face = {
            "keypoint_vertices": {name: body.keypoint_vertices[name] for name in names[55:76]},
            "landmark_vertices": head[rng.integers(0, len(head), 51)],
            "landmark_weights": shares[0, :51],
            "contour_vertices": head[rng.integers(0, len(head), (79, 17))],
            "contour_weights": shares[:, 51:],
        }
    body = replace(body, name="rich", **face)
    # Correctives at a few vertices, those of keypoints among them: what is zero takes no room in a file.
    corrected = np.union1d(rng.integers(0, body.n_vertices, 200), list(body.keypoint_vertices.values()))
    if face:
        corrected = np.union1d(corrected, np.union1d(body.landmark_vertices, body.contour_vertices[::20]))
    posedirs = np.zeros((body.n_vertices, 3, 9 * (body.n_joints - 1)), np.float32)
    posedirs[corrected] = rng.normal(scale=2e-3, size=(len(corrected), *posedirs.shape[1:]))
    return replace(body, posedirs=posedirs)
