"""SMPLify: stages of a fit, in their order. It knows no formula."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..body import build_body_model
from ..data.preset import INFO_LEVELS, PARAMETERS, STARTS, check_stage
from ..device import resolve_device
from ..errors import FittingError, PresetError, did_you_mean
from ..handlers import BaseHandler, BaseInput, build_handler
from ..progress import Progress, ProgressCallback
from ..registry import Registry
from ..solvers import TorchOptimizer
from .part_weights import joint_weights
from .problem import Problem, Term
from .start import pose_from_keypoints

REGISTRANTS: Registry[Any] = Registry("registrant")
"""The registrants by class name."""


@REGISTRANTS.register
class SMPLify:
    """Fits a SMPL body to what was observed, stage by stage.

    Args:
        body_model: Config of a body model, or a module.
        stages: Stage configs, run in order; keys as in the presets.
        optimizer: `type`, a class of `torch.optim`, and its arguments; fresh for each stage.
        handlers: Handlers or their configs, one for each term.
        n_epochs: How many times the stages are run.
        use_one_betas_per_video: One shape for all frames.
        ignore_keypoints: Keypoints of the body that get no weight.
        device: "auto", "cpu", "cuda", ...
        verbose: Whether losses are logged.
        info_level: "stage" or "step": how often.
        grad_clip: Largest norm of the gradient, or None.
        logger: Logger or its name.
        start: "torso" starts each frame from heading, place and limb directions of its keypoints; "zeros" from the
            T-pose at the origin, as XRMoCap.

    Raises:
        PresetError: A config has a wrong key or value.
    """

    parameter_names = PARAMETERS["SMPLify"]

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
        verbose: bool = False,
        info_level: str = "step",
        grad_clip: float | None = 1.0,
        logger: logging.Logger | str | None = None,
        start: str = "torso",
    ) -> None:
        for name, value, known in (("start", start, STARTS), ("info_level", info_level, INFO_LEVELS)):
            if value not in known:
                raise PresetError(f"{name} is {value!r}.", did_you_mean(value, known))
        self.device = resolve_device(device)
        self.logger = logger if isinstance(logger, logging.Logger) else logging.getLogger(logger or "fitting")
        self.body_model = build_body_model(body_model).to(self.device)
        self.handlers: list[BaseHandler] = [build_handler(handler).to(self.device) for handler in handlers]
        self.stages = [dict(stage) for stage in stages]
        self.n_epochs = n_epochs
        self.use_one_betas_per_video = use_one_betas_per_video
        self.ignore_keypoints = tuple(ignore_keypoints or ())
        self.verbose = verbose
        self.info_level = info_level
        self.start = start
        self.solver = TorchOptimizer(optimizer, grad_clip)
        self._check_stages()

    def __call__(
        self,
        input_list: Sequence[BaseInput],
        init_param_dict: Mapping[str, Tensor] | None = None,
        return_verts: bool = False,
        return_joints: bool = False,
        return_full_pose: bool = False,
        return_losses: bool = False,
        on_progress: ProgressCallback | None = None,
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

        Returns:
            Every parameter by name, and what was asked for.

        Raises:
            FittingError: Inputs that do not fit together, or a fit that fails.
        """
        inputs = self._inputs_by_key(input_list)
        n_frames = next(iter(inputs.values())).get_batch_size()
        parameters = self._initial_parameters(inputs, n_frames, init_param_dict or {})
        runs = [stage for _ in range(self.n_epochs) for stage in self.stages]
        planned = [max(stage.get("n_iter", 1), 1) for stage in runs]
        for number, stage in enumerate(runs):
            problem = self._problem(stage, inputs, parameters, n_frames)
            before, share = sum(planned[:number]) / sum(planned), planned[number] / sum(planned)
            self._run(problem, stage, number, len(runs), before, share, on_progress)
        result = {name: value.detach().clone() for name, value in parameters.items()}
        with torch.no_grad():
            output = self.body_model(**result, return_verts=return_verts)
            if return_verts:
                result["vertices"] = output.vertices
            if return_joints:
                result["joints"] = output.joints
            if return_full_pose:
                result["full_pose"] = output.full_pose
            if return_losses:
                result["total_loss"] = self._losses_by_frame(inputs, parameters, n_frames)
        return result

    def _run(
        self,
        problem: Problem,
        stage: Mapping[str, Any],
        number: int,
        n_stages: int,
        before: float,
        share: float,
        on_progress: ProgressCallback | None,
    ) -> None:
        n_iter = stage.get("n_iter", 1)
        last_terms: dict[str, float] = {}

        def report(iteration: int, loss: float, terms: Mapping[str, float]) -> None:
            if self.verbose and self.info_level == "step":
                self.logger.info("stage %d, step %d: loss %.6g %s", number, iteration, loss, _listed(terms))
            if on_progress is not None:
                fraction = before + share * iteration / max(n_iter, 1)
                on_progress(Progress(number, n_stages, iteration, n_iter, loss, dict(terms), fraction))
            last_terms.update(terms)

        if problem.free and problem.terms:
            done, loss = self.solver.minimise(problem, n_iter, stage.get("ftol", 1e-4), report)
            if on_progress is not None and done < n_iter:  # it has converged: the rest of the stage is done too
                on_progress(Progress(number, n_stages, done, done, loss, last_terms, before + share))
            if self.verbose:
                self.logger.info("stage %d ended after %d steps: loss %.6g", number, done, loss)

    def _problem(self, stage: Mapping[str, Any], inputs: Mapping[str, BaseInput], parameters: dict[str, Tensor], n_frames: int) -> Problem:
        free = [name for name in self.parameter_names if stage.get(f"fit_{name}", True)]
        terms = []
        for handler in self.handlers:
            key = handler.handler_key
            weight = stage.get(f"{key}_weight")
            if (handler.get_loss_weight() if weight is None else weight) == 0 or (handler.requires_input() and key not in inputs):
                continue
            terms.append(Term(handler, inputs.get(key), weight, stage.get(f"{key}_reduction")))
        weights = joint_weights(self.body_model.convention, stage, self.ignore_keypoints)
        joint_weight = torch.tensor(weights, dtype=torch.float32, device=self.device)
        return Problem(self.body_model, parameters, free, terms, joint_weight, n_frames)

    def _losses_by_frame(self, inputs: Mapping[str, BaseInput], parameters: dict[str, Tensor], n_frames: int) -> Tensor:
        problem = self._problem({}, inputs, parameters, n_frames)
        arguments = problem.arguments()
        total = torch.zeros(n_frames, device=self.device)
        for term in problem.terms:
            value = term(reduction="none", **arguments)
            total = total + (value.flatten(1).sum(1) if value.ndim > 1 else value)
        return total

    def _inputs_by_key(self, input_list: Sequence[BaseInput]) -> dict[str, BaseInput]:
        if not input_list:
            raise FittingError("There is no input to fit to.", "Give a list with at least one input.")
        inputs: dict[str, BaseInput] = {}
        for item in input_list:
            if item.handler_key in inputs:
                raise FittingError(f"Two inputs have the key {item.handler_key!r}.", "Give each input the key of its own handler.")
            inputs[item.handler_key] = item.to(self.device)
        sizes = {key: item.get_batch_size() for key, item in inputs.items()}
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{key} {size}" for key, size in sizes.items())
            raise FittingError(f"The inputs have different numbers of frames: {listed}.", "Give all inputs the same frames.")
        for handler in self.handlers:
            if handler.handler_key in inputs:
                handler.check_input(inputs[handler.handler_key], self.body_model.keypoint_convention)
        keys = {handler.handler_key for handler in self.handlers if handler.requires_input()}
        for key in set(inputs) - keys:
            self.logger.warning("No handler has the key %r: this input is not used. %s", key, did_you_mean(key, keys))
        return inputs

    def _initial_parameters(self, inputs: Mapping[str, BaseInput], n_frames: int, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        shapes = self.body_model.parameter_shapes()
        for name in given:
            if name not in shapes:
                raise FittingError(f"init_param_dict has an unknown parameter {name!r}.", did_you_mean(name, shapes))
        values = {name: torch.zeros(1 if name == "betas" else n_frames, width) for name, width in shapes.items()}
        if self.start == "torso":
            observed: Any = next((item for item in inputs.values() if hasattr(item, "keypoints3d")), None)
            if observed is not None:
                points, confidence = observed.keypoints3d, observed.keypoints3d_conf
                values |= pose_from_keypoints(self.body_model, points, confidence, observed.keypoints3d_convention)
        for name, value in given.items():
            tensor = torch.as_tensor(value)
            if tensor.ndim != 2 or tensor.shape[1] != shapes[name] or tensor.shape[0] not in (1, n_frames):
                expected = f"(1, {shapes[name]}) or ({n_frames}, {shapes[name]})"
                raise FittingError(f"init_param_dict has {name} of shape {tuple(tensor.shape)}, expected {expected}.")
            values[name] = tensor
        if self.use_one_betas_per_video:
            values["betas"] = values["betas"].mean(0, keepdim=True)
        shared = {"betas"} if self.use_one_betas_per_video else set()
        return {
            name: value.detach().to(self.device, torch.float32).expand(1 if name in shared else n_frames, -1).clone()
            for name, value in values.items()
        }

    def _check_stages(self) -> None:
        if not self.stages:
            raise PresetError("There is no stage.", "Give at least one.")
        keys = [handler.handler_key for handler in self.handlers]
        for key in keys:
            if keys.count(key) > 1:
                raise PresetError(f"Two handlers have the key {key!r}.", "Give each handler a key of its own.")
        for index, stage in enumerate(self.stages):
            for warning in check_stage(stage, keys, "SMPLify", f"stage {index}"):
                self.logger.warning(warning)
            joint_weights(self.body_model.convention, stage, self.ignore_keypoints)


def build_registrant(config: Mapping[str, Any]) -> Any:
    """A registrant from its config: `type` (a name or the class) and the arguments of its constructor.

    Raises:
        PresetError: Unknown type, unknown or missing key.
    """
    return REGISTRANTS.build(config)


def _listed(terms: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:.4g}" for key, value in terms.items())
