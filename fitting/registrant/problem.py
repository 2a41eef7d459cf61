"""One stage of a fit as an objective: it knows what is made small, but not how."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..body import Body, BodyOutput
from ..data.bodies import JOINT_NAMES
from ..handlers import BaseHandler, BaseInput
from ..handlers.quadratic_terms import FrameTerm, QuadraticTerm, RotationAccelerationTerm, RotationTerm, SharedTerm
from ..losses import Loss
from .least_squares.unknowns import Unknowns

if TYPE_CHECKING:
    from .least_squares.stage import StageLeastSquares


@dataclass(frozen=True)
class Term:
    """A handler with its input and what a stage says about it.

    Attributes:
        handler: Computes the term.
        related_input: What it is compared with, or None.
        weight: Weight of this stage, or None for that of the loss.
        reduction: Reduction of this stage, or None for that of the loss.
    """

    handler: BaseHandler
    related_input: BaseInput | None
    weight: float | None = None
    reduction: str | None = None

    def __call__(self, reduction: str | None = None, **arguments: Any) -> Tensor:
        """Value of the term, a scalar unless the reduction is "none"."""
        return self.handler(loss_weight_override=self.weight, reduction_override=reduction or self.reduction, **self._with_input(arguments))

    def residuals(self, **arguments: Any) -> Tensor:
        """(F, R) residuals whose squares add up to the value of the term.

        Raises:
            FittingError: The loss is no sum of squares.
        """
        return self.handler.residuals(loss_weight_override=self.weight, reduction_override=self.reduction, **self._with_input(arguments))

    def quadratic(self, **arguments: Any) -> QuadraticTerm | None:
        """The term in a form that solvers know by heart, or None; arguments as for `BaseHandler.quadratic_term`."""
        loss = self.handler.loss
        if not isinstance(loss, Loss) or (self.reduction or loss.reduction) != "sum":
            return None
        weight = loss.loss_weight if self.weight is None else self.weight
        return self.handler.quadratic_term(factor=weight, **self._with_input(arguments))

    def _with_input(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return arguments if self.related_input is None else {**arguments, "related_input": self.related_input}


class Problem:
    """The terms of one stage as a function of the body's parameters.

    Args:
        body: The body model.
        parameters: Each parameter of the body, (F, ...) or (1, ...), by name; `free` ones are changed in place.
        free: Names of the parameters that may change; None leaves all of them as they are, gradients too.
        terms: What is added up.
        joint_weights: (K,) weight of each keypoint of the body.
        n_frames: Number of frames F.
        fps: Frames per second.
        hurry: How many times quicker than usual the motion changes.
        shape_estimate: (1, S) shape that limb lengths tell and (S, S) root of its precision; the mean shape by default.
    """

    def __init__(
        self,
        body: Body,
        parameters: Mapping[str, Tensor],
        free: Sequence[str] | None,
        terms: list[Term],
        joint_weights: Tensor,
        n_frames: int,
        fps: float = 30.0,
        hurry: float = 1.0,
        shape_estimate: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.body = body
        self._shape_estimate = shape_estimate
        self.fps, self.hurry = fps, hurry
        self.parameters = parameters
        self.terms = terms
        self.joint_weights = joint_weights
        self.n_frames = n_frames
        self.requires_verts = any(term.handler.requires_verts() for term in terms)
        if free is not None:
            for name, tensor in parameters.items():
                tensor.requires_grad_(name in free)
                tensor.grad = None
        self.free = {name: parameters[name] for name in free or ()}
        self._rest_pose = Unknowns(body, parameters, {}, n_frames).rest_pose()

    def loss(self, only: Collection[str] | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of all terms, or of those with some handler keys `only`; and each of all terms by its handler key."""
        # A term without reduction gives one number for each frame; a stage minimises their sum.
        values = {key: value.sum() for key, value in self._terms(self.posed(), None).items()}
        wanted = [value for key, value in values.items() if only is None or key in only]
        total = torch.stack(wanted).sum() if wanted else self.joint_weights.new_zeros(())
        return total, {key: value.detach() for key, value in values.items()}

    def terms_by_key(self, output: BodyOutput, reduction: str | None = None) -> dict[str, Tensor]:
        """Each term by its handler key, and `total_loss`: scalars, or (F,) without reduction.

        Args:
            output: The posed body.
            reduction: Reduction of all terms; that of the stage or of the loss by default.
        """
        values = self._terms(output, reduction)
        zero = self.joint_weights.new_zeros(self.n_frames) if reduction == "none" else self.joint_weights.new_zeros(())
        return {**values, "total_loss": sum(values.values(), start=zero)}

    def _terms(self, output: BodyOutput, reduction: str | None) -> dict[str, Tensor]:
        arguments = self.arguments(output)
        values = {}
        for term in self.terms:
            value = term(reduction=reduction, **arguments)
            values[term.handler.handler_key] = value.flatten(1).sum(1) if value.ndim > 1 else value
        return values

    def scales(self) -> dict[str, Tensor]:
        """For each free parameter, a change that moves the body's keypoints by about as much as those of the others.

        A rotation moves what hangs on its joint, along the lever arm; shared shape values move all frames at once.
        """
        effects = self.body.effects(self.joint_weights)
        shared = {name: self.n_frames / len(value) for name, value in self.parameters.items()}
        return {name: (effects[name] * shared[name] ** 0.5).reciprocal() for name in self.free if name in effects}

    def residuals(self) -> Tensor:
        """(F, R) residuals of all terms, whose squares add up to the loss.

        Raises:
            FittingError: A term is no sum of squares.
        """
        arguments = self.arguments(self.posed())
        return torch.cat([term.residuals(**arguments) for term in self.terms], 1)

    def least_squares(self) -> "StageLeastSquares":
        """The stage as a sum of squares, for Levenberg-Marquardt.

        Raises:
            FittingError: A term is no sum of squares.
        """
        from .least_squares.carriers import can_be_placed  # noqa: PLC0415 - these build on this module
        from .least_squares.generic_terms import GenericTerms  # noqa: PLC0415
        from .least_squares.stage import StageLeastSquares  # noqa: PLC0415

        given = {
            "model_joints_convention": self.body.keypoint_convention,
            "model_joints_weights": self.joint_weights,
            **self._skeleton(),
        }
        known, others = {}, []
        unknowns = Unknowns(self.body, self.parameters, self.free, self.n_frames)
        for term in self.terms:
            quadratic = term.quadratic(**given) if can_be_placed(self.body) else None
            is_of_components = unknowns.by_components and isinstance(quadratic, RotationTerm | RotationAccelerationTerm)
            is_of_each_frame = isinstance(quadratic, SharedTerm) and quadratic.name not in unknowns.shared_values
            is_no_frame_value = isinstance(quadratic, FrameTerm) and quadratic.name not in unknowns.frame_values
            if quadratic is None or is_of_components or is_of_each_frame or is_no_frame_value:
                others.append(term)
            else:
                known[term.handler.handler_key] = quadratic
        return StageLeastSquares(unknowns, unknowns.start(), known, GenericTerms(self, others) if others else None)

    def take(self, solved: "StageLeastSquares") -> None:
        """Takes over the parameters at the present point of a solved least-squares problem, in place."""
        for name, value in solved.unknowns.parameters_at(solved.point).items():
            if name in self.free:
                self.free[name].data.copy_(value)

    def posed(self, return_verts: bool = False) -> BodyOutput:
        """The body at the present parameters, with vertices where they are asked for or a term needs them."""
        output: BodyOutput = self.body(**self.parameters, return_verts=return_verts or self.requires_verts)
        return output

    def arguments(self, output: BodyOutput, parameters: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
        """What every handler is given: the posed body and all parameters, each with F rows.

        Args:
            output: The posed body.
            parameters: The parameters that it is posed with; those of this problem by default.
        """
        given = self.parameters if parameters is None else parameters
        expanded = {name: value if len(value) == self.n_frames else value.expand(self.n_frames, -1) for name, value in given.items()}
        return {
            "model_vertices": output.vertices,
            "model_faces": getattr(self.body, "faces", None),  # a module of the user's may have none
            "model_joints": output.joints,
            "model_joints_convention": self.body.keypoint_convention,
            "model_joints_weights": self.joint_weights,
            "model_full_pose": output.full_pose,
            **self._skeleton(),
            **expanded,
        }

    def _skeleton(self) -> dict[str, Any]:
        """What does not change while a stage runs: names and rest pose of the joints, the frame rate, what is known of the shape."""
        names, estimate = JOINT_NAMES[self.body.model_type], self._shape_estimate
        if estimate is None:
            n_betas, like = self.parameters["betas"].shape[1], self._rest_pose
            estimate = like.new_zeros(1, n_betas), torch.eye(n_betas).to(like)
        known = {"model_joint_names": names, "model_rest_pose": self._rest_pose, "shape_estimate": estimate}
        return {**known, "fps": self.fps, "hurry": self.hurry}
