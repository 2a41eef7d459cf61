"""The default body, judged by its file alone: no other body model is needed."""

import time

import numpy as np
import pytest

from fitting.data.bodies import DEFAULT_BODY_PATH, GENDERS, JOINT_NAMES, PARENTS, load_default_body
from fitting.data.conventions import get_convention
from fitting.errors import BodyError

N_VERTICES, N_BODY_VERTICES, N_QUADS, N_BETAS = 13886, 13380, 13838, 16
TEMPLATE_STATURE = {"neutral": 1.695, "male": 1.760, "female": 1.631}
STATURE_PER_BETA = {"neutral": 0.095, "male": 0.073, "female": 0.066}
PELVIS = (0, -0.25, 0.02)


@pytest.fixture(scope="module")
def file():
    with np.load(DEFAULT_BODY_PATH, allow_pickle=False) as archive:
        return dict(archive)


@pytest.fixture(scope="module", params=GENDERS)
def body(request):
    return load_default_body(request.param)


@pytest.fixture(scope="module")
def neutral():
    return load_default_body()


@pytest.fixture(scope="module")
def mirror(file):
    """(V,) vertex on the other side."""
    half, other = file["half"].astype(int), file["mirror"].astype(int)
    mirror = np.empty(N_VERTICES, int)
    mirror[half], mirror[other] = other, half
    return mirror


def other_side(names):
    swap = {"left": "right", "right": "left"}
    mirrored = ["_".join([swap.get(name.split("_")[0], name.split("_")[0]), *name.split("_")[1:]]) for name in names]
    return [list(names).index(name) for name in mirrored]


def stature(vertices):
    return np.ptp(vertices[:N_BODY_VERTICES, 1])


def volume(body, vertices):
    a, b, c = (vertices[body.faces[:, i]].astype(float) for i in range(3))
    return np.einsum("ti,ti->", a, np.cross(b, c)) / 6


def unit(index, value=1.0):
    betas = np.zeros(N_BETAS)
    betas[index] = value
    return betas


def test_file_is_small():
    assert DEFAULT_BODY_PATH.stat().st_size < 5e6


def test_loads_fast():
    started = time.perf_counter()
    load_default_body("male")
    assert time.perf_counter() - started < 0.3


def test_shapes_and_types(body):
    assert body.v_template.shape == (N_VERTICES, 3)
    assert body.shapedirs.shape == (N_VERTICES, 3, N_BETAS)
    assert body.joint_regressor.shape == (24, N_VERTICES)
    assert body.weights.shape == (N_VERTICES, 24)
    assert body.faces.shape == (2 * N_QUADS, 3)
    assert {array.dtype for array in (body.v_template, body.shapedirs, body.joint_regressor, body.weights)} == {np.dtype(np.float32)}
    assert body.posedirs is None
    assert all(np.isfinite(array).all() for array in (body.v_template, body.shapedirs, body.joint_regressor))


def test_unknown_gender_names_the_nearest():
    with pytest.raises(BodyError, match=r"'femal'.*'female'"):
        load_default_body("femal")


def test_parents_come_first(body):
    assert body.joint_names == JOINT_NAMES["smpl"]
    assert tuple(body.parents) == PARENTS["smpl"]
    assert body.parents[0] == -1
    assert all(0 <= parent < i for i, parent in enumerate(body.parents) if i)


def test_weights_of_the_file(file):
    weights, joints = file["w_val"] / 65535, file["w_idx"]
    assert weights.shape == joints.shape == (len(file["half"]), 4)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=4 / 65535)
    assert joints[weights > 0].max() == 39, "the last joint of the left half is left_thumb3 of SMPL-X"
    assert all(len(set(row[used])) == used.sum() for row, used in zip(joints, weights > 0, strict=True))


def test_weights_are_shares_of_at_most_four_joints(body):
    assert (body.weights >= 0).all()
    np.testing.assert_allclose(body.weights.sum(axis=1), 1, atol=1e-6)
    assert (body.weights > 0).sum(axis=1).max() <= 4
    strongest = dict(zip(body.joint_names, body.weights.max(axis=0), strict=True))
    assert min(strongest.values()) > 0.45, "each joint moves some vertex at least as much as all others do"
    assert sorted(strongest, key=strongest.get)[:2] == ["left_collar", "right_collar"]


def test_regressor_rows_are_means_of_few_vertices(file, neutral):
    rows, values = file["jr_row"], file["jr_val"]
    assert (values > 0).all()
    np.testing.assert_allclose(np.bincount(rows, values), 1, atol=1e-6)
    assert len(np.bincount(rows)) == len(file["joint_names"]) == 57
    assert np.bincount(rows).max() < 100
    np.testing.assert_allclose(neutral.joint_regressor.sum(axis=1), 1, atol=1e-6)


