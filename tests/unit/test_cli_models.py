"""Body models on the command line."""

import gzip
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fitting
from fitting.cli import main

MODELS = Path(__file__).parents[1] / "data" / "models"
sys.path.insert(0, str(MODELS))

import made_bodies  # noqa: E402


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def unpack(fixture, name):
    Path(name).write_bytes(gzip.decompress((MODELS / f"{fixture}.pkl.gz").read_bytes()))


def test_a_body(capsys):
    unpack("smpl_protocol2", "SMPL_MALE.pkl")
    assert main(["info", "SMPL_MALE.pkl"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "SMPL_MALE.pkl: SMPL male, 12 vertices, 12 triangles, 24 joints",
        "  Has 10 betas, pose correctives.",
        "  Keypoints: smpl.",
        "  No keypoints on the surface are known for a mesh of 12 vertices: the keypoints are the joints.",
    ]
    assert err == ""


def test_a_body_with_hands_and_face(capsys):
    np.savez("model.npz", **made_bodies.body("smplx", 20), **made_bodies.hands(), **made_bodies.landmarks())
    assert main(["info", "model.npz"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "model.npz: SMPLX neutral, 12 vertices, 12 triangles, 55 joints"
    assert lines[1] == "  Has 10 betas, 10 expressions, pose correctives, components of hand poses, landmarks of the face."


def test_a_hand(capsys):
    unpack("mano", "MANO_RIGHT.pkl")
    assert main(["info", "MANO_RIGHT.pkl"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "MANO_RIGHT.pkl: MANO, 12 vertices, 12 triangles, 16 joints",
        "  Has 10 betas, pose correctives, components of hand poses.",
        "  It is a hand, not a body: it cannot be fitted.",
    ]


def test_a_folder_of_models(capsys):
    Path("smpl").mkdir()
    unpack("smpl_protocol0", "smpl/SMPL_MALE.pkl")
    unpack("smpl_protocol1", "smpl/SMPL_FEMALE.pkl")
    assert main(["info", "smpl"]) == 0
    out = capsys.readouterr().out
    assert "SMPL_MALE.pkl: SMPL male," in out
    assert "SMPL_FEMALE.pkl: SMPL female," in out


def test_what_is_wrong_is_a_sentence(capsys):
    Path("SMPL_MALE.pkl").write_text("<html>")
    assert main(["info", "SMPL_MALE.pkl"]) == 2
    assert capsys.readouterr().err == (
        "'SMPL_MALE.pkl' is a web page, expected a body model. Log in at the download site, and download it again.\n"
    )
    Path("takes").mkdir()
    assert main(["info", "takes"]) == 2
    assert "'takes' is a folder, expected a file of one of the kinds" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the package anny")
def test_a_fit_of_anny_writes_the_person_beside_the_result(capsys):
    """What comes back is a result of a model file, which needs no Anny any more."""
    walk = fitting.read_track(Path(fitting.__file__).parent / "assets" / "walk.npz")
    walk.frames(0, 3).save("walk.npz")
    assert main(["fit", "walk.npz", "--body", "anny", "-o", "walk.fit.npz"]) == 0
    assert "Body: walk.fit.body.npz" in capsys.readouterr().out
    result = fitting.FitResult.load("walk.fit.npz")
    assert (result.body["name"], Path(result.body["path"]).parent) == ("walk.fit.body.npz", Path.cwd())
    body = fitting.load_body(result.body["path"])
    with torch.no_grad():
        posed = body(**{name: torch.tensor(value) for name, value in result.params.items()})
    np.testing.assert_allclose(posed.joints[:, :24], result.joints, atol=1e-4)
