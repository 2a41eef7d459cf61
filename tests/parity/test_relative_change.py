"""The stop rule gives the numbers of XRMoCap's function."""

from pathlib import Path

import numpy as np
import pytest

from fitting.solvers.torch_optimizer import relative_change

with np.load(Path(__file__).parent / "data" / "relative_change.npz") as file:
    CASES = [(*pair, change) for pair, change in zip(file["pairs"].tolist(), file["rel"].tolist(), strict=True)]


@pytest.mark.parametrize(("previous", "current", "expected"), CASES)
def test_relative_change(previous, current, expected):
    assert relative_change(previous, current) == pytest.approx(expected, rel=1e-5, abs=1e-7)
