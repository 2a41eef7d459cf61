"""The command: `python -m tools.build_pose_prior --amc FOLDER | --poses NPZ --out NPZ`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fitting.data.files import write_npz
from fitting.errors import FittingError

from .asf_amc import Floats
from .mixture import log_likelihood, train
from .poses import PoseSet, jittered, mirrored, read_cmu_folder, read_poses, split, thinned, with_collars, without_faults

SEED = 0  # of the split and of the jitter
_N_RANDOM = 3000


def build(poses: PoseSet, out: Path) -> None:
    """Trains the prior on four sequences in five, writes it, and reports how likely it finds the others.

    Args:
        poses: Poses as recorded.
        out: The file to write.
    """
    rng = np.random.default_rng(SEED)
    sound = without_faults(poses)
    print(f"{len(poses)} poses, {len(poses) - len(sound)} with impossible knees or ankles left out")
    learnt, held_out = (thinned(part) for part in split(PoseSet(with_collars(sound.poses), sound.sequence), rng))
    print(f"{len(learnt)} poses to learn from, {len(held_out)} to test with, of other sequences")
    examples = _flat(jittered(np.concatenate([learnt.poses, mirrored(learnt.poses)]), rng))
    prior = train(examples)
    write_npz(out, prior)
    low, high = np.percentile(examples, [0.5, 99.5], axis=0)
    for name, values in {
        "learnt": _flat(learnt.poses),
        "held out": _flat(held_out.poses),
        "random within the ranges of the joints": rng.uniform(low, high, (_N_RANDOM, len(low))),
        "T-pose": np.zeros((1, len(low))),
    }.items():
        likelihood = log_likelihood(prior, values)
        fifth, median = np.percentile(likelihood, [5, 50])
        print(f"log-likelihood, {name}: mean {likelihood.mean():.2f}, median {median:.2f}, 5% below {fifth:.2f}")
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives the exit code: 0 done, 2 the user can mend it."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.build_pose_prior",
        description="Trains the pose prior from motion capture.",
        epilog="CMU's recordings (.asf and .amc) are at mocap.cs.cmu.edu.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--amc", type=Path, metavar="FOLDER", help="folder of .amc files with their .asf beside them")
    source.add_argument("--poses", type=Path, metavar="NPZ", help="P (N, 24, 3) axis-angle of SMPL, seq (N,) number of the sequence")
    parser.add_argument("--out", type=Path, metavar="NPZ", required=True, help="the file to write")
    options = parser.parse_args(arguments)
    try:
        build(read_cmu_folder(options.amc) if options.amc else read_poses(options.poses), options.out)
    except FittingError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _flat(poses: Floats) -> Floats:
    return poses.reshape(len(poses), -1)


if __name__ == "__main__":
    sys.exit(main())
