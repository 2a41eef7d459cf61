import numpy as np
import pytest

from fitting.data.cameras import Camera

LENS = [-0.12, 0.06, 0.001, -0.002, 0.01]


@pytest.fixture(scope="session")
def ring():
    """Makes cameras that stand around the origin and look at it from 4.5 m, all with a lens that distorts."""

    def make(n_views, distortion=LENS):
        angles = 0.3 + 2 * np.pi * np.arange(n_views) / n_views
        return [
            Camera.look_at([4.5 * np.sin(angle), 1.6, 4.5 * np.cos(angle)], [0, 1, 0], 1100, (1920, 1080), distortion, f"view{index}")
            for index, angle in enumerate(angles)
        ]

    return make
