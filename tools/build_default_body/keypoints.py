"""Vertices that have a name: 21 surface keypoints and 68 landmarks of the face.

The first 13,380 vertices are MakeHuman's own ("hm08"), so these are fixed numbers. The keypoints were found on the mean body: the nose
is the foremost vertex of the middle line between eyes and lips, a pupil the foremost of its eyeball, an ear the middle of the concha,
a toe the foremost of its toe, the heel the rearmost of the sole, a fingertip the last along its last phalanx. The landmarks were
chosen by hand, and are good to about 3 mm.
"""

from .mesh import BodyMesh

NOSE = 5054
LEFT_KEYPOINTS = {
    "leye": 13389, "lear": 12217, "LBigToe": 11551, "LSmallToe": 13280, "LHeel": 12453,
    "lthumb": 9348, "lindex": 8595, "lmiddle": 8787, "lring": 9091, "lpinky": 9282,
}  # fmt: skip
"""Names of the `smplx` package."""

FACE_LANDMARKS = (
    *(5424, 5097, 5242, 895, 893, 3697, 916, 918, 5171, 7620, 7618, 10365, 7595, 7597, 11851, 11712, 12023),  # contour
    *(225, 224, 222, 223, 208),  # right brow
    *(6983, 6997, 6996, 6998, 6999),  # left brow
    *(132, 131, 201, 5054),  # bridge of the nose
    *(5137, 5073, 5072, 11688, 11751),  # nostrils
    *(1065, 0, 6763, 1076, 1070, 1094),  # right eye
    *(7768, 13359, 6784, 7757, 7786, 7762),  # left eye
    *(3735, 5354, 456, 455, 7215, 11956, 10403, 7235, 7241, 492, 486, 480),  # outer lips
    *(3735, 514, 520, 7261, 10403, 7265, 523, 518),  # inner lips
)  # fmt: skip
"""Vertices of the 68 landmarks in the order of dlib, from the body's right to its left."""


def keypoint_vertices(mesh: BodyMesh) -> dict[str, int]:
    """The vertex of each of the 21 keypoints: the nose, the left ones, the right ones."""
    right = {_right(name): int(mesh.mirror[vertex]) for name, vertex in LEFT_KEYPOINTS.items()}
    return {"nose": NOSE} | LEFT_KEYPOINTS | right


def _right(name: str) -> str:
    return ("r" if name[0] == "l" else "R") + name[1:]
