"""What a preset will do, stage by stage, and what in it looks like a mistake."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PresetError
from .bodies import KEYPOINT_CONVENTIONS
from .conventions import get_convention
from .parameters import MODEL_TYPES, PARAMETERS
from .preset import PART_WEIGHTS, Preset

_TURNS = ("body_pose", "left_hand_pose", "right_hand_pose", "jaw_pose", "leye_pose", "reye_pose")
_ACTS_ON = {
    "BetasPriorHandler": ("betas",),
    "Keypoint3dLimbLenHandler": ("betas",),
    "BodyPosePriorHandler": ("body_pose",),
    "JointToleranceHandler": _TURNS,  # the root turns freely
    "RotationAccelerationHandler": ("global_orient", *_TURNS),
    "RootAccelerationHandler": ("transl",),
    "ShapeEstimateHandler": ("betas",),
}
"""Parameters on which a term depends, as far as the body has them; all of them for other handlers."""

_STARTS = {
    "torso": "heading, place and limb directions of the keypoints",
    "limbs": "heading, place and limb directions of the keypoints, and the shape that their limb lengths tell",
    "zeros": "the T-pose at the origin",
}

_INPUT_KEYS = {"Keypoint3dMSEHandler": "keypoints3d_mse", "Keypoint3dLimbLenHandler": "keypoints3d_limb_len"}
"""Keys of the inputs that a take of 3D keypoints gives."""

_OTHER_INPUTS = {
    "MultiviewKeypoint2dMSEHandler": "2D keypoints of several views",
    "DepthPriorHandler": "depths",
    "PointCloudHandler": "points of a scan",
    "MeshHandler": "a mesh",
}
"""What the handlers need that a take of 3D keypoints does not have."""


@dataclass(frozen=True)
class TermExplained:
    """A term in a stage.

    Attributes:
        key: Its handler key.
        weight: Its weight; 0 switches it off.
        reduction: "mean", "sum" or "none".
        is_own_weight: The stage gives no weight: it is that of the loss.
        acts_on: The parameters on which it depends.
    """

    key: str
    weight: float
    reduction: str
    is_own_weight: bool
    acts_on: frozenset[str]


@dataclass(frozen=True)
class StageExplained:
    """A stage.

    Attributes:
        fits: The parameters that are fitted.
        n_iter: Largest number of iterations.
        max_frames: It is fitted on at most this many frames; None for all of them.
        ftol: It ends when the objective changes less than this; None for never.
        terms: All terms, by handler key.
        parts: What the stage says of parts of the body: the stage key and its value.
    """

    fits: tuple[str, ...]
    n_iter: int
    max_frames: int | None
    ftol: float | None
    terms: dict[str, TermExplained]
    parts: dict[str, float | bool]

    @property
    def active(self) -> list[TermExplained]:
        """The terms that are not switched off."""
        return [term for term in self.terms.values() if term.weight != 0]


def explain_stages(preset: Preset) -> list[StageExplained]:
    """What each stage does, in order.

    Raises:
        PresetError: The weight of a loss is no number.
    """
    return [_explain(preset, stage) for stage in preset.stages]


def sentences_about(preset: Preset) -> list[str]:
    """What holds for all stages of a preset: body, optimizer, start, repetitions."""
    body = preset.body_model
    shape = "one shape for all frames" if preset.use_one_betas_per_video else "a shape for each frame"
    n_betas = "" if "num_betas" not in body else f", {body['num_betas']} shape values"
    optimizer = dict(preset.optimizer)
    name = optimizer.pop("type", "one for each parameter" if "individual_optimizer" in optimizer else "none")
    arguments = ", ".join(f"{key} {value}" for key, value in optimizer.items())
    clip = "" if preset.grad_clip is None else f"; the gradient is cut to a norm of {preset.grad_clip:g}"
    sentences = [
        f"Body: {MODEL_TYPES[preset.type]}, {body.get('gender', 'neutral')}{n_betas}, {shape}.",
        f"Optimizer: {name}{f' ({arguments})' if arguments else ''}{clip}.",
        f"Start: {_STARTS[preset.start]}.",
    ]
    if preset.gate_outliers:
        sentences.append("Keypoints far from where their neighbours in time put them count as not observed.")
    if preset.n_epochs > 1:
        sentences.append(f"The stages are run {preset.n_epochs} times.")
    if preset.ignore_keypoints:
        sentences.append(f"Without weight: {', '.join(preset.ignore_keypoints)}.")
    return sentences


def oddities(preset: Preset) -> list[str]:
    """What in a preset is allowed, but looks like a mistake or a trap: one sentence each."""
    stages = explain_stages(preset)
    return [
        *preset.warnings(),
        *_unused(preset, stages),
        *_refused(preset, stages),
        *(sentence for number, stage in enumerate(stages) for sentence in _odd(number, stage)),
    ]


def _explain(preset: Preset, stage: Mapping[str, Any]) -> StageExplained:
    is_fitted = "individual_optimizer" not in preset.optimizer  # then a stage fits what it names only
    terms = {}
    for handler in preset.handlers:
        key = str(handler["handler_key"])
        loss = _loss_of(handler)
        weight = stage.get(f"{key}_weight")
        terms[key] = TermExplained(
            key=key,
            weight=_own_weight(loss, key) if weight is None else weight,
            reduction=stage.get(f"{key}_reduction") or loss.get("reduction", "mean"),
            is_own_weight=weight is None,
            acts_on=frozenset(_acts_on(handler, preset)),
        )
    ftol = stage.get("ftol", 1e-4)
    return StageExplained(
        fits=tuple(name for name in PARAMETERS[preset.type] if stage.get(f"fit_{name}", is_fitted)),
        n_iter=stage.get("n_iter", 1),
        max_frames=stage.get("max_frames"),
        ftol=ftol if ftol > 0 else None,
        terms=terms,
        parts={key: stage[key] for key in (*PART_WEIGHTS, "use_shoulder_hip_only") if not (stage.get(key) is None or stage[key] is False)},
    )


def _loss_of(handler: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config of the loss: the argument whose name ends so (`mse_loss`, `loss`, `prior_loss`)."""
    return next((value for key, value in handler.items() if key.endswith("loss") and isinstance(value, Mapping)), {})


