"""keypoints2body: frame by frame L-BFGS through `smplx`, warm-started. ``pip install torch keypoints2body``.

It looks for a mean pose and a pose prior in files that are not free. It is given a mean pose of zeros, and this project's own prior in
the same form. Its module of priors forbids its use without a licence from its first owners, so that a class of ours stands in for it,
with the same formula. It starts at our start in the first frame: from its own, facing forward, it ends further off. Its stage for the
betas is left out: it drops what that finds where a start is given, and no other stage changes them.
"""

import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import smplx
import torch
from contract import Arrays, Fit, run_as_script
from smplx.utils import Struct
from torch import Tensor, nn

PRIOR = Path(__file__).parents[2] / "fitting" / "assets" / "pose_prior.npz"


class MaxMixturePrior(nn.Module):
    """Negative logarithm of the most likely Gaussian of this project's prior (SMPLify, equation 7)."""

    def __init__(self, **_config: Any) -> None:
        super().__init__()
        with np.load(PRIOR) as file:
            means, lower, weights = (file[name].astype(float) for name in ("means", "chol", "weights"))
        roots = np.zeros((*means.shape, means.shape[1]))
        roots[:, *np.tril_indices(means.shape[1])] = lower
        half_log = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(1)
        constants = half_log - half_log.min() + 0.5 * means.shape[1] * np.log(2 * np.pi) - np.log(weights)
        self.means, self.whitening, self.constants = (torch.tensor(x).float() for x in (means, np.linalg.inv(roots), constants))

    def forward(self, pose: Tensor, _betas: Tensor) -> Tensor:
        white = torch.einsum("mij,bmj->bmi", self.whitening, pose[:, None] - self.means)
        return (0.5 * white.square().sum(-1) + self.constants).amin(1)


stand_in = types.ModuleType("keypoints2body.core.prior")
stand_in.MaxMixturePrior = MaxMixturePrior
sys.modules[stand_in.__name__] = stand_in

from keypoints2body import optimize_params_sequence  # noqa: E402
from keypoints2body.models.smpl_data import SMPLData  # noqa: E402


def body_model(inputs: Arrays) -> nn.Module:
    """Our body in `smplx`, full mesh."""
    n_vertices, n_joints = len(inputs["v_template"]), len(inputs["parents"])
    arrays = {name: inputs[name] for name in ("v_template", "shapedirs", "weights")}
    arrays |= {"J_regressor": inputs["joint_regressor"], "f": inputs["faces"]}
    arrays |= {"kintree_table": inputs["parents"][None], "posedirs": np.zeros((n_vertices, 3, 9 * (n_joints - 1)), np.float32)}
    return smplx.SMPL("", data_struct=Struct(**arrays))


def prepare(inputs: Arrays, _variant: str) -> Fit:
    torch.set_num_threads(1)
    model = body_model(inputs)
    points = torch.as_tensor(inputs["points"], dtype=torch.float32)
    start = {name: torch.as_tensor(inputs[f"start_{name}"], dtype=torch.float32) for name in ("global_orient", "body_pose", "transl")}
    folder = tempfile.TemporaryDirectory()
    os.makedirs(f"{folder.name}/data/models")
    with h5py.File(f"{folder.name}/data/models/neutral_smpl_mean_params.h5", "w") as file:
        file["pose"], file["shape"] = np.zeros(72), np.zeros(10)

    def fit(frames: slice) -> Arrays:
        first = {name: value[frames][:1] for name, value in start.items()}
        home = os.getcwd()
        os.chdir(folder.name)  # it reads its files from the working folder
        try:
            results = optimize_params_sequence(
                points[frames],
                init_params=SMPLData(betas=torch.zeros(1, 10), **first),
                joint_layout="SMPL24",
                model=model,
                config={"use_shape_optimization": False},
            )
        finally:
            os.chdir(home)
        names = ("global_orient", "body_pose", "transl")
        found = {name: torch.cat([getattr(result.params, name) for result in results]) for name in names}
        return {**found, "betas": results[-1].params.betas}

    return fit


if __name__ == "__main__":
    run_as_script(prepare)
