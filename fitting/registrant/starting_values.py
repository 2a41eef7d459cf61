"""What a fit is given to begin with: inputs that belong together, and the first values of the parameters."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..body import Body
from ..errors import FittingError, did_you_mean
from ..handlers import BaseHandler, BaseInput
from .observations import filled, jitter_of, noise_and_hurry
from .shape_start import ShapeEstimate, shape_from_lengths, unknown_shape
from .start import pose_from_keypoints

_GUESSED = 1e-3
"""Confidence of a point in a gap, for the start of a fit."""


def inputs_by_key(
    input_list: Sequence[BaseInput], handlers: Sequence[BaseHandler], model_convention: str, device: torch.device, logger: logging.Logger
) -> dict[str, BaseInput]:
    """The inputs of a fit by handler key, on the device, each checked by its handler.

    Raises:
        FittingError: No input, two with one key, different numbers of frames, or one that its handler cannot use.
    """
    if not input_list:
        raise FittingError("There is no input to fit to.", "Give a list with at least one input.")
    inputs: dict[str, BaseInput] = {}
    for item in input_list:
        if not isinstance(item, BaseInput):
            raise FittingError(
                f"input_list holds a {type(item).__name__}, expected inputs.", "Build them with build_handler, or Keypoint3dMSEInput(...)."
            )
        if item.handler_key in inputs:
            raise FittingError(f"Two inputs have the key {item.handler_key!r}.", "Give each input the key of its own handler.")
        inputs[item.handler_key] = item.to(device)
    sizes = {key: item.get_batch_size() for key, item in inputs.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{key} {size}" for key, size in sizes.items())
        raise FittingError(f"The inputs have different numbers of frames: {listed}.", "Give all inputs the same frames.")
    for handler in handlers:
        if handler.handler_key in inputs:
            handler.check_input(inputs[handler.handler_key], model_convention)
    keys = {handler.handler_key for handler in handlers if handler.requires_input()}
    for key in set(inputs) - keys:
        logger.warning("No handler has the key %r: this input is not used. %s", key, did_you_mean(key, keys))
    return inputs


def first_values(
    body: Body,
    inputs: Mapping[str, BaseInput],
    n_frames: int,
    given: Mapping[str, Tensor],
    *,
    start: str,
    one_shape: bool,
    device: torch.device,
) -> tuple[dict[str, Tensor], ShapeEstimate]:
    """Each parameter of the body by name, (F, ...), or (1, S) for a shape that all frames share.

    Args:
        body: The body model.
        inputs: The inputs by handler key.
        n_frames: Number of frames F.
        given: Values of the user's, (1, ...) or (F, ...); they go before all others.
        start: "zeros"; "torso" to read the pose off the keypoints, as far as there are any; "limbs" for the shape too.
        one_shape: All frames share their betas.
        device: Where the values are needed.

    Returns:
        The parameters, and what is known of the shape.

    Raises:
        FittingError: An unknown parameter, or one of a wrong shape.
    """
    shapes, estimate = body.parameter_shapes(), unknown_shape(body, torch.zeros((), device=device))
    for name in given:
        if name not in shapes:
            raise FittingError(f"init_param_dict has an unknown parameter {name!r}.", did_you_mean(name, shapes))
    values = {name: torch.zeros(1 if name == "betas" else n_frames, width) for name, width in shapes.items()}
    observed = None if start == "zeros" else _observed_keypoints(inputs)
    if observed is not None:
        points, confidence, convention = observed
        seen = confidence > 0
        if start == "limbs" and "betas" not in given:
            noise, _ = noise_and_hurry(body, points, confidence, convention, jitter_of(points, seen))
            estimate = shape_from_lengths(body, points, confidence, convention, noise)
            values["betas"] = estimate.betas
        if start == "limbs":
            points, confidence = filled(points, seen), torch.where(seen, confidence, seen.any(0).to(confidence) * _GUESSED)
        shape = torch.as_tensor(given["betas"]).to(points) if "betas" in given else values["betas"].to(points)
        values |= pose_from_keypoints(body, points, confidence, convention, shape.mean(0, keepdim=True))
    for name, value in given.items():
        tensor = torch.as_tensor(value)
        if tensor.ndim != 2 or tensor.shape[1] != shapes[name] or tensor.shape[0] not in (1, n_frames):
            expected = f"(1, {shapes[name]}) or ({n_frames}, {shapes[name]})"
            raise FittingError(f"init_param_dict has {name} of shape {tuple(tensor.shape)}, expected {expected}.")
        values[name] = tensor
    if one_shape:
        values["betas"] = values["betas"].mean(0, keepdim=True)
    shared = {"betas"} if one_shape else set()
    rows = {name: 1 if name in shared else n_frames for name in values}
    return {
        name: value.detach().to(device, torch.float32).expand(rows[name], -1).clone(memory_format=torch.contiguous_format)
        for name, value in values.items()
    }, estimate


def _observed_keypoints(inputs: Mapping[str, BaseInput]) -> tuple[Tensor, Tensor, Any] | None:
    """(F, K, 3) keypoints in space, their (F, K) confidence and convention, of the first input that knows any."""
    for item in inputs.values():
        observed = item.initial_keypoints3d()
        if observed is not None:
            return observed
    return None