def _acts_on(handler: Mapping[str, Any], preset: Preset) -> Iterable[str]:
    if handler["type"] == "ParameterPriorHandler":
        return (str(handler.get("parameter")),)
    every = PARAMETERS[preset.type]
    return set(every).intersection(_ACTS_ON.get(str(handler["type"]), every))


def _own_weight(loss: Mapping[str, Any], key: str) -> float:
    weight = loss.get("loss_weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise PresetError(f"The loss of {key!r} has loss_weight = {weight!r}, expected a number.", "Correct the value.")
    return weight


def _unused(preset: Preset, stages: list[StageExplained]) -> Iterator[str]:
    used = {term.key for stage in stages for term in stage.active}
    never = [str(handler["handler_key"]) for handler in preset.handlers if handler["handler_key"] not in used]
    if never:
        yield f"Never used, as their weight is 0 in every stage: {', '.join(never)}."
    convention = get_convention(preset.body_model.get("keypoint_convention", KEYPOINT_CONVENTIONS[MODEL_TYPES[preset.type]]))
    unknown = [name for name in preset.ignore_keypoints if name not in convention.names]
    if unknown:
        yield f"ignore_keypoints names what the body ({convention.name}) does not have, which does nothing: {', '.join(unknown)}."
    path = preset.body_model.get("model_path")
    if path is not None and not Path(path).exists():
        yield f"body_model.model_path = {path!r} is not there: the default body is used."
    for handler in preset.handlers:
        key, type_ = str(handler["handler_key"]), str(handler["type"])
        if key in used and type_ in _INPUT_KEYS and key != _INPUT_KEYS[type_]:
            yield f"{key} takes an input of its own key only, and a take of 3D keypoints gives {_INPUT_KEYS[type_]}: it is left out."
        if key in used and type_ in _OTHER_INPUTS:
            yield f"{key} needs {_OTHER_INPUTS[type_]}: in a fit to a take of 3D keypoints alone it is left out."


_NO_SQUARES = ("MaxMixturePriorLoss",)
"""Losses that are no sum of squares; beside them SmoothJointLoss, unless it is squared."""


def _refused(preset: Preset, stages: list[StageExplained]) -> Iterator[str]:
    """What Levenberg-Marquardt cannot use."""
    if preset.optimizer.get("type") != "LevenbergMarquardt":
        return
    used = {term.key for stage in stages for term in stage.active}
    for handler in preset.handlers:
        key, loss = str(handler["handler_key"]), _loss_of(handler)
        is_absolute = loss.get("type") == "SmoothJointLoss" and loss.get("loss_func", "L1") == "L1"
        if key in used and (loss.get("type") in _NO_SQUARES or is_absolute):
            yield f"{key} is no sum of squares, which LevenbergMarquardt refuses: use LBFGS or Adam, or another loss."


def _odd(number: int, stage: StageExplained) -> Iterator[str]:
    where = f"Stage {number}"
    if not stage.fits or not stage.active or stage.n_iter == 0:
        missing = "nothing is fitted" if not stage.fits else "all weights are 0" if not stage.active else "n_iter is 0"
        yield f"{where} does nothing: {missing}."
        return
    idle = [term.key for term in stage.active if not term.acts_on & set(stage.fits)]
    if idle:
        yield f"{where} has terms that depend on nothing it fits: {', '.join(idle)}."
    reached = frozenset().union(*(term.acts_on for term in stage.active))
    free = [name for name in stage.fits if name not in reached]
    if free:
        yield f"{where} fits what no term depends on: {', '.join(free)}."
    acting = [term for term in stage.active if term.key not in idle]
    summed = [term.key for term in acting if term.reduction != "mean"]
    averaged = [term.key for term in acting if term.reduction == "mean"]
    if summed and averaged:
        yield (
            f"{where} adds up {', '.join(summed)} over the frames and averages {', '.join(averaged)}: "
            "their balance changes with the length of the take."
        )
