"""The arrays of a body model of the SMPL family."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import BodyError

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BodyData:
    """A body model: V vertices, J joints, S shape values. Metres, y up, facing +z, +x to the body's left.

    Attributes:
        model_type: "smpl", "smplh" or "smplx".
        gender: "neutral", "male" or "female".
        name: Where the body comes from, for reports: "default" or a file name.
        joint_names: J names, as `smplx` and AMASS users know them ("pelvis", "left_hip", ..., "spine1", ...).
        parents: (J,) index of the parent joint, -1 for the root; a parent comes before its children.
        v_template: (V, 3) vertices of the mean shape in the T-pose.
        shapedirs: (V, 3, S) movement of each vertex for one unit of each shape value.
        joint_regressor: (J, V) joints as weighted sums of vertices.
        weights: (V, J) skinning weights, rows sum to 1.
        faces: (T, 3) triangles.
        quads: (Q, 4) the same surface as quads, or None.
        uv, uv_quads: (U, 2) texture coordinates and (Q, 4) their index for each corner of each quad, or None.
        posedirs: (V, 3, 9 (J - 1)) pose correctives, or None where the model has none.
        expression_dirs: (V, 3, E) movement of each vertex for one unit of each expression, or None.
        hand_mean: (2, 45) axis-angle of the finger joints of the relaxed left and right hand, radians, or None.
        hand_components: (2, 45, 45) components of hand poses in rows, the most important first, or None.
        keypoint_vertices: Vertex of each named surface keypoint (names of the convention "human_data").
        landmark_vertices, landmark_weights: (51, 3) vertices of the triangle in which each face landmark lies, and their shares; for
            the keypoints of SMPL-X from `right_eyebrow_1` on that `keypoint_vertices` does not name. Or None.
        contour_vertices, contour_weights: (79, 17, 3) the same for the contour of the face, which depends on how far the head is turned:
            0 to 39 degrees, then -1 to -39, as `smplx` keeps them. Or None.
        convention: Convention of the keypoints of the body: its joints, then its surface keypoints.
    """

    model_type: str
    gender: str
    name: str
    joint_names: tuple[str, ...]
    parents: Integers
    v_template: Floats
    shapedirs: Floats
    joint_regressor: Floats
    weights: Floats
    faces: Integers
    quads: Integers | None = None
    uv: Floats | None = None
    uv_quads: Integers | None = None
    posedirs: Floats | None = None
    expression_dirs: Floats | None = None
    hand_mean: Floats | None = None
    hand_components: Floats | None = None
    keypoint_vertices: Mapping[str, int] = field(default_factory=dict)
    landmark_vertices: Integers | None = None
    landmark_weights: Floats | None = None
    contour_vertices: Integers | None = None
    contour_weights: Floats | None = None
    convention: str = "smpl_45"

    @property
    def n_vertices(self) -> int:
        """Number of vertices V."""
        return int(self.v_template.shape[0])

    @property
    def n_joints(self) -> int:
        """Number of joints J."""
        return len(self.joint_names)

    @property
    def n_betas(self) -> int:
        """Number of shape values S."""
        return int(self.shapedirs.shape[2])

    @property
    def n_expressions(self) -> int:
        """Number of expressions E; 0 for a body without a face."""
        return 0 if self.expression_dirs is None else int(self.expression_dirs.shape[2])

    @cached_property
    def joints_template(self) -> Floats:
        """(J, 3) joints of the mean shape in the T-pose."""
        return self.joint_regressor @ self.v_template

    @cached_property
    def joint_shapedirs(self) -> Floats:
        """(J, 3, S) movement of each rest joint for one unit of each shape value."""
        return self._regressed(self.shapedirs)

    @cached_property
    def joint_expression_dirs(self) -> Floats | None:
        """(J, 3, E) movement of each rest joint for one unit of each expression, or None."""
        return None if self.expression_dirs is None else self._regressed(self.expression_dirs)

    def rest_vertices(self, betas: ArrayLike) -> Floats:
        """(V, 3) vertices in the T-pose for up to S shape values; values that are left out are 0."""
        values = self._betas(betas)
        return self.v_template + self.shapedirs[..., : len(values)] @ values

    def rest_joints(self, betas: ArrayLike) -> Floats:
        """(J, 3) joints in the T-pose for up to S shape values; values that are left out are 0."""
        values = self._betas(betas)
        return self.joints_template + self.joint_shapedirs[..., : len(values)] @ values

    def _regressed(self, dirs: Floats) -> Floats:
        """(J, 3, S) movement of the rest joints that goes with a movement (V, 3, S) of the vertices."""
        n_joints, n_vertices = self.joint_regressor.shape
        return (self.joint_regressor @ dirs.reshape(n_vertices, -1)).reshape(n_joints, 3, -1)

    def _betas(self, betas: ArrayLike) -> Floats:
        values = np.asarray(betas, np.float32).reshape(-1)
        if len(values) > self.n_betas:
            raise BodyError(f"{len(values)} betas were given, but the body {self.name!r} has {self.n_betas}.", "Give fewer betas.")
        return values
