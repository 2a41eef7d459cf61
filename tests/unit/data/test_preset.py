import copy
import json
import logging
import math
from dataclasses import fields
from pathlib import Path

import pytest

from fitting.data import preset as preset_module
from fitting.data.preset import PRESET_FOLDERS, Preset, check_stage, handler_keys_of, list_presets, load_preset, read_preset
from fitting.errors import PresetError

HANDLERS = [
    {"type": "Keypoint3dMSEHandler", "handler_key": "points", "mse_loss": {"type": "KeypointMSELoss"}},
    {"type": "BetasPriorHandler", "handler_key": "shape", "prior_loss": {"type": "ShapePriorLoss"}},
]
VALUES = {
    "type": "SMPLify",
    "description": "Mine.",
    "body_model": {"gender": "female", "num_betas": 4},
    "optimizer": {"type": "Adam", "lr": 0.1},
    "handlers": HANDLERS,
    "stages": [{"n_iter": 3, "points_weight": 2.5}, {"fit_betas": False, "shape_reduction": "sum"}],
    "n_epochs": 2,
    "use_one_betas_per_video": False,
    "ignore_keypoints": ["nose"],
    "grad_clip": 1.0,
    "start": "zeros",
    "gate_outliers": True,
    "verbose": True,
    "info_level": "step",
}
"""No value is the default of its key."""

CONFIGS = Path(__file__).parents[2] / "data" / "configs"
SHIPPED = {"fast", "smplify", "smplifyh", "smplifyx", "xrmocap_smplify", "xrmocap_smplifyx"}


def mine(**change):
    return Preset.from_dict({**VALUES, **change}, "mine")


def sentence_of(**change):
    with pytest.raises(PresetError) as raised:
        mine(**change)
    return str(raised.value)


def test_round_trip():
    preset = mine()
    assert preset.to_dict() == VALUES
    assert Preset.from_dict(preset.to_dict(), "mine") == preset


def test_values_cover_all_keys():
    assert {item.name for item in fields(Preset)} == {"name", *VALUES}
    defaults = Preset.from_dict({"handlers": HANDLERS, "stages": [{}]}, "mine")
    assert all(getattr(defaults, key) != getattr(mine(), key) for key in VALUES if key not in ("type", "handlers"))


def test_config_of_the_registrant():
    config = mine().registrant_config()
    assert set(config) == set(VALUES) - {"description"}
    assert Preset.from_dict({"handlers": HANDLERS, "stages": [{}]}).registrant_config()["use_one_betas_per_video"] is True


def test_defaults_are_left_out():
    smallest = {"type": "SMPLify", "handlers": HANDLERS, "stages": [{}]}
    assert Preset.from_dict(smallest).to_dict() == smallest


def test_given_values_are_left_unchanged():
    values = copy.deepcopy(VALUES)
    preset = Preset.from_dict(values, "mine")
    preset.to_dict()["stages"][0]["n_iter"] = 99
    assert values == VALUES
    assert preset == mine()


def test_schema_and_name_in_a_file_are_ignored():
    assert mine(**{"$schema": "x", "name": "other"}) == mine()


