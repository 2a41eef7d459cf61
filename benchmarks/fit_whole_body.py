"""How well hands and face are found, by part of the body: ``python benchmarks/fit_whole_body.py [--frames N]``.

A made-up person swings the limbs, turns once round, works all fingers and speaks. The keypoints of the body in motion, in several
layouts and with noise, are fitted with `smplifyx`. Joints are compared with those of the truth; angles with its local rotations.
"""

import argparse
import math
import time

import torch
from motions import FPS, angles
from rich.console import Console
from rich.table import Table
from torch import Tensor

import fitting
from fitting.body import BodyModel, BodyOutput
from fitting.data.conventions import conversion_matrix

CASES = (("smplx", 0.0), ("smplx", 0.005), ("coco_wholebody", 0.0), ("coco_wholebody", 0.005), ("openpose_137", 0.005), ("mhr70", 0.005))
"""Layouts of the keypoints, and their noise along each axis in metres."""
POINTS = {"body": range(22), "fingers": range(25, 55), "finger tips": range(66, 76), "face": range(76, 144)}
TURNS = {"body": range(22), "fingers": range(25, 55), "jaw": [22]}
"""Rows of the convention smplx that belong to a part."""


def motion(n_frames: int, seed: int = 0) -> dict[str, Tensor]:
    """Parameters of the made-up person."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    phase = torch.arange(n_frames)[:, None] / FPS
    swing = torch.sin(math.pi * phase)
    pose = (0.3 * normal(1, 63) * swing).unflatten(1, (21, 3))
    for joint, axis, sign in ((3, 0, 1), (4, 0, 1), (17, 1, -1), (18, 1, 1)):  # knees and elbows bend the way they can
        pose[:, joint] = 0
        pose[:, joint, axis] = sign * (0.2 + 0.3 * swing[:, 0].abs())
    pose[:, 9:11] = 0  # toes
    curl = 0.45 * torch.rand(1, 15, generator=generator) * (1 - torch.cos(phase * (1 + torch.rand(1, 15, generator=generator)) * math.pi))
    hands = {}
    for name, sign in (("left_hand_pose", -1), ("right_hand_pose", 1)):
        hand = torch.zeros(n_frames, 15, 3)
        hand[:, :12, 2] = sign * curl[:, :12]
        hand[:, 12:, 1] = 0.7 * sign * curl[:, 12:]
        hands[name] = hand.flatten(1)
    heading = 2 * math.pi * torch.arange(n_frames)[:, None] / n_frames
    return {
        "betas": 0.7 * normal(1, 10),
        "global_orient": heading * torch.tensor([[0.0, 1.0, 0.0]]),
        "transl": torch.cat([phase, torch.ones_like(phase), torch.zeros_like(phase)], 1),
        "body_pose": pose.flatten(1),
        **hands,
        "jaw_pose": torch.cat([0.15 * (1 - torch.cos(4 * phase)), torch.zeros(n_frames, 2)], 1),
        "expression": 0.7 * normal(1, 10) * torch.sin(1.3 * phase + torch.arange(10)),
    }


def observed(truth: BodyOutput, layout: str, noise: float) -> fitting.KeypointTrack:
    """The keypoints of the truth in a layout; those that the body lacks are not observed."""
    matrix = torch.as_tensor(conversion_matrix("smplx", layout, approximate=True))
    points = matrix @ truth.joints
    points = points + noise * torch.randn(points.shape, generator=torch.Generator().manual_seed(1))
    confidence = (matrix != 0).any(1).float().expand(len(points), -1)
    return fitting.KeypointTrack(points.numpy(), confidence.numpy(), layout, FPS)


def measure(flat: BodyModel, truth: BodyOutput, layout: str, noise: float) -> list[float]:
    start = time.process_time()
    result = fitting.fit(observed(truth, layout, noise), "smplifyx", device="cpu")
    seconds = time.process_time() - start
    with torch.no_grad():
        output = flat(**{name: torch.tensor(value) for name, value in result.params.items()})
    distance = 1000 * (output.joints - truth.joints).norm(dim=-1)
    turn = angles(output.full_pose, truth.full_pose)
    points = [distance[:, list(rows)].mean().item() for rows in POINTS.values()]
    return [*points, *(turn[:, list(rows)].mean().item() for rows in TURNS.values()), seconds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=60, help="frames of the motion (default 60)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    bodies = [fitting.load_body(n_betas=10, model_type="smplx", flat_hand_mean=is_flat) for is_flat in (False, True)]
    with torch.no_grad():
        truth = bodies[0](**motion(given.frames))
    table = Table(title=f"{given.frames} frames, preset smplifyx, torch {torch.__version__}, one CPU thread")
    titles = ("layout", "noise, mm", *(f"{part}, mm" for part in POINTS), *(f"{part}, degrees" for part in TURNS), "CPU s")
    for title in titles:
        table.add_column(title, justify="left" if title == "layout" else "right")
    for layout, noise in CASES:
        table.add_row(layout, f"{1000 * noise:g}", *(f"{value:.1f}" for value in measure(bodies[1], truth, layout, noise)))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
