"""The pose prior: a mixture of Gaussians over body poses."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.bodies.restricted_pickle import read_pickle
from ..data.files import read_npz
from ..errors import PresetError
from .base import LOSSES, Loss, Reduction

SMPL_WIDTH, SMPLX_WIDTH = 69, 63
"""Values of a body pose with SMPL's two hands, and without."""

_KEYS = ("means", "covars", "weights")

DEFAULT_PRIOR_PATH = Path(__file__).parents[1] / "assets" / "pose_prior.npz"


@LOSSES.register
class MaxMixturePriorLoss(Loss):
    """Negative log-likelihood of the pose under the most likely Gaussian of a mixture (SMPLify, equation 7).

    The value is no sum of squares; constants of the likelihood stay in it, as in XRMoCap. For the 21 body joints of SMPL-H and
    SMPL-X, a prior of SMPL's 23 is taken without the two hands.

    Args:
        prior_folder: Folder that holds `gmm_{num_gaussians:02d}.npz` or `.pkl` with means (M, D), covars (M, D, D), weights (M), such
            as `gmm_08.pkl` of SMPLify; by default, and where there is no such folder, the prior of this package, trained on motions of
            the CMU database.
        num_gaussians: Number of Gaussians M.
        epsilon: Not used; accepted from XRMoCap's configs.
        use_merged: Only true is supported.
        reduction: "none" gives one value for each frame.
        loss_weight: Factor of the loss.
        mixture: The arrays `means`, `covars`, `weights` themselves, in place of a file.
    """

    def __init__(
        self,
        prior_folder: str | Path | None = None,
        num_gaussians: int = 8,
        epsilon: float = 1e-16,
        use_merged: bool = True,
        reduction: Reduction = "mean",
        loss_weight: float = 1.0,
        mixture: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(reduction, loss_weight)
        if not use_merged:
            raise PresetError("MaxMixturePriorLoss has use_merged = false, which is not supported.", "Leave it out.")
        self.epsilon = epsilon
        arrays = _load_mixture(prior_folder, num_gaussians) if mixture is None else dict(mixture)
        means, covariances, weights = (np.asarray(arrays[key], np.float64) for key in _KEYS)
        self.dimension = means.shape[1]
        widths = (SMPL_WIDTH, SMPLX_WIDTH) if self.dimension == SMPL_WIDTH else (self.dimension,)
        # What is left of a Gaussian without its last dimensions is a Gaussian with the rest of its mean and covariance.
        self.gaussians = nn.ModuleDict({str(w): _Gaussians(means[:, :w], covariances[:, :w, :w], weights) for w in widths})

    def forward(  # type: ignore[override]
        self, body_pose: Tensor, loss_weight_override: float | None = None, reduction_override: Reduction | None = None
    ) -> Tensor:
        """The loss.

        Args:
            body_pose: (F, D) axis-angle, radians.
            loss_weight_override: Used for this call in place of `loss_weight`.
            reduction_override: Used for this call in place of `reduction`.

        Raises:
            PresetError: The pose has another number of values than the prior.
        """
        width = str(body_pose.shape[1])
        if width not in self.gaussians:
            raise PresetError(
                f"The pose prior is for {self.dimension} pose values, but the body has {width}.",
                "Use a prior trained for this body, or set pose_prior_weight to 0.",
            )
        return self.reduced(self.gaussians[width](body_pose), loss_weight_override, reduction_override)


class _Gaussians(nn.Module):
    """Weighted Gaussians: -log of the most likely of them."""

    roots: Tensor
    offsets: Tensor
    constants: Tensor

    def __init__(self, means: NDArray[Any], covariances: NDArray[Any], weights: NDArray[Any]) -> None:
        super().__init__()
        precisions = np.linalg.inv(covariances)
        _, log_determinants = np.linalg.slogdet(covariances)
        half_log = 0.5 * log_determinants
        # -log of w_m / ((2 pi)^(69/2) sqrt(det C_m) / min_j sqrt(det C_j)); always 69 dimensions, as XRMoCap
        constants = -np.log(weights) + 0.5 * SMPL_WIDTH * np.log(2 * np.pi) + half_log - half_log.min()
        # With P = L L', the quadratic form is |L' d|^2.
        roots = np.linalg.cholesky((precisions + precisions.transpose(0, 2, 1)) / 2)
        flat_roots = roots.transpose(1, 0, 2).reshape(means.shape[1], -1)  # (D, M D): one product serves all Gaussians
        offsets = np.einsum("md,mde->me", means, roots)
        for name, value in (("roots", flat_roots), ("offsets", offsets), ("constants", constants)):
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.float32))

    def forward(self, pose: Tensor) -> Tensor:
        """(F,) values for (F, D) poses."""
        whitened = torch.unflatten(pose @ self.roots, 1, self.offsets.shape) - self.offsets
        likelihoods = 0.5 * whitened.square().sum(-1) + self.constants
        return likelihoods.min(1).values


def _load_mixture(folder: str | Path | None, num_gaussians: int) -> dict[str, NDArray[Any]]:
    if folder is None:
        arrays = read_npz(DEFAULT_PRIOR_PATH, PresetError)
        if num_gaussians != len(arrays["weights"]):
            raise PresetError(f"The pose prior has {len(arrays['weights'])} Gaussians, not {num_gaussians}.", "Correct num_gaussians.")
        dimension = arrays["means"].shape[1]
        rows, columns = np.tril_indices(dimension)
        factors = np.zeros((num_gaussians, dimension, dimension))
        factors[:, rows, columns] = arrays["chol"]
        return {"means": arrays["means"], "covars": factors @ factors.transpose(0, 2, 1), "weights": arrays["weights"]}
    if not Path(folder).exists():  # a config from another machine
        logging.getLogger("fitting").warning("There is no prior_folder %r here: the pose prior of this package is used.", str(folder))
        return _load_mixture(None, num_gaussians)
    path = Path(folder) / f"gmm_{num_gaussians:02d}.npz"
    pickle = path.with_suffix(".pkl")
    if not path.exists() and not pickle.exists():
        raise PresetError(
            f"There is neither {path.name!r} nor {pickle.name!r} in {str(folder)!r}.", "Correct prior_folder or num_gaussians."
        )
    file = read_npz(path, PresetError) if path.exists() else read_pickle(pickle, PresetError)
    name = path.name if path.exists() else pickle.name
    if missing := [key for key in _KEYS if key not in file]:
        raise PresetError(f"The pose prior {name!r} lacks {', '.join(missing)}.", "Give a file with means, covars, weights.")
    arrays = {key: file[key] for key in _KEYS}
    _check_mixture(arrays, name)
    return arrays


def _check_mixture(arrays: Mapping[str, NDArray[Any]], name: str) -> None:
    means = arrays["means"].shape
    n_gaussians, width = means if len(means) == 2 else (0, 0)
    for key, shape in (("means", (n_gaussians, width)), ("covars", (n_gaussians, width, width)), ("weights", (n_gaussians,))):
        array = arrays[key]
        if array.shape != shape or 0 in shape or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise PresetError(
                f"{key} of the pose prior {name!r} is {array.dtype} of shape {array.shape}, expected finite numbers.",
                "Give means (M, D), covars (M, D, D) and weights (M).",
            )
