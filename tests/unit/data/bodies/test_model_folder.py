"""Folders of models, laid out as `smplx`, AMASS and the archives of SMPL have them."""

import made_bodies
import pytest
from made_bodies import saved

from fitting.data.bodies import find_models, load_body_data
from fitting.errors import BodyError


@pytest.fixture
def folder(tmp_path):
    for name in (
        "models/smpl/SMPL_NEUTRAL.pkl",
        "models/smpl/SMPL_FEMALE.pkl",
        "models/smplx/SMPLX_NEUTRAL.npz",
        "models/smplx/SMPLX_NEUTRAL.pkl",
        "models/smplx/SMPLX_NEUTRAL_2020.npz",
        "models/smplx/SMPLX_MALE.npz",
        "models/smplh/male/model.npz",
        "models/smplx/version.txt",
        "models/mano/MANO_RIGHT.pkl",
        "python/basicModel_f_lbs_10_207_0_v1.0.0.pkl",
        "python/basicmodel_m_lbs_10_207_0_v1.0.0.pkl",
        "hands/MANO_RIGHT.pkl",
        "amass/smplh/male/model.npz",
        "amass/dmpls/male/model.npz",
        "bare/female/model.npz",
        "hands/smpl_walk.npz",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        model_type = path.relative_to(tmp_path).parts[1]
        if path.suffix == ".txt":
            path.write_text("1.1")
        else:
            arrays = (
                {"eigvec": 1}
                if model_type == "dmpls"
                else made_bodies.body(model_type if model_type in made_bodies.PARENTS else "smpl", 20)
            )
            saved(path, arrays)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "gender", "model_type", "expected"),
    [
        ("models", None, "smpl", "SMPL_NEUTRAL.pkl neutral"),
        ("models", "female", "smpl", "SMPL_FEMALE.pkl female"),
        ("models", None, "smplx", "SMPLX_NEUTRAL.npz neutral"),
        ("models", "male", "smplx", "SMPLX_MALE.npz male"),
        ("models", "male", "smplh", "model.npz male"),
        ("models", None, "smplh", "model.npz male"),
        ("models/smplx", None, None, "SMPLX_NEUTRAL.npz neutral"),
        ("models/smpl", "female", None, "SMPL_FEMALE.pkl female"),
        ("models/smplh", None, None, "model.npz male"),
        ("models/smplh/male", None, None, "model.npz male"),
        ("amass", None, None, "model.npz male"),
        ("bare", None, None, "model.npz female"),
        ("python", "male", None, "basicmodel_m_lbs_10_207_0_v1.0.0.pkl male"),
        ("python", "female", "smpl", "basicModel_f_lbs_10_207_0_v1.0.0.pkl female"),
    ],
)
def test_the_model_that_was_asked_for(folder, path, gender, model_type, expected):
    body = load_body_data(folder / path, gender, model_type)
    assert f"{body.name} {body.gender}" == expected
    assert model_type in (None, body.model_type)


@pytest.mark.parametrize(
    ("path", "gender", "model_type", "sentence"),
    [
        ("models", "neutral", None, "holds models of several types (smpl, smplh, smplx). Say which, or give one file of "),
        ("models", "female", "smplx", "holds no female smplx model; there are "),
        ("python", None, None, "holds no neutral model; there are basicModel_f_lbs_10_207_0_v1.0.0.pkl, basicmodel_m_lbs_"),
        ("models/smpl", None, "smplx", "holds no neutral smplx model; there are SMPL_FEMALE.pkl, SMPL_NEUTRAL.pkl. Choose one of these, "),
        (
            "hands",
            None,
            None,
            "holds no body models; looked for SMPL_NEUTRAL.npz, SMPL_NEUTRAL.pkl, smpl/SMPL_NEUTRAL.pkl, smpl/neutral/model.npz, "
            "basicmodel_*.pkl. Give the path of a model file.",
        ),
        ("hands", "male", "smplx", "holds no body models; looked for SMPLX_MALE.npz, SMPLX_MALE.pkl, smplx/SMPLX_MALE.pkl, "),
    ],
)  # fmt: skip
def test_what_is_not_there(folder, path, gender, model_type, sentence):
    with pytest.raises(BodyError) as raised:
        load_body_data(folder / path, gender, model_type)
    assert str(raised.value).startswith(f"The folder {str(folder / path)!r} {sentence}")


def test_all_models_of_a_folder(folder):
    found = [(model.path.name, model.model_type, model.gender) for model in find_models(folder / "models" / "smplx")]
    assert found == [
        ("SMPLX_MALE.npz", "smplx", "male"),
        ("SMPLX_NEUTRAL.npz", "smplx", "neutral"),
        ("SMPLX_NEUTRAL.pkl", "smplx", "neutral"),
        ("SMPLX_NEUTRAL_2020.npz", "smplx", "neutral"),
    ]
    assert find_models(folder / "hands") == []
