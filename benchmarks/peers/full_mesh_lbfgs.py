"""L-BFGS through the full mesh, whole take at once: what XRMoCap and SMPLify-X do, in their own optimiser, with PyTorch.

Every closure poses all vertices, and the gradient goes back through them. The joints are those of `smplx`: 24 of the skeleton and 21
vertices of the surface; the latter weigh nothing here, as with keypoints that were not observed. It runs in this project's environment.
Unlike those two it starts where our fit starts, weighs all by the true noise, and runs until it has converged: kinder than their presets.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

import fitting

N_SURFACE = 21
STEP_ITERATIONS = 20
MOST_STEPS = 60
ENOUGH = 1e-4
"""It ends when 20 iterations lower the loss by less than this share."""


def fit(
    body: fitting.BodyModel, points: Tensor, start: Mapping[str, Tensor], pose_sigma: Tensor, sigma: float
) -> tuple[dict[str, Tensor], int]:
    """Fits a take.

    Args:
        body: The body.
        points: (F, 24, 3) metres.
        start: `global_orient` (F, 3), `body_pose` (F, 69), `transl` (F, 3).
        pose_sigma: (69,) how far each pose value may be from 0, radians.
        sigma: Noise of the points along each axis, metres.

    Returns:
        The parameters, `betas` (1, 10) among them, and how often the mesh was posed.
    """
    values = {name: start[name].clone() for name in ("global_orient", "body_pose", "transl")}
    values["betas"] = points.new_zeros(1, body.n_betas)
    for value in values.values():
        value.requires_grad_()
    n_joints = points.shape[1]
    surface = torch.linspace(0, body.data.n_vertices - 1, N_SURFACE).long()
    confidence = torch.cat([points.new_ones(n_joints, 1), points.new_zeros(N_SURFACE, 1)])
    target = torch.cat([points, points.new_zeros(len(points), N_SURFACE, 3)], 1)
    optimizer = torch.optim.LBFGS(list(values.values()), max_iter=STEP_ITERATIONS, line_search_fn="strong_wolfe")
    evaluations = 0

    def closure() -> Tensor:
        nonlocal evaluations
        evaluations += 1
        optimizer.zero_grad()
        output = body(return_verts=True, **values)
        found = torch.cat([output.joints[:, :n_joints], output.vertices[:, surface]], 1)
        distance = (confidence * (found - target) / sigma).square().sum()
        loss = distance + (values["body_pose"] / pose_sigma).square().sum() + values["betas"].square().sum()
        loss.backward()
        return loss

    last = float("inf")
    for _ in range(MOST_STEPS):
        loss = float(optimizer.step(closure))  # before these iterations
        if last - loss < ENOUGH * loss:
            break
        last = loss
    return {name: value.detach() for name, value in values.items()}, evaluations


def prepare(inputs: Mapping[str, Any], _variant: str) -> Any:
    torch.set_num_threads(1)
    body = fitting.load_body(n_betas=10)
    if not np.array_equal(body.data.v_template, inputs["v_template"]):
        raise SystemExit("full_mesh_lbfgs.py fits the default body only.")
    tensors = {name: torch.as_tensor(value, dtype=torch.float32) for name, value in inputs.items() if name.startswith(("start_", "points"))}
    pose_sigma = torch.as_tensor(inputs["pose_sigma"], dtype=torch.float32)

    def fit_frames(frames: slice) -> dict[str, Any]:
        start = {name.removeprefix("start_"): value[frames] for name, value in tensors.items()}
        found, evaluations = fit(body, start.pop("points"), start, pose_sigma, float(inputs["sigma"]))
        return {**found, "evaluations": evaluations}

    return fit_frames


if __name__ == "__main__":
    from contract import run_as_script

    run_as_script(prepare)
