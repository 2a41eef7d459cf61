"""smplfitter (MIT): closed form, the fastest peer. It solves ANOTHER PROBLEM: it needs vertices, joints alone do not do.

``pip install torch smplfitter``. Its author calls joints without vertices ill-posed: nothing then says how a limb is twisted. So it is
given noisy vertices of the truth as well as the noisy joints, which no keypoint tracker has. Never compare it without saying so.
"""

import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contract import Arrays, Fit, run_as_script
from smplfitter.pt import BodyFitter, BodyModel

FILE_NAME = "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl"
"""What it asks for; the body in it is ours."""
ITERATIONS = 3


def body_model(inputs: Arrays) -> Any:
    """Our body as its own, read from a file, as it knows no other way."""
    n_vertices, n_joints = len(inputs["v_template"]), len(inputs["parents"])
    arrays = {name: inputs[name] for name in ("v_template", "shapedirs", "weights")}
    arrays |= {"J_regressor": inputs["joint_regressor"], "f": inputs["faces"]}
    arrays |= {"kintree_table": inputs["parents"][None], "posedirs": np.zeros((n_vertices, 3, 9 * (n_joints - 1)), np.float32)}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / FILE_NAME).write_bytes(pickle.dumps(arrays))
        np.save(Path(folder) / "kid_template.npy", np.zeros((n_vertices, 3)))
        return BodyModel("smpl", "neutral", model_root=folder, num_betas=10, vertex_subset=inputs["vertex_subset"])


def prepare(inputs: Arrays, _variant: str) -> Fit:
    torch.set_num_threads(1)
    fitter = BodyFitter(body_model(inputs))
    vertices, joints = (torch.as_tensor(inputs[name], dtype=torch.float32) for name in ("vertices", "points"))

    @torch.no_grad()
    def fit(frames: slice) -> Arrays:
        found = fitter.fit(vertices[frames], joints[frames], num_iter=ITERATIONS, beta_regularizer=0.0, share_beta=True)
        pose = found["pose_rotvecs"]
        betas = found["shape_betas"].reshape(-1, 10)[:1]
        return {"global_orient": pose[:, :3], "body_pose": pose[:, 3:], "transl": found["trans"], "betas": betas}

    return fit


if __name__ == "__main__":
    run_as_script(prepare)
