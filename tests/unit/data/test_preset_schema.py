"""The schema that editors use and the code that reads presets say the same."""

import json
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import build_addon
from fitting.data import preset as preset_module
from fitting.data.parameters import PARAMETERS
from fitting.data.preset import PART_WEIGHTS, Preset, check_stage, list_presets
from fitting.errors import PresetError

PATH = Path(preset_module.__file__).with_name("preset.schema.json")
SCHEMA = json.loads(PATH.read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
DEFINITIONS = SCHEMA["$defs"]
HANDLER = {"type": "BetasPriorHandler", "handler_key": "shape", "prior_loss": {"type": "ShapePriorLoss"}}
VALUES = {"handlers": [HANDLER], "stages": [{}]}
EVERY_PARAMETER = {parameter for parameters in PARAMETERS.values() for parameter in parameters}


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", list_presets().values(), ids=lambda path: path.stem)
def test_shipped_presets(path):
    assert list(VALIDATOR.iter_errors(json.loads(path.read_text(encoding="utf-8")))) == []


def test_keys_of_a_preset():
    keys = {item.name for item in fields(Preset)}
    assert set(SCHEMA["properties"]) == keys | {"$schema", "_base_"}


def test_defaults_of_a_preset():
    for item in fields(Preset):
        schema = SCHEMA["properties"][item.name]
        if "default" in schema:
            default = list(item.default) if isinstance(item.default, tuple) else item.default
            assert schema["default"] == default, item.name
        else:
            assert item.default is MISSING, item.name


def test_choices():
    properties = SCHEMA["properties"]
    assert properties["type"]["enum"] == list(PARAMETERS)
    assert tuple(properties["start"]["enum"]) == preset_module.STARTS
    assert tuple(properties["info_level"]["enum"]) == preset_module.INFO_LEVELS
    assert tuple(DEFINITIONS["stage"]["patternProperties"]["_reduction$"]["enum"]) == preset_module.REDUCTIONS


def test_keys_of_a_stage():
    fit_keys = {f"fit_{parameter}" for parameter in EVERY_PARAMETER}
    others = {"n_iter", "ftol", "max_frames", "least_noise", "use_shoulder_hip_only"}
    assert set(DEFINITIONS["stage"]["properties"]) == {*others, *fit_keys, *PART_WEIGHTS}


def test_arguments_of_levenberg_marquardt():
    from fitting.solvers import LevenbergMarquardt

    properties = DEFINITIONS["optimizer"]["properties"]
    assert {key: properties[key]["default"] for key in ("damping", "chunk", "overlap", "kernels")} == LevenbergMarquardt._DEFAULTS


def test_keys_of_a_body():
    from fitting.body.load import CONFIG_KEYS

    assert set(DEFINITIONS["body_model"]["properties"]) == {key for keys in CONFIG_KEYS.values() for key in keys} | {"_delete_"}
    assert DEFINITIONS["body_model"]["properties"]["type"]["enum"] == list(CONFIG_KEYS)


def test_every_key_is_described():
    described = [SCHEMA, *DEFINITIONS.values()]
    entries = {
        key: value for part in described for kind in ("properties", "patternProperties") for key, value in part.get(kind, {}).items()
    }
    assert len(entries) > 50
    assert [key for key, value in entries.items() if len(value.get("description", "")) < 10] == []


RIGHT = [
    {},
    {"$schema": "../fitting/data/preset.schema.json", "name": "x"},
    {"type": "SMPLify", "description": "Mine.", "n_epochs": 3, "grad_clip": 2, "start": "zeros", "verbose": True, "info_level": "step"},
    {"start": "limbs", "gate_outliers": True},
    {"start": "torso", "gate_outliers": False},
    {"grad_clip": None, "ignore_keypoints": ["nose"], "use_one_betas_per_video": False},
    {"body_model": {"type": "SMPL", "gender": "male", "num_betas": 4}, "optimizer": {"type": "Adam", "lr": 0.1, "betas": [0.9, 0.99]}},
    {"type": "SMPLifyH", "stages": [{"fit_left_hand_pose": False}]},
    {"type": "SMPLifyX", "stages": [{"fit_expression": False, "fit_jaw_pose": True}]},
    {"handlers": [{**HANDLER, "own_argument": [1]}]},
    *(
        {"stages": [stage]}
        for stage in (
            {"n_iter": 0, "ftol": -1, "fit_betas": False, "shape_weight": 0, "shape_reduction": "none"},
            {"shoulder_weight": None, "hip_weight": 2, "foot_weight": None, "body_weight": 0, "face_weight": 1.5, "hand_weight": 0},
            {"use_shoulder_hip_only": True, "no_such_term_weight": 0},
            {"max_frames": 1},
            {"least_noise": 0.005},
            {"max_frames": 60, "fit_betas": True},
        )
    ),
]


@pytest.mark.parametrize("change", RIGHT)
def test_right_presets_are_taken_by_both(change):
    values = {**VALUES, **change}
    assert [error.message for error in VALIDATOR.iter_errors(values)] == []
    Preset.from_dict(values)


WRONG = [
    {"stage": []},
    {"handlers": []},
    {"handlers": {}},
    {"handlers": ["x"]},
    {"handlers": [{"type": "X"}]},
    {"handlers": [{"handler_key": "x"}]},
    {"handlers": [{**HANDLER, "handler_key": ""}]},
    {"handlers": [{**HANDLER, "type": 5}]},
    {"stages": []},
    {"stages": None},
    {"stages": [5]},
    {"type": "SMPLfy"},
    {"type": None},
    {"description": 5},
    {"body_model": "SMPL"},
    {"optimizer": None},
    {"n_epochs": 0},
    {"n_epochs": 1.5},
    {"n_epochs": True},
    {"grad_clip": 0},
    {"grad_clip": "1"},
    {"grad_clip": True},
    {"start": "hips"},
    {"start": "limb"},
    {"start": None},
    {"gate_outliers": 1},
    {"gate_outliers": None},
    {"gate_outlier": True},
    {"info_level": 1},
    {"use_one_betas_per_video": 1},
    {"verbose": "yes"},
    {"ignore_keypoints": "nose"},
    {"ignore_keypoints": [1]},
    {"stages": [{"fit_left_hand_pose": True}]},
    {"type": "SMPLify", "stages": [{}, {"fit_expression": True}]},
    {"type": "SMPLifyH", "stages": [{"fit_jaw_pose": True}]},
    {"type": "SMPLifyX", "stages": [{"fit_tail_pose": True}]},
    *(
        {"stages": [{key: value}]}
        for key, value in (
            ("n_itr", 1),
            ("n_iter", -1),
            ("n_iter", True),
            ("n_iter", "3"),
            ("least_noise", 0),
            ("least_noise", "1 cm"),
            ("max_frames", 0),
            ("max_frames", 2.5),
            ("max_frames", True),
            ("max_frames", None),
            ("max_frames", "60"),
            ("max_frame", 60),
            ("ftol", "small"),
            ("ftol", None),
            ("fit_betas", 1),
            ("fit_beta", True),
            ("use_shoulder_hip_only", None),
            ("shape_weight", "1"),
            ("shape_weight", -0.1),
            ("shape_weight", None),
            ("body_weight", None),
            ("foot_weight", -1),
            ("hip_weight", False),
            ("shape_reduction", "median"),
            ("shape_reduction", None),
        )
    ),
]


@pytest.mark.parametrize("change", WRONG)
def test_wrong_presets_are_refused_by_both(change):
    values = {**VALUES, **change}
    assert not VALIDATOR.is_valid(values)
    with pytest.raises(PresetError):
        Preset.from_dict(values)


SOLVER = {"type": "LevenbergMarquardt"}


@pytest.mark.parametrize("arguments", [{}, {"damping": 0, "chunk": 3}, {"damping": 0.5, "chunk": 1000, "overlap": 0, "kernels": False}])
def test_right_arguments_of_levenberg_marquardt(arguments):
    from fitting.solvers import LevenbergMarquardt

    LevenbergMarquardt({**SOLVER, **arguments})
    assert VALIDATOR.is_valid({**VALUES, "optimizer": {**SOLVER, **arguments}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("damping", -1),
        ("damping", "1"),
        ("damping", True),
        ("chunk", 2),
        ("chunk", None),
        ("overlap", -1),
        ("overlap", "60"),
        ("kernels", 1),
        ("kernels", None),
    ],
)
def test_wrong_arguments_of_levenberg_marquardt(key, value):
    from fitting.solvers import LevenbergMarquardt

    with pytest.raises(PresetError, match=f"LevenbergMarquardt has {key} = "):
        LevenbergMarquardt({**SOLVER, key: value})
    assert not VALIDATOR.is_valid({**VALUES, "optimizer": {**SOLVER, key: value}})


KEYPOINTS = {"type": "Keypoint3dMSEHandler", "handler_key": "keypoints3d_mse", "mse_loss": {"type": "KeypointMSELoss"}}


@pytest.mark.parametrize("noise", [None, "estimated", 0.004, 1])
def test_right_noise(noise):
    from fitting.handlers import build_handler

    assert build_handler({**KEYPOINTS, "noise": noise}).noise == noise
    assert VALIDATOR.is_valid({**VALUES, "handlers": [{**KEYPOINTS, "noise": noise}]})


@pytest.mark.parametrize("noise", [0, -0.01, True, "4 mm", []])
def test_wrong_noise(noise):
    from fitting.handlers import build_handler

    with pytest.raises(PresetError, match="'keypoints3d_mse' has noise = "):
        build_handler({**KEYPOINTS, "noise": noise})
    assert not VALIDATOR.is_valid({**VALUES, "handlers": [{**KEYPOINTS, "noise": noise}]})


@pytest.mark.parametrize("robust_on", ["error", "squared_error", "distance", "axes"])
def test_what_is_made_robust(robust_on):
    loss = {"type": "KeypointMSELoss", "robust_on": robust_on}
    assert VALIDATOR.is_valid({**VALUES, "handlers": [{**KEYPOINTS, "mse_loss": loss}]}) == (robust_on != "axes")


def test_a_preset_needs_handlers_and_stages_unless_it_has_a_base():
    for missing in ("handlers", "stages"):
        assert not VALIDATOR.is_valid({key: value for key, value in VALUES.items() if key != missing})
    assert VALIDATOR.is_valid({"_base_": "smplify.json", "description": "Mine.", "optimizer": {"_delete_": True, "type": "Adam"}})
    assert VALIDATOR.is_valid({"_base_": ["a.json", "b.json"]})
    assert not VALIDATOR.is_valid({"_base_": 5})


@pytest.mark.parametrize("type_", PARAMETERS)
@pytest.mark.parametrize("parameter", sorted(EVERY_PARAMETER))
def test_what_a_type_can_fit(type_, parameter):
    """The schema and the code agree on every parameter of every type."""
    stage = {f"fit_{parameter}": True}
    if parameter in PARAMETERS[type_]:
        assert check_stage(stage, [], PARAMETERS[type_]) == []
    assert VALIDATOR.is_valid({**VALUES, "type": type_, "stages": [stage]}) == (parameter in PARAMETERS[type_])


def test_wrong_bodies_and_losses_are_refused_in_the_editor():
    for change in (
        {"body_model": {"gendr": "male"}},
        {"body_model": {"gender": "other"}},
        {"optimizer": {"lr": 0}},
        {"handlers": [{**HANDLER, "prior_loss": {"type": "RotationAccelerationLoss", "scale": 0}}]},
        {"handlers": [{**HANDLER, "prior_loss": {"sigma": 1}}]},
        {"handlers": [{**HANDLER, "prior_loss": {"type": "X", "reduction": "median"}}]},
    ):
        assert not VALIDATOR.is_valid({**VALUES, **change}), change


def test_it_is_no_preset_and_part_of_the_extension():
    assert "preset.schema" not in list_presets()
    assert dict(build_addon.contents())["fitting/data/preset.schema.json"] == PATH.read_bytes()
