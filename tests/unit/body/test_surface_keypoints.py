from dataclasses import replace

import pytest

from fitting.body.surface_keypoints import keypoints_of
from fitting.errors import BodyError


def test_keypoints_of_the_default_body(body):
    assert keypoints_of(body.data).name == "smpl_45"


def test_a_convention_with_a_keypoint_that_the_body_lacks(random_data):
    with pytest.raises(BodyError, match=r"'random' has no place for its keypoint '[a-z_]+'\. Give its vertex"):
        keypoints_of(replace(random_data, convention="smpl_54"))
