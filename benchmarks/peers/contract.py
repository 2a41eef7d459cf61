"""What a peer is given and what it gives back, both as .npz. Numpy only: it runs with the Python of the peer.

A peer is a script, ``python PEER.py IN.npz OUT.npz [VARIANT]``. IN holds, for F frames and a body of V vertices:

- `points` (F, 24, 3), joints of SMPL with noise, metres, y up; `fps`; `sigma`, the noise along each axis, metres
- `v_template` (V, 3), `shapedirs` (V, 3, 10), `joint_regressor` (24, V), `weights` (V, 24), `parents` (24,), `faces` (T, 3): the body
- `start_global_orient` (F, 3), `start_body_pose` (F, 69), `start_transl` (F, 3): where our own fit starts, for peers that need a heading
- `pose_sigma` (69,), how far each pose value may be from 0, radians: for peers that take a prior
- `vertex_subset` (S,) and `vertices` (F, S, 3): vertices of the truth with the same noise, for peers that cannot do without

OUT holds `global_orient` (F, 3), `body_pose` (F, 69), `transl` (F, 3), `betas` (1, 10) and `seconds`, CPU seconds of one warm fit.
"""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Fit = Callable[[slice], Arrays]
"""Fits some of the frames."""

BY_FRAME = ("points", "vertices", "start_global_orient", "start_body_pose", "start_transl")
WARM_FRAMES = 3


def run_as_script(prepare: Callable[[Arrays, str], Fit], default: str = "") -> None:
    """Fits what the first argument names: a few frames first, then all of them, timed.

    Args:
        prepare: Given the inputs and the variant, does everything that is done once for a body.
        default: The variant where there is no third argument.
    """
    inputs = load(sys.argv[1])
    fit = prepare(inputs, sys.argv[3] if len(sys.argv) > 3 else default)
    fit(slice(0, WARM_FRAMES))
    start = time.process_time()
    found = fit(slice(None))
    seconds = time.process_time() - start
    np.savez(sys.argv[2], seconds=seconds, **{name: np.asarray(value, np.float32) for name, value in found.items()})


def load(path: str) -> dict[str, NDArray[Any]]:
    with np.load(path) as file:
        return dict(file)


def rest_joints(inputs: Arrays) -> tuple[NDArray[Any], NDArray[Any]]:
    """(24, 3) joints of the mean shape, and (24, 3, 10) their movement for one unit of each beta."""
    regressor, dirs = inputs["joint_regressor"], inputs["shapedirs"]
    moves = regressor @ dirs.reshape(len(dirs), -1)
    return regressor @ inputs["v_template"], moves.reshape(len(regressor), *dirs.shape[1:])
