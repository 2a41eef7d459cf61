"""What tests of several packages share: small motions of the default body, and the points that it passes through."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

# Fits in tests are small: threads would only fight over the cores. Read by PyTorch when it is imported, in child processes too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A runner in the background may ignore interrupts, and its children would too; some tests press Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

N_BETAS = 10
HINGES = {"knees": ((9, 12), (1, 1)), "elbows": ((52, 55), (-1, 1))}
"""Columns of the body pose that bend knees and elbows, and the sign of bending the way they can."""


@pytest.fixture(scope="session")
def body() -> Any:
    """The default body with the shape values that presets use."""
    import fitting

    return fitting.load_body(n_betas=N_BETAS)


@pytest.fixture(scope="session")
def random_poses() -> Callable[..., dict[str, Any]]:
    """Makes parameters of unrelated poses in any heading, for one person."""
    import torch

    def make(n_frames: int, seed: int = 0, spread: float = 0.3) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(seed)
        heading = 2 * torch.pi * torch.rand(n_frames, 1, generator=generator)
        pose = spread * torch.randn(n_frames, 69, generator=generator)
        return {
            "betas": 0.7 * torch.randn(1, N_BETAS, generator=generator),
            "body_pose": with_hinges(pose, pose),
            "global_orient": heading * torch.tensor([[0.0, 1.0, 0.0]]),
            "transl": torch.randn(n_frames, 3, generator=generator),
        }

    return make


@pytest.fixture(scope="session")
def turning() -> Callable[..., dict[str, Any]]:
    """Makes parameters of a person who swings all limbs and turns round; one swing takes two seconds at 30 fps."""
    import torch

    def make(n_frames: int, turns: float = 1, seed: int = 0, spread: float = 0.3) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(seed)
        pose = spread * torch.randn(1, 69, generator=generator)
        phase = torch.arange(n_frames)[:, None] / 30
        heading = 2 * torch.pi * turns * torch.arange(n_frames)[:, None] / n_frames
        return {
            "betas": 0.7 * torch.randn(1, N_BETAS, generator=generator),
            "body_pose": with_hinges(pose * torch.sin(torch.pi * phase), pose * (1 - torch.cos(torch.pi * phase)) / 2),
            "global_orient": heading * torch.tensor([[0.0, 1.0, 0.0]]),
            "transl": torch.cat([phase, torch.ones_like(phase), torch.zeros_like(phase)], 1),
        }

    return make


@pytest.fixture(scope="session")
def keypoints_of(body: Any) -> Callable[[dict[str, Any]], Any]:
    """Gives the (F, 45, 3) keypoints of parameters, in the convention smpl_45; the first 24 are the joints."""
    import torch

    def make(parameters: dict[str, Any]) -> Any:
        with torch.no_grad():
            return body(**parameters).joints

    return make


def with_hinges(pose: Any, bend: Any) -> Any:
    """The (F, 69) body pose with knees and elbows that are bent the way they can, by 0.2 radians or more."""
    pose = pose.clone()
    for columns, signs in HINGES.values():
        for column, sign in zip(columns, signs, strict=True):
            joint = column // 3 * 3
            pose[:, joint : joint + 3] = 0
            pose[:, column] = sign * (0.2 + bend[:, column].abs())
    return pose