def test_mirror_of_the_file(file):
    half, other = file["half"], file["mirror"]
    assert len(np.union1d(half, other)) == N_VERTICES
    middle = half == other
    assert 2 * len(half) - middle.sum() == N_VERTICES
    for gender in GENDERS:
        assert not file[f"{gender}_v"][middle, 0].any()
        assert not file[f"{gender}_s"][middle, 0].any()
        assert (file[f"{gender}_v"][~middle, 0] > 0).all(), "the half is the left one"


def test_exactly_symmetric(body, mirror):
    flip = np.array([-1, 1, 1], np.float32)
    sides = other_side(body.joint_names)
    np.testing.assert_array_equal(body.v_template[mirror], body.v_template * flip)
    np.testing.assert_array_equal(body.shapedirs[mirror], body.shapedirs * flip[:, None])
    np.testing.assert_array_equal(body.joint_regressor[sides][:, mirror], body.joint_regressor)
    np.testing.assert_allclose(body.weights[mirror][:, sides], body.weights, atol=2 / 65535)
    np.testing.assert_allclose(body.joints_template[sides], body.joints_template * flip, atol=1e-6)


def test_surface_is_symmetric(neutral, mirror):
    def as_set(quads):
        return {frozenset(quad) for quad in quads.tolist()}

    assert as_set(mirror[neutral.quads]) == as_set(neutral.quads)


def test_pelvis_stays_for_all_betas(body):
    pelvis = body.joint_names.index("pelvis")
    np.testing.assert_allclose(body.joints_template[pelvis], PELVIS, atol=2e-5)
    assert np.abs(body.joint_shapedirs[pelvis]).max() < 1e-6


def test_template_stature(body):
    assert stature(body.v_template) == pytest.approx(TEMPLATE_STATURE[body.gender], abs=1e-3)


def test_first_beta_is_height(body):
    taller = stature(body.rest_vertices(unit(0))) - stature(body.v_template)
    assert taller == pytest.approx(STATURE_PER_BETA[body.gender], abs=2e-3)


def test_second_beta_is_weight_at_fixed_height(body):
    heavier = body.rest_vertices(unit(1))
    assert volume(body, heavier) - volume(body, body.v_template) > 0.005  # cubic metres
    assert stature(heavier) == pytest.approx(stature(body.v_template), abs=2e-3)


def test_third_beta_of_the_neutral_body_is_male(neutral):
    """Men have broader shoulders for their hips."""
    shoulder, hip = neutral.joint_names.index("left_shoulder"), neutral.joint_names.index("left_hip")
    ratios = [joints[shoulder, 0] / joints[hip, 0] for joints in (neutral.rest_joints(unit(2, value)) for value in (-2, 0, 2))]
    assert ratios[0] < ratios[1] < ratios[2]


def test_betas_have_an_order(body):
    """After the meaningful ones, the later a beta the less it moves, within the turned ones and within the others."""
    movement = np.sqrt((body.shapedirs**2).sum(axis=1).mean(axis=0))
    assert movement[0] == movement.max()
    assert movement[10:].max() < movement[3:6].min()
    assert (movement > 5e-4).all()


@pytest.mark.parametrize("gender", GENDERS)
def test_volume_of_an_adult(gender):
    body = load_default_body(gender)
    assert 0.05 < volume(body, body.v_template) < 0.085


def test_quads_and_texture_coordinates(file, neutral):
    assert neutral.quads.shape == neutral.uv_quads.shape == (N_QUADS, 4)
    assert neutral.quads.min() == 0
    assert neutral.quads.max() == N_VERTICES - 1
    assert len(np.unique(neutral.quads)) == N_VERTICES, "no loose vertex"
    assert neutral.uv_quads.max() == len(neutral.uv) - 1
    assert neutral.uv.min() >= 0
    assert neutral.uv.max() <= 1
    assert file["uv"].dtype == np.uint16
    areas = np.linalg.norm(
        np.cross(*(neutral.v_template[neutral.faces[:, i]] - neutral.v_template[neutral.faces[:, 0]] for i in (1, 2))), axis=1
    )
    assert (areas > 0).all()


def test_surface_faces_outward(body):
    assert volume(body, body.v_template) > 0


