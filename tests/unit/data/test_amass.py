"""A result in the layout of AMASS is the same motion, turned to z up."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fitting.body import BodyModel, load_body
from fitting.data.amass import write_amass
from fitting.data.result import FitResult
from fitting.errors import ResultError

N_FRAMES = 7


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(n_betas=10)


@pytest.fixture(scope="module")
def result(body: BodyModel) -> FitResult:
    generator = torch.Generator().manual_seed(0)
    params = {
        "global_orient": torch.randn(N_FRAMES, 3, generator=generator) * 2,
        "body_pose": torch.randn(N_FRAMES, 69, generator=generator) * 0.4,
        "betas": torch.randn(1, 10, generator=generator),
        "transl": torch.randn(N_FRAMES, 3, generator=generator),
    }
    params["body_pose"][:, 63:] = 0  # SMPL-H has no hand joints of this kind
    return FitResult(
        params={name: value.numpy() for name, value in params.items()},
        joints=body(**params).joints[:, :24].numpy(),
        residuals=np.zeros((N_FRAMES, 1), np.float32),
        keypoint_names=("pelvis",),
        fps=59.94,
        body={"model_type": "smpl", "gender": "female", "name": "default"},
    )


def test_joints_are_the_same_in_z_up(result: FitResult, body: BodyModel, tmp_path: Path) -> None:
    result.save_amass(tmp_path / "take.npz")
    with np.load(tmp_path / "take.npz") as file:
        poses, trans, betas = (torch.as_tensor(file[key], dtype=torch.float32) for key in ("poses", "trans", "betas"))
        assert poses.shape == (N_FRAMES, 156)
        assert float(file["mocap_framerate"]) == 59.94
        assert str(file["gender"]) == "female"
    body_pose = torch.nn.functional.pad(poses[:, 3:66], (0, 6))
    joints = body(betas=betas[None], global_orient=poses[:, :3], body_pose=body_pose, transl=trans).joints[:, :24].numpy()
    x, y, z = np.moveaxis(result.joints, -1, 0)
    np.testing.assert_allclose(joints, np.stack([x, -z, y], -1), atol=2e-6)


def test_another_body_type_is_refused(result: FitResult, tmp_path: Path) -> None:
    other = FitResult(**{**vars(result), "body": {"model_type": "quadruped"}})
    with pytest.raises(ResultError, match=r"body type 'quadruped' cannot be written for AMASS\. Known: smpl\."):
        write_amass(other, tmp_path / "take.npz")
    assert list(tmp_path.iterdir()) == []
