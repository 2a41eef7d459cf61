"""What a model file holds is found by its content, and comes out as `BodyData`."""

import made_bodies
import numpy as np
import pytest
import scipy.sparse
from made_bodies import saved

from fitting.data.bodies import JOINT_NAMES, PARENTS, describe_model, is_model, load_body_data
from fitting.data.conventions import get_convention
from fitting.errors import BodyError

FLOAT_KEYS = {"v_template": "v_template", "posedirs": "posedirs", "joint_regressor": "J_regressor", "weights": "weights"}


def whole(model_type, n_vertices, n_betas=10):
    """A body as large as the real ones, without pose correctives."""
    arrays = made_bodies.body(model_type, n_betas, n_vertices, n_correctives=1)
    del arrays["posedirs"]
    return arrays


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("suffix", [".npz", ".pkl"])
@pytest.mark.parametrize("model_type", ["smpl", "smplh", "smplx"])
def test_arrays(tmp_path, model_type, suffix, dtype):
    arrays = made_bodies.body(model_type)
    arrays = {key: array.astype(dtype) if array.dtype == float else array for key, array in arrays.items()}
    body = load_body_data(saved(tmp_path / f"anything{suffix}", arrays))
    assert (body.model_type, body.gender, body.name) == (model_type, "neutral", f"anything{suffix}")
    assert body.joint_names == JOINT_NAMES[model_type]
    assert body.parents.tolist() == list(PARENTS[model_type])
    for field, key in FLOAT_KEYS.items():
        values = getattr(body, field)
        assert values.dtype == np.float32
        assert values.flags["C_CONTIGUOUS"]
        assert values.flags["WRITEABLE"]
        np.testing.assert_array_equal(values, arrays[key].astype(np.float32), err_msg=field)
    np.testing.assert_array_equal(body.shapedirs, arrays["shapedirs"])
    np.testing.assert_array_equal(body.faces, arrays["f"])
    assert body.faces.dtype == np.int64
    assert (body.expression_dirs, body.hand_mean, body.hand_components, body.landmark_vertices) == (None, None, None, None)
    assert not body.keypoint_vertices
    np.testing.assert_allclose(body.joints_template, arrays["J_regressor"] @ arrays["v_template"], atol=1e-6)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_files_of_python_2(unpacked, protocol):
    body = load_body_data(unpacked(f"smpl_protocol{protocol}", "basicModel_f_lbs_10_207_0_v1.0.0.pkl"))
    expected = made_bodies.body()
    assert (body.model_type, body.gender, body.convention) == ("smpl", "female", "smpl")
    for field, key in {**FLOAT_KEYS, "shapedirs": "shapedirs", "faces": "f"}.items():
        np.testing.assert_array_equal(getattr(body, field), expected[key], err_msg=field)


def test_hands(unpacked):
    body = load_body_data(unpacked("smplh"))
    expected = made_bodies.hands()
    assert (body.model_type, body.convention, body.posedirs.shape) == ("smplh", "smplh_52", (12, 3, 459))
    np.testing.assert_array_equal(body.hand_mean, [expected["hands_meanl"], expected["hands_meanr"]])
    np.testing.assert_array_equal(body.hand_components, [expected["hands_componentsl"], expected["hands_componentsr"]])


@pytest.mark.parametrize(
    ("n_columns", "n_betas", "first_expression", "n_expressions"),
    [(10, 10, 0, 0), (20, 10, 10, 10), (16, 10, 10, 6), (310, 300, 300, 10), (400, 300, 300, 100)],
)
def test_columns_of_smplx(tmp_path, n_columns, n_betas, first_expression, n_expressions):
    arrays = made_bodies.body("smplx", n_columns)
    body = load_body_data(saved(tmp_path / "model.npz", arrays))
    assert (body.n_betas, body.n_expressions) == (n_betas, n_expressions)
    np.testing.assert_array_equal(body.shapedirs, arrays["shapedirs"][..., :n_betas])
    if n_expressions:
        expected = arrays["shapedirs"][..., first_expression : first_expression + n_expressions]
        np.testing.assert_array_equal(body.expression_dirs, expected)


