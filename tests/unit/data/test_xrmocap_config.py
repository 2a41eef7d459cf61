import math
from pathlib import Path

import pytest

from fitting.data.config_file import load_config
from fitting.data.xrmocap_config import from_xrmocap

CONFIGS = Path(__file__).parents[2] / "data" / "configs"


def test_a_whole_config():
    values = load_config(CONFIGS / "xrmocap_body.py")
    config, warnings = from_xrmocap(values)
    assert config["body_model"] == {
        "type": "SMPL",
        "gender": "female",
        "num_betas": 10,
        "keypoint_convention": "smpl_45",
        "batch_size": 1,
    }
    assert config["handlers"][3] == {
        "handler_key": "pose_prior",
        "type": "BodyPosePriorHandler",
        "prior_loss": {"type": "MaxMixturePriorLoss", "num_gaussians": 8, "loss_weight": 4.78**2, "reduction": "sum"},
    }
    assert config["ignore_keypoints"] == ["left_foot", "right_foot"]
    assert (config["grad_clip"], config["use_one_betas_per_video"], config["info_level"]) == (1.0, False, "stage")
    assert "hooks" not in config
    assert "logger" not in config
    assert warnings == [
        "model_path = 'no_such_folder/smpl' is not there: "
        "the fit takes the body that comes with the program, or the one given with --body.",
        "prior_folder = 'no_such_folder' is not there: the fit takes the pose prior that comes with the program.",
    ]
    assert values == load_config(CONFIGS / "xrmocap_body.py")


def test_what_belongs_to_a_run_is_dropped_and_named():
    handler = {"handler_key": "a", "logger": "mine", "device": "cuda"}
    config, warnings = from_xrmocap({"device": "cuda", "logger": None, "handlers": [handler], "hooks": [{"type": "Own"}, "other"]})
    assert config["handlers"] == [{"handler_key": "a"}]
    assert warnings == [
        "The hook 'Own' is not used: presets have no hooks.",
        "The hook 'other' is not used: presets have no hooks.",
        "device = 'cuda' is not used: it is chosen for each fit.",
        "logger = 'mine' is not used: it is chosen for each fit.",
    ]


def test_folders_that_are_there_are_kept_for_a_worker_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smpl").mkdir()
    config, warnings = from_xrmocap({"body_model": {"model_path": "smpl"}, "handlers": [{"prior_loss": {"prior_folder": "smpl"}}]})
    assert config["body_model"]["model_path"] == str(tmp_path / "smpl")
    assert config["handlers"][0]["prior_loss"]["prior_folder"] == str(tmp_path / "smpl")
    assert warnings == []


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"grad_clip": 3.0}, {"grad_clip": 3.0}),
        ({"grad_clip": math.inf}, {"grad_clip": None}),
        ({"use_one_betas_per_video": True}, {"use_one_betas_per_video": True}),
        ({"info_level": "stage"}, {"info_level": "stage"}),
        ({"ignore_keypoints": None}, {}),
        ({"optimizer": {"betas": (0.9, 0.99)}}, {"optimizer": {"betas": [0.9, 0.99]}}),
        ({"ignore_keypoints": {"b", "a"}}, {"ignore_keypoints": ["a", "b"]}),
    ],
)
def test_values(given, taken):
    defaults = {"grad_clip": 1.0, "use_one_betas_per_video": False, "info_level": "step"}
    assert from_xrmocap(given) == ({**defaults, **taken}, [])


def test_of_an_estimator_its_smplify_is_taken():
    smplify = {"type": "SMPLify", "handlers": [1], "stages": [2]}
    config, warnings = from_xrmocap({"type": "MultiViewSinglePersonSMPLEstimator", "logger": None, "smplify": smplify})
    assert (config["type"], config["handlers"], config["stages"]) == ("SMPLify", [1], [2])
    assert warnings == ["Of this config of a MultiViewSinglePersonSMPLEstimator only 'smplify' is used."]
