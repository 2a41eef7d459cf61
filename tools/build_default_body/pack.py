"""The file of the default body: the left half of it in 16 bits, 2.4 MB for three genders.

`fitting/data/bodies/default_body.py` reads it. Keys, for each gender `g` and H vertices of the left half and the middle:

| key | shape | what |
| --- | --- | --- |
| half, mirror | (H,) | vertices of the half, and their mirror images |
| g_v, g_vs | (H, 3), (1, 3) | mean body in steps of g_vs metres |
| g_s, g_ss | (H, 3, S), (1, 1, S) | movement for one unit of each beta, in steps of g_ss metres |
| w_idx, w_val | (H, 4) | joints of SMPL-X that move a vertex, and their weights in steps of 1/65535 |
| jr_row, jr_col, jr_val | (M,) | entries of the joint regressor; rows are joint_names |
| e_idx, e_val, e_s | (E,), (E, 3, 10), (1, 1, 10) | expressions, of all vertices that they move |
| quads, uv, uv_quads | (Q, 4), (U, 2), (Q, 4) | the surface; texture coordinates in steps of 1/65535 |
| hm, hc | (45,), (45, 45) | relaxed left hand, hand components |
| kp_names, kp_idx, lmk68 | (21,), (21,), (68,) | vertices with a name |
| joint_names | (57,) | joints |
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .hands import hand_components, relaxed_hand
from .joints import JOINTS
from .keypoints import FACE_LANDMARKS, keypoint_vertices
from .makehuman import Floats, Integers
from .mesh import BodyMesh
from .shape_space import ShapeSpace
from .skinning import MAX_INFLUENCES

PELVIS = np.array([0, -0.25, 0.02])
"""Place of the pelvis of every body, metres: as in SMPL near the origin, but not at it."""

INT16_MAX, UINT16_MAX = 32767, 65535


def pack(
    mesh: BodyMesh, spaces: Mapping[str, ShapeSpace], weights: Floats, regressor: Floats, expressions: tuple[Integers, Floats]
) -> dict[str, NDArray[Any]]:
    """The arrays of the file.

    Args:
        mesh: The mesh.
        spaces: Shape space of each gender.
        weights: (V, 55) skinning weights.
        regressor: (57, V) joint regressor.
        expressions: Vertices and their offsets, of `expression_offsets`.
    """
    arrays: dict[str, NDArray[Any]] = {
        "half": mesh.half.astype(np.uint16),
        "mirror": mesh.mirror[mesh.half].astype(np.uint16),
        "quads": mesh.quads.astype(np.uint16),
        "uv": np.round(np.clip(mesh.uv, 0, 1) * UINT16_MAX).astype(np.uint16),
        "uv_quads": mesh.uv_quads.astype(np.uint16),
    }
    for gender, space in spaces.items():
        mean, shapedirs = fix_pelvis(space, regressor[JOINTS.index("pelvis")])
        arrays[f"{gender}_v"], arrays[f"{gender}_vs"] = quantise(mean[mesh.half], axis=0)
        arrays[f"{gender}_s"], arrays[f"{gender}_ss"] = quantise(shapedirs[mesh.half], axis=(0, 1))
    half_weights = weights[mesh.half]
    strongest = np.argsort(-half_weights, axis=1, kind="stable")[:, :MAX_INFLUENCES]
    arrays["w_idx"] = strongest.astype(np.uint8)
    arrays["w_val"] = np.round(np.take_along_axis(half_weights, strongest, axis=1) * UINT16_MAX).astype(np.uint16)
    rows, columns = np.nonzero(regressor)
    arrays |= {"jr_row": rows.astype(np.uint8), "jr_col": columns.astype(np.uint16), "jr_val": regressor[rows, columns].astype(np.float32)}
    arrays["e_idx"] = expressions[0].astype(np.uint16)
    arrays["e_val"], arrays["e_s"] = quantise(expressions[1], axis=(0, 1))
    arrays |= {"hm": relaxed_hand().astype(np.float32), "hc": hand_components().astype(np.float32)}
    keypoints = keypoint_vertices(mesh)
    arrays |= {"kp_names": np.array(list(keypoints)), "kp_idx": np.array(list(keypoints.values()), np.uint16)}
    arrays |= {"joint_names": np.array(JOINTS), "lmk68": np.array(FACE_LANDMARKS, np.uint16)}
    return arrays


def fix_pelvis(space: ShapeSpace, pelvis_weights: Floats) -> tuple[Floats, Floats]:
    """Mean body and shapedirs, moved so that the pelvis is at `PELVIS` for all betas."""
    mean = space.mean - pelvis_weights @ space.mean + PELVIS
    drift = np.tensordot(pelvis_weights, space.shapedirs, axes=1)
    return mean, space.shapedirs - drift


def quantise(values: Floats, axis: int | tuple[int, ...]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Values as 16-bit steps, and the size of a step, which is shared along the axes."""
    step = np.abs(values).max(axis=axis, keepdims=True) / INT16_MAX
    return np.round(values / step).astype(np.int16), step.astype(np.float32)
