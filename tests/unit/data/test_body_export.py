from dataclasses import replace

import numpy as np
import pytest

from fitting.data.bodies import load_body_data, load_default_body
from fitting.data.bodies.export import export_body, model_arrays, on_triangles, vertex_order
from fitting.data.bodies.surface_keypoints import SURFACE_KEYPOINTS
from fitting.data.conventions import get_convention
from fitting.errors import BodyError

TYPES = {"smpl": 6890, "smplh": 6890, "smplx": 10475}


@pytest.mark.parametrize("model_type", TYPES)
def test_vertices_only_change_places(model_type):
    body = load_default_body(model_type=model_type)
    order, slots = vertex_order(body), SURFACE_KEYPOINTS[model_type, TYPES[model_type]]
    np.testing.assert_array_equal(np.sort(order), np.arange(body.n_vertices))
    assert (order != np.arange(body.n_vertices)).sum() <= 3 * len(slots)
    assert {name: order[slot] for name, slot in slots.items()} == {name: body.keypoint_vertices[name] for name in slots}
    arrays = model_arrays(body)
    np.testing.assert_array_equal(arrays["v_template"][arrays["f"]], body.v_template[body.faces])
    np.testing.assert_allclose(arrays["J_regressor"] @ arrays["v_template"], body.joints_template, atol=1e-6)
    assert not arrays["posedirs"].any()


def test_landmarks_are_on_triangles():
    body = load_default_body(model_type="smplx")
    arrays = model_arrays(body)
    corners = arrays["v_template"][arrays["f"]]
    names = list(body.keypoint_vertices)[-68:]
    expected = body.v_template[[body.keypoint_vertices[name] for name in names]]
    landmarks = (arrays["lmk_bary_coords"][..., None] * corners[arrays["lmk_faces_idx"]]).sum(-2)
    contour = (arrays["dynamic_lmk_bary_coords"][..., None] * corners[arrays["dynamic_lmk_faces_idx"]]).sum(-2)
    np.testing.assert_allclose(landmarks, expected[:51], atol=1e-7)
    np.testing.assert_allclose(contour, np.stack([expected[51:]] * 79), atol=1e-7)


def test_on_triangles_takes_the_order_of_the_corners():
    faces = np.array([[0, 1, 2], [2, 1, 3]])
    triangles, shares = on_triangles(faces, np.array([[3, 2, 1], [1, 0, 0]]), np.array([[0.5, 0.3, 0.2], [0.25, 0.75, 0]], np.float32))
    assert triangles.tolist() == [1, 0]
    np.testing.assert_allclose(shares, [[0.3, 0.2, 0.5], [0.75, 0.25, 0]])
    with pytest.raises(BodyError, match=r"\[0, 3\] of a face landmark share no triangle"):
        on_triangles(faces, np.array([[0, 3, 3]]), np.array([[0.5, 0.5, 0]], np.float32))


def test_pickles_name_numpy_as_all_versions_know_it(tmp_path):
    data = export_body(load_default_body(), tmp_path / "mine.pkl").read_bytes()
    assert data.count(b"cnumpy.core.multiarray\n") == 1
    assert b"numpy._core" not in data


def test_sentences(tmp_path):
    body = load_default_body(model_type="smplx")
    with pytest.raises(BodyError, match=r"Cannot write 'body.fbx': model files end in .pkl or .npz"):
        export_body(body, tmp_path / "body.fbx")
    (tmp_path / "file").write_text("")
    with pytest.raises(BodyError, match="Cannot make the folder"):
        export_body(body, tmp_path / "file" / "SMPLX_NEUTRAL.npz")
    with pytest.raises(BodyError, match="'default' has 9000 vertices, too few for a file of 'smplx'"):
        vertex_order(replace(body, v_template=body.v_template[:9000]))
    with pytest.raises(BodyError, match="no expressions"):
        model_arrays(replace(body, expression_dirs=None))
    with pytest.raises(BodyError, match="no landmarks of the face"):
        model_arrays(replace(body, keypoint_vertices={}))


def test_another_body_has_no_licence_of_ours():
    assert "licence" not in model_arrays(replace(load_default_body(), name="SMPL_NEUTRAL.pkl"))
    assert "licence" in model_arrays(load_default_body())


def test_command(tmp_path, capsys):
    from fitting.cli import main

    assert main(["export-body", str(tmp_path), "--type", "smpl", "--gender", "female"]) == 0
    path = tmp_path / "smpl" / "SMPL_FEMALE.pkl"
    assert "".join(capsys.readouterr().out.split()) == f"Written:{path}(CC0)"
    assert load_body_data(tmp_path).gender == "female"
    path.unlink()
    assert main(["export-body", str(tmp_path), "--type", "smpx"]) == 2
    assert "There is no default body of the type 'smpx'. Did you mean 'smplx'?" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
@pytest.mark.parametrize("model_type", ["smpl", "smplh", "smplx"])
def test_it_is_read_back_with_all_keypoints(tmp_path, model_type, suffix):
    body = load_default_body("female", model_type)
    read = load_body_data(export_body(body, tmp_path / f"body{suffix}"))
    assert (read.model_type, read.gender, read.convention, read.n_betas) == (model_type, "female", body.convention, 10)
    np.testing.assert_allclose(read.joints_template, body.joints_template, atol=1e-6)
    np.testing.assert_allclose(read.joint_shapedirs, body.joint_shapedirs[..., :10], atol=1e-6)
    for name, vertex in read.keypoint_vertices.items():
        np.testing.assert_array_equal(read.v_template[vertex], body.v_template[body.keypoint_vertices[name]])
    if model_type == "smplx":
        names = get_convention("smplx").names[76:127]
        places = (read.v_template[read.landmark_vertices] * read.landmark_weights[..., None]).sum(1)
        np.testing.assert_allclose(places, body.v_template[[body.keypoint_vertices[name] for name in names]], atol=1e-6)
        np.testing.assert_array_equal(read.expression_dirs.shape, (body.n_vertices, 3, 10))
    if model_type != "smpl":
        np.testing.assert_array_equal(read.hand_mean, body.hand_mean)
    assert read.posedirs is None, "zeros are no correctives"