@pytest.mark.parametrize("n_betas", [10, 16, 300])
def test_all_betas_of_smpl_are_kept(tmp_path, n_betas):
    body = load_body_data(saved(tmp_path / "model.pkl", made_bodies.body("smpl", n_betas)))
    assert (body.n_betas, body.n_expressions) == (n_betas, 0)
    with pytest.raises(BodyError) as raised:
        body.rest_joints(np.zeros(n_betas + 1))
    assert str(raised.value) == f"{n_betas + 1} betas were given, but the body 'model.pkl' has {n_betas}. Give fewer betas."


@pytest.mark.parametrize("root", [-1, 2**32 - 1])
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_the_root_has_no_parent(tmp_path, root, dtype):
    arrays = made_bodies.body()
    arrays["kintree_table"] = arrays["kintree_table"].astype(dtype)
    arrays["kintree_table"][0, 0] = root
    assert load_body_data(saved(tmp_path / "model.npz", arrays)).parents[0] == -1


def test_pose_correctives_as_smplx_keeps_them_in_memory(tmp_path):
    arrays = made_bodies.body()
    expected = arrays["posedirs"]
    arrays["posedirs"] = expected.reshape(-1, 207).T
    np.testing.assert_array_equal(load_body_data(saved(tmp_path / "model.npz", arrays)).posedirs, expected)


@pytest.mark.parametrize("zeros", [True, False])
def test_no_pose_correctives(tmp_path, zeros):
    arrays = made_bodies.body()
    arrays["posedirs"] *= 0
    if not zeros:
        del arrays["posedirs"]
    path = saved(tmp_path / "model.npz", arrays)
    assert load_body_data(path).posedirs is None
    assert "No pose correctives: bent joints look plainer." in describe_model(path).missing


def test_a_sparse_regressor_becomes_dense(tmp_path):
    arrays = made_bodies.body()
    expected = arrays["J_regressor"]
    arrays["J_regressor"] = scipy.sparse.csc_matrix(expected)
    regressor = load_body_data(saved(tmp_path / "model.pkl", arrays)).joint_regressor
    np.testing.assert_array_equal(regressor, expected)
    assert regressor.dtype == np.float32


@pytest.mark.parametrize(("model_type", "convention"), [("smpl", "smpl_45"), ("smplh", "smplh")])
def test_surface_keypoints_of_the_real_mesh(tmp_path, model_type, convention):
    """The vertices of `smplx` 0.1.28 in the order of its keypoints (vertex_ids.py, vertex_joint_selector.py)."""
    path = saved(tmp_path / "model.npz", whole(model_type, 6890))
    body = load_body_data(path)
    assert body.convention == convention
    names = get_convention(convention).names[body.n_joints :]
    assert [body.keypoint_vertices[name] for name in names] == [
        332, 6260, 2800, 4071, 583, 3216, 3226, 3387, 6617, 6624, 6787,
        2746, 2319, 2445, 2556, 2673, 6191, 5782, 5905, 6016, 6133,
    ]  # fmt: skip


def test_the_face_of_smplx(tmp_path):
    landmarks = made_bodies.landmarks(10475)
    arrays = whole("smplx", 10475, 20) | landmarks | made_bodies.hands()
    path = saved(tmp_path / "model.npz", arrays)
    body = load_body_data(path)
    assert body.convention == "smplx"
    names = get_convention("smplx").names
    assert [body.keypoint_vertices[name] for name in names[55:76]] == [
        9120, 9929, 9448, 616, 6, 5770, 5780, 8846, 8463, 8474, 8635,
        5361, 4933, 5058, 5169, 5286, 8079, 7669, 7794, 7905, 8022,
    ]  # fmt: skip
    assert names[76] == "right_eyebrow_1"
    assert body.landmark_vertices.shape == (51, 3)
    np.testing.assert_array_equal(body.landmark_vertices[7], arrays["f"][landmarks["lmk_faces_idx"][7]])
    np.testing.assert_array_equal(body.landmark_weights[7], [0.5, 0.25, 0.25])
    assert body.contour_vertices.shape == body.contour_weights.shape == (79, 17, 3)
    np.testing.assert_array_equal(body.contour_vertices[40, 3], arrays["f"][landmarks["dynamic_lmk_faces_idx"][40, 3]])
    assert body.landmark_vertices.dtype == body.contour_vertices.dtype == np.int64
    info = describe_model(path)
    assert (info.n_betas, info.n_expressions, info.n_vertices, info.n_joints) == (10, 10, 10475, 55)
    assert (info.has_landmarks, info.has_hand_components, info.has_pose_correctives, info.convention) == (True, True, False, "smplx")
    assert info.missing == ("No pose correctives: bent joints look plainer.",)


