"""What is wrong with a model file is one sentence."""

import gzip
import zipfile

import made_bodies
import numpy as np
import pytest
from made_bodies import saved

from fitting.data.bodies import describe_model, is_model, load_body_data
from fitting.errors import BodyError

KINDS = "Give a .pkl or .npz file of SMPL, SMPL-H or SMPL-X."


def complaint(path, **options):
    with pytest.raises(BodyError) as raised:
        load_body_data(path, **options)
    with pytest.raises(BodyError) as again:
        describe_model(path, **options)
    assert str(again.value) == str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "'SMPL_NEUTRAL.pkl' is empty. Download it again."),
        (
            b"\n<!DOCTYPE html>\n<html><title>Sign in</title>",
            "'SMPL_NEUTRAL.pkl' is a web page, expected a body model. Log in at the download site, and download it again.",
        ),
        (b"cannot be downloaded", f"'SMPL_NEUTRAL.pkl' is a text file, expected a body model. {KINDS}"),
        (b"Please accept the licence first.\r\n", f"'SMPL_NEUTRAL.pkl' is a text file, expected a body model. {KINDS}"),
        (gzip.compress(b"x" * 100), f"'SMPL_NEUTRAL.pkl' is a compressed archive, expected a body model. {KINDS}"),
        (b"\x93NUMPY\x01\x00", f"'SMPL_NEUTRAL.pkl' is a single array, expected a body model. {KINDS}"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            f"'SMPL_NEUTRAL.pkl' is only a pointer of Git LFS to the file, expected a body model. {KINDS}",
        ),
        (bytes(range(256)), f"'SMPL_NEUTRAL.pkl' is a file of an unknown kind, expected a body model. {KINDS}"),
        (
            b"cos\nsystem\n(S'touch canary'\ntR.",
            "'SMPL_NEUTRAL.pkl' asks for os.system, which no model file needs; it was not run. Get the file from its publisher.",
        ),
        (b"\x80\x02]q\x00.", "'SMPL_NEUTRAL.pkl' is a pickle, but not of a dict of arrays. Give a file as its publisher made it."),
        (b"\x80\x02}q\x00.", "'SMPL_NEUTRAL.pkl' holds no body model, but nothing. A model has v_template, shapedirs, "),
        (
            b"PK\x03\x04 and no more",
            "'SMPL_NEUTRAL.pkl' is not a readable .npz file (File is not a zip file). Export or download it again.",
        ),
    ],
)
def test_files_that_are_no_models(tmp_path, content, sentence):
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(content)
    assert complaint(path).startswith(sentence)
    assert len(list(tmp_path.iterdir())) == 1


def test_no_file(tmp_path):
    path = tmp_path / "none.pkl"
    assert complaint(path) == f"There is no body model {str(path)!r}. Check the path, or leave the body out to use the default one."


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_broken_download(unpacked, tmp_path, share):
    path = unpacked("smpl_protocol2", "SMPL_MALE.pkl")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert complaint(path) == (
        "'SMPL_MALE.pkl' is not a readable pickle file (it ends too early). Download it again: it may be incomplete."
    )
    path = saved(tmp_path / "model.npz", made_bodies.body())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert complaint(path) == "'model.npz' is not a readable .npz file (File is not a zip file). Export or download it again."


def test_archives(tmp_path):
    path = tmp_path / "SMPL_python_v.1.1.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "x")
        archive.writestr("smpl/models/basicmodel_m_lbs_10_207_0_v1.1.0.pkl", "x")
    assert complaint(path) == (
        "'SMPL_python_v.1.1.0.zip' is an archive of files (smpl/models/basicmodel_m_lbs_10_207_0_v1.1.0.pkl). "
        "Unpack it, and give the model file in it."
    )
    with zipfile.ZipFile(path, "w"):
        pass
    assert complaint(path) == "'SMPL_python_v.1.1.0.zip' is an empty archive. Download it again."


@pytest.mark.parametrize(("n_joints", "name"), [(5, "FLAME, a head"), (33, "SMAL, an animal"), (35, "SMAL, an animal"), (75, "SUPR")])
def test_relatives_are_named(tmp_path, n_joints, name):
    arrays = made_bodies.body() | {"weights": np.full((12, n_joints), 1 / n_joints)}
    path = saved(tmp_path / "generic_model.pkl", arrays)
    assert complaint(path) == f"'generic_model.pkl' is a model of {name}, which is not supported. Give a file of SMPL, SMPL-H or SMPL-X."


def test_star_has_other_pose_correctives(tmp_path):
    path = saved(tmp_path / "model.npz", made_bodies.body("smpl", n_correctives=93))
    assert complaint(path) == "'model.npz' is a model of STAR, which is not supported. Give a file of SMPL, SMPL-H or SMPL-X."


def test_an_unknown_number_of_joints(tmp_path):
    path = saved(tmp_path / "model.npz", made_bodies.body() | {"weights": np.ones((12, 23))})
    assert complaint(path) == (
        "The weights of 'model.npz' have shape (12, 23): 23 joints, expected one of 24 (smpl), 52 (smplh), 55 (smplx). Give another file."
    )


def test_other_arrays(tmp_path):
    path = saved(tmp_path / "walk.npz", {"poses": np.zeros((5, 156)), "trans": np.zeros((5, 3))})
    assert complaint(path) == "'walk.npz' holds a motion (poses, trans), expected a body model. Give a file of SMPL, SMPL-H or SMPL-X."
    path = saved(tmp_path / "take.npz", {"keypoints": np.zeros((5, 24, 3)), "fps": 30})
    assert complaint(path) == (
        "'take.npz' holds no body model, but 'fps', 'keypoints'. A model has v_template, shapedirs, J_regressor, weights, kintree_table, f."
    )


