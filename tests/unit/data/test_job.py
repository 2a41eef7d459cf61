import json
from pathlib import Path

import numpy as np
import pytest

from fitting.data.job import FitJob
from fitting.data.preset import Preset
from fitting.data.tracks.track import KeypointTrack
from fitting.errors import FittingError, PresetError, TrackError, WorkerError

HANDLER = {"handler_key": "keypoints3d_mse", "type": "Keypoint3dMSEHandler", "mse_loss": {"type": "KeypointMSELoss"}}


def make_track() -> KeypointTrack:
    points = np.random.default_rng(0).normal(size=(5, 3, 3)).astype(np.float32)
    points[1, 2] = np.nan
    return KeypointTrack(points, None, ["left_hip", "right_hip", "head"], 23.976, "walk [1]", ("Units: metres.",))


def make_preset() -> Preset:
    return Preset.from_dict({"handlers": [HANDLER], "stages": [{"n_iter": 7, "fit_betas": False}], "n_epochs": 2}, "mine")


@pytest.fixture
def job(tmp_path) -> FitJob:
    job = FitJob(tmp_path / "jobs" / "first")
    job.write(make_track(), make_preset())
    return job


def test_what_is_written_is_read(job):
    request = job.read()
    np.testing.assert_array_equal(request.track.points, make_track().points)
    np.testing.assert_array_equal(request.track.confidence, make_track().confidence)
    assert request.track.confidence[1, 2] == 0
    assert (request.track.names, request.track.fps) == (("left_hip", "right_hip", "head"), 23.976)
    assert request.track.decisions == ("Units: metres.",)
    assert request.preset == make_preset()
    assert (request.body, request.gender, request.device) == (None, None, "auto")
    assert request.summary() == "walk [1]: 5 frames at 23.976 fps, the default body, preset 'mine', device auto"
    assert sorted(path.name for path in job.folder.iterdir()) == ["input.npz", "request.json"]


def test_a_body_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FitJob("job").write(make_track(), make_preset(), body="bodies/x.npz", gender="male", device="cuda:1")
    monkeypatch.chdir("/")
    request = FitJob(tmp_path / "job").read()
    assert (request.body, request.gender, request.device) == (tmp_path / "bodies" / "x.npz", "male", "cuda:1")
    assert request.summary().endswith("x.npz, preset 'mine', device cuda:1")


def test_a_new_request_removes_the_old_result(job):
    job.result_path.write_bytes(b"old")
    job.write(make_track(), make_preset())
    assert not job.result_path.exists()


def test_the_folder_is_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert FitJob("job").folder == tmp_path / "job"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not valid JSON"),
        ("[" * 50_000, "is not valid JSON"),
        ("[]", "is not a job, expected the format 'smplify-job'"),
        ("{}", "is not a job"),
        ('{"format": "smplify-job", "version": 2}', "has version 2, expected 1"),
        ('{"format": "smplify-job", "version": 1}', "has no valid 'preset'"),
        ('{"format": "smplify-job", "version": 1, "preset": {}}', "has no valid 'preset_name'"),
        (
            '{"format": "smplify-job", "version": 1, "preset": {}, "preset_name": "x", "device": 3}',
            "The job has device = 3, expected a text",
        ),
        (
            '{"format": "smplify-job", "version": 1, "preset": {}, "preset_name": "x", "body": []}',
            r"The job has body = \[\], expected a text",
        ),
    ],
)
def test_a_wrong_request_is_told(job, text, message):
    job.request_path.write_text(text)
    with pytest.raises(WorkerError, match=message):
        job.read()


def test_a_huge_request_is_not_read_whole(job):
    job.request_path.write_text('{"x": "' + "x" * (5 << 20) + '"}')
    with pytest.raises(WorkerError, match="is not valid JSON"):
        job.read()


def test_a_wrong_preset_is_told_by_its_name(job):
    request = json.loads(job.request_path.read_text())
    request["preset"]["stages"][0]["n_itr"] = 3
    job.request_path.write_text(json.dumps(request))
    with pytest.raises(PresetError, match=r"Stage 0 of the preset 'mine' has an unknown key 'n_itr'\. Did you mean 'n_iter'\?"):
        job.read()


def test_missing_files_are_told(job, tmp_path):
    with pytest.raises(WorkerError, match=r"request\.json' cannot be read \(No such file or directory\)\. Start the fit again\."):
        FitJob(tmp_path / "nowhere").read()
    job.input_path.unlink()
    with pytest.raises(TrackError, match=r"There is no file .*input\.npz"):
        job.read()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FittingError, match=r"Cannot write the job folder .*: Not a directory"):
        FitJob(tmp_path / "file" / "job").write(make_track(), make_preset())


def test_no_half_request_is_left(job, monkeypatch):
    before = job.request_path.read_bytes()
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        job.write(make_track(), make_preset(), device="cpu")
    assert job.request_path.read_bytes() == before
    assert sorted(path.name for path in job.folder.iterdir()) == ["input.npz", "request.json"]