def test_t_pose(body):
    """Arms along x at one height, legs down, all facing +z."""
    joints = dict(zip(body.joint_names, body.joints_template, strict=True))
    arm = np.array([joints[f"left_{name}"] for name in ("shoulder", "elbow", "wrist", "hand")])
    assert (np.diff(arm[:, 0]) > 0.05).all()
    assert np.ptp(arm[:, 1]) < 0.01
    assert np.ptp(arm[:, 2]) < 0.01
    leg = np.array([joints[f"left_{name}"] for name in ("hip", "knee", "ankle")])
    assert (np.diff(leg[:, 1]) < -0.3).all()
    assert np.ptp(leg[:, 0]) < 0.05
    assert joints["left_foot"][2] > joints["left_ankle"][2] + 0.1
    spine = np.array([joints[name] for name in ("pelvis", "spine1", "spine2", "spine3", "neck", "head")])
    assert (np.diff(spine[:, 1]) > 0.05).all()
    np.testing.assert_allclose(spine[:, 0], 0, atol=1e-6)


def winding_numbers(points, triangles):
    """How often the surface goes round each point: 1 inside, 0 outside."""
    a, b, c = (triangles[None, :, i] - points[:, None] for i in range(3))
    la, lb, lc = (np.linalg.norm(side, axis=-1) for side in (a, b, c))
    numerator = np.einsum("pti,pti->pt", a, np.cross(b, c))
    denominator = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return 2 * np.arctan2(numerator, denominator).sum(axis=1) / (4 * np.pi)


@pytest.mark.parametrize("betas", [unit(0, 0), unit(1, -2), unit(1, 2), unit(0, 2)])
def test_joints_are_inside(body, betas):
    on_body = (body.faces < N_BODY_VERTICES).all(axis=1)
    triangles = body.rest_vertices(betas).astype(float)[body.faces[on_body]]
    winding = winding_numbers(body.rest_joints(betas).astype(float), triangles)
    assert (winding > 0.9).all(), [name for name, value in zip(body.joint_names, winding, strict=True) if value <= 0.9]


def test_joints_follow_a_rigid_motion(body):
    rotation = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    moved = body.v_template @ rotation.T + [1, 2, 3]
    np.testing.assert_allclose(body.joint_regressor @ moved, body.joints_template @ rotation.T + [1, 2, 3], atol=1e-5)


def test_keypoints_are_named_for_both_sides(neutral, mirror):
    assert len(neutral.keypoint_vertices) == 21
    for name, vertex in neutral.keypoint_vertices.items():
        if name.startswith("left"):
            assert neutral.keypoint_vertices[name.replace("left", "right")] == mirror[vertex]
            assert neutral.v_template[vertex, 0] > 0.02


def test_nose_and_eyes(body):
    v, key = body.v_template, body.keypoint_vertices
    nose, eye = v[key["nose"]], v[key["left_eye"]]
    face = (np.abs(v[:, 0]) < 1e-4) & (v[:, 1] > body.joints_template[body.joint_names.index("head"), 1] - 0.08)
    assert v[face, 2].max() == nose[2], "the nose is the foremost of the middle of the face"
    assert nose[0] == 0
    assert 0.025 < eye[1] - nose[1] < 0.06
    assert 0.025 < eye[0] < 0.04
    assert 0.01 < nose[2] - eye[2] < 0.05


def test_ears(body):
    ear, nose = (body.v_template[body.keypoint_vertices[name]] for name in ("left_ear", "nose"))
    assert 0.06 < ear[0] < 0.09
    assert abs(ear[1] - nose[1]) < 0.04
    assert 0.08 < nose[2] - ear[2] < 0.15


def test_heels_and_toes(body):
    v, key = body.v_template, body.keypoint_vertices
    floor = v[:N_BODY_VERTICES, 1].min()
    left_foot = (v[:, 0] > 0) & (v[:, 1] < floor + 0.045)
    assert v[key["left_heel"], 2] - v[left_foot, 2].min() < 2e-3, "the heel is the rearmost of the sole"
    assert v[key["left_heel"], 1] < floor + 0.045
    assert v[left_foot, 2].max() - v[key["left_bigtoe"], 2] < 2e-3, "the big toe is the foremost of the foot"
    assert v[key["left_smalltoe"], 0] > v[key["left_bigtoe"], 0] + 0.04
    assert v[key["left_smalltoe"], 1] < floor + 0.045


def test_fingertips(body):
    v, key = body.v_template, body.keypoint_vertices
    tips = {finger: v[key[f"left_{finger}"]] for finger in ("thumb", "index", "middle", "ring", "pinky")}
    assert tips["middle"][0] == pytest.approx(v[:, 0].max(), abs=1e-4)
    assert tips["thumb"][2] > tips["index"][2] > tips["middle"][2] > tips["ring"][2] > tips["pinky"][2], "thumb forward, palm down"
    hand = body.joints_template[body.joint_names.index("left_hand")]
    assert all(0.03 < np.linalg.norm(tip - hand) < 0.13 for tip in tips.values())


