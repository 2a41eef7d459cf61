"""The prior: a mixture of Gaussians over body poses of 69 values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture

from .asf_amc import Floats

N_COMPONENTS = 8
REGULARISATION = 2e-3
"""Added to the variances, square radians: no pose is certain to better than 2.6 degrees."""

MAX_ITERATIONS = 150
SEED = 1
"""Of the first guess. Training ends in a local optimum: of the seeds 0 to 5 this one fits the poses learnt from best."""


def train(poses: Floats, n_components: int = N_COMPONENTS) -> dict[str, NDArray[Any]]:
    """The arrays of the prior's file from poses (N, D).

    Returns:
        means: (M, D) radians.
        chol: (M, D (D + 1) / 2) lower triangles of the Cholesky factors of the covariances, row by row, 16 bits.
        weights: (M,) sum 1.
    """
    mixture = GaussianMixture(n_components, reg_covar=REGULARISATION, max_iter=MAX_ITERATIONS, random_state=SEED)
    mixture.fit(poses)
    factors = np.linalg.cholesky(mixture.covariances_)
    rows, columns = np.tril_indices(poses.shape[1])
    return {
        "means": mixture.means_.astype(np.float32),
        "chol": factors[:, rows, columns].astype(np.float16),
        "weights": mixture.weights_.astype(np.float32),
    }


def log_likelihood(prior: dict[str, NDArray[Any]], poses: Floats) -> Floats:
    """(N,) natural logarithm of the density of poses (N, D), by the arrays of the file."""
    n_values = poses.shape[1]
    rows, columns = np.tril_indices(n_values)
    terms = []
    for mean, packed, weight in zip(prior["means"], prior["chol"].astype(float), prior["weights"], strict=True):
        factor = np.zeros((n_values, n_values))
        factor[rows, columns] = packed
        whitened = np.linalg.solve(factor, (poses - mean).T)
        log_norm = np.log(np.diag(factor)).sum() + 0.5 * n_values * np.log(2 * np.pi)
        terms.append(np.log(weight) - log_norm - 0.5 * np.sum(whitened**2, axis=0))
    return np.asarray(logsumexp(terms, axis=0))
