"""The default body as a file that unmodified code of the package `smplx` loads."""

import numpy as np
import pytest
import torch

from fitting.body import load_body
from fitting.data.bodies import GENDERS, load_body_data, load_default_body
from fitting.data.bodies.export import LICENCE, N_VALUES, export_body, vertex_order
from fitting.data.bodies.surface_keypoints import SURFACE_KEYPOINTS

METRES = 1e-5
TYPES = ("smpl", "smplh", "smplx")


@pytest.mark.parametrize("gender", GENDERS)
@pytest.mark.parametrize("model_type", TYPES)
def test_smplx_loads_it_from_a_folder(smplx, model_type, gender, tmp_path):
    path = export_body(load_default_body(gender, model_type), tmp_path)
    options = {} if model_type == "smpl" else {"use_pca": False}
    theirs = smplx.create(str(tmp_path), model_type, gender=gender, use_face_contour=True, batch_size=2, **options)
    path.unlink()
    ours = load_body(gender=gender, model_type=model_type, n_betas=N_VALUES)
    generator = torch.Generator().manual_seed(0)
    values = {name: 0.4 * torch.randn(2, width, generator=generator) for name, width in ours.parameter_shapes().items()}
    with torch.no_grad():
        output, expected = ours(**values, return_verts=True), theirs(**values)
    assert expected.joints.shape[1] == {"smpl": 45, "smplh": 73, "smplx": 144}[model_type]
    torch.testing.assert_close(output.joints, expected.joints, atol=METRES, rtol=0)
    torch.testing.assert_close(output.vertices[:, vertex_order(ours.data)], expected.vertices, atol=METRES, rtol=0)


def test_numbers_of_keypoints_are_those_of_smplx(smplx):
    """Theirs are called `leye` or `LBigToe`."""
    for (model_type, _), vertices in SURFACE_KEYPOINTS.items():
        theirs = smplx.vertex_ids.vertex_ids["smplx" if model_type == "smplx" else "smplh"]
        assert len(vertices) == 21
        assert set(vertices.values()) <= set(theirs.values())


@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
@pytest.mark.parametrize("model_type", TYPES)
def test_our_reader_reads_it(model_type, suffix, tmp_path):
    body = load_default_body("female", model_type)
    path = export_body(body, tmp_path / f"mine{suffix}")
    file, order = load_body_data(path), vertex_order(body)
    assert (file.model_type, file.gender, file.posedirs) == (model_type, "female", None)
    np.testing.assert_array_equal(file.v_template, body.v_template[order])
    np.testing.assert_array_equal(file.shapedirs, body.shapedirs[order, :, :N_VALUES])
    np.testing.assert_array_equal(file.v_template[file.faces], body.v_template[body.faces])
    np.testing.assert_array_equal(file.parents, body.parents)
    np.testing.assert_allclose(file.joints_template, body.joints_template, atol=1e-6)
    if model_type != "smpl":
        np.testing.assert_array_equal(file.hand_mean, body.hand_mean)
        np.testing.assert_array_equal(file.hand_components, body.hand_components)
    path.unlink()


def test_the_licence_goes_with_it(tmp_path):
    with np.load(export_body(load_default_body(model_type="smplx"), tmp_path)) as file:
        assert str(file["licence"]) == LICENCE
        assert "CC0 1.0" in LICENCE