def test_hand_components_are_orthonormal(file):
    np.testing.assert_allclose(file["hc"] @ file["hc"].T, np.eye(45), atol=1e-6)
    assert (file["hm"].reshape(15, 3)[:12, 2] < 0).all(), "the four fingers of the left hand curl about -z"


def test_expressions_move_the_face_only(file, neutral):
    offsets = file["e_val"] * file["e_s"]
    assert offsets.shape[1:] == (3, 10)
    assert (np.abs(offsets).max(axis=(0, 1)) > 1.5e-3).all()
    assert neutral.v_template[file["e_idx"], 1].min() > neutral.joints_template[neutral.joint_names.index("neck"), 1]


def test_face_landmarks(file, neutral):
    landmarks = neutral.v_template[file["lmk68"]]
    right = [*range(8), *range(17, 22), *range(36, 42)]
    assert landmarks.shape == (68, 3)
    assert (landmarks[right, 0] < 0).all(), "in the order of dlib, which begins at the body's right"
    assert file["lmk68"][30] == neutral.keypoint_vertices["nose"]
    np.testing.assert_allclose(landmarks[:17][::-1] * [-1, 1, 1], landmarks[:17], atol=1e-6)


@pytest.mark.parametrize(("model_type", "n_joints", "n_keypoints"), [("smpl", 24, 45), ("smplh", 52, 73), ("smplx", 55, 144)])
def test_forms(neutral, model_type, n_joints, n_keypoints):
    """Three skeletons in one skin: body joints and mesh are the same, weights of joints that are missing go to those that carry them."""
    form = load_default_body(model_type=model_type)
    assert (form.model_type, form.n_joints, len(form.keypoint_vertices)) == (model_type, n_joints, n_keypoints - n_joints)
    assert form.joint_names[:22] == neutral.joint_names[:22]
    np.testing.assert_array_equal(form.v_template, neutral.v_template)
    np.testing.assert_array_equal(form.joints_template[:22], neutral.joints_template[:22])
    np.testing.assert_allclose(form.weights.sum(1), 1, atol=1e-6)
    arm = [form.joint_names.index(name) for name in ("left_shoulder", "left_elbow", "left_wrist")]
    np.testing.assert_allclose(form.weights[:, arm], neutral.weights[:, [16, 18, 20]], atol=1e-6)
    sides = other_side(form.joint_names)
    np.testing.assert_allclose(form.joints_template[sides], form.joints_template * [-1, 1, 1], atol=1e-6)
    assert set(get_convention(form.convention).names[n_joints:]) == set(form.keypoint_vertices)


def test_hands_are_mirror_images():
    body = load_default_body(model_type="smplh")
    left, right = body.hand_mean.reshape(2, 15, 3)
    np.testing.assert_array_equal(right, left * [1, -1, -1])
    assert body.hand_components.shape == (2, 45, 45)
    for components in body.hand_components:
        np.testing.assert_allclose(components @ components.T, np.eye(45), atol=1e-5)


def test_expressions_of_smplx():
    body = load_default_body(model_type="smplx")
    moved = np.abs(body.expression_dirs).max((1, 2)) > 0
    assert body.n_expressions == 10
    head = [body.joint_names.index(name) for name in ("neck", "head", "jaw", "left_eye_smplhf", "right_eye_smplhf")]
    assert body.weights[moved][:, head].sum(1).min() > 0.5
    smile = body.v_template + body.expression_dirs[..., 1]
    for side in ("left", "right"):
        corner = body.keypoint_vertices[f"{side}_mouth_1"]
        assert smile[corner, 1] > body.v_template[corner, 1] + 0.001, "a smile lifts the corners of the mouth"
    np.testing.assert_allclose(body.joint_expression_dirs[:22][[0, 12]], 0, atol=1e-6)


def test_landmarks_are_where_a_face_has_them():
    body = load_default_body(model_type="smplx")
    place = {name: body.v_template[vertex] for name, vertex in body.keypoint_vertices.items()}
    assert place["left_eyebrow_3"][1] > place["left_eye_3"][1] > place["nose"][1] > place["mouth_top"][1] > place["contour_middle"][1]
    for name, point in place.items():
        if name.startswith("right_"):
            np.testing.assert_allclose(point * [-1, 1, 1], place["left_" + name.removeprefix("right_")], atol=1e-6)
    assert place["mouth_top"][1] > place["lip_top"][1] > place["lip_bottom"][1] > place["mouth_bottom"][1]


def test_unknown_form():
    with pytest.raises(BodyError, match=r"no default body of the type 'smplxx'. Did you mean 'smplx'"):
        load_default_body(model_type="smplxx")
