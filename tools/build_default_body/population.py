"""Random bodies in the T-pose, to learn joints and shapes from."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .makehuman import BaseMesh, Floats, Rig, read_base_mesh, read_rig
from .mesh import BodyMesh, select_body_mesh, volumes
from .phenotypes import Phenotype, draw_adult, target_weights
from .targets import TargetLibrary
from .tpose import to_t_pose

PELVIS_BONE = "spine05"
DENSITY = 1000.0
"""Kilograms per cubic metre of a body."""

_BODIES_AT_ONCE = 50


@dataclass(frozen=True, eq=False)
class Assets:
    """What the data folder holds, read."""

    data: Path
    base: BaseMesh
    mesh: BodyMesh
    rig: Rig
    targets: TargetLibrary

    @classmethod
    def read(cls, data: Path) -> "Assets":
        """The assets of a data folder."""
        base = read_base_mesh(data)
        return cls(data, base, select_body_mesh(base), read_rig(data, base), TargetLibrary(data, base.vertices))


@dataclass(frozen=True, eq=False)
class Bodies:
    """N bodies in the T-pose, pelvis at the origin.

    Attributes:
        vertices: (N, V, 3) metres.
        bone_heads: (N, B, 3) metres.
        stature: (N,) metres.
        mass: (N,) kilograms.
        gender: (N,) from 0 female to 1 male.
    """

    vertices: NDArray[np.float32]
    bone_heads: NDArray[np.float32]
    stature: Floats
    mass: Floats
    gender: Floats

    def __add__(self, other: "Bodies") -> "Bodies":
        return Bodies(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__dataclass_fields__))

    def __getitem__(self, which: slice) -> "Bodies":
        return Bodies(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.stature)

    @cached_property
    def body_mass_index(self) -> Floats:
        """(N,) kilograms per square metre."""
        return self.mass / self.stature**2


def draw_bodies(assets: Assets, gender: str, n_bodies: int, seed: int, local_variety: float = 1.0) -> Bodies:
    """Random adults of one gender in the T-pose.

    Args:
        assets: The assets.
        gender: "male" or "female".
        n_bodies: How many; the first ones of two calls with the same seed are the same.
        seed: Of the random numbers.
        local_variety: Factor on the variation of single measures; 0 for none.
    """
    rng = np.random.default_rng(seed)
    drawn = [draw_adult(rng, gender, local_variety) for _ in range(n_bodies)]
    parts = [_bodies(assets, drawn[i : i + _BODIES_AT_ONCE]) for i in range(0, n_bodies, _BODIES_AT_ONCE)]
    return Bodies(*(np.concatenate([getattr(part, name) for part in parts]) for name in Bodies.__dataclass_fields__))


def _bodies(assets: Assets, drawn: list[tuple[Phenotype, float]]) -> Bodies:
    a_posed = _of_stature(assets, drawn)
    vertices, bone_heads = to_t_pose(assets.rig, a_posed, assets.mesh.base_vertices)
    pelvis = bone_heads[:, [assets.rig.index[PELVIS_BONE]]]
    return Bodies(
        vertices=(vertices - pelvis).astype(np.float32),
        bone_heads=(bone_heads - pelvis).astype(np.float32),
        stature=_stature(assets, a_posed),
        mass=DENSITY * volumes(vertices, assets.mesh.body_triangles),
        gender=np.array([adult.gender for adult, _ in drawn]),
    )


def _of_stature(assets: Assets, drawn: list[tuple[Phenotype, float]]) -> Floats:
    """(N, 19158, 3) the adults in the A-pose, with the stature drawn for each: it is linear in height on each side of the average."""
    average = assets.targets.shape([target_weights(adult.with_height(0.5)) for adult, _ in drawn])
    wanted = np.array([stature for _, stature in drawn])
    middle = _stature(assets, average)
    extreme = assets.targets.shape(
        [target_weights(adult.with_height(float(taller))) for (adult, _), taller in zip(drawn, wanted > middle, strict=True)]
    )
    share = (wanted - middle) / (_stature(assets, extreme) - middle)
    return np.asarray(average + share[:, None, None] * (extreme - average))


def _stature(assets: Assets, bodies: Floats) -> Floats:
    """(N,) metres from the soles to the top of the head."""
    heights = bodies[:, assets.mesh.base_vertices[assets.mesh.is_body], 1]
    return np.asarray(np.ptp(heights, axis=1))
