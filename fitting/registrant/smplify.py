"""SMPLify, for SMPL-H and SMPL-X too: stages of a fit, in their order. It knows no formula."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..body import BodyOutput, build_body_model
from ..data.parameters import MODEL_TYPES, PARAMETERS
from ..data.preset import INFO_LEVELS, STARTS, check_stage
from ..device import PLAIN, resolve_device
from ..errors import PresetError, did_you_mean
from ..handlers import BaseHandler, BaseInput, build_handler
from ..progress import Progress, ProgressCallback
from ..registry import Registry
from ..solvers import IndividualOptimizers, LevenbergMarquardt, TorchOptimizer
from .hooks import Hook, HookList, SMPLifyVerboseHook, WatchedProblem
from .observations import observations
from .part_weights import joint_weights
from .problem import Problem, Term
from .starting_values import first_values, inputs_by_key

REGISTRANTS: Registry[Any] = Registry("registrant")
"""The registrants by class name."""

TERMS_OF = {
    "betas": ("keypoints3d_limb_len", "shape_prior"),
    "body_pose": ("keypoints3d_mse", "keypoints2d_mse", "joint_prior", "smooth_joint", "pose_reg"),
}
"""The terms that a parameter's own optimizer makes small, by the stock handler keys, as XRMoCap; all of them for other parameters."""


