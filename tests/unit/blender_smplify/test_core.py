import numpy as np
import pytest

from blender_smplify import core
from fitting import errors


def result(**body: str) -> core.FitResult:
    described = {"model_type": "smpl", "gender": "female", "name": "default", **body}
    return core.FitResult({}, np.zeros((1, 24, 3), np.float32), np.zeros((1, 0), np.float32), (), 30.0, described)


def test_the_source_tree_uses_the_fitter_beside_it():
    assert not core.VENDORED
    assert core.FittingError is errors.FittingError
    assert core.SAMPLE_TAKE.is_file()


def test_the_default_body_of_a_result_is_found():
    body = core.body_of(result())
    assert (body.name, body.gender, body.n_joints) == ("default", "female", 24)


@pytest.mark.parametrize(("model_type", "n_joints"), [("smpl", 24), ("smplh", 52), ("smplx", 55)])
def test_a_result_has_the_body_of_its_type(model_type, n_joints):
    body = core.body_of(result(model_type=model_type))
    assert (body.model_type, body.n_joints) == (model_type, n_joints)


def test_a_type_that_is_not_known_is_told():
    with pytest.raises(core.BodyError, match="no default body of the type 'mano'"):
        core.body_of(result(model_type="mano"))


@pytest.fixture
def model_file(tmp_path, monkeypatch):
    """A file in a folder of body models; what is read from it is noted and not done."""
    path = tmp_path / "bodies" / "smpl" / "SMPL_FEMALE.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    monkeypatch.setattr(core, "load_body_data", lambda *arguments: arguments)
    return path


def test_the_file_of_a_result_is_read(model_file):
    body = {"name": model_file.name, "path": str(model_file), "model_type": "smplx"}
    assert core.body_of(result(**body)) == (model_file, "female", "smplx")


def test_a_file_that_was_moved_is_looked_for_in_the_folders(model_file, tmp_path):
    moved = result(name=model_file.name, path=f"/old/place/{model_file.name}")
    with pytest.raises(core.BodyError, match=r"'/old/place/SMPL_FEMALE\.npz' is not there any more\. Put it back"):
        core.body_of(moved)
    assert core.body_of(moved, [tmp_path / "gone", tmp_path / "bodies"]) == (model_file, "female", "smpl")


def test_the_metadata_of_a_rig_without_a_path_means_the_default_body():
    assert core.find_body({"model_type": "smplh", "gender": "male", "name": "default", "path": ""}).n_joints == 52


@pytest.mark.parametrize("body", [{"name": "mine.npz"}, {"path": "/nowhere/mine.npz"}])
def test_another_body_is_told_by_name(body):
    with pytest.raises(core.BodyError, match=r"mine\.npz"):
        core.body_of(result(**body))
