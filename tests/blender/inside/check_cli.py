import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from synthetic import quick_preset, whole_body_track

from blender_smplify import api, cli, compat, overlay
from blender_smplify.core import SAMPLE_TAKE, read_track
from fitting.data.files import write_npz

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def take(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("take") / "walk.npz"
    read_track(SAMPLE_TAKE).frames(0, 12).save(path)
    return path


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("preset") / "quick.json"
    quick_preset().save(path)
    return path


@pytest.fixture(scope="module")
def two_people(tmp_path_factory) -> Path:
    track = read_track(SAMPLE_TAKE).frames(0, 6)
    points = np.stack([track.points, track.points + 1], axis=1)
    path = tmp_path_factory.mktemp("take") / "pair.npz"
    write_npz(path, {"keypoints": points, "names": np.array(track.names), "fps": track.fps, "units": "m", "up_axis": "y"})
    return path


def module(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "blender_smplify", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_a_take_becomes_a_blend_file_a_picture_and_exports(take, quick, tmp_path):
    output = tmp_path / "out.blend"
    exports = [argument for kind in ("bvh", "fbx", "glb", "usd") for argument in ("--export", kind)]
    answer = module(take, "-o", output, "--preset", quick, "--render", tmp_path / "out.png", *exports)
    assert answer.returncode == 0, answer.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.blend", "out.bvh", "out.fbx", "out.glb", "out.png", "out.usd"]
    assert "Units: metres" in answer.stdout
    assert "12 frames at 120 fps, mean residual" in answer.stdout
    assert "Saved: " in answer.stdout
    assert "Fra:" not in answer.stdout
    assert "100%" not in answer.stdout  # progress goes to the other stream

    bpy.ops.wm.open_mainfile(filepath=str(output))
    (armature,) = [item for item in bpy.data.objects if api.METADATA in item]
    assert overlay.read_track(api.keypoints_of(armature)).n_frames == 12
    assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1, 12)
    picture = bpy.data.images.load(str(tmp_path / "out.png"))
    assert tuple(picture.size) == (960, 720)
    pixels = np.array(picture.pixels[:]).reshape(720, 960, 4)[..., :3]
    assert np.ptp(pixels[:, 480], axis=0).max() > 0.2  # the body stands before the ground
    assert pixels.mean() > 0.2


@pytest.mark.parametrize(("model_type", "n_bones", "n_face_curves"), [("smplh", 52, 0), ("smplx", 55, 10)])
def test_a_whole_body_gets_fingers_and_a_face(model_type, n_bones, n_face_curves, tmp_path):
    track = whole_body_track()
    track.save(tmp_path / "whole.npz")
    quick_preset(f"smplify{model_type[-1]}").save(tmp_path / "quick.json")
    output = tmp_path / "whole.blend"
    assert cli.run([str(tmp_path / "whole.npz"), "-o", str(output), "--preset", str(tmp_path / "quick.json"), "--export", "glb"]) == 0
    assert (tmp_path / "whole.glb").is_file()
    bpy.ops.wm.open_mainfile(filepath=str(output))
    (armature,) = [item for item in bpy.data.objects if api.METADATA in item]
    (skin,) = armature.children
    known = api.metadata(armature)
    assert (known["model_type"], known["n_frames"], len(armature.data.bones)) == (model_type, 6, n_bones)
    assert known["mean_residual_mm"] < 60
    assert len(compat.curves_of(skin.data.shape_keys)) == n_face_curves
    bpy.context.scene.frame_set(3)
    finger = np.array(armature.pose.bones["left_middle2"].head)
    assert np.linalg.norm(finger - track.points[2, track.convention.index("left_middle_2")]) < 0.06


def test_bones_may_lie_along_the_limbs(take, quick, tmp_path):
    assert cli.run([str(take), "-o", str(tmp_path / "out.blend"), "--preset", str(quick), "--bones", "anatomical"]) == 0
    (armature,) = [item for item in bpy.data.objects if api.METADATA in item]
    np.testing.assert_allclose(armature.data.bones["left_knee"].tail_local, armature.data.bones["left_ankle"].head_local, atol=1e-5)


def test_all_people_are_fitted_on_request(two_people, quick, tmp_path):
    assert cli.run([str(two_people), "-o", str(tmp_path / "pair.blend"), "--preset", str(quick), "--person", "all"]) == 0
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "pair.blend"))
    assert sorted(item.name for item in bpy.data.objects if api.METADATA in item) == ["pair person 0", "pair person 1"]


def test_one_person_is_fitted_and_the_others_are_mentioned(two_people, quick, tmp_path, capsys):
    assert cli.run([str(two_people), "-o", str(tmp_path / "pair.blend"), "--preset", str(quick), "--person", "1"]) == 0
    assert "--person all" in capsys.readouterr().out
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "pair.blend"))
    assert [item.name for item in bpy.data.objects if api.METADATA in item] == ["pair person 1"]


def test_one_frame_is_fitted_only_as_a_single_pose(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    read_track(SAMPLE_TAKE).frames(0, 1).save("photo.npz")
    assert cli.run(["photo.npz", "--preset", str(quick)]) == 2
    assert "has one frame, expected at least two to make a motion. Add --still" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["photo.npz"]
    assert cli.run(["photo.npz", "--preset", str(quick), "--still"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.blend", "photo.npz"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "give a TAKE, or --sample"),
        (["--sample", "take.trc"], "give a TAKE, or --sample"),
        (["gone.trc"], "There is no file 'gone.trc'"),
        (["--sample", "--preset", "smplfy"], "Did you mean 'smplify'"),
        (["--sample", "--person", "1"], "has 1 person, but person '1' was asked for"),
        (["--sample", "--person", "-1"], "has 1 person"),
        (["--sample", "-o", "take.png"], "does not end with .blend"),
        (["--sample", "-o", "/nowhere/take.blend"], "There is no folder '/nowhere'"),
        (["--sample", "--render", "take.jpg"], "does not end with .png"),
        (["--sample", "--fps", "0"], "fps"),
        (["--sample", "--python", "/nowhere/python"], "There is no file '/nowhere/python'"),
        (["--sample", "--gender", "x"], "invalid choice"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_no_file(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.run(arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_help_is_not_a_mistake(capsys):
    assert cli.run(["--help"], "python -m blender_smplify") == 0
    assert "python -m blender_smplify" in capsys.readouterr().out


def test_a_bug_is_our_fault(monkeypatch, capsys):
    monkeypatch.setattr(cli, "read_tracks", lambda *_, **__: 1 / 0)
    assert cli.run(["--sample"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_interrupted_fit_leaves_no_file(take, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "fit", interrupt)
    assert cli.run([str(take), "-o", str(tmp_path / "out.blend")]) == 130
    assert list(tmp_path.iterdir()) == []


def test_without_bpy_the_module_says_what_to_do():
    program = "import sys, runpy; sys.modules['bpy'] = None; runpy.run_module('blender_smplify', run_name='__main__')"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode != 0
    assert "pip install bpy" in answer.stderr
    assert "Traceback" not in answer.stderr