@REGISTRANTS.register
class SMPLify:
    """Fits a SMPL body to what was observed, stage by stage.

    Args:
        body_model: Config of a body model, or a module.
        stages: Stage configs, run in order; keys as in the presets.
        optimizer: `type`, "LevenbergMarquardt", a class of `torch.optim` or its name, and its arguments; fresh for each stage. With
            `individual_optimizer`
            also `{parameter}_optimizer` and `default_optimizer`, each with a type; a stage then fits what it names only.
        handlers: Handlers or their configs, one for each term.
        n_epochs: How many times the stages are run.
        use_one_betas_per_video: One shape for all frames.
        ignore_keypoints: Keypoints of the body that get no weight.
        device: "auto", "cpu", "cpu-plain" (without compiled kernels), "cuda", ...
        hooks: Hooks or their configs, see `SMPLifyBaseHook`; or callables `hook(event, registrant, **what)`.
        verbose: Whether losses are logged.
        info_level: "stage" or "step": how often.
        grad_clip: Largest norm of the gradient, or None.
        logger: Logger or its name.
        start: "torso" starts each frame from heading, place and limb directions of its keypoints; "limbs" also from the shape that the
            limb lengths of the whole take tell; "zeros" from the T-pose at the origin, as XRMoCap.
        gate_outliers: Whether keypoints that are far from where their neighbours in time put them count as not observed.

    Attributes:
        notes: Sentences about what the last fit found before it began.

    Raises:
        PresetError: A config has a wrong key or value.
    """

    OPTIM_PARAM: tuple[str, ...] = PARAMETERS["SMPLify"]

    def __init__(
        self,
        body_model: Mapping[str, Any] | nn.Module,
        stages: Sequence[Mapping[str, Any]],
        optimizer: Mapping[str, Any],
        handlers: Sequence[Mapping[str, Any] | BaseHandler],
        n_epochs: int = 1,
        use_one_betas_per_video: bool = False,
        ignore_keypoints: Sequence[str] | None = None,
        device: str | torch.device = "auto",
        hooks: Sequence[Mapping[str, Any] | Hook] = (),
        verbose: bool = False,
        info_level: str = "step",
        grad_clip: float | None = 1.0,
        logger: logging.Logger | str | None = None,
        start: str = "torso",
        gate_outliers: bool = False,
    ) -> None:
        for name, value, known in (("start", start, STARTS), ("info_level", info_level, INFO_LEVELS)):
            if value not in known:
                raise PresetError(f"{name} is {value!r}.", did_you_mean(value, known))
        self.device = resolve_device(device)
        self.logger = logger if isinstance(logger, logging.Logger) else logging.getLogger(logger or "fitting")
        if isinstance(body_model, Mapping):
            body_model = {"type": self._body_type(), **body_model}
        self.body_model = build_body_model(body_model).to(self.device)
        self.handlers: list[BaseHandler] = [build_handler(handler, device=self.device).to(self.device) for handler in handlers]
        self.stages = [dict(stage) for stage in stages]
        self.n_epochs = n_epochs
        self.use_one_betas_per_video = use_one_betas_per_video
        self.ignore_keypoints = tuple(ignore_keypoints or ())
        self.verbose = verbose
        self.info_level = info_level
        self.start = start
        self.gate_outliers = gate_outliers
        self.notes: list[str] = []
        self.hooks = HookList(self, hooks)
        if verbose and SMPLifyVerboseHook not in self.hooks:
            self.hooks.add(SMPLifyVerboseHook())
        self.individual_optimizer = "individual_optimizer" in optimizer
        self.solver: TorchOptimizer | IndividualOptimizers | LevenbergMarquardt
        if self.individual_optimizer:
            self.solver = IndividualOptimizers(optimizer, grad_clip, self.OPTIM_PARAM, TERMS_OF)
        elif optimizer.get("type") in (LevenbergMarquardt.name, LevenbergMarquardt):
            self.solver = LevenbergMarquardt({**optimizer, "kernels": False} if str(device) == PLAIN else optimizer)
        else:
            self.solver = TorchOptimizer(optimizer, grad_clip)
        self._check()

    def __call__(
        self,
        input_list: Sequence[BaseInput],
        init_param_dict: Mapping[str, Tensor] | None = None,
        return_verts: bool = False,
        return_joints: bool = False,
        return_full_pose: bool = False,
        return_losses: bool = False,
        on_progress: ProgressCallback | None = None,
        fps: float = 30.0,
    ) -> dict[str, Tensor]:
        """Runs all stages.

        Args:
            input_list: Inputs with the same number of frames F; each goes to the handler of its key.
            init_param_dict: Values to start from, (1, ...) or (F, ...), by parameter name.
            return_verts: Also give `vertices` (F, V, 3).
            return_joints: Also give `joints` (F, K, 3).
            return_full_pose: Also give `full_pose` (F, 3 J).
            return_losses: Also give `total_loss` (F,): all handlers with their own weights, without reduction.
            on_progress: Called after each iteration.
            fps: Frames per second, for terms of motion.

        Returns:
            Every parameter by name, and what was asked for.

        Raises:
            FittingError: Inputs that do not fit together, or a fit that fails.
        """
        observed = observations(self._inputs(input_list), self.body_model, self.gate_outliers)
        inputs = observed.inputs
        n_frames = next(iter(inputs.values())).get_batch_size()
        parameters, estimate = first_values(
            self.body_model,
            inputs,
            n_frames,
            init_param_dict or {},
            start=self.start,
            one_shape=self.use_one_betas_per_video,
            device=self.device,
        )
        displaced = {key: item.displaced_by(estimate.mismatch) for key, item in inputs.items()}
        # A keypoint that is always off says as much of the motion as one that is not.
        hurry = observed.hurry * max((displaced[key].noise_beside(item) for key, item in inputs.items()), default=1.0)
        inputs = displaced
        self.notes = observed.notes
        if estimate.n_lengths:
            self.notes.append(f"Shape: {estimate.n_lengths} lengths of limbs tell it to {1000 * estimate.uncertainty:.1f} mm.")
        known = {"fps": fps, "hurry": hurry, "shape_estimate": (estimate.betas, estimate.root)}
        given = {"input_list": input_list, "optim_param": parameters}
        self.hooks.call("before_optimize", **given)
        runs = [(epoch, index) for epoch in range(self.n_epochs) for index in range(len(self.stages))]
        planned = [max(self.stages[index].get("n_iter", 1), 1) for _, index in runs]
        for number, (epoch, index) in enumerate(runs):
            stage = {**self.stages[index], "epoch_idx": epoch, "stage_idx": index}
            self.hooks.call("before_stage", **given, stage_config=stage)
            chosen = _spread_frames(stage.get("max_frames"), n_frames, inputs, self.device)
            here, its_inputs = parameters, inputs
            if chosen is not None:
                here = {name: value[chosen].clone() if len(value) == n_frames else value for name, value in parameters.items()}
                its_inputs = {key: part for key, item in inputs.items() if (part := item.only(chosen)) is not None}
            if (least_noise := stage.get("least_noise")) is not None:
                its_inputs = {key: item.no_better_than(least_noise) for key, item in its_inputs.items()}
            problem = self._problem(stage, its_inputs, here, n_frames if chosen is None else len(chosen), known=known)
            watched = WatchedProblem(problem, self.hooks, given)
            before, share = sum(planned[:number]) / sum(planned), planned[number] / sum(planned)
            self._minimise(watched, stage, on_progress, (number, len(runs), before, share))
            if chosen is not None:
                for name, value in here.items():
                    if len(parameters[name]) == n_frames:
                        parameters[name].data[chosen] = value.detach()
            if self.hooks.listeners("after_stage"):
                self.hooks.call("after_stage", **given, stage_config=stage, loss_dict=watched.losses())
        self.hooks.call("after_optimize", **given)
        result = {name: value.detach().clone() for name, value in parameters.items()}
        with torch.no_grad():
            if return_losses:
                problem = self._problem({}, inputs, result, n_frames, may_fit=False, known=known)
                output = problem.posed(return_verts)
                result["total_loss"] = problem.terms_by_key(output, "none")["total_loss"]
            else:
                output = self.body_model(**result, return_verts=return_verts)
        return result | _asked_for(output, return_verts, return_joints, return_full_pose)

    def evaluate(
        self,
        input_list: Sequence[BaseInput],
        optim_param: Mapping[str, Tensor],
        return_verts: bool = False,
        return_full_pose: bool = False,
        return_joints: bool = False,
        reduction_override: str | None = None,
        **stage: Any,
    ) -> dict[str, Tensor]:
        """The terms of the objective at some parameters: how well they explain what was observed.

        Args:
            input_list: Inputs with the same number of frames F.
            optim_param: Parameters by name, (F, ...) or (1, ...); those left out are zero.
            return_verts: Also give `vertices` (F, V, 3).
            return_full_pose: Also give `full_pose` (F, 3 J).
            return_joints: Also give `joints` (F, K, 3).
            reduction_override: Reduction of all terms; "none" gives (F,) for each.
            stage: Stage keys, such as `keypoints3d_mse_weight` or `body_weight`.

        Returns:
            Each term by its handler key, `total_loss`, and what was asked for; gradients flow to the parameters.

        Raises:
            FittingError: Inputs or parameters that do not fit together, or unknown stage keys.
        """
        check_stage(stage, self._keys(), self.OPTIM_PARAM, "the stage")
        inputs = self._inputs(input_list)
        n_frames = next(iter(inputs.values())).get_batch_size()
        zeros = {name: torch.zeros(1, width) for name, width in self.body_model.parameter_shapes().items()}
        parameters = {name: torch.as_tensor(value).to(self.device) for name, value in {**zeros, **optim_param}.items()}
        given = {"input_list": input_list, "optim_param": parameters}
        self.hooks.call("before_evaluate", **given)
        problem = self._problem(stage, inputs, parameters, n_frames, may_fit=False)
        output = problem.posed(return_verts)
        losses = problem.terms_by_key(output, reduction_override)
        self.hooks.call("after_evaluate", **given, loss_dict=losses)
        return losses | _asked_for(output, return_verts, return_joints, return_full_pose)

    def problem_of(self, stage: Mapping[str, Any], input_list: Sequence[BaseInput], parameters: dict[str, Tensor]) -> Problem:
        """One stage as an objective, for who wants to minimise it himself.

        Args:
            stage: Stage keys.
            input_list: Inputs with the same number of frames F.
            parameters: All parameters by name, (F, ...) or (1, ...); those that the stage frees are changed in place.
        """
        inputs = self._inputs(input_list)
        return self._problem(stage, inputs, parameters, next(iter(inputs.values())).get_batch_size())

    def register_hook(self, hook: Mapping[str, Any] | Hook) -> None:
        """Adds a hook behind the others.

        Raises:
            PresetError: Something that is no hook.
        """
        self.hooks.add(hook)

    def _minimise(
        self, problem: WatchedProblem, stage: Mapping[str, Any], on_progress: ProgressCallback | None, place: tuple[int, int, float, float]
    ) -> None:
        """Runs one stage; `place` is its number, how many there are, and which part of the fit is done before and is its own."""
        number, n_stages, before, share = place
        n_iter, ftol = stage.get("n_iter", 1), stage.get("ftol", 1e-4)
        last_terms: dict[str, float] = {}

        def report(iteration: int, loss: float, terms: Mapping[str, float]) -> None:
            if on_progress is not None:
                fraction = before + share * iteration / max(n_iter, 1)
                on_progress(Progress(number, n_stages, iteration, n_iter, loss, dict(terms), fraction))
            last_terms.update(terms)

        if problem.free and problem.has_terms:
            done, loss = self.solver.minimise(problem, n_iter, ftol, report)
            if done < n_iter:  # it has converged: the rest of the stage is done too
                if self.verbose:
                    self.logger.info("[ftol=%g] Early stop after %d iterations.", ftol, done)
                if on_progress is not None:
                    on_progress(Progress(number, n_stages, done, done, loss, last_terms, before + share))

    def _problem(
        self,
        stage: Mapping[str, Any],
        inputs: Mapping[str, BaseInput],
        parameters: dict[str, Tensor],
        n_frames: int,
        may_fit: bool = True,
        known: Mapping[str, Any] | None = None,
    ) -> Problem:
        fitted = not self.individual_optimizer  # where each parameter has an optimizer of its own, a stage names what it fits
        free = [name for name in self.OPTIM_PARAM if stage.get(f"fit_{name}", fitted)] if may_fit else None
        terms = []
        for handler in self.handlers:
            key = handler.handler_key
            weight = stage.get(f"{key}_weight")
            if (handler.get_loss_weight() if weight is None else weight) == 0 or (handler.requires_input() and key not in inputs):
                continue
            terms.append(Term(handler, inputs.get(key), weight, stage.get(f"{key}_reduction")))
        weights = joint_weights(self.body_model.convention, stage, self.ignore_keypoints)
        joint_weight = torch.tensor(weights, dtype=torch.float32, device=self.device)
        return Problem(self.body_model, parameters, free, terms, joint_weight, n_frames, **(known or {}))

    def _inputs(self, input_list: Sequence[BaseInput]) -> dict[str, BaseInput]:
        return inputs_by_key(input_list, self.handlers, self.body_model.keypoint_convention, self.device, self.logger)

    def _keys(self) -> list[str]:
        return [handler.handler_key for handler in self.handlers]

    def _check(self) -> None:
        missing = [name for name in self.OPTIM_PARAM if name not in self.body_model.parameter_shapes()]
        if missing:
            raise PresetError(
                f"{type(self).__name__} fits {', '.join(missing)}, which the body model does not have.",
                f"Write body_model.type = {self._body_type()!r}.",
            )
        if not self.stages:
            raise PresetError("There is no stage.", "Give at least one.")
        keys = self._keys()
        for key in keys:
            if keys.count(key) > 1:
                raise PresetError(f"Two handlers have the key {key!r}.", "Give each handler a key of its own.")
        for index, stage in enumerate(self.stages):
            for warning in check_stage(stage, keys, self.OPTIM_PARAM, f"stage {index}"):
                self.logger.warning(warning)
            joint_weights(self.body_model.convention, stage, self.ignore_keypoints)

    @classmethod
    def _body_type(cls) -> str:
        """The type of body that has all that is fitted."""
        return next(MODEL_TYPES[name].upper() for name, parameters in PARAMETERS.items() if set(parameters) >= set(cls.OPTIM_PARAM))


