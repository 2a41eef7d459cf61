"""What the panel edits: the settings of a fit, kept in the scene, and the stages of its preset as properties."""

# mypy: disable-error-code="valid-type"

import json
from collections.abc import Mapping
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from .core import GENDERS, PARAMETERS, PART_WEIGHTS, REDUCTIONS, Preset, handler_keys_of

DEFAULT_PRESET = "smplify"
AS_PRESET = "AS_PRESET"
N_DIGITS = 6
"""Digits that a number keeps: Blender stores 32 bits, and 0.005 shall not become 0.004999999888 in a file."""


class StageWeight(bpy.types.PropertyGroup):
    """The weight of one term, or of one part of the body, in a stage; `name` is the handler key or the stage key."""

    is_set: BoolProperty(name="Set", description="Override the weight of the preset's term in this stage")
    value: FloatProperty(name="Weight", min=0, default=1, precision=4, description="0 switches the term off in this stage")
    reduction: EnumProperty(
        name="Reduction",
        description="How the residuals of the term become one number",
        items=[(AS_PRESET, "As preset", "As the term says"), *((item, item.title(), "") for item in REDUCTIONS)],
    )


class Stage(bpy.types.PropertyGroup):
    """One stage of a fit: what is fitted, for how long, with which weights."""

    n_iter: IntProperty(name="Iterations", min=0, soft_max=100, default=1, description="Largest number of iterations")
    ftol: FloatProperty(
        name="Tolerance",
        default=1e-4,
        precision=6,
        description="The stage ends when the objective changes less than this, relatively; 0: never",
    )
    max_frames: IntProperty(
        name="Frames", min=0, soft_max=500, default=0, description="Largest number of frames that are used, evenly spread; 0: all of them"
    )
    least_noise: FloatProperty(
        name="Least Noise",
        subtype="DISTANCE",
        min=0,
        soft_max=0.05,
        precision=4,
        description="No keypoint counts as more exact than this; 0: each as exact as it is estimated to be",
    )
    fit_global_orient: BoolProperty(name="Global Orient", default=True, description="Fit the heading of the body")
    fit_transl: BoolProperty(name="Transl", default=True, description="Fit the place of the body")
    fit_body_pose: BoolProperty(name="Body Pose", default=True, description="Fit the rotation of the joints")
    fit_betas: BoolProperty(name="Betas", default=True, description="Fit the shape of the body")
    fit_left_hand_pose: BoolProperty(name="Left Hand Pose", description="Fit the fingers of the left hand")
    fit_right_hand_pose: BoolProperty(name="Right Hand Pose", description="Fit the fingers of the right hand")
    fit_expression: BoolProperty(name="Expression", description="Fit the expression of the face")
    fit_jaw_pose: BoolProperty(name="Jaw Pose", description="Fit the rotation of the jaw")
    fit_leye_pose: BoolProperty(name="Left Eye Pose", description="Fit the rotation of the left eye")
    fit_reye_pose: BoolProperty(name="Right Eye Pose", description="Fit the rotation of the right eye")
    use_shoulder_hip_only: BoolProperty(name="Shoulders and Hips Only", description="Keypoints of other parts get no weight")
    terms: CollectionProperty(type=StageWeight)
    parts: CollectionProperty(type=StageWeight)


class Settings(bpy.types.PropertyGroup):
    """The settings of a fit, one set for each scene."""

    track: PointerProperty(type=bpy.types.Object, name="Keypoints", description="The keypoints that were used last")
    gender: EnumProperty(name="Gender", description="Which default body is fitted", items=[(item, item.title(), "") for item in GENDERS])
    body_file: StringProperty(
        name="Body File", subtype="FILE_PATH", description="A body model of yours that is fitted. Empty: a default body"
    )
    bones: EnumProperty(
        name="Bones",
        description="Rest bones of the bodies that are fitted",
        items=[
            ("axis_aligned", "As the Model", "Rest bones without rotation: curves show the parameters of the body model"),
            ("anatomical", "Along the Limbs", "Rest bones from joint to joint, for animators and other programs. The motion is the same"),
        ],
    )
    preset: StringProperty(name="Preset", default=DEFAULT_PRESET, description="Stages, terms and weights of the fit")
    preset_values: StringProperty(options={"HIDDEN"})
    stages: CollectionProperty(type=Stage)
    active_stage: IntProperty(name="Stage")


