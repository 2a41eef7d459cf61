"""Whole-body layouts and the bodies of SMPL-H and SMPL-X: which keypoints reach which, and that no side is mixed up."""

import numpy as np
import pytest

from fitting.data.conventions import conversion_matrix, get_convention

SIDES = ("left", "right")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
HANDS = [f"{side}_{finger}{end}" for side in SIDES for finger in FINGERS for end in ("_1", "_2", "_3", "")]
LANDMARKS = get_convention("coco_wholebody").names[23:91]
LIMBS = [f"{side}_{joint}" for side in SIDES for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]
TOES = [f"{side}_{toe}" for side in SIDES for toe in ("bigtoe", "smalltoe", "heel")]
FEET_OF_MEDIAPIPE = [f"{side}_{point}" for side in SIDES for point in ("foot", "heel")]

WHOLE_BODY = ["coco_wholebody", "openpose_135", "openpose_137", "mhr70", "mediapipe_holistic", "freemocap"]
WHOLE_BODY += ["mediapipe_holistic_543", "mediapipe_holistic_553", "freemocap_543", "freemocap_553"]

ROOTS = {"left_hand_root", "right_hand_root"}
KNUCKLES_OF_POSE = {f"{side}_{finger}_1_pose" for side in SIDES for finger in ("pinky", "index", "thumb")}
FACE_OF_POSE = {f"{side}_{point}_pose" for side in SIDES for point in ("eye_4", "eye_1", "mouth_1")}
MESH = {f"face_{index}" for index in range(468)}
IRISES = {f"face_{index}" for index in range(468, 478)}
LANDMARKS_OF_MESH = {f"face_{index}" for index in (
    127, 234, 132, 58, 172, 136, 150, 176, 152, 400, 379, 365, 397, 288, 361, 454, 356, 70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 98, 97, 2, 326, 327, 33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91, 78, 82, 13, 312, 308, 317, 14, 87,
)}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "n_reached", "feet", "n_landmarks"),
    [
        ("coco_wholebody", 133, TOES, 68),  # 131 of its own, and pelvis and neck between hips and shoulders
        ("openpose_135", 136, TOES, 68),  # all of its own, and the pelvis
        ("openpose_137", 133, TOES, 68),
        ("mhr70", 65, TOES, 0),
        ("mediapipe_holistic", 69, FEET_OF_MEDIAPIPE, 6),
        ("freemocap", 69, FEET_OF_MEDIAPIPE, 6),
        ("mediapipe_holistic_543", 131, FEET_OF_MEDIAPIPE, 68),
        ("mediapipe_holistic_553", 131, FEET_OF_MEDIAPIPE, 68),
        ("freemocap_543", 131, FEET_OF_MEDIAPIPE, 68),
        ("freemocap_553", 131, FEET_OF_MEDIAPIPE, 68),
    ],
)
def test_what_reaches_the_body_of_smplx(name: str, n_reached: int, feet: list[str], n_landmarks: int) -> None:
    body = get_convention("smplx")
    reached = {body.names[row] for row in np.flatnonzero(conversion_matrix(name, body, approximate=True).any(1))}
    assert len(reached) == n_reached
    assert len(HANDS) == 40
    assert reached >= {*HANDS, *LIMBS, *feet}
    assert len(reached & set(LANDMARKS)) == n_landmarks


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("coco_wholebody", ROOTS),
        ("openpose_135", set()),
        ("openpose_137", {"left_eyeball_unused", "right_eyeball_unused"}),
        ("mhr70", {f"{side}_{point}" for side in SIDES for point in ("olecranon", "cubital_fossa", "acromion")}),
        ("mediapipe_holistic", ROOTS | KNUCKLES_OF_POSE),
        ("freemocap", ROOTS | KNUCKLES_OF_POSE),
        ("mediapipe_holistic_543", ROOTS | KNUCKLES_OF_POSE | FACE_OF_POSE | MESH - LANDMARKS_OF_MESH),
        ("mediapipe_holistic_553", ROOTS | KNUCKLES_OF_POSE | FACE_OF_POSE | MESH - LANDMARKS_OF_MESH | IRISES),
        ("freemocap_543", ROOTS | KNUCKLES_OF_POSE | FACE_OF_POSE | MESH - LANDMARKS_OF_MESH),
        ("freemocap_553", ROOTS | KNUCKLES_OF_POSE | FACE_OF_POSE | MESH - LANDMARKS_OF_MESH | IRISES),
    ],
)
def test_what_the_body_of_smplx_gives(name: str, left_out: set[str]) -> None:
    """This drives the fit: the keypoints of the body in the layout of the track."""
    layout = get_convention(name)
    given = conversion_matrix("smplx", layout, approximate=True).any(1)
    assert {layout.names[row] for row in np.flatnonzero(~given)} == left_out