def test_defaults():
    preset = Preset.from_dict({"handlers": HANDLERS, "stages": [{}]})
    assert (preset.name, preset.type, preset.n_epochs, preset.grad_clip, preset.start) == ("preset", "SMPLify", 1, None, "torso")
    assert (preset.use_one_betas_per_video, preset.verbose, preset.info_level, preset.ignore_keypoints) == (True, False, "stage", ())
    assert preset.gate_outliers is False


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"stage": []}, "The preset 'mine' has an unknown key 'stage'. Did you mean 'stages'?"),
        ({"stages": []}, "The preset 'mine' needs 'stages': a list of at least one {...}. Start from a shipped preset."),
        ({"handlers": {}}, "The preset 'mine' needs 'handlers': a list of at least one {...}."),
        ({"handlers": ["x"]}, "The preset 'mine' needs 'handlers': a list of at least one {...}."),
        ({"stages": None}, "The preset 'mine' needs 'stages': a list of at least one {...}."),
        ({"type": "SMPLfy"}, "The preset 'mine' has the type 'SMPLfy'. Did you mean 'SMPLify'?"),
        ({"type": 5}, "The preset 'mine' has type = 5, expected the name of a registrant. Correct the value."),
        ({"type": {}}, "The preset 'mine' has type = {}, expected the name of a registrant."),
        ({"n_epochs": 0}, "The preset 'mine' has n_epochs = 0, expected a whole number from 1. Correct the value."),
        ({"n_epochs": 1.5}, "The preset 'mine' has n_epochs = 1.5, expected a whole number from 1."),
        ({"n_epochs": True}, "The preset 'mine' has n_epochs = True, expected a whole number from 1."),
        ({"grad_clip": 0}, "The preset 'mine' has grad_clip = 0, expected a number above 0, or null."),
        ({"grad_clip": "1"}, "The preset 'mine' has grad_clip = '1', expected a number above 0, or null."),
        ({"grad_clip": math.nan}, "The preset 'mine' has grad_clip = nan, expected a number above 0, or null."),
        ({"start": "hips"}, "The preset 'mine' has start = 'hips', expected one of torso, limbs, zeros."),
        ({"info_level": 1}, "The preset 'mine' has info_level = 1, expected one of stage, step."),
        ({"use_one_betas_per_video": 1}, "The preset 'mine' has use_one_betas_per_video = 1, expected true or false."),
        ({"description": 5}, "The preset 'mine' has description = 5, expected a text."),
        ({"gate_outliers": 1}, "The preset 'mine' has gate_outliers = 1, expected true or false."),
        ({"gate_outliers": None}, "The preset 'mine' has gate_outliers = None, expected true or false."),
        ({"verbose": "yes"}, "The preset 'mine' has verbose = 'yes', expected true or false."),
        ({"body_model": "SMPL"}, "The preset 'mine' has body_model = 'SMPL', expected {...}."),
        ({"optimizer": None}, "The preset 'mine' has optimizer = None, expected {...}."),
        ({"ignore_keypoints": "nose"}, "The preset 'mine' has ignore_keypoints = 'nose', expected a list of names."),
        ({"ignore_keypoints": [1]}, "The preset 'mine' has ignore_keypoints = (1,), expected a list of names."),
        ({"ignore_keypoints": 5}, "The preset 'mine' has ignore_keypoints = 5, expected a list of names."),
        ({"handlers": [{"type": "X"}]}, "Handler 0 of the preset 'mine' has handler_key = None, expected a name."),
        (
            {"handlers": [HANDLERS[0], {"handler_key": "a"}]},
            "Handler 1 of the preset 'mine' has type = None, expected the name of a handler.",
        ),
        ({"handlers": HANDLERS[:1] * 2}, "Two handlers of the preset 'mine' have the key 'points'. Give each handler a key of its own."),
        ({"stages": [{}, {"n_itr": 3}]}, "Stage 1 of the preset 'mine' has an unknown key 'n_itr'. Did you mean 'n_iter'?"),
    ],
)
def test_sentences(change, sentence):
    assert sentence_of(**change).startswith(sentence)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("n_iter", -1, "a whole number from 0"),
        ("n_iter", 2.0, "a whole number from 0"),
        ("n_iter", True, "a whole number from 0"),
        ("least_noise", 0, "metres above 0"),
        ("max_frames", 0, "a whole number from 1"),
        ("max_frames", 2.5, "a whole number from 1"),
        ("max_frames", True, "a whole number from 1"),
        ("max_frames", None, "a whole number from 1"),
        ("ftol", "small", "a number"),
        ("ftol", math.inf, "a number"),
        ("fit_betas", 1, "true or false"),
        ("use_shoulder_hip_only", None, "true or false"),
        ("points_weight", "1", "a number from 0"),
        ("points_weight", -0.1, "a number from 0"),
        ("points_weight", None, "a number from 0"),
        ("points_weight", math.nan, "a number from 0"),
        ("body_weight", None, "a number from 0"),
        ("foot_weight", -1, "a number from 0"),
        ("shape_reduction", "median", "one of mean, sum, none"),
        ("shape_reduction", None, "one of mean, sum, none"),
    ],
)
def test_wrong_values_in_a_stage(key, value, expected):
    with pytest.raises(PresetError) as raised:
        check_stage({key: value}, ["points", "shape"])
    assert str(raised.value) == f"The stage has {key} = {value!r}, expected {expected}. Correct the value."


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("n_iters", "n_iter"),
        ("max_frame", "max_frames"),
        ("fit_beta", "fit_betas"),
        ("point_weight", "points_weight"),
        ("shape_reducton", "shape_reduction"),
        ("sholder_weight", "shoulder_weight"),
    ],
)
def test_a_misspelt_key_of_a_stage_names_the_nearest(key, nearest):
    with pytest.raises(PresetError) as raised:
        check_stage({key: 1}, ["points", "shape"], where="stage 4")
    assert str(raised.value) == f"Stage 4 has an unknown key {key!r}. Did you mean {nearest!r}?"


