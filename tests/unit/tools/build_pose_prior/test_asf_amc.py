import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fitting.errors import TrackError
from tools.build_pose_prior.asf_amc import global_rotations, read_motion, read_skeleton

ASF = """# comment
:units
  angle deg
:root
   order TX TY TZ RX RY RZ
:bonedata
  begin
     name thigh
     direction 0 -1 0
     axis 0 0 20 XYZ
    dof rx ry rz
    limits (-10 10)
  end
  begin
     name shin
     direction 0 -1 0
     axis 90 0 0 XYZ
    dof rx
  end
  begin
     name toe
     direction 0 0 1
     axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root thigh
    thigh shin
    shin toe
  end
"""
AMC = """#!OML
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 90 0
thigh 10 20 30
shin 45
2
root 1 2 3 0 0 0
thigh 0 0 0
3
root 1 2 3 30 40 50
thigh 0 0 0
shin 0
"""


@pytest.fixture
def files(tmp_path):
    skeleton, motion = tmp_path / "a.asf", tmp_path / "a_1.amc"
    skeleton.write_text(ASF)
    motion.write_text(AMC)
    return skeleton, motion


def about(axis, degrees):
    return Rotation.from_rotvec(np.deg2rad(degrees) * np.array(axis)).as_matrix()


def test_skeleton(files):
    bones = read_skeleton(files[0])
    assert {name: bone.parent for name, bone in bones.items()} == {"thigh": "root", "shin": "thigh", "toe": "shin"}
    assert bones["thigh"].channels == ("rx", "ry", "rz")
    np.testing.assert_array_equal(bones["toe"].direction, [0, 0, 1])
    np.testing.assert_allclose(bones["thigh"].axis, about([0, 0, 1], 20), atol=1e-12)


def test_motion(files):
    frames = read_motion(files[1])
    assert len(frames) == 3
    np.testing.assert_array_equal(frames[0]["thigh"], [10, 20, 30])
    assert "shin" not in frames[1]
    assert len(read_motion(files[1], every=2)) == 2


def test_rotations_turn_about_x_then_y_then_z_in_the_axes_of_the_bone(files):
    rotations = global_rotations(read_skeleton(files[0]), read_motion(files[1]))
    root = about([0, 1, 0], 90)
    axis = about([0, 0, 1], 20)
    thigh = root @ axis @ about([0, 0, 1], 30) @ about([0, 1, 0], 20) @ about([1, 0, 0], 10) @ axis.T
    shin = thigh @ about([1, 0, 0], 45)  # the axis of the shin turns about x itself
    for name, expected in {"root": root, "thigh": thigh, "shin": shin, "toe": shin}.items():
        np.testing.assert_allclose(rotations[name][0], expected, atol=1e-12)
    np.testing.assert_allclose(rotations["shin"][1], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotations["toe"][2], about([0, 0, 1], 50) @ about([0, 1, 0], 40) @ about([1, 0, 0], 30), atol=1e-12)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_skeleton, ":bonedata\n", "has no bones"),
        (read_skeleton, ASF.replace("angle deg", "angle rad"), "'rad', but degrees"),
        (read_motion, ":DEGREES\n", "has no frames"),
    ],
)
def test_faulty_files_are_named(tmp_path, read, text, message):
    path = tmp_path / "bad.file"
    path.write_text(text)
    with pytest.raises(TrackError, match=message):
        read(path)


def test_missing_file(tmp_path):
    with pytest.raises(TrackError, match=r"Cannot read .*none\.asf"):
        read_skeleton(tmp_path / "none.asf")
