import bpy
import numpy as np
import pytest
from check_panels import drawn
from conftest import data_counts
from synthetic import loose_body, quick_preset, random_result, random_track, save_body

from blender_smplify import api, bodies, panels, session
from blender_smplify.core import JOINT_NAMES, BodyError, body_of, load_default_body, load_preset


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of body models, as the user has named it."""
    (tmp_path / "bodies" / "smplx").mkdir(parents=True)
    save_body(tmp_path / "bodies" / "SMPL_FEMALE.npz", loose_body())
    save_body(tmp_path / "bodies" / "smplx" / "SMPLX_NEUTRAL.npz", loose_body("smplx"))
    (tmp_path / "bodies" / "readme.txt").write_text("")
    monkeypatch.setenv(bodies.FOLDER_VARIABLE, str(tmp_path / "bodies"))
    bodies.refresh()
    return tmp_path / "bodies"


@pytest.fixture
def keypoints():
    (item,) = api.show_tracks([random_track()], "jump")
    bpy.ops.smplify.select_track(name=item.name)
    return item


def rest_heads(armature: bpy.types.Object) -> list:
    return [armature.data.bones[name].head_local for name in JOINT_NAMES["smpl"]]


def menu() -> list[str]:
    return drawn(bpy.types.Menu.bl_rna_get_subclass_py("SMPLIFY_MT_bodies"))


@pytest.mark.usefixtures("folder")
def test_the_menu_lists_default_bodies_and_files():
    assert menu() == ["[Neutral]", "[Male]", "[Female]", "[SMPL_FEMALE.npz]", "[SMPLX_NEUTRAL.npz]", "[Open...]"]


def test_without_a_folder_the_menu_still_opens_files(monkeypatch):
    monkeypatch.delenv(bodies.FOLDER_VARIABLE, raising=False)
    bodies.refresh()
    assert menu() == ["[Neutral]", "[Male]", "[Female]", "[Open...]"]


def test_a_body_is_chosen_and_shown(folder):
    settings = bpy.context.scene.smplify
    assert bpy.ops.smplify.choose_body_file(filepath=str(folder / "SMPL_FEMALE.npz")) == {"FINISHED"}
    assert bodies.chosen(settings) == str(folder / "SMPL_FEMALE.npz")
    assert "(SMPL_FEMALE.npz)" in drawn(panels.SMPLIFY_PT_fit)
    assert bpy.ops.smplify.choose_body(gender="male") == {"FINISHED"}
    assert (settings.gender, bodies.chosen(settings)) == ("male", None)
    assert "(Male)" in drawn(panels.SMPLIFY_PT_fit)


@pytest.mark.parametrize(("name", "sentence"), [("gone.npz", "gone.npz"), ("readme.txt", "readme.txt")])
def test_a_file_that_is_no_body_is_not_chosen(folder, name, sentence):
    with pytest.raises(RuntimeError, match=sentence):
        bpy.ops.smplify.choose_body_file(filepath=str(folder / name))
    assert bodies.chosen(bpy.context.scene.smplify) is None


def test_the_file_goes_to_the_worker(folder, keypoints, monkeypatch):
    requests = []
    monkeypatch.setattr(session, "fit_now", lambda request: requests.append(request) or random_result(request.track.n_frames))
    settings = bpy.context.scene.smplify
    settings.gender, settings.body_file = "male", str(folder / "SMPL_FEMALE.npz")
    assert bpy.ops.smplify.fit() == {"FINISHED"}
    settings.body_file = ""
    assert bpy.ops.smplify.fit() == {"FINISHED"}
    assert [(request.body, request.gender) for request in requests] == [(str(folder / "SMPL_FEMALE.npz"), None), (None, "male")]


@pytest.mark.usefixtures("keypoints")
def test_a_body_of_another_type_than_the_preset_is_told_before_the_fit(folder, monkeypatch):
    monkeypatch.setattr(session, "client", lambda *_: pytest.fail("the worker is started"))
    bpy.context.scene.smplify.body_file = str(folder / "smplx" / "SMPLX_NEUTRAL.npz")
    before = data_counts()
    sentence = "The body 'SMPLX_NEUTRAL.npz' is of the type 'smplx', but the preset 'smplify' fits 'smpl'. Choose a preset of SMPLifyX"
    with pytest.raises(RuntimeError, match=sentence):
        bpy.ops.smplify.fit()
    assert data_counts() == before


def test_the_type_of_a_file_is_read_once_until_it_changes(folder, monkeypatch):
    path = folder / "SMPL_FEMALE.npz"
    assert bodies.type_of(path) == ("smpl", "female")
    monkeypatch.setattr(bodies, "load_body_data", lambda *_: pytest.fail("the file is read again"))
    bodies.check_fits(load_preset("smplify"), path)


def test_a_folder_of_models_fits_every_preset(folder):
    bodies.check_fits(load_preset("smplifyx"), folder)


def test_a_file_that_was_moved_is_found_in_the_folder(folder):
    result = random_result(gender="female", path=folder / "SMPL_FEMALE.npz")
    armature = api.apply_result(result)
    (folder / "SMPL_FEMALE.npz").rename(folder / "smplx" / "SMPL_FEMALE.npz")
    assert api.metadata(armature)["path"] == str(folder / "SMPL_FEMALE.npz")
    api.skin_of(armature).data.shape_keys.key_blocks["beta_0"].value = 2
    api.update_joints(armature)
    expected = loose_body().rest_joints([2, *result.betas[1:]])
    np.testing.assert_allclose(rest_heads(armature), expected, atol=1e-6)


def test_a_file_that_is_gone_is_told_and_changes_nothing(folder):
    result = random_result(gender="female", path=folder / "SMPL_FEMALE.npz")
    armature = api.apply_result(result)
    bpy.context.view_layer.objects.active = armature
    (folder / "SMPL_FEMALE.npz").unlink()
    before = data_counts()
    with pytest.raises(BodyError, match=r"The body file '.*SMPL_FEMALE\.npz' is not there any more\. Put it back"):
        api.apply_result(result)
    with pytest.raises(RuntimeError, match="is not there any more"):
        bpy.ops.smplify.update_joints()
    assert data_counts() == before


def test_another_body_under_the_same_name_is_not_taken(folder):
    result = random_result(gender="female", path=folder / "SMPL_FEMALE.npz")
    save_body(folder / "SMPL_FEMALE.npz", loose_body("smplx"))
    with pytest.raises(BodyError, match="'smplx', but 'smpl' was asked for"):
        body_of(result)


def test_a_skin_has_as_many_sliders_as_are_used(tmp_path):
    """Files of SMPL-X have 300 shape values and 100 expressions."""
    body = loose_body("smplx")
    wide = {name: np.repeat(getattr(body, name), count, axis=2) for name, count in (("shapedirs", 30), ("expression_dirs", 10))}
    arrays = dict(np.load(_saved(tmp_path, body)))
    arrays["shapedirs"] = np.concatenate([wide["shapedirs"], wide["expression_dirs"]], axis=2)
    np.savez(tmp_path / "wide.npz", **arrays)
    result = random_result(model_type="smplx", path=tmp_path / "wide.npz")
    assert body_of(result).n_betas == 300
    keys = api.skin_of(api.apply_result(result, pose_correctives="OFF")).data.shape_keys.key_blocks
    assert sum(key.name.startswith("beta_") for key in keys) == 16
    assert sum(key.name.startswith("expression_") for key in keys) == 10


def _saved(folder, body):
    save_body(folder / "narrow.npz", body)
    return folder / "narrow.npz"


def test_a_fit_of_a_body_file_comes_back_as_its_rig(tmp_path, keypoints):
    """The whole way through the worker, with a file that is the default body."""
    save_body(tmp_path / "SMPL_MALE.npz", load_default_body("male"))
    bpy.context.scene.smplify.body_file = str(tmp_path / "SMPL_MALE.npz")
    result = api.fit(keypoints, quick_preset(), body=tmp_path / "SMPL_MALE.npz")
    assert (result.body["gender"], result.body["path"]) == ("male", str(tmp_path / "SMPL_MALE.npz"))
    armature = api.apply_result(result)
    np.testing.assert_allclose(rest_heads(armature), load_default_body("male").rest_joints(result.betas), atol=1e-5)
