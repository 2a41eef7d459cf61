"""Made-up bodies with the keys, shapes and types of real model files, and a dozen vertices. Runs in Python 2.7 and 3.

All values are small fractions of powers of two: exact, the same everywhere, and easy to compress.
"""

import pickle

import numpy as np

N_VERTICES = 12
PARENTS = {
    "smpl": [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21],
    "mano": [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14],
    "flame": [-1, 0, 1, 1, 1],
}
_FINGERS = [parent for first in (0, 3, 6, 9, 12) for parent in (None, first, first + 1)]


def _with_fingers(body, face=()):
    """Adds the joints of the face, and the 15 of each hand, to the joints of a body."""
    parents = list(body)
    parents.extend(face)
    first = len(parents)
    for wrist, start in ((20, first), (21, first + 15)):
        parents += [wrist if parent is None else start + parent for parent in _FINGERS]
    return parents


PARENTS["smplh"] = _with_fingers(PARENTS["smpl"][:22])
PARENTS["smplx"] = _with_fingers(PARENTS["smpl"][:22], face=(15, 15, 15))


def _numbers(seed, *shape):
    """Multiples of 1/256 between -1 and 1."""
    return np.random.RandomState(seed).randint(-256, 257, shape) / 256.0


def body(model_type="smpl", n_betas=10, n_vertices=N_VERTICES, n_correctives=None):
    """The arrays of a body as a dict of float64 and uint32, the joint regressor dense."""
    parents = PARENTS[model_type]
    n_joints = len(parents)
    weights = np.zeros((n_vertices, n_joints))
    regressor = np.zeros((n_joints, n_vertices))
    for vertex in range(n_vertices):
        weights[vertex, vertex % n_joints] += 0.75
        weights[vertex, (vertex + 1) % n_joints] += 0.25
    for joint in range(n_joints):
        regressor[joint, joint % n_vertices] += 0.5
        regressor[joint, (joint + 5) % n_vertices] += 0.5
    posedirs = np.zeros((n_vertices, 3, 9 * (n_joints - 1) if n_correctives is None else n_correctives))
    posedirs[..., ::7] = _numbers(3, 3, posedirs[..., ::7].shape[2]) / 64
    faces = np.array([[vertex, (vertex + 1) % n_vertices, (vertex + 2) % n_vertices] for vertex in range(n_vertices)])
    return {
        "v_template": _numbers(1, n_vertices, 3),
        "shapedirs": np.tile(_numbers(2, min(n_vertices, 12), 3, n_betas) / 32, (-(-n_vertices // 12), 1, 1))[:n_vertices],
        "posedirs": posedirs,
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([[parent % 2**32 for parent in parents], list(range(n_joints))], np.uint32),
        "f": faces.astype(np.uint32),
    }


def hands():
    """Mean and components of hand poses, of the left hand and of the right one."""
    arrays = {}
    for seed, side in enumerate("lr"):
        arrays["hands_mean" + side] = _numbers(10 + seed, 45)
        arrays["hands_components" + side] = np.eye(45)[::-1] * (1 - 2 * seed)
    return arrays


def landmarks(n_faces=N_VERTICES):
    """Triangles of the face landmarks and of the contour, and the shares of their corners."""
    return {
        "lmk_faces_idx": np.arange(51) % n_faces,
        "lmk_bary_coords": np.tile([0.5, 0.25, 0.25], (51, 1)),
        "dynamic_lmk_faces_idx": np.arange(79 * 17).reshape(79, 17) % n_faces,
        "dynamic_lmk_bary_coords": np.tile([0.25, 0.25, 0.5], (79, 17, 1)),
    }


def mano():
    """The arrays of a hand of MANO."""
    arrays = body("mano")
    arrays.update(hands_mean=_numbers(10, 45), hands_components=np.eye(45))
    return arrays


def mixture():
    """The pose prior `gmm_02`: two Gaussians over three values."""
    return {
        "means": _numbers(20, 2, 3),
        "covars": np.array([np.eye(3) / 4, np.diag([1.0, 0.5, 0.25])]),
        "weights": np.array([0.25, 0.75]),
    }


def saved(path, arrays):
    """Writes arrays as `.npz`, or as a pickle; gives the path."""
    if path.suffix == ".npz":
        np.savez(str(path), **arrays)
    else:
        path.write_bytes(pickle.dumps(arrays, 2))
    return path