def test_right_values_in_a_stage():
    stage = {
        "n_iter": 0,
        "ftol": -1,
        "max_frames": 1,
        "fit_transl": False,
        "points_weight": 0,
        "shape_weight": 1e9,
        "shoulder_weight": None,
        "hip_weight": 2,
    }
    assert check_stage({**stage, "points_reduction": "none", "use_shoulder_hip_only": True}, ["points", "shape"]) == []


def test_a_weight_of_zero_without_a_handler_is_a_warning():
    warnings = ["the stage: 'pose_prior_weight' matches no handler; its weight is 0, so nothing is lost."]
    assert check_stage({"pose_prior_weight": 0.0}, ["points"]) == warnings
    with pytest.raises(PresetError, match="'pose_prior_weight'"):
        check_stage({"pose_prior_weight": 0.1}, ["points"])
    preset = mine(stages=[{}, {"pose_prior_weight": 0}])
    assert preset.warnings() == [
        "stage 1 of the preset 'mine': 'pose_prior_weight' matches no handler; its weight is 0, so nothing is lost."
    ]
    assert mine().warnings() == []


def test_handler_keys():
    assert handler_keys_of(HANDLERS) == ["points", "shape"]


def test_other_stages():
    stages = [{"n_iter": 7}]
    changed = mine().with_stages(stages)
    assert changed.to_dict() == {**VALUES, "stages": stages}
    stages[0]["n_iter"] = 8
    assert changed.stages[0]["n_iter"] == 7
    assert mine().to_dict() == VALUES
    with pytest.raises(PresetError, match=r"Stage 0 of the preset 'mine' has n_iter = 'many'"):
        mine().with_stages([{"n_iter": "many"}])
    with pytest.raises(PresetError, match=r"The preset 'mine' needs at least one stage"):
        mine().with_stages([])


def test_saved_and_loaded(tmp_path):
    mine().save(tmp_path / "mine.json")
    assert load_preset(tmp_path / "mine.json") == mine()
    assert load_preset(str(tmp_path / "mine.json")) == mine()
    assert load_preset("mine", tmp_path) == mine()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


