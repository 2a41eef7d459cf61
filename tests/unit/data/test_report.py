import csv
import json

import numpy as np
import pytest

from fitting.data.report import write_report
from fitting.data.result import FitResult
from fitting.errors import ResultError


def make_result(residuals) -> FitResult:
    residuals = np.asarray(residuals, np.float32)
    return FitResult(
        params={"betas": np.full((1, 2), 0.5, np.float32)},
        joints=np.zeros((len(residuals), 24, 3), np.float32),
        residuals=residuals,
        keypoint_names=("left_knee", 'a "quoted", name', "nose")[: residuals.shape[1]],
        fps=50.0,
        body={"name": "default"},
        name="walk",
        preset="smplify",
        report=("One.", "Two."),
    )


def test_report_and_residuals(tmp_path):
    result = make_result([[0.010, 0.030, np.nan], [0.020, np.nan, np.nan]])
    report_path, residuals_path = write_report(result, tmp_path / "new" / "folder")
    report = json.loads(report_path.read_text())
    assert report["mean_residual_mm"] == pytest.approx(20)
    assert report["mean_residual_main_mm"] == pytest.approx(15)
    assert report["residual_by_keypoint_mm"] == {"left_knee": pytest.approx(15), 'a "quoted", name': pytest.approx(30)}
    assert (report["name"], report["preset"], report["n_frames"], report["fps"]) == ("walk", "smplify", 2, 50.0)
    assert (report["betas"], report["report"], report["body"]) == ([0.5, 0.5], ["One.", "Two."], {"name": "default"})
    with residuals_path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["frame", "time_s", "left_knee_mm", 'a "quoted", name_mm', "nose_mm"],
        ["0", "0", "10.000", "30.000", ""],
        ["1", "0.02", "20.000", "", ""],
    ]


def test_nothing_observed_is_null_not_nan(tmp_path):
    report_path, _ = write_report(make_result([[np.nan]]), tmp_path)
    assert json.loads(report_path.read_text(), parse_constant=pytest.fail)["mean_residual_mm"] is None


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match=r"The folder .* cannot be made"):
        write_report(make_result([[0.0]]), tmp_path / "file" / "report")
