"""Poses to learn from: read, freed of faults, thinned, split by sequence, multiplied."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fitting.data.bodies import JOINT_NAMES
from fitting.data.files import read_npz
from fitting.errors import TrackError
from tools.build_default_body.joints import mirrored_columns

from .asf_amc import Floats, global_rotations, read_motion, read_skeleton
from .retarget import CMU_BONES, to_smpl

Integers = NDArray[np.integer[Any]]

BODY_JOINTS = JOINT_NAMES["smpl"][1:]
"""The joints of a body pose: all but the root."""

FRAME_STEP = 12
"""Every 12th frame of CMU's 120 a second: neighbours tell nothing new."""

MAX_KNEE, MAX_ANKLE = np.deg2rad(165), np.deg2rad(80)
COLLAR_SHARE, COLLAR_FROM = 0.25, np.deg2rad(-45)
POSES_PER_SEQUENCE = 150
HELD_OUT_SHARE = 5  # one sequence in 5
COPIES = 2
JITTER = np.deg2rad(2)
UNSEEN_JITTER = {"collar": np.deg2rad(8), "hand": np.deg2rad(8), "foot": np.deg2rad(5)}
"""Joints that the recordings hardly observe get more room."""


@dataclass(frozen=True, eq=False)
class PoseSet:
    """Body poses of several sequences.

    Attributes:
        poses: (N, 23, 3) axis-angle of `BODY_JOINTS`, radians.
        sequence: (N,) number of the sequence that each comes from.
    """

    poses: Floats
    sequence: Integers

    def __getitem__(self, which: Integers | NDArray[np.bool_]) -> "PoseSet":
        return PoseSet(self.poses[which], self.sequence[which])

    def __len__(self) -> int:
        return len(self.poses)


def read_poses(path: Path) -> PoseSet:
    """Poses of an .npz with P (N, 24, 3) axis-angle in radians and seq (N,) number of the sequence.

    Raises:
        TrackError: The file lacks an array, or one has a wrong shape.
    """
    file = read_npz(path, TrackError)
    if not {"P", "seq"} <= file.keys() or file["P"].shape != (len(file["seq"]), len(JOINT_NAMES["smpl"]), 3):
        found = {key: value.shape for key, value in file.items()}
        raise TrackError(f"{path.name!r} holds {found}, but P (N, 24, 3) and seq (N,) are expected.", "Write such a file from your poses.")
    return PoseSet(file["P"][:, 1:].astype(float), file["seq"])


def read_cmu_folder(folder: Path, every: int = FRAME_STEP) -> PoseSet:
    """Poses of all .amc files below a folder, with the .asf files beside them.

    Args:
        folder: For example `subjects/` of CMU's archive.
        every: Which frames to take: 12 takes ten a second.

    Raises:
        TrackError: There is no motion, or a motion has no skeleton.
    """
    motions = sorted(folder.rglob("*.amc"))
    if not motions:
        raise TrackError(f"There is no .amc file in {str(folder)!r}.", "Give the folder of CMU's .asf and .amc files.")
    sequences = []
    for motion in motions:
        bones = read_skeleton(skeleton_of(motion))
        rotations = global_rotations(bones, read_motion(motion, every))
        lacking = set(CMU_BONES.values()) - rotations.keys()
        if lacking:
            raise TrackError(
                f"The skeleton of {motion.name!r} lacks {sorted(lacking)}.", "Only skeletons with CMU's bone names can be read."
            )
        sequences.append(to_smpl(rotations, {name: bone.direction for name, bone in bones.items()})[:, 1:])
    return PoseSet(np.concatenate(sequences), np.repeat(np.arange(len(sequences)), [len(poses) for poses in sequences]))


def skeleton_of(motion: Path) -> Path:
    """The .asf beside an .amc with the longest name that its name begins with (07.asf of 07_05.amc), else the only one there.

    Raises:
        TrackError: There is none, or it is not clear which.
    """
    skeletons = sorted(motion.parent.glob("*.asf"))
    named = [skeleton for skeleton in skeletons if motion.stem.startswith(skeleton.stem)] or skeletons[: len(skeletons) == 1]
    if not named:
        raise TrackError(f"No .asf belongs to {str(motion)!r}.", "Put it beside the .amc: 07.asf beside 07_05.amc.")
    return max(named, key=lambda skeleton: len(skeleton.stem))


def without_faults(poses: PoseSet) -> PoseSet:
    """The poses whose knees and ankles bend no further than people's do."""
    angles = np.linalg.norm(poses.poses, axis=2)
    knees, ankles = (angles[:, [BODY_JOINTS.index(f"{side}_{joint}") for side in ("left", "right")]] for joint in ("knee", "ankle"))
    return poses[((knees <= MAX_KNEE) & (ankles <= MAX_ANKLE)).all(axis=1)]


def with_collars(poses: Floats) -> Floats:
    """(N, 23, 3) poses whose collars rise with the arms.

    CMU's collarbones do not move; people's take part of what the arm rises, so that part is moved from the shoulder to the collar.
    """
    result = poses.copy()
    for side, sign in (("left", 1), ("right", -1)):
        collar, shoulder = (BODY_JOINTS.index(f"{side}_{joint}") for joint in ("collar", "shoulder"))
        arm = Rotation.from_rotvec(poses[:, shoulder])
        elevation = np.arcsin(np.clip(arm.apply([sign, 0, 0])[:, 1], -1, 1))
        share = COLLAR_SHARE * np.clip(elevation - COLLAR_FROM, 0, None)
        rise = Rotation.from_rotvec(np.outer(sign * share, [0, 0, 1]))
        result[:, collar] = rise.as_rotvec()
        result[:, shoulder] = (rise.inv() * arm).as_rotvec()
    return result


def split(poses: PoseSet, rng: np.random.Generator) -> tuple[PoseSet, PoseSet]:
    """Poses to learn from and poses to test with, of different sequences."""
    sequences = rng.permutation(np.unique(poses.sequence))
    held_out = np.isin(poses.sequence, sequences[: len(sequences) // HELD_OUT_SHARE])
    return poses[~held_out], poses[held_out]


def thinned(poses: PoseSet, n_poses: int = POSES_PER_SEQUENCE) -> PoseSet:
    """At most n poses of each sequence, each chosen farthest from those before it, so that long takes do not outvote short ones."""
    chosen = []
    for sequence in np.unique(poses.sequence):
        members = np.flatnonzero(poses.sequence == sequence)
        flat = poses.poses[members].reshape(len(members), -1)
        picks, distance = [0], np.linalg.norm(flat - flat[0], axis=1)
        while len(picks) < min(n_poses, len(members)):
            picks.append(int(distance.argmax()))
            distance = np.minimum(distance, np.linalg.norm(flat - flat[picks[-1]], axis=1))
        chosen.append(members[np.sort(picks)])
    return poses[np.concatenate(chosen)]


def mirrored(poses: Floats) -> Floats:
    """(N, 23, 3) mirror images of poses."""
    return np.asarray(poses[:, mirrored_columns(BODY_JOINTS)] * np.array([1, -1, -1]))


def jittered(poses: Floats, rng: np.random.Generator, copies: int = COPIES) -> Floats:
    """(N copies, 23, 3) poses with small random rotations added."""
    spread = np.array([[UNSEEN_JITTER.get(joint.partition("_")[2], JITTER)] * 3 for joint in BODY_JOINTS])
    repeated = np.repeat(poses, copies, axis=0)
    return np.asarray(repeated + rng.normal(size=repeated.shape) * spread)