@REGISTRANTS.register
class SMPLifyH(SMPLify):
    """Fits a SMPL-H body: SMPL with the fingers of both hands, 52 joints. Arguments as `SMPLify`."""

    OPTIM_PARAM = PARAMETERS["SMPLifyH"]


@REGISTRANTS.register
class SMPLifyX(SMPLify):
    """Fits a SMPL-X body: with fingers, jaw, eyes and expression, 55 joints. Arguments as `SMPLify`."""

    OPTIM_PARAM = PARAMETERS["SMPLifyX"]


def build_registrant(config: Mapping[str, Any]) -> Any:
    """A registrant from its config: `type` (a name or the class) and the arguments of its constructor.

    Raises:
        PresetError: Unknown type, unknown or missing key.
    """
    return REGISTRANTS.build(config)


def _spread_frames(most: int | None, n_frames: int, inputs: Mapping[str, BaseInput], device: torch.device) -> Tensor | None:
    """(N,) frames, evenly spread, for a stage that is content with so many; None for all of them."""
    if most is None or n_frames <= most:
        return None
    frames = torch.linspace(0, n_frames - 1, most).round().long().to(device)
    return None if any(item.only(frames[:1]) is None for item in inputs.values()) else frames


def _asked_for(output: BodyOutput, vertices: bool, joints: bool, full_pose: bool) -> dict[str, Any]:
    wanted = {"vertices": vertices, "joints": joints, "full_pose": full_pose}
    return {name: getattr(output, name) for name, is_wanted in wanted.items() if is_wanted}
