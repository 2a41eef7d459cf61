"""Our `.smpl` and AMASS files against Meshcapade's own package: each reads what the other has written."""

import numpy as np
import pytest
from smplcodec import SMPLCodec, SMPLGender, SMPLVersion

from fitting.data.amass import write_amass
from fitting.data.motion import Motion
from fitting.data.parameters import POSE_PARTS
from fitting.data.smpl_codec import read_smpl, write_smpl

F = 4
VERSIONS = {"smpl": SMPLVersion.SMPL, "smplh": SMPLVersion.SMPLH, "smplx": SMPLVersion.SMPLX}
CODEC_PARTS = ("body_pose", "head_pose", "left_hand_pose", "right_hand_pose")


def make_motion(model_type):
    rng = np.random.default_rng(0)
    params = {name: rng.normal(size=(F, 3 * n_joints)) for name, n_joints in POSE_PARTS[model_type]}
    params |= {"betas": rng.normal(size=(1, 16)), "transl": rng.normal(size=(F, 3))}
    if model_type == "smplx":
        params["expression"] = rng.normal(size=(F, 10))
    return Motion({name: value.astype(np.float32) for name, value in params.items()}, model_type, "female", fps=29.97)


@pytest.mark.parametrize("model_type", VERSIONS)
def test_theirs_reads_ours(model_type, tmp_path):
    motion = make_motion(model_type)
    write_smpl(motion, tmp_path / "take.smpl")
    theirs = SMPLCodec.from_file(tmp_path / "take.smpl")
    assert (theirs.codec_version, theirs.smpl_version, theirs.gender) == (
        SMPLCodec().codec_version,
        VERSIONS[model_type],
        SMPLGender.FEMALE,
    )
    assert (theirs.frame_count, np.float32(theirs.frame_rate)) == (F, np.float32(29.97))
    np.testing.assert_array_equal(theirs.full_pose, motion.full_pose)
    np.testing.assert_array_equal(theirs.shape_parameters, motion.betas[0])
    np.testing.assert_array_equal(theirs.body_translation, motion.params["transl"])
    if model_type == "smplx":
        np.testing.assert_array_equal(theirs.expression_parameters, motion.params["expression"])


@pytest.mark.parametrize("model_type", VERSIONS)
def test_ours_reads_theirs(model_type, tmp_path):
    rng = np.random.default_rng(1)
    sizes = VERSIONS[model_type].param_sizes
    parts = {name: rng.normal(size=(F, *getattr(sizes, name))).astype(np.float32) for name in CODEC_PARTS if getattr(sizes, name)}
    theirs = SMPLCodec(
        smpl_version=VERSIONS[model_type],
        gender=SMPLGender.MALE,
        shape_parameters=rng.normal(size=12).astype(np.float32),
        frame_count=F,
        frame_rate=59.94,
        body_translation=rng.normal(size=(F, 3)).astype(np.float32),
        **parts,
    )
    theirs.write(tmp_path / "take.smpl")
    motion = read_smpl(tmp_path / "take.smpl")
    assert (motion.model_type, motion.gender, motion.fps) == (model_type, "male", 59.94)
    np.testing.assert_array_equal(motion.full_pose, theirs.full_pose)
    np.testing.assert_array_equal(motion.betas[0], theirs.shape_parameters)
    np.testing.assert_array_equal(motion.params["transl"], theirs.body_translation)


def test_ours_reads_their_avatar_without_motion(tmp_path):
    SMPLCodec(shape_parameters=np.ones(10, np.float32)).write(tmp_path / "avatar.smpl")
    motion = read_smpl(tmp_path / "avatar.smpl")
    assert (motion.model_type, motion.gender, motion.n_frames, motion.fps) == ("smplx", "neutral", 1, None)
    np.testing.assert_array_equal(motion.betas, np.ones((1, 10)))


@pytest.mark.parametrize("model_type", ["smplh", "smplx"])
def test_theirs_reads_our_amass(model_type, tmp_path):
    motion = make_motion(model_type)
    motion = Motion(motion.params, model_type, motion.gender, motion.fps, up_axis="z")
    write_amass(motion, tmp_path / "take.npz")
    theirs = SMPLCodec.from_amass_npz(tmp_path / "take.npz", smpl_version_str=model_type)
    assert (theirs.smpl_version, theirs.gender, theirs.frame_rate) == (VERSIONS[model_type], SMPLGender.FEMALE, 29.97)
    np.testing.assert_array_equal(theirs.body_translation, motion.params["transl"])
    np.testing.assert_array_equal(theirs.full_pose, motion.full_pose)
