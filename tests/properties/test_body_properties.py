"""What is true of every pose of the body."""

import pytest
import torch
from hypothesis import given, settings, strategies as st

from fitting.registrant.start import pose_from_keypoints
from fitting.rotations import axis_angle_to_matrix, matrix_to_axis_angle

SEEDS = st.integers(0, 2**31)
ANGLES = st.floats(-3.0, 3.0)
METRES = 2e-5


@pytest.fixture(scope="module")
def bones(body):
    """Joint and parent of each bone."""
    parents = torch.as_tensor(body.data.parents)
    return torch.arange(1, 24), parents[1:]


def parameters(seed, spread=1.0, n_frames=2):
    generator = torch.Generator().manual_seed(seed)
    widths = {"betas": 10, "body_pose": 69, "global_orient": 3, "transl": 3}
    return {name: spread * torch.randn(n_frames, width, generator=generator) for name, width in widths.items()}


def joints(body, values):
    with torch.no_grad():
        return body(**values).joints


@settings(max_examples=30)
@given(seed=SEEDS)
def test_bones_keep_their_length(body, bones, seed):
    values = parameters(seed)
    posed, resting = joints(body, values), joints(body, {"betas": values["betas"]})
    joint, parent = bones
    lengths = [(points[:, joint] - points[:, parent]).norm(dim=-1) for points in (posed, resting)]
    torch.testing.assert_close(*lengths, atol=METRES, rtol=0)


@settings(max_examples=30)
@given(seed=SEEDS, turn=st.tuples(ANGLES, ANGLES, ANGLES))
def test_a_turn_of_the_root_turns_the_body_about_the_pelvis(body, seed, turn):
    values = parameters(seed)
    rotation = axis_angle_to_matrix(torch.tensor(turn))
    turned = dict(values, global_orient=matrix_to_axis_angle(rotation @ axis_angle_to_matrix(values["global_orient"])))
    before, after = joints(body, values), joints(body, turned)
    pelvis = before[:, :1]
    torch.testing.assert_close(after, (before - pelvis) @ rotation.mT + pelvis, atol=METRES, rtol=0)


@settings(max_examples=30)
@given(seed=SEEDS, move=st.tuples(*[st.floats(-5, 5)] * 3))
def test_a_translation_moves_every_point_alike(body, seed, move):
    values = parameters(seed)
    moved = dict(values, transl=values["transl"] + torch.tensor(move))
    torch.testing.assert_close(joints(body, moved), joints(body, values) + torch.tensor(move), atol=METRES, rtol=0)


@settings(max_examples=30)
@given(seed=SEEDS, joint=st.integers(1, 23))
def test_a_joint_moves_only_what_hangs_on_it(body, seed, joint):
    values = parameters(seed)
    pose = values["body_pose"].clone()
    pose[:, 3 * (joint - 1) : 3 * joint] += 0.5
    moved = (joints(body, dict(values, body_pose=pose)) - joints(body, values))[:, :24].norm(dim=-1)
    below = body.tree.subtrees()[joint].clone()
    below[joint] = False
    assert moved[:, ~below].max() < METRES
    if below.any():
        assert moved[:, below].max() > 1e-3


@settings(max_examples=30)
@given(seed=SEEDS)
def test_shape_is_linear_at_rest(body, seed):
    first, second = parameters(seed)["betas"].split(1)
    template = joints(body, {})
    together = joints(body, {"betas": first + second}) - template
    apart = joints(body, {"betas": first}) + joints(body, {"betas": second}) - 2 * template
    torch.testing.assert_close(together, apart, atol=METRES, rtol=0)


@settings(max_examples=30)
@given(seed=SEEDS)
def test_frames_do_not_know_of_each_other(body, seed):
    values = parameters(seed, n_frames=3)
    alone = [joints(body, {name: value[frame : frame + 1] for name, value in values.items()}) for frame in range(3)]
    torch.testing.assert_close(joints(body, values), torch.cat(alone), atol=METRES, rtol=0)


@settings(max_examples=30)
@given(seed=SEEDS, heading=ANGLES, move=st.tuples(*[st.floats(-20, 20)] * 3))
def test_the_start_turns_and_moves_with_the_keypoints(body, seed, heading, move):
    """Seen from elsewhere, the same person starts in the same pose."""
    points = joints(body, parameters(seed, spread=0.3))[:, :24]
    rotation = axis_angle_to_matrix(torch.tensor([0.0, heading, 0.0]))
    confidence = torch.ones(points.shape[:2])
    here = pose_from_keypoints(body, points, confidence, "smpl")
    there = pose_from_keypoints(body, points @ rotation.mT + torch.tensor(move), confidence, "smpl")
    found = joints(body, there)
    expected = joints(body, here) @ rotation.mT + torch.tensor(move)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
