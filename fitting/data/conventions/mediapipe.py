"""The layouts of MediaPipe Holistic and of FreeMoCap: a pose, two hands and a face mesh, one part after the other."""

from collections.abc import Mapping, Sequence

_LAYOUTS = {
    "mediapipe_holistic": ("pose", "left_hand", "right_hand"),
    "mediapipe_holistic_543": ("pose", "face_468", "left_hand", "right_hand"),
    "mediapipe_holistic_553": ("pose", "face_478", "left_hand", "right_hand"),
    "freemocap": ("pose", "right_hand", "left_hand"),
    "freemocap_543": ("pose", "right_hand", "left_hand", "face_468"),
    "freemocap_553": ("pose", "right_hand", "left_hand", "face_478"),
}

_LANDMARKS_IN_MESH = (
    *(127, 234, 132, 58, 172, 136, 150, 176, 152, 400, 379, 365, 397, 288, 361, 454, 356),  # the contour, from the right ear to the left
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # eyebrows
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),  # nose
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91, 78, 82, 13, 312, 308, 317, 14, 87),  # lips
)
"""Which points of the face mesh are the 68 landmarks of a face, in their usual order."""


def mediapipe_layouts(registered: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The keypoint names of each layout, in order.

    The pose marks knuckles, corners of the eyes and of the mouth too. Where the hands or the mesh mark them better, the
    name is theirs, and the point of the pose is carried along with "_pose" behind its name. The wrist is that of the pose.

    Args:
        registered: Names of the conventions "mediapipe_body" and "coco_wholebody", of which the parts are made.
    """
    pose, whole_body = registered["mediapipe_body"], registered["coco_wholebody"]
    landmarks = dict(zip(_LANDMARKS_IN_MESH, whole_body[23:91], strict=True))
    mesh = [landmarks.get(index, f"face_{index}") for index in range(478)]  # the last ten are the irises
    parts = {"left_hand": whole_body[91:112], "right_hand": whole_body[112:], "face_468": mesh[:468], "face_478": mesh}
    layouts = {}
    for layout, (_, *others) in _LAYOUTS.items():
        better = {name for part in others for name in parts[part]}
        parts["pose"] = [f"{name}_pose" if name in better else name for name in pose]
        layouts[layout] = tuple(name for part in _LAYOUTS[layout] for name in parts[part])
    return layouts
