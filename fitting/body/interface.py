"""What a fit asks of a body model, so that a body of your own can be fitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from ..data.conventions import Convention
from ..errors import BodyError


@dataclass
class BodyOutput:
    """A posed body.

    Attributes:
        joints: (F, K, 3) keypoints in the order of the model's convention, the J joints of its skeleton first; metres.
        vertices: (F, V, 3) vertices, or None where they were not asked for.
        full_pose: (F, 3 J) axis-angle, the root first.
    """

    joints: Tensor
    vertices: Tensor | None
    full_pose: Tensor


class Body(Protocol):
    """A body model: a `torch.nn.Module` with these members. `BodyModel` is one, and a module of your own may be another.

    Metres, radians, y up; the rest pose faces +z. Parameters are plain tensors of F rows (frames), or of one row for all frames, and
    gradients flow from the output to them. `global_orient`, `transl`, `body_pose` and `betas` are fitted by every registrant.
    """

    @property
    def model_type(self) -> str:
        """The family, by which the pose is cut into its parts: "smpl", "smplh" or "smplx"."""

    @property
    def gender(self) -> str:
        """The gender, for reports: "neutral", "male" or "female"."""

    @property
    def name(self) -> str:
        """Where the body comes from, for reports."""

    @property
    def n_joints(self) -> int:
        """Number of joints J of the skeleton."""

    @property
    def convention(self) -> Convention:
        """The K keypoints, the J joints first. A start from keypoints needs pelvis, spine, neck, hips, knees, ankles, shoulders, ..."""

    @property
    def keypoint_convention(self) -> str:
        """Name of the convention, as `get_convention` knows it."""

    @property
    def faces(self) -> Tensor:
        """(T, 3) triangles. Only point clouds and meshes as targets need them."""

    def parameter_shapes(self) -> dict[str, int]:
        """Width of each parameter that can be fitted."""

    def effects(self, keypoint_weights: Tensor) -> dict[str, Tensor]:
        """How far one unit of each parameter moves the keypoints, one value for each of its columns.

        It only sets the scale of an optimizer with `"scaled": true`: rough values do, and a parameter may be left out.

        Args:
            keypoint_weights: (K,) weights of the keypoints.
        """

    def full_pose(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """(F, 3 J) axis-angle of all joints, the root first, from the parts of the pose by name."""

    def parts_of_pose(self, full_pose: Tensor) -> dict[str, Tensor]:
        """The parts (..., 3 N) of a full pose (..., 3 J) by name."""

    def __call__(self, *, return_verts: bool = False, **parameters: Tensor | None) -> BodyOutput:
        """The posed body; a parameter that is left out is zero. Without `return_verts` vertices need not be computed."""

    def to(self, *args: Any, **kwargs: Any) -> "Body":
        """The body on another device, as every module."""

    def cpu(self) -> "Body":
        """The body on the CPU, as every module."""


_NEEDED = (
    *("convention", "effects", "full_pose", "gender", "keypoint_convention", "model_type", "n_joints", "name"),
    *("parameter_shapes", "parts_of_pose"),
)
"""All members but `faces`: a fit of keypoints needs none."""


def check_body(module: nn.Module) -> None:
    """Says what a module lacks of a body.

    Raises:
        BodyError: It lacks something.
    """
    missing = [name for name in _NEEDED if not hasattr(module, name)]
    if missing:
        raise BodyError(
            f"The module {type(module).__name__} is no body model: it has no {', '.join(missing)}.",
            "Give it the members of fitting.body.Body.",
        )