@pytest.mark.parametrize("name", WHOLE_BODY)
def test_what_the_body_of_smplh_gives(name: str) -> None:
    """All that the body of SMPL-X gives but the landmarks of the face and the eyeballs."""
    layout = get_convention(name)
    of_smplh, of_smplx = (
        {layout.names[row] for row in np.flatnonzero(conversion_matrix(body, layout, approximate=True).any(1))}
        for body in ("smplh", "smplx")
    )
    missing = {keypoint.replace("eye_brow", "eyebrow") for keypoint in of_smplx - of_smplh}
    assert missing == {keypoint.replace("eye_brow", "eyebrow") for keypoint in of_smplx} & {*LANDMARKS, "left_eyeball", "right_eyeball"}


@pytest.mark.parametrize("name", WHOLE_BODY)
@pytest.mark.parametrize("body", ["smplx", "smplh", "smpl_45"])
def test_left_stays_left(name: str, body: str) -> None:
    for src, dst in ((get_convention(name), get_convention(body)), (get_convention(body), get_convention(name))):
        for target, row in zip(dst.names, conversion_matrix(src, dst, approximate=True), strict=True):
            sides = {src.names[column].split("_")[0] for column in np.flatnonzero(row)} & set(SIDES)
            side = target.split("_")[0]
            # A point in the middle comes from one in the middle, or from both sides.
            assert sides <= {side} if side in SIDES else len(sides) != 1, (target, sides)


@pytest.mark.parametrize("name", WHOLE_BODY)
def test_keypoints_have_a_mirror_image(name: str) -> None:
    names = get_convention(name).names
    for keypoint in names:
        side, _, rest = keypoint.partition("_")
        if side in SIDES:
            assert f"{SIDES[side == 'left']}_{rest}" in names


def test_order_of_smplh() -> None:
    names = get_convention("smplh").names
    assert names[:52] == get_convention("smplh_52").names
    assert names[52:] == get_convention("smpl_45").names[24:]


@pytest.mark.parametrize("name", ["coco_wholebody", "openpose_135", "openpose_137", "mediapipe_holistic", "freemocap"])
@pytest.mark.parametrize("side", SIDES)
def test_hands_go_from_the_wrist_to_the_tips(name: str, side: str) -> None:
    """CMC, MCP, IP and tip of the thumb, then MCP, PIP, DIP and tip of each finger, as all detectors order a hand."""
    names = get_convention(name).names
    start = names.index(f"{side}_thumb_1")
    assert list(names[start : start + 20]) == [f"{side}_{finger}{end}" for finger in FINGERS for end in ("_1", "_2", "_3", "")]


@pytest.mark.parametrize(("side", "start"), [("right", 21), ("left", 42)])
def test_hands_of_mhr70_go_from_the_tips_to_the_wrist(side: str, start: int) -> None:
    names = get_convention("mhr70").names
    expected = [f"{side}_{finger}{end}" for finger in FINGERS for end in ("", "_3", "_2", "_1")]
    assert list(names[start : start + 21]) == [*expected, f"{side}_wrist"]


