import json
from pathlib import Path

import pytest

from fitting.data.conventions import Convention, as_convention, get_convention, limbs_of, list_conventions, list_parts
from fitting.errors import ConventionError

PARITY = Path(__file__).parents[2] / "parity" / "data"
LIMBS = json.loads((PARITY / "limb_indices_body.json").read_text())


@pytest.mark.parametrize(
    ("name", "n_keypoints"),
    [
        ("agora", 127),
        ("coco", 17),
        ("coco_wholebody", 133),
        ("h36m", 17),
        ("halpe_26", 26),
        ("human_data", 190),
        ("freemocap", 75),
        ("freemocap_543", 543),
        ("freemocap_553", 553),
        ("mediapipe_body", 33),
        ("mediapipe_holistic", 75),
        ("mediapipe_holistic_543", 543),
        ("mediapipe_holistic_553", 553),
        ("mhr70", 70),
        ("openpose_25", 25),
        ("openpose_25b", 25),
        ("smpl", 24),
        ("smpl_22", 22),
        ("smpl_45", 45),
        ("smplh", 73),
        ("smplh_52", 52),
        ("smplx", 144),
        ("smplx_55", 55),
    ],
)
def test_number_of_keypoints(name: str, n_keypoints: int) -> None:
    convention = get_convention(name)
    assert convention.name == name
    assert len(convention) == len(set(convention.names)) == n_keypoints


def test_all_registered_conventions_can_be_had() -> None:
    names = list_conventions()
    assert len(names) == 60
    assert list(names) == sorted(names)
    assert all(get_convention(name).names for name in names)


def test_order_of_smpl() -> None:
    names = get_convention("smpl").names
    assert names[:4] == ("pelvis", "left_hip", "right_hip", "spine_1")
    assert names[-2:] == ("left_hand", "right_hand")
    assert get_convention("smpl").index("left_knee") == 4


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        *(("body_25", "openpose_25"), ("body_25b", "openpose_25b"), ("coco_17", "coco"), ("mediapipe", "mediapipe_body")),
        *(("human36m", "h36m"), ("holistic", "mediapipe_holistic"), ("sam_3d_body", "mhr70")),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert get_convention(alias) == get_convention(name)


@pytest.mark.parametrize(("name", "hint"), [("smpI_45", "smpl_45"), ("COCO", "coco"), ("openpose25", "openpose_25")])
def test_unknown_convention_names_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ConventionError, match=f"no keypoint convention '{name}'.*'{hint}'"):
        get_convention(name)


@pytest.mark.parametrize("name", sorted(LIMBS))
def test_limbs_equal_the_reference(name: str) -> None:
    assert [list(pair) for pair in limbs_of(name)] == LIMBS[name]


def test_limbs_of_own_names_and_kinds() -> None:
    names = ("left_knee", "nowhere", "left_ankle", "left_wrist", "left_thumb_1")
    assert limbs_of(names) == ((2, 0),)
    assert limbs_of(names, "left_hand") == ((3, 4),)
    assert limbs_of(names, None) == ((2, 0), (3, 4))


def test_unknown_kind_of_limbs() -> None:
    with pytest.raises(ConventionError, match=r"no limbs of kind 'hands'"):
        get_convention("smpl").limbs("hands")


@pytest.mark.parametrize(
    ("part", "indices"),
    [("shoulder", (16, 17)), ("hip", (1, 2)), ("head", (15,)), ("left_hand", (22,)), ("right_hand", (23,)), ("foot", (7, 8, 10, 11))],
)
def test_parts_of_smpl(part: str, indices: tuple[int, ...]) -> None:
    assert get_convention("smpl").part(part) == indices


def test_parts_cover_the_vocabulary() -> None:
    human_data = get_convention("human_data")
    assert set(list_parts()) == {"head", "left_hand", "right_hand", "shoulder", "hip", "body", "foot"}
    assert {index for part in list_parts() for index in human_data.part(part)} == set(range(190))


def test_unknown_part() -> None:
    with pytest.raises(ConventionError, match=r"no body part 'hands'"):
        get_convention("smpl").part("hands")


def test_unknown_keypoint_names_the_nearest() -> None:
    with pytest.raises(ConventionError, match=r"'smpl' has no keypoint 'left_ankel'. Did you mean 'left_ankle'"):
        get_convention("smpl").index("left_ankel")


def test_membership() -> None:
    assert "left_hip" in get_convention("smpl")
    assert "left_hip_extra" not in get_convention("smpl")


def test_as_convention() -> None:
    smpl = get_convention("smpl")
    assert as_convention(smpl) is smpl
    assert as_convention("smpl") == smpl
    assert as_convention(["a", "b"]) == Convention("custom", ("a", "b"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["a", "b", "a"], "has the keypoint 'a' 2 times"),
        ([], "has no keypoint names"),
        (7, "7 is no keypoint convention"),
        ("no such", "no keypoint convention 'no such'"),
    ],
)
def test_what_is_no_convention(value: object, message: str) -> None:
    with pytest.raises(ConventionError, match=message):
        as_convention(value)  # type: ignore[arg-type]
