"""Writes the default body as a file that the package `smplx` loads as SMPL; for the tests only.

`smplx` finds nose, eyes, ears, toes, heels and fingertips by fixed vertex numbers of SMPL. So the vertices that bear these names here
change places with those at SMPL's numbers; all others keep theirs.
"""

import pickle
from pathlib import Path

import numpy as np

from fitting.data.bodies import BodyData

N_BETAS = 10
"""`smplx` uses no more, unless a file has 300."""

SMPL_SLOTS = {
    "nose": 332, "right_eye": 6260, "left_eye": 2800, "right_ear": 4071, "left_ear": 583,
    "left_bigtoe": 3216, "left_smalltoe": 3226, "left_heel": 3387, "right_bigtoe": 6617, "right_smalltoe": 6624, "right_heel": 6787,
    "left_thumb": 2746, "left_index": 2319, "left_middle": 2445, "left_ring": 2556, "left_pinky": 2673,
    "right_thumb": 6191, "right_index": 5782, "right_middle": 5905, "right_ring": 6016, "right_pinky": 6133,
}  # fmt: skip
"""Where `smplx` looks for the surface keypoints of SMPL."""


def vertex_order(body: BodyData) -> np.ndarray:
    """(V,) our vertex at each place of the file."""
    order, place = np.arange(body.n_vertices), np.arange(body.n_vertices)
    for name, slot in SMPL_SLOTS.items():
        vertex = body.keypoint_vertices[name]
        other, free = order[slot], place[vertex]
        order[slot], order[free] = vertex, other
        place[vertex], place[other] = slot, free
    return order


def smpl_arrays(body: BodyData) -> dict[str, np.ndarray]:
    """The arrays of a model file of SMPL; the pose correctives, which the default body lacks, are zero."""
    order = vertex_order(body)
    place = np.argsort(order)
    root_and_parents = np.where(body.parents < 0, np.uint32(2**32 - 1), body.parents).astype(np.uint32)  # as in SMPL's own files
    return {
        "v_template": body.v_template[order],
        "shapedirs": body.shapedirs[order][..., :N_BETAS],
        "posedirs": np.zeros((body.n_vertices, 3, 9 * (body.n_joints - 1)), np.float32),
        "J_regressor": body.joint_regressor[:, order],
        "weights": body.weights[order],
        "kintree_table": np.stack([root_and_parents, np.arange(body.n_joints, dtype=np.uint32)]),
        "f": place[body.faces].astype(np.uint32),
    }


def export_smpl(body: BodyData, folder: Path) -> Path:
    """Writes `SMPL_NEUTRAL.pkl` (or of another gender) into a folder; 40 MB, nearly all of it zeros."""
    path = folder / f"SMPL_{body.gender.upper()}.pkl"
    with path.open("wb") as file:
        pickle.dump(smpl_arrays(body), file, protocol=2)
    return path
