"""Solvers: how an objective is made small. They know nothing of bodies."""

from .objective import Objective
from .torch_optimizer import TorchOptimizer

__all__ = ["Objective", "TorchOptimizer"]