@pytest.mark.parametrize(
    ("layout", "starts"),
    [
        ("mediapipe_holistic", {"left": 33, "right": 54}),
        ("mediapipe_holistic_543", {"left": 501, "right": 522, "mesh": 33}),
        ("mediapipe_holistic_553", {"left": 511, "right": 532, "mesh": 33}),
        ("freemocap", {"left": 54, "right": 33}),
        ("freemocap_543", {"left": 54, "right": 33, "mesh": 75}),
        ("freemocap_553", {"left": 54, "right": 33, "mesh": 75}),
    ],
)
def test_parts_of_mediapipe(layout: str, starts: dict[str, int]) -> None:
    convention = get_convention(layout)
    assert convention.names[15:17] == ("left_wrist", "right_wrist")
    for side in SIDES:
        assert convention.index(f"{side}_hand_root") == starts[side]
        assert convention.index(f"{side}_pinky") == starts[side] + 20
    if "mesh" in starts:
        assert convention.index("mouth_top") == starts["mesh"]
        assert convention.index("face_467") == starts["mesh"] + 467


def test_mesh_keeps_the_mirror_image() -> None:
    """The mesh numbers its right half first, then the left half in the same order; the midline has numbers of the first half."""
    midline = {0, 1, 2, 4, 5, 6, 8, 9, *range(10, 20), 94, 151, 152, 164, 168, 175, 195, 197, 199, 200}
    right_half = [index for index in range(248) if index not in midline]
    index_of = {name: index for index, name in enumerate(get_convention("freemocap_543").names[75:])}
    for name in LANDMARKS:
        side, _, rest = name.partition("_")
        if side == "right":
            assert index_of[f"left_{rest}"] == 248 + right_half.index(index_of[name]), name
        elif side != "left":
            assert index_of[name] in midline, name


@pytest.mark.parametrize(
    ("names", "path"),
    [
        # MediaPipe's own lines, from its FACEMESH_* connections, in the order in which they run
        ([f"right_eyebrow_{n}" for n in range(1, 6)], [70, 63, 105, 66, 107]),
        ([f"left_eyebrow_{n}" for n in range(1, 6)], [300, 293, 334, 296, 336]),
        ([f"right_eye_{n}" for n in range(1, 7)], [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7]),
        (["left_eye_1", "left_eye_6", "left_eye_5", "left_eye_4", "left_eye_3", "left_eye_2"],
         [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466]),
        ([f"nosebridge_{n}" for n in range(1, 5)], [168, 6, 197, 195, 5, 4]),
        (["right_nose_2", "right_nose_1", "nose_middle", "left_nose_1", "left_nose_2"], [98, 97, 2, 326, 327]),
        ([f"right_contour_{n}" for n in range(1, 9)] + ["contour_middle"],
         [162, 127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152]),
        ([f"left_contour_{n}" for n in range(1, 9)] + ["contour_middle"],
         [389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152]),
        (["right_mouth_1", "right_mouth_2", "right_mouth_3", "mouth_top", "left_mouth_3", "left_mouth_2", "left_mouth_1", "left_mouth_5",
          "left_mouth_4", "mouth_bottom", "right_mouth_4", "right_mouth_5"],
         [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]),
        (["right_lip_1", "right_lip_2", "lip_top", "left_lip_2", "left_lip_1", "left_lip_3", "lip_bottom", "right_lip_3"],
         [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]),
    ],
)  # fmt: skip
def test_landmarks_lie_on_the_lines_of_the_mesh(names: list[str], path: list[int]) -> None:
    mesh = get_convention("mediapipe_holistic_543").names[33:501]
    places = [path.index(mesh.index(name)) for name in names]
    assert places == sorted(places)


def test_eyebrows_of_openpose_137() -> None:
    row = conversion_matrix("smplx", ["left_eye_brow_2"], approximate=True)[0]
    assert np.flatnonzero(row).tolist() == [get_convention("smplx").index("left_eyebrow_2")]
    assert not conversion_matrix("smplx", ["left_eye_brow_2"], approximate=True, derive=False).any()
    assert not conversion_matrix("smplx", ["left_eye_brow_2"]).any()


def test_conventions_of_the_reference_are_untouched() -> None:
    """Numbers of names that reach the body, without the middles, as the reference has them."""
    expected = {"coco_wholebody": 131, "openpose_135": 135, "openpose_137": 123, "mediapipe_body": 33, "mediapipe_whole_body": 67}
    found = {name: int(conversion_matrix(name, "smplx", approximate=True, derive=False).any(1).sum()) for name in expected}
    assert found == expected
