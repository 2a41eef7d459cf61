import gzip
import sys
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[3] / "data" / "models"
sys.path.insert(0, str(MODELS))


@pytest.fixture
def unpacked(tmp_path):
    """Unpacks one of the pickles of Python 2.7, under a name of choice."""

    def unpack(fixture, name=None):
        path = tmp_path / (name or f"{fixture}.pkl")
        path.write_bytes(gzip.decompress((MODELS / f"{fixture}.pkl.gz").read_bytes()))
        return path

    return unpack
