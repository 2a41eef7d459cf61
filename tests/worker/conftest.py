import sys

import pytest
from jobs import FAKE_WORKER

from blender_smplify.worker_client import WorkerClient


@pytest.fixture
def client(tmp_path):
    client = WorkerClient(sys.executable, tmp_path / "worker.log", FAKE_WORKER)
    yield client
    client.close(grace=1.0)