MIXED = "Its arrays do not belong together: give the file as its publisher made it."


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("v_template", np.zeros((12, 2)), "v_template of 'model.npz' is float64 of shape (12, 2), expected numbers of shape (any, 3)."),
        ("v_template", np.zeros((0, 3)), "v_template of 'model.npz' is float64 of shape (0, 3), expected numbers of shape (any, 3)."),
        ("v_template", np.array("x"), "v_template of 'model.npz' is <U1 of shape (), expected numbers of shape (any, 3)."),
        ("shapedirs", np.zeros((12, 30)), "shapedirs of 'model.npz' is float64 of shape (12, 30), expected numbers of shape (12, 3, any)."),
        ("weights", np.zeros((11, 24)), "weights of 'model.npz' is float64 of shape (11, 24), expected numbers of shape (12, 24)."),
        ("J_regressor", np.zeros((12, 24)), "J_regressor of 'model.npz' is float64 of shape (12, 24), expected numbers of shape (24, 12)."),
        ("posedirs", np.ones((9, 3, 9)), "posedirs of 'model.npz' is float64 of shape (9, 3, 9), expected numbers of shape (12, 3, 207)."),
        ("f", np.zeros((12, 4), int), "f of 'model.npz' is int64 of shape (12, 4), expected numbers of shape (any, 3)."),
        ("f", np.full((5, 3), 12), "f of 'model.npz' has indices from 12 to 12, expected 0 to 11."),
        ("f", np.array([[0, -1, 2]]), "f of 'model.npz' has indices from -1 to 2, expected 0 to 11."),
        ("kintree_table", np.zeros((2, 24)), "The joints of 'model.npz' are not connected as those of smpl."),
        ("kintree_table", np.zeros(24), "kintree_table of 'model.npz' is float64 of shape (24,), expected numbers of shape (2, 24)."),
    ],
)  # fmt: skip
def test_arrays_that_disagree(tmp_path, key, value, sentence):
    assert complaint(saved(tmp_path / "model.npz", made_bodies.body() | {key: value})) == f"{sentence} {MIXED}"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("hands_meanl", np.zeros(12), "hands_meanl of 'model.npz' is float64 of shape (12,), expected numbers of shape (45)."),
        ("lmk_faces_idx", np.full(51, 12), "lmk_faces_idx of 'model.npz' has indices from 12 to 12, expected 0 to 11."),
        ("lmk_bary_coords", np.ones(9), "lmk_bary_coords of 'model.npz' is float64 of shape (9,), expected numbers of shape (51, 3)."),
        (
            "dynamic_lmk_faces_idx",
            np.zeros((79, 16), int),
            "dynamic_lmk_faces_idx of 'model.npz' is int64 of shape (79, 16), expected numbers of shape (79, 17).",
        ),
    ],
)  # fmt: skip
def test_hands_and_faces_that_disagree(tmp_path, key, value, sentence):
    arrays = made_bodies.body("smplx", 20) | made_bodies.hands() | made_bodies.landmarks()
    assert complaint(saved(tmp_path / "model.npz", arrays | {key: value})) == f"{sentence} {MIXED}"


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_none(tmp_path, value):
    arrays = made_bodies.body()
    arrays["shapedirs"][3, 1, 4] = value
    path = saved(tmp_path / "model.npz", arrays)
    assert complaint(path) == "shapedirs of 'model.npz' has values that are not finite. Download the file again."


def test_missing_arrays(tmp_path):
    arrays = made_bodies.body()
    del arrays["f"]
    arrays["J_regressor"] = np.array(None)  # as a sparse matrix is saved
    path = saved(tmp_path / "model.npz", arrays)
    assert complaint(path) == (
        "'model.npz' lacks J_regressor, f. Give the file as its publisher made it: arrays saved as Python objects are not read."
    )


def test_wishes_that_contradict_the_file(tmp_path):
    path = saved(tmp_path / "SMPL_MALE.pkl", made_bodies.body() | {"gender": "male"})
    assert complaint(path, gender="female") == "'SMPL_MALE.pkl' is a male body, but gender = 'female' was asked for. Give another file."
    assert complaint(path, model_type="smplx") == "'SMPL_MALE.pkl' is a model of type 'smpl', but 'smplx' was asked for. Give another file."
    assert complaint(path, gender="femal") == "gender is 'femal', which is not known. Did you mean 'female'?"
    assert complaint(path, model_type="smplxx") == "model_type is 'smplxx', which is not known. Did you mean 'smplx'?"


def test_an_archive_that_wants_a_newer_reader(tmp_path):
    """Python's zip reader has an error of its own for it."""
    np.savez(tmp_path / "SMPL_MALE.npz", **made_bodies.body())
    data = bytearray((tmp_path / "SMPL_MALE.npz").read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 64  # the version that is needed, in the first entry of the directory
    (tmp_path / "SMPL_MALE.npz").write_bytes(data)
    assert not is_model(tmp_path / "SMPL_MALE.npz")
    with pytest.raises(BodyError, match=r"'SMPL_MALE.npz' is not a readable .npz file"):
        load_body_data(tmp_path / "SMPL_MALE.npz")
