"""Writes a body as a model file of SMPL, SMPL-H or SMPL-X, for the package `smplx` and all that read its files.

Readers of these files find nose, eyes, ears, toes, heels and fingertips by fixed vertex numbers. So the vertices that bear these names
change places with those at the fixed numbers; all others keep theirs.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BodyError
from ..conventions import get_convention
from ..files import atomic_path, write_npz
from .body_data import BodyData, Floats, Integers
from .surface_keypoints import SURFACE_KEYPOINTS

N_VALUES = 10
"""Betas and expressions in a file: `smplx` reads no more of files that have less than 300."""

LICENCE = (
    "The default body of SMPLify in Blender, CC0 1.0 (public domain): https://creativecommons.org/publicdomain/zero/1.0. "
    "Computed from MakeHuman's CC0 assets. It holds nothing of SMPL, SMPL-H or SMPL-X; its betas mean other things than theirs."
)

_SLOTS = {model_type: keypoints for (model_type, _), keypoints in SURFACE_KEYPOINTS.items()}
_SUFFIXES = {"smpl": ".pkl", "smplh": ".pkl", "smplx": ".npz"}
_N_LANDMARKS, _N_CONTOUR, _N_CONTOUR_ROWS = 51, 17, 79


def export_body(body: BodyData, path: str | Path) -> Path:
    """Writes a body as a model file of its type; pose correctives that it lacks are zeros.

    Args:
        body: The body, for example of `load_default_body`.
        path: A file that ends in .pkl or .npz; or a folder, in which the file gets the name by which `smplx.create(folder, type)`
            looks for it: `smpl/SMPL_NEUTRAL.pkl`, `smplh/SMPLH_NEUTRAL.pkl`, `smplx/SMPLX_NEUTRAL.npz`.

    Returns:
        The file. It has 10 betas and, for SMPL-X, 10 expressions.

    Raises:
        BodyError: Another kind of file, or a body with too few vertices or without what such files have.
        FittingError: The folder cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".pkl", ".npz"):
        if path.suffix and not path.is_dir():
            raise BodyError(f"Cannot write {path.name!r}: model files end in .pkl or .npz.", "Give such a name, or a folder.")
        path = path / body.model_type / f"{body.model_type.upper()}_{body.gender.upper()}{_SUFFIXES[body.model_type]}"
    arrays = model_arrays(body)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BodyError(f"Cannot make the folder {str(path.parent)!r}: {error.strerror or error}.", "Choose another folder.") from error
    if path.suffix == ".npz":
        write_npz(path, arrays)
        return path
    with atomic_path(path) as temporary:
        # Arrays by the name that numpy has used from its beginning, so that old versions find them too. It is named once, before any data.
        temporary.write_bytes(pickle.dumps(arrays, protocol=2).replace(b"cnumpy._core.", b"cnumpy.core.", 1))
    return path


def model_arrays(body: BodyData) -> dict[str, NDArray[Any] | str]:
    """What a model file holds, by its keys.

    Raises:
        BodyError: A body with too few vertices, or without what such files have.
    """
    order = vertex_order(body)
    place = np.argsort(order)
    faces = place[body.faces]
    root_and_parents = np.where(body.parents < 0, 2**32 - 1, body.parents).astype(np.uint32)  # as in SMPL's own files
    dirs = [_columns(body.shapedirs)] + ([_columns(body.expression_dirs)] if body.model_type == "smplx" else [])
    posedirs = body.posedirs
    if posedirs is None:
        posedirs = np.zeros((body.n_vertices, 3, 9 * (body.n_joints - 1)), np.float32)
    arrays: dict[str, NDArray[Any] | str] = {
        "v_template": body.v_template[order],
        "shapedirs": np.concatenate(dirs, -1)[order],
        "posedirs": posedirs[order],
        "J_regressor": body.joint_regressor[:, order],
        "weights": body.weights[order],
        "kintree_table": np.stack([root_and_parents, np.arange(body.n_joints, dtype=np.uint32)]),
        "f": faces.astype(np.uint32),
        "gender": body.gender,
    }
    if body.model_type != "smpl":
        width = 3 * 15
        mean = np.zeros((2, width), np.float32) if body.hand_mean is None else body.hand_mean
        components = np.stack([np.eye(width, dtype=np.float32)] * 2) if body.hand_components is None else body.hand_components
        for side, letter in enumerate("lr"):
            arrays |= {f"hands_mean{letter}": mean[side], f"hands_components{letter}": components[side]}
    if body.model_type == "smplx":
        landmarks, contour = _landmarks(body)
        for prefix, (vertices, shares) in (("", landmarks), ("dynamic_", contour)):
            triangles, bary = on_triangles(faces, place[vertices], shares)
            arrays |= {f"{prefix}lmk_faces_idx": triangles, f"{prefix}lmk_bary_coords": bary}
    return arrays | ({"licence": LICENCE} if body.name == "default" else {})