def test_what_is_not_json_is_not_saved(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        mine(optimizer={"type": {1, 2}}).save(tmp_path / "mine.json")
    assert list(tmp_path.iterdir()) == []


def test_list_has_the_shipped_presets():
    assert set(list_presets()) >= SHIPPED
    assert all(path.is_file() for path in list_presets().values())


def test_folders_of_the_user_come_first(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        mine(description=folder.name).save(folder / "mine.json")
    mine(description="of the user").save(second / "smplify.json")
    found = list_presets(first, second)
    assert found["mine"] == first / "mine.json"
    assert found["smplify"] == second / "smplify.json"
    assert set(found) >= {"mine", *SHIPPED}
    assert load_preset("smplify", first, second).description == "of the user"
    assert load_preset("smplify").description != "of the user"


def test_a_missing_folder_has_no_presets(tmp_path):
    assert list_presets(tmp_path / "none") == list_presets()


def test_presets_beside_or_inside_the_package(monkeypatch, tmp_path):
    """A wheel has them inside the package, the source tree and the extension beside it."""
    assert [folder.name for folder in PRESET_FOLDERS] == ["presets", "presets"]
    monkeypatch.setattr(preset_module, "PRESET_FOLDERS", (tmp_path / "inside", tmp_path))
    mine().save(tmp_path / "mine.json")
    assert list_presets() == {"mine": tmp_path / "mine.json"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "The config 'wrong.json' is not valid JSON (Expecting property name enclosed in double quotes"),
        (b"\xff\xfe", "The config 'wrong.json' is not UTF-8 text ('utf-8' codec can't decode"),
        (b"[1]", "The config 'wrong.json' holds a list, expected {...}. Start from a shipped preset."),
        (b"null", "The config 'wrong.json' holds a NoneType, expected {...}."),
        (b"{}", "The preset 'wrong' needs 'handlers': a list of at least one {...}."),
    ],
)
def test_files_that_are_no_presets(tmp_path, content, sentence):
    (tmp_path / "wrong.json").write_bytes(content)
    with pytest.raises(PresetError) as raised:
        load_preset(tmp_path / "wrong.json")
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize(("name", "hint"), [("smplifi", "Did you mean 'smplify'?"), ("no/such.json", "Known: '"), ("", "Known: ")])
def test_a_missing_preset(name, hint):
    with pytest.raises(PresetError) as raised:
        load_preset(name)
    assert str(raised.value).startswith(f"There is no preset {name!r}, neither by that name nor as a file. {hint}")


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_presets(name):
    """They are valid, without a warning; nothing is lost on the way through a file; and their configs build."""
    from fitting import build_handler, build_registrant
    from fitting.body import build_body_model

    preset = load_preset(name)
    assert preset.warnings() == []
    assert preset.description
    written = json.loads(list_presets()[name].read_text(encoding="utf-8"))
    assert Preset.from_dict(preset.to_dict(), name) == preset
    assert all(preset.to_dict().get(key, getattr(preset, key)) == value for key, value in written.items())
    assert [build_handler(handler).handler_key for handler in preset.handlers] == handler_keys_of(preset.handlers)
    assert build_body_model(preset.body_model).n_betas == preset.body_model["num_betas"]
    solver = build_registrant({**preset.registrant_config(), "device": "cpu"}).solver
    assert type(solver).__name__ == ("TorchOptimizer" if name.startswith("xrmocap") else "LevenbergMarquardt")


def test_a_preset_with_a_base(tmp_path):
    mine().save(tmp_path / "mine.json")
    (tmp_path / "other.json").write_text(json.dumps({"_base_": "mine.json", "body_model": {"gender": "male"}, "n_epochs": 7}))
    other = load_preset(tmp_path / "other.json")
    assert other.to_dict() == {**VALUES, "body_model": {"gender": "male", "num_betas": 4}, "n_epochs": 7}
    assert other.name == "other"


def test_a_config_of_xrmocap():
    preset, warnings = read_preset(CONFIGS / "xrmocap_body.py")
    assert (preset.name, preset.type, preset.n_epochs, preset.verbose, preset.info_level) == ("xrmocap_body", "SMPLify", 2, True, "stage")
    assert (preset.grad_clip, preset.use_one_betas_per_video, preset.start) == (1.0, False, "torso")
    assert handler_keys_of(preset.handlers) == ["keypoints3d_mse", "shape_prior", "joint_prior", "pose_prior", "keypoints3d_limb_len"]
    assert [stage["n_iter"] for stage in preset.stages] == [3, 6]
    assert preset.ignore_keypoints == ("left_foot", "right_foot")
    assert [warning.split(" = ")[0] for warning in warnings] == ["model_path", "prior_folder"]
    assert Preset.from_dict(preset.to_dict(), preset.name) == preset


