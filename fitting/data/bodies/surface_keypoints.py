"""Keypoints on the surface of SMPL's meshes: where `smplx`, and all who use it, look for nose, eyes, ears, feet and fingertips."""

from collections.abc import Mapping

_SMPL = {
    "nose": 332, "right_eye": 6260, "left_eye": 2800, "right_ear": 4071, "left_ear": 583,
    "left_bigtoe": 3216, "left_smalltoe": 3226, "left_heel": 3387, "right_bigtoe": 6617, "right_smalltoe": 6624, "right_heel": 6787,
    "left_thumb": 2746, "left_index": 2319, "left_middle": 2445, "left_ring": 2556, "left_pinky": 2673,
    "right_thumb": 6191, "right_index": 5782, "right_middle": 5905, "right_ring": 6016, "right_pinky": 6133,
}  # fmt: skip

_SMPLX = {
    "nose": 9120, "right_eye": 9929, "left_eye": 9448, "right_ear": 616, "left_ear": 6,
    "left_bigtoe": 5770, "left_smalltoe": 5780, "left_heel": 8846, "right_bigtoe": 8463, "right_smalltoe": 8474, "right_heel": 8635,
    "left_thumb": 5361, "left_index": 4933, "left_middle": 5058, "left_ring": 5169, "left_pinky": 5286,
    "right_thumb": 8079, "right_index": 7669, "right_middle": 7794, "right_ring": 7905, "right_pinky": 8022,
}  # fmt: skip

_N_DEFAULT = 13886
"""Vertices of the default body, whose exported files have the keypoints at the same places."""

SURFACE_KEYPOINTS: Mapping[tuple[str, int], Mapping[str, int]] = {
    ("smpl", 6890): _SMPL, ("smplh", 6890): _SMPL, ("smplx", 10475): _SMPLX,
    ("smpl", _N_DEFAULT): _SMPL, ("smplh", _N_DEFAULT): _SMPL, ("smplx", _N_DEFAULT): _SMPLX,
}  # fmt: skip
"""Vertex of each keypoint (names of the convention "human_data"), by type of model and number of vertices: other meshes have others."""

JOINT_CONVENTIONS: Mapping[str, str] = {"smpl": "smpl", "smplh": "smplh_52", "smplx": "smplx_55"}
"""The convention of a body of each type whose surface keypoints are not known: its joints alone."""
