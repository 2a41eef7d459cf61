"""Solvers: how an objective is made small. They know nothing of bodies."""

from .individual_optimizers import IndividualOptimizers
from .levenberg_marquardt import LevenbergMarquardt
from .objective import Objective
from .torch_optimizer import TorchOptimizer

__all__ = ["IndividualOptimizers", "LevenbergMarquardt", "Objective", "TorchOptimizer"]
