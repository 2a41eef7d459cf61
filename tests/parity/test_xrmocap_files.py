"""Files that XRMoCap has written are read, and written again, without the loss of a bit."""

from pathlib import Path

import numpy as np
import pytest

from fitting.data.files import read_npz
from fitting.data.keypoints import Keypoints
from fitting.data.smpl_data import SMPLData
from fitting.data.smplx_data import auto_load_smpl_data

DATA = Path(__file__).parent / "data"


def assert_same_file(path, other):
    arrays, others = read_npz(path), read_npz(other)
    assert set(arrays) == set(others)
    for key, value in arrays.items():
        assert value.dtype == others[key].dtype
        np.testing.assert_array_equal(value, others[key])


@pytest.mark.parametrize("name", ["sample_keypoints3d_coco", "sample_keypoints3d_coco_to_smpl"])
def test_keypoints(name, tmp_path):
    Keypoints.fromfile(DATA / f"{name}.npz").dump(tmp_path / "again.npz")
    assert_same_file(DATA / f"{name}.npz", tmp_path / "again.npz")


def test_smpl_data(tmp_path):
    data, name = auto_load_smpl_data(DATA / "sample_smpl_data.npz")
    assert (type(data), name) == (SMPLData, "SMPLData")
    arrays = read_npz(DATA / "sample_smpl_data.npz")
    assert data.get_gender() == "neutral"
    for key in ("fullpose", "transl", "mask"):
        np.testing.assert_array_equal(getattr(data, f"get_{key}")(), arrays[key])
    np.testing.assert_array_equal(data.get_betas(repeat_betas=False), arrays["betas"])
    data.dump(tmp_path / "again.npz")
    assert_same_file(DATA / "sample_smpl_data.npz", tmp_path / "again.npz")
    SMPLData().from_param_dict(data.to_param_dict(repeat_betas=False), data.get_gender(), data.get_mask()).dump(tmp_path / "third.npz")
    assert_same_file(DATA / "sample_smpl_data.npz", tmp_path / "third.npz")