# Functions and not methods: Blender 4.2 crashes at its end where such a class has methods.


def add_stage(settings: Settings, values: Mapping[str, Any]) -> None:
    """Adds a stage with the keys of a stage of the preset; keys that it lacks get their default."""
    preset = json.loads(settings.preset_values)
    stage = settings.stages.add()
    for key in ("n_iter", "ftol", "max_frames", "least_noise", "use_shoulder_hip_only"):
        setattr(stage, key, values.get(key, stage.bl_rna.properties[key].default))
    is_fitted = "individual_optimizer" not in preset.get("optimizer", {})  # then a stage fits what it names only
    for key in fit_keys(settings):
        setattr(stage, key, values.get(key, is_fitted))
    for key in handler_keys_of(preset["handlers"]):
        term = stage.terms.add()
        term.name = key
        term.is_set = f"{key}_weight" in values
        term.value = values.get(f"{key}_weight", 1)
        term.reduction = values.get(f"{key}_reduction", AS_PRESET)
    for key in PART_WEIGHTS:
        part = stage.parts.add()
        part.name = key
        part.is_set = values.get(key) is not None
        part.value = values.get(key) if part.is_set else 1


def stage_values(settings: Settings, stage: Stage) -> dict[str, Any]:
    """The keys of a stage for the preset."""
    values: dict[str, Any] = {"n_iter": stage.n_iter, "ftol": _rounded(stage.ftol)}
    if stage.max_frames:
        values["max_frames"] = stage.max_frames
    if stage.least_noise:
        values["least_noise"] = _rounded(stage.least_noise)
    values |= {key: getattr(stage, key) for key in fit_keys(settings)}
    values |= {f"{term.name}_weight": _rounded(term.value) for term in stage.terms if term.is_set}
    values |= {f"{term.name}_reduction": term.reduction for term in stage.terms if term.reduction != AS_PRESET}
    values |= {part.name: _rounded(part.value) for part in stage.parts if part.is_set}
    if stage.use_shoulder_hip_only:
        values["use_shoulder_hip_only"] = True
    return values


def stage_title(stage: Stage) -> str:
    """What a stage fits, in a few words."""
    is_fitted = {
        "shape": stage.fit_betas,
        "pose": stage.fit_body_pose,
        "place": not stage.fit_body_pose and (stage.fit_global_orient or stage.fit_transl),
        "hands": stage.fit_left_hand_pose or stage.fit_right_hand_pose,
        "face": stage.fit_expression or stage.fit_jaw_pose or stage.fit_leye_pose or stage.fit_reye_pose,
    }
    *others, last = [word for word, fitted in is_fitted.items() if fitted] or ["nothing"]
    return (f"{', '.join(others)} and {last}" if others else last).capitalize()


def edit_preset(settings: Settings, preset: Preset) -> None:
    """Opens the stages of a preset for editing."""
    settings.preset, settings.preset_values = preset.name, json.dumps(preset.to_dict())
    settings.stages.clear()
    for stage in preset.stages:
        add_stage(settings, stage)
    settings.active_stage = min(settings.active_stage, len(settings.stages) - 1)


def edited_preset(settings: Settings) -> Preset:
    """The preset with the stages as they stand in the panel.

    Raises:
        PresetError: A stage has a value that the fitter does not take.
    """
    preset = Preset.from_dict(json.loads(settings.preset_values), settings.preset)
    return preset.with_stages([stage_values(settings, stage) for stage in settings.stages])


def fit_keys(settings: Settings) -> list[str]:
    """Stage keys that say what is fitted, for the type of the preset that is edited."""
    return [f"fit_{parameter}" for parameter in PARAMETERS[json.loads(settings.preset_values)["type"]]]


def _rounded(value: float) -> float:
    return float(f"{value:.{N_DIGITS}g}")


CLASSES = (StageWeight, Stage, Settings)


def register() -> None:
    """Registers the settings and puts them into every scene."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.smplify = PointerProperty(type=Settings, name="SMPLify")


def unregister() -> None:
    """Undoes `register`."""
    del bpy.types.Scene.smplify
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
