"""How good the default body is, measured on bodies that it was not built from."""

from collections.abc import Iterator

import numpy as np

from .joints import joint_positions
from .makehuman import Floats
from .population import Assets, Bodies
from .shape_space import N_BETAS, ShapeSpace, fit_betas

_MM = 1000


def describe_bodies(name: str, bodies: Bodies) -> str:
    """Stature, mass and body mass index of a sample."""
    measures = (("stature", bodies.stature, "m"), ("mass", bodies.mass, "kg"), ("body mass index", bodies.body_mass_index, "kg/m2"))
    return f"{name}: " + ", ".join(
        f"{what} {values.mean():.4g} (sd {values.std():.3g}, {values.min():.4g} to {values.max():.4g}) {unit}"
        for what, values, unit in measures
    )


def describe_regressor(assets: Assets, regressor: Floats, bodies: Bodies) -> str:
    """Distance of the joints of bodies from the places that MakeHuman's rig gives them."""
    error = np.linalg.norm(regressor @ bodies.vertices - joint_positions(assets.rig, bodies.bone_heads), axis=-1) * _MM
    n_entries = np.count_nonzero(regressor)
    return f"joints: {error.mean():.2f} mm, 95% below {np.percentile(error, 95):.1f} mm, at most {error.max():.1f} mm; {n_entries} entries"


def describe_space(assets: Assets, gender: str, space: ShapeSpace, bodies: Bodies) -> Iterator[str]:
    """What the betas mean, and how near they come to bodies that they were not learnt from."""
    vertices = assets.mesh.symmetrise(bodies.vertices)
    for n_betas in (10, N_BETAS):
        betas = fit_betas(space, assets.mesh, vertices, n_betas)
        nearest = space.mean + np.einsum("vck,nk->nvc", space.shapedirs[..., :n_betas], betas, optimize=True)
        error = np.linalg.norm(vertices - nearest, axis=-1)[:, assets.mesh.is_body] * _MM
        worst = error.mean(axis=1).max()
        yield f"{gender}, {n_betas} betas: {error.mean():.2f} mm, 95% below {np.percentile(error, 95):.1f} mm, worst body {worst:.1f} mm"