def vertex_order(body: BodyData) -> Integers:
    """(V,) our vertex at each place of the file.

    Raises:
        BodyError: A mesh that is too small.
    """
    slots = _SLOTS[body.model_type]
    if body.n_vertices <= max(slots.values()):
        raise BodyError(
            f"The body {body.name!r} has {body.n_vertices} vertices, too few for a file of {body.model_type!r}.",
            f"Such a file needs more than {max(slots.values())}.",
        )
    order, place = np.arange(body.n_vertices), np.arange(body.n_vertices)
    for name, slot in slots.items():
        vertex = body.keypoint_vertices.get(name, order[slot])
        other, free = order[slot], place[vertex]
        order[slot], order[free] = vertex, other
        place[vertex], place[other] = slot, free
    return order


def on_triangles(faces: Integers, vertices: Integers, shares: Floats) -> tuple[Integers, Floats]:
    """(...) triangle of each point, and (..., 3) its shares in the order of the triangle's corners.

    Args:
        faces: (T, 3) triangles.
        vertices: (..., 3) vertices between which the points lie; those without a share do not matter.
        shares: (..., 3) their shares.

    Raises:
        BodyError: Vertices that share no triangle.
    """
    by_vertex = np.argsort(faces.ravel(), kind="stable")
    starts = np.searchsorted(faces.ravel()[by_vertex], np.arange(faces.max() + 2))
    triangles, bary = [], []
    for corners, parts in zip(vertices.reshape(-1, 3), shares.reshape(-1, 3), strict=True):
        needed = corners[parts != 0]
        round_it = by_vertex[starts[needed[0]] : starts[needed[0] + 1]] // 3
        found = round_it[(faces[round_it][:, :, None] == needed).any(1).all(1)]
        if not len(found):
            raise BodyError(f"The vertices {needed.tolist()} of a face landmark share no triangle.", "Check the body's landmarks.")
        triangles.append(found[0])
        bary.append((faces[found[0]][:, None] == corners) @ parts)
    return np.reshape(triangles, vertices.shape[:-1]).astype(np.int64), np.reshape(bary, shares.shape).astype(np.float32)


def _landmarks(body: BodyData) -> tuple[tuple[Integers, Floats], tuple[Integers, Floats]]:
    """Vertices and shares of the face landmarks (51, 3), and of the contour (79, 17, 3): the same in all rows where it stays in place."""
    names = get_convention("smplx").names[-_N_LANDMARKS - _N_CONTOUR :]
    at_vertices = [body.keypoint_vertices.get(name) for name in names]
    fixed: list[tuple[Integers, Floats] | None] = []
    for vertices in (at_vertices[:_N_LANDMARKS], at_vertices[_N_LANDMARKS:]):
        thrice = None if None in vertices else np.repeat(np.array(vertices, np.int64)[:, None], 3, axis=1)
        fixed.append(None if thrice is None else (thrice, np.tile(np.array([1, 0, 0], np.float32), (len(thrice), 1))))
    landmarks, contour = fixed
    if landmarks is None and body.landmark_vertices is not None and body.landmark_weights is not None:
        landmarks = body.landmark_vertices, body.landmark_weights
    if contour is not None:
        contour = np.stack([contour[0]] * _N_CONTOUR_ROWS), np.stack([contour[1]] * _N_CONTOUR_ROWS)
    elif body.contour_vertices is not None and body.contour_weights is not None:
        contour = body.contour_vertices, body.contour_weights
    if landmarks is None or contour is None:
        raise BodyError(f"The body {body.name!r} has no landmarks of the face, which files of 'smplx' have.", "Export another body.")
    return landmarks, contour


def _columns(dirs: Floats | None) -> Floats:
    """(V, 3, 10) the first directions, or all of them and zeros."""
    if dirs is None:
        raise BodyError("The body has no expressions, which files of 'smplx' have.", "Export another body.")
    found: Floats = dirs[..., :N_VALUES]
    missing = N_VALUES - found.shape[-1]
    return np.concatenate([found, np.zeros((*found.shape[:-1], missing), np.float32)], -1) if missing else found
