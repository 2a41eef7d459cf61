"""One frame after another, as they come from a camera: a fit that answers within milliseconds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from .body import preset_body_model
from .data.conventions import Convention, as_convention
from .data.preset import Preset, load_preset
from .device import threads_for
from .errors import PresetError, TrackError
from .handlers import Keypoint3dMSEInput
from .handlers.conversion import KeypointConversion
from .registrant import SMPLify, build_registrant
from .registrant.shape_start import shape_from_lengths
from .registrant.start import pose_from_keypoints
from .solvers import LevenbergMarquardt

_LEARN_AT = (1, 3, 8, 20, 60)
"""After so many frames the shape is estimated anew, from the lengths of all frames that came."""

_LOST = 4.0
"""A frame whose cost is so many times the usual one is begun again from its keypoints."""


@dataclass(frozen=True)
class PoseOfFrame:
    """What `Fitter.step` gives.

    Attributes:
        params: Every parameter of the body by name, (P,) each, as in `FitResult.params`.
        joints: (J, 3) metres.
        residual: Root of the mean square distance of the observed keypoints that are on the body, metres; not a number without any.
    """

    params: dict[str, NDArray[np.float32]]
    joints: NDArray[np.float32]
    residual: float


class Fitter:
    """Fits a stream of keypoints frame by frame; each begins where the last one ended.

    The shape is learned from the first 60 frames, unless it is given. Nothing is smoothed: a fit of the whole take knows the future too.

    Args:
        convention: Name of the convention of the keypoints, or the convention itself.
        preset: Name of a preset, path of a JSON file, or a `Preset`; its last stage is used. It needs Levenberg-Marquardt.
        body: As for `fitting.fit`.
        gender: As for `fitting.fit`.
        betas: (S,) shape values, from an earlier fit of the same person.
        noise: What a keypoint is usually off along each axis, in metres.

    Raises:
        PresetError: A preset with another optimizer, or one that cannot be used.
        BodyError: A wrong body.
    """

    def __init__(
        self,
        convention: str | Convention,
        preset: str | Path | Preset = "fast",
        body: str | Path | nn.Module | None = None,
        gender: str | None = None,
        betas: ArrayLike | None = None,
        noise: float = 0.005,
    ) -> None:
        preset = preset if isinstance(preset, Preset) else load_preset(preset)
        model = preset_body_model(preset, body, gender)
        self._registrant: SMPLify = build_registrant({**preset.registrant_config(), "body_model": model, "device": "cpu"})
        if not isinstance(self._registrant.solver, LevenbergMarquardt):
            raise PresetError(
                f"Fitter needs a preset with the optimizer LevenbergMarquardt, but {preset.name!r} has another.", "Take 'fast'."
            )
        self._body, self._convention = model, as_convention(convention)
        self._convert = KeypointConversion(model.convention, self._convention, approximate=True, like=torch.zeros(()))
        self._noise = torch.full((len(self._convention.names),), float(noise))
        self._off = self._noise  # with what the skeleton means by its keypoints, once that is known
        self._frames: list[Tensor] | None = None if betas is not None else []
        width = model.parameter_shapes()["betas"]
        self._betas = torch.zeros(1, width) if betas is None else torch.as_tensor(np.asarray(betas, np.float32)).reshape(1, -1)
        if self._betas.shape[1] != width:
            raise TrackError(f"betas has {self._betas.shape[1]} values, but the body {model.name!r} has {width}.")
        self._parameters: dict[str, Tensor] | None = None
        self._usual_cost = 0.0

    @property
    def betas(self) -> NDArray[np.float32]:
        """(S,) the shape as far as it is known by now."""
        found: NDArray[np.float32] = self._betas[0].numpy().copy()
        return found

    def step(self, points: ArrayLike, confidence: ArrayLike | None = None) -> PoseOfFrame:
        """Fits one frame.

        Args:
            points: (K, 3) metres, y up; a point that is not finite is not observed.
            confidence: (K,) confidence from 0, ones by default.

        Returns:
            The pose; that of the frame before where nothing is observed.

        Raises:
            TrackError: Another number of keypoints than the convention has, or nothing observed in the first frame.
        """
        n_keypoints = len(self._convention.names)
        given = np.asarray(points, np.float32)
        sure = np.ones(n_keypoints, np.float32) if confidence is None else np.asarray(confidence, np.float32)
        if given.shape != (n_keypoints, 3) or sure.shape != (n_keypoints,):
            raise TrackError(
                f"step got points of shape {given.shape} and confidence of shape {sure.shape}, "
                f"expected ({n_keypoints}, 3) and ({n_keypoints},) for {self._convention.name!r}."
            )
        seen = np.isfinite(given).all(1) & np.isfinite(sure) & (sure > 0)
        if not seen.any() and self._parameters is None:
            raise TrackError("No keypoint of the first frame is observed.", "Wait for the first frame with a person in it.")
        target = torch.from_numpy(np.where(seen[:, None], given, 0))[None]
        weight = torch.from_numpy(np.where(seen, sure, 0))[None]
        with threads_for(1), torch.no_grad():
            if seen.any():
                self._learn(target, weight)
                self._fit(target, weight)
            return self._pose(target[0], weight[0])

    def _learn(self, target: Tensor, weight: Tensor) -> None:
        """Estimates the shape anew, after some frames."""
        if self._frames is None:
            return
        self._frames.append(torch.cat([target[0], weight[0, :, None]], 1))
        if len(self._frames) in _LEARN_AT:
            frames = torch.stack(self._frames)
            estimate = shape_from_lengths(self._body, frames[..., :3], frames[..., 3], self._convention, self._noise)
            self._betas = estimate.betas
            self._off = torch.hypot(self._noise, estimate.mismatch)
            if self._parameters is not None:
                self._parameters["betas"] = self._betas.clone()
        if len(self._frames) >= _LEARN_AT[-1]:
            self._frames = None

    def _fit(self, target: Tensor, weight: Tensor) -> None:
        if self._parameters is None:
            self._parameters, cost = self._solved(self._start(target, weight), target, weight)
            self._usual_cost = cost
            return
        found, cost = self._solved(self._parameters, target, weight)
        if cost > _LOST * self._usual_cost:  # the last frame is too far away: try the way of a first frame
            again, other_cost = self._solved(self._start(target, weight), target, weight)
            found, cost = (again, other_cost) if other_cost < cost else (found, cost)
        self._parameters = found
        self._usual_cost += 0.05 * (cost - self._usual_cost)

    def _start(self, target: Tensor, weight: Tensor) -> dict[str, Tensor]:
        widths = self._body.parameter_shapes()
        parameters = {name: torch.zeros(1, width) for name, width in widths.items()}
        parameters["betas"] = self._betas.clone()
        return parameters | pose_from_keypoints(self._body, target, weight, self._convention, self._betas)

    def _solved(self, parameters: dict[str, Tensor], target: Tensor, weight: Tensor) -> tuple[dict[str, Tensor], float]:
        """The parameters that explain one frame, and their cost."""
        stage = self._registrant.stages[-1]
        n_iter, ftol = stage.get("n_iter", 1), stage.get("ftol", 1e-4)
        problem = self._problem(parameters, target, weight)
        _, cost = self._registrant.solver.minimise(problem, n_iter, ftol)
        return {name: value.detach() for name, value in problem.parameters.items()}, cost

    def _problem(self, parameters: dict[str, Tensor], target: Tensor, weight: Tensor) -> Any:
        observed = Keypoint3dMSEInput(target, self._convention, weight)
        observed.keypoints3d_noise = self._off
        copies = {name: value.clone() for name, value in parameters.items()}
        return self._registrant.problem_of({**self._registrant.stages[-1], "fit_betas": False}, [observed], copies)

    def _pose(self, target: Tensor, weight: Tensor) -> PoseOfFrame:
        assert self._parameters is not None
        output = self._body(return_verts=False, **self._parameters)
        counted = (weight > 0) & self._convert.known.bool()
        squared = (self._convert(output.joints)[0] - target).square().sum(1)[counted]
        residual = float(squared.mean().sqrt()) if len(squared) else float("nan")
        params = {name: value[0].numpy().copy() for name, value in self._parameters.items()}
        return PoseOfFrame(params, output.joints[0, : self._body.n_joints].numpy().copy(), residual)