def test_a_config_of_mmhuman3d():
    preset, warnings = read_preset(CONFIGS / "mmhuman3d_body.py")
    assert (preset.n_epochs, preset.grad_clip, preset.use_one_betas_per_video, preset.start) == (3, None, False, "torso")
    assert [stage["n_iter"] for stage in preset.stages] == [4, 6, 8]
    assert preset.optimizer == {"type": "Adam", "lr": 0.01, "betas": [0.9, 0.999]}
    assert len(warnings) == 6
    assert Preset.from_dict(preset.to_dict(), preset.name) == preset


@pytest.mark.parametrize("name", ["xrmocap_body.py", "mmhuman3d_body.py"])
def test_configs_of_others_build(name):
    from fitting import build_registrant

    config = load_preset(CONFIGS / name).to_dict()
    registrant = build_registrant({**config, "device": "cpu"})
    assert [handler.handler_key for handler in registrant.handlers] == handler_keys_of(config["handlers"])


def test_what_a_config_has_beyond_a_preset_is_logged(caplog):
    with caplog.at_level(logging.WARNING, "fitting"):
        preset = load_preset(CONFIGS / "xrmocap_body.py")
    assert preset == read_preset(CONFIGS / "xrmocap_body.py")[0]
    assert [record.getMessage().split(" = ")[0] for record in caplog.records] == [
        "xrmocap_body.py: model_path",
        "xrmocap_body.py: prior_folder",
    ]


SPECIFIED = """
type = 'SMPLify'

verbose = True
info_level = 'step'
logger = None
n_epochs = 1
use_one_betas_per_video = True
ignore_keypoints = ['neck_openpose', 'left_hip_extra']
body_model = dict(type='SMPL', gender='neutral', num_betas=10, keypoint_convention='smpl_45', batch_size=1, logger=logger)

optimizer = dict(type='LBFGS', max_iter=20, lr=1.0, line_search_fn='strong_wolfe')

handlers = [
    dict(
        handler_key='keypoints3d_mse',
        type='Keypoint3dMSEHandler',
        mse_loss=dict(type='KeypointMSELoss', loss_weight=10.0, reduction='sum', sigma=100),
        logger=logger),
]

stages = [
    # stage 0
    dict(n_iter=10, fit_body_pose=False, pose_prior_weight=0.0),  # not in use
    dict(n_iter=30, keypoints3d_mse_weight=10.0, keypoints3d_mse_reduction='sum', use_shoulder_hip_only=False),
]
"""


def test_the_config_of_the_specification(tmp_path):
    (tmp_path / "smplify.py").write_text(SPECIFIED)
    preset, warnings = read_preset(tmp_path / "smplify.py")
    assert warnings == []
    assert (preset.info_level, preset.use_one_betas_per_video, preset.grad_clip) == ("step", True, 1.0)
    assert preset.handlers[0] == {
        "handler_key": "keypoints3d_mse",
        "type": "Keypoint3dMSEHandler",
        "mse_loss": {"type": "KeypointMSELoss", "loss_weight": 10.0, "reduction": "sum", "sigma": 100},
    }
    assert preset.stages[0] == {"n_iter": 10, "fit_body_pose": False, "pose_prior_weight": 0.0}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import os", "Line 1 of 'mine.py' imports something (import os)."),
        ("type = 'SMPLify'", "The preset 'mine' needs 'handlers': a list of at least one {...}."),
        ("type = 'SMPLifyXD'\nhandlers = [dict(type='A', handler_key='a')]\nstages = [{}]", "The preset 'mine' has the type 'SMPLifyXD'."),
        (
            "num_epochs = 1\nkeypoints3d_loss = dict(type='A')\nstages = [dict(num_itr=1)]",
            "Stage 0 of the preset 'mine' has an unknown key",
        ),
        ("handlers = [5]\nstages = [{}]", "The preset 'mine' needs 'handlers'"),
        ("handlers = [dict(type='A', handler_key='a')]\nstages = [{}]\nstage = 1", "The preset 'mine' has an unknown key 'stage'."),
    ],
)
def test_configs_that_are_no_presets(tmp_path, source, sentence):
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(PresetError) as raised:
        load_preset(tmp_path / "mine.py")
    assert str(raised.value).startswith(sentence)