@pytest.mark.parametrize("lacking", ["lmk_faces_idx", "dynamic_lmk_bary_coords"])
def test_without_all_landmarks_the_keypoints_are_the_joints(tmp_path, lacking):
    arrays = whole("smplx", 10475, 20) | made_bodies.landmarks(10475)
    del arrays[lacking]
    path = saved(tmp_path / "model.npz", arrays)
    assert load_body_data(path).convention == "smplx_55"
    assert "No landmarks or no contour of the face: the keypoints are the joints." in describe_model(path).missing


@pytest.mark.parametrize(("model_type", "convention"), [("smpl", "smpl"), ("smplh", "smplh_52"), ("smplx", "smplx_55")])
def test_on_another_mesh_the_keypoints_are_the_joints(tmp_path, model_type, convention):
    path = saved(tmp_path / "model.npz", made_bodies.body(model_type, 20) | made_bodies.landmarks())
    body = load_body_data(path)
    assert (body.convention, len(get_convention(body.convention))) == (convention, body.n_joints)
    sentence = "No keypoints on the surface are known for a mesh of 12 vertices: the keypoints are the joints."
    assert sentence in describe_model(path).missing


@pytest.mark.parametrize(
    ("name", "told", "asked", "expected"),
    [
        ("SMPL_MALE.pkl", None, None, "male"),
        ("SMPL_MALE.pkl", None, "female", "female"),
        ("SMPL_MALE.pkl", "female", None, "female"),
        ("SMPL_MALE.pkl", b"F", None, "female"),
        ("SMPL_MALE.pkl", "Neutral", "neutral", "neutral"),
        ("SMPL_MALE.pkl", "unknown", None, "male"),
        ("SMPLX_FEMALE_2020.pkl", None, None, "female"),
        ("basicmodel_m_lbs_10_207_0_v1.1.0.pkl", None, None, "male"),
        ("basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl", None, None, "neutral"),
        ("female/model.npz", None, None, "female"),
        ("model_m.npz", None, None, "neutral"),
        ("m.npz", "male", None, "male"),
    ],
)
def test_gender(tmp_path, name, told, asked, expected):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    arrays = made_bodies.body() | ({} if told is None else {"gender": np.array(told) if path.suffix == ".npz" else told})
    assert load_body_data(saved(path, arrays), gender=asked).gender == expected


def test_a_hand_is_described_but_no_body(unpacked):
    path = unpacked("mano", "MANO_RIGHT.pkl")
    info = describe_model(path)
    assert (info.model_type, info.gender, info.n_joints, info.n_vertices, info.n_betas, info.n_faces) == ("mano", None, 16, 12, 10, 12)
    assert (info.has_hand_components, info.convention) == (True, None)
    with pytest.raises(BodyError) as raised:
        load_body_data(path)
    assert str(raised.value) == (
        "'MANO_RIGHT.pkl' is a model of MANO, a hand, expected a body. Give a file of SMPL-H or SMPL-X, which have hands."
    )


def test_models_are_told_from_takes(tmp_path):
    assert is_model(saved(tmp_path / "model.npz", made_bodies.body()))
    assert is_model(tmp_path / "model.pkl")
    assert is_model(tmp_path)
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "take.npz", keypoints=np.zeros((2, 24, 3)))
    (tmp_path / "page.npz").write_text("<html>")
    for name in ("take.npz", "page.npz", "empty", "none.npz", "take.trc"):
        assert not is_model(tmp_path / name), name
