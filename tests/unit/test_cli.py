import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fitting import api
from fitting.cli import main
from fitting.data.bodies import load_default_body
from fitting.data.result import FitResult
from fitting.data.tracks.track import KeypointTrack
from fitting.errors import BodyError
from fitting.progress import Progress

ROOT = Path(__file__).parents[2]
PRESET = {
    "optimizer": {"type": "LBFGS", "max_iter": 5},
    "handlers": [{"handler_key": "keypoints3d_mse", "type": "Keypoint3dMSEHandler", "mse_loss": {"type": "KeypointMSELoss"}}],
    "stages": [{"n_iter": 2, "fit_betas": False, "no_such_weight": 0}, {"n_iter": 3}],
}


@pytest.fixture
def take(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    joints = load_default_body().rest_joints(np.zeros(10))
    track = KeypointTrack(np.stack([joints, joints]), None, "smpl", 25.0, "walk [b]x[/b]", ("Units: metres.",))
    track.save(tmp_path / "walk.npz")
    return track


@pytest.fixture
def asked(monkeypatch):
    """Replaces the fit by one that notes what it was asked."""
    asked = {}

    def fit(track, on_progress, **options):
        asked.update(options, track=track)
        for stage, iteration in ((0, 1), (0, 2), (1, 1)):
            on_progress(Progress(stage, 2, iteration, 3, 10.0 / iteration, {}, 0.5))
        poses = {name: np.zeros((track.n_frames, width), np.float32) for name, width in (("global_orient", 3), ("body_pose", 69))}
        return FitResult(
            params={**poses, "betas": np.zeros((1, 10), np.float32), "transl": track.points[:, 0]},
            joints=track.points,
            residuals=np.full(track.points.shape[:2], 0.0123, np.float32),
            keypoint_names=track.names,
            fps=track.fps,
            body={"name": "default"},
            name=track.name,
            preset=options["preset"].name,
            report=(*track.decisions, "Found: something."),
        )

    monkeypatch.setattr(api, "fit", fit)
    return asked


def test_fit_tells_what_it_does_and_writes_the_result(take, asked, tmp_path, capsys):
    assert main(["fit", "walk.npz"]) == 0
    out, err = capsys.readouterr()
    assert "walk [b]x[/b]: 2 frames at 25 fps (0.1 s), 24 keypoints, 100 % observed" in out
    assert out.count("Units: metres.") == 1
    assert "Found: something." in out
    assert ["left_knee", "12.3"] in [line.split() for line in out.splitlines()]
    assert "mean residual 12.3 mm" in out
    assert out.endswith("Result: walk.fit.npz\n")
    assert err.splitlines() == ["stage 1/2: 2 of 3 iterations, loss 5, 50 %", "stage 2/2: 1 of 3 iterations, loss 10, 50 %"]
    assert FitResult.load(tmp_path / "walk.fit.npz").n_frames == 2
    assert asked["preset"].name == "smplify"
    assert {key: asked[key] for key in ("body", "gender", "device")} == {"body": None, "gender": None, "device": "auto"}


def test_fit_passes_on_every_option(take, asked, tmp_path):
    Path("own.json").write_text(json.dumps(PRESET))
    options = ["--preset", "own.json", "--body", "x.npz", "--gender", "male", "--device", "cuda:1", "--person", "0"]
    readings = ["--fps", "50", "--units", "cm", "--up-axis", "-z", "--convention", "smpl"]
    assert main(["fit", "walk.npz", *options, *readings, "-o", "out.npz", "--report", "deep/report"]) == 0
    assert (asked["preset"].name, asked["body"], asked["gender"], asked["device"]) == ("own", Path("x.npz"), "male", "cuda:1")
    assert asked["track"].fps == 50
    np.testing.assert_allclose(np.ptp(asked["track"].points, axis=(0, 1)).max(), 0.01 * np.ptp(take.points, axis=(0, 1)).max(), rtol=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "out.npz", "own.json", "walk.npz"]
    report = json.loads((tmp_path / "deep" / "report" / "report.json").read_text())
    assert report["mean_residual_mm"] == pytest.approx(12.3)
    assert len((tmp_path / "deep" / "report" / "residuals.csv").read_text().splitlines()) == 3


def test_an_old_result_is_replaced(take, asked, tmp_path):
    Path("walk.fit.npz").write_text("old")
    assert main(["fit", "walk.npz"]) == 0
    assert FitResult.load("walk.fit.npz").n_frames == 2


def test_one_frame_is_fitted_only_as_a_single_pose(take, asked, tmp_path, capsys):
    take.frames(0, 1).save("photo.npz")
    assert main(["fit", "photo.npz"]) == 2
    sentence = "'walk [b]x[/b]' has one frame, expected at least two to make a motion. Add --still to fit it as a single pose."
    assert sentence in capsys.readouterr().err
    assert not Path("photo.fit.npz").exists()
    assert main(["fit", "photo.npz", "--still"]) == 0
    assert FitResult.load("photo.fit.npz").n_frames == 1


def test_the_real_fit(take, capsys):
    Path("own.json").write_text(json.dumps(PRESET))
    assert main(["fit", "walk.npz", "--preset", "own.json", "--device", "cpu"]) == 0
    assert FitResult.load("walk.fit.npz").mean_residual() < 0.02
    assert "stage 2/2" in capsys.readouterr().err


def test_people_are_counted_from_0(tmp_path, asked, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    joints = load_default_body().rest_joints(np.zeros(10))
    points = np.stack([joints, 1.1 * joints])[None].repeat(3, 0)  # (F, people, K, 3)
    np.save("two.npy", points)
    assert main(["fit", "two.npy", "--convention", "smpl", "--fps", "30"]) == 0
    assert "two.npy has 2 people: person 0 is taken. Choose another with --person." in capsys.readouterr().out
    first = asked["track"].points
    assert main(["fit", "two.npy", "--convention", "smpl", "--fps", "30", "--person", "1"]) == 0
    np.testing.assert_allclose(asked["track"].points, 1.1 * first, rtol=1e-5, atol=1e-6)
    assert Path("two.fit.npz").exists()
    assert Path("two.person1.fit.npz").exists()
    for person in ("2", "-1"):
        assert main(["info", "two.npy", "--convention", "smpl"]) == 0
        assert main(["fit", "two.npy", "--convention", "smpl", "--person", person]) == 2
        assert f"'two.npy' has 2 people, but person {person} was asked for. People are counted from 0." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fit", "nothing.trc"], "There is no file 'nothing.trc'. Check the path."),
        (["info", "nothing.trc"], "There is no file 'nothing.trc'. Check the path."),
        (
            ["fit", "walk.npz", "--preset", "smplfy"],
            "There is no preset 'smplfy', neither by that name nor as a file. Did you mean 'smplify'?",
        ),
        (["check", "smplfy"], "There is no preset 'smplfy', neither by that name nor as a file. Did you mean 'smplify'?"),
        (["fit", "walk.npz", "-o", "x.fbx"], "Cannot write 'x.fbx': files of type '.fbx' are not written. Give a name that ends in .npz."),
        (["fit", "walk.npz", "-o", "no/x.npz"], "There is no folder 'no'. Make it, or choose another."),
        (["convert", "walk.npz", "x.trc"], "Cannot write 'x.trc': files of type '.trc' are not written. Give a name that ends in .npz."),
        (["convert", "walk.npz", "x.npz", "--to", "cocoo"], "Did you mean 'coco'?"),
        (["fit"], "Missing argument"),
        (["fit", "walk.npz", "--bdy", "x"], "No such option"),
        (["fit", "walk.npz", "--fps", "fast"], "Invalid value for '--fps'"),
        (["fits"], "No such command"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence_and_exit_code_2(take, tmp_path, capsys, arguments, sentence):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert sentence in err
    assert "Traceback" not in err + out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walk.npz"]


def test_an_error_of_the_fit_is_one_sentence(take, monkeypatch, capsys):
    def fit(*_, **__):
        raise BodyError("The body [1] is wrong.", "Give another.")

    monkeypatch.setattr(api, "fit", fit)
    assert main(["fit", "walk.npz"]) == 2
    assert capsys.readouterr().err == "The body [1] is wrong. Give another.\n"


def test_a_bug_is_exit_code_1_with_a_traceback(take, monkeypatch, capsys):
    monkeypatch.setattr(api, "fit", lambda *_, **__: 1 / 0)
    assert main(["fit", "walk.npz"]) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in err
    assert err.endswith("Unexpected ZeroDivisionError: this is a bug, please report it with the lines above.\n")


def test_ctrl_c_is_exit_code_130(take, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(api, "fit", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    assert main(["fit", "walk.npz"]) == 130
    assert capsys.readouterr().err == "Stopped. Nothing was written.\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walk.npz"]


def test_ctrl_c_from_outside(take, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "fitting", "fit", str(tmp_path / "walk.npz"), "--preset", "xrmocap_smplify"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "2 frames" in process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("Stopped. Nothing was written.\n")


def test_info(take, capsys):
    assert main(["info", "walk.npz"]) == 0
    out = capsys.readouterr().out
    assert "walk [b]x[/b]: 2 frames at 25 fps" in out
    assert "  Units: metres." in out.splitlines()
    assert ["left_hip", "100", "%"] in [line.split() for line in out.splitlines()]


def test_convert(take, capsys):
    assert main(["convert", "walk.npz", "coco.npz", "--to", "coco", "--approximate"]) == 0
    assert "Written: coco.npz" in capsys.readouterr().out
    converted = KeypointTrack.load("coco.npz")
    assert converted.convention.name == "coco"
    knee, coco_knee = take.names.index("left_knee"), converted.names.index("left_knee")
    np.testing.assert_array_equal(converted.points[:, coco_knee], take.points[:, knee])
    assert converted.fps == 25.0


def test_convert_to_a_convention_without_common_keypoints(take, capsys, tmp_path):
    joints = take.points[:, :2]
    KeypointTrack(joints, None, ["left_hip_openpose", "right_hip_openpose"], 25.0, "hips").save("hips.npz")
    assert main(["convert", "hips.npz", "out.npz", "--to", "smpl"]) == 2
    assert "The convention 'smpl' has none of the keypoints" in capsys.readouterr().err
    assert not Path("out.npz").exists()


def test_presets(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["presets"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["preset", "type", "stages", "description"]
    assert ["smplify", "SMPLify", "Body"] in [[row.split()[0], row.split()[1], row.split()[3]] for row in rows[1:]]


def test_check_explains_a_preset_stage_by_stage(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    Path("own.json").write_text(json.dumps(PRESET))
    assert main(["check", "own.json"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[:5] == [
        "own: SMPLify.",
        "  Body: smpl, neutral, one shape for all frames.",
        "  Optimizer: LBFGS (max_iter 5).",
        "  Start: heading, place and limb directions of the keypoints.",
        "",
    ]
    assert lines[5].split() == ["stage", "0", "stage", "1"]
    table = {name: cells for name, *cells in (re.split(r" {2,}", line) for line in lines[6:])}
    assert table["fits"] == ["global_orient, transl, body_pose", "global_orient, transl, body_pose, betas"]
    assert table["iterations, at most"] == ["2", "3"]
    assert table["ends at a change of"] == ["0.0001", "0.0001"]
    assert table["keypoints3d_mse"] == ["1* mean", "1* mean"]
    assert "  * the stage gives no weight: it is that of the loss" in lines
    assert lines[-1].startswith("Warning: stage 0 of the preset 'own': 'no_such_weight' matches no handler; its weight is 0")
    assert err == ""


@pytest.mark.parametrize("config", ["xrmocap_body.py", "mmhuman3d_body.py"])
def test_check_explains_configs_of_others(config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check", str(ROOT / "tests" / "data" / "configs" / config)]) == 0
    out, err = capsys.readouterr()
    assert f"{config.removesuffix('.py')}: SMPLify." in out
    assert out.count("is not there: the fit takes the body that comes with the program") == 1
    assert err == ""


def test_check_does_not_run_a_config(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text("type = 'SMPLify'\nopen('ran', 'w')\n")
    assert main(["check", "own.py"]) == 2
    assert capsys.readouterr().err.startswith("Line 2 of 'own.py' calls a function (open('ran', 'w')). A config is read without being run")
    assert not Path("ran").exists()


def test_check_works_without_pytorch(tmp_path):
    (tmp_path / "own.json").write_text(json.dumps(PRESET))
    program = "import sys; sys.modules['torch'] = None; from fitting.cli import main; sys.exit(main(['check', 'own.json']))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("Arguments of losses and of the optimizer are not checked: this Python has no PyTorch.\nown: SMPLify.")
    assert "ends at a change of" in answer.stdout


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"stages": [{"n_itr": 1}]}, "Stage 0 of the preset 'own' has an unknown key 'n_itr'. Did you mean 'n_iter'?"),
        ({"handlers": [{**PRESET["handlers"][0], "mse_loss": {"type": "KeypointMSELoss", "sigmaa": 1}}]}, "has no argument 'sigmaa'"),
        ({"handlers": [{**PRESET["handlers"][0], "type": "Keypoint3dHandler"}]}, "There is no handler of type 'Keypoint3dHandler'"),
        ({"optimizer": {"type": "LBGFS"}}, "There is no optimizer of type 'LBGFS'. Did you mean 'LBFGS'?"),
        ({"body_model": {"gendr": "male"}}, "body_model has an unknown key 'gendr'"),
        ({"stages": [{"use_shoulder_hip_only": True}]}, "use_shoulder_hip_only needs shoulder_weight and hip_weight"),
    ],
)
def test_check_finds_what_is_wrong_also_inside_losses(tmp_path, monkeypatch, capsys, change, sentence):
    monkeypatch.chdir(tmp_path)
    Path("own.json").write_text(json.dumps(PRESET | change))
    assert main(["check", "own.json"]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["presets"], ["info", "walk.npz"]])
def test_cheap_commands_do_not_load_pytorch(take, arguments):
    program = f"import sys; sys.modules['torch'] = None; from fitting.cli import main; sys.exit(main({arguments!r}))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr


def test_python_m_fitting():
    answer = subprocess.run(
        [sys.executable, "-m", "fitting", "fit", "nothing.trc"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == "There is no file 'nothing.trc'. Check the path.\n"


def test_in_a_terminal_there_is_a_bar(take, asked, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["fit", "walk.npz"]) == 0
    err = capsys.readouterr().err
    assert "stage 2/2, iteration 1/3" in err
    assert "loss 10" in err
