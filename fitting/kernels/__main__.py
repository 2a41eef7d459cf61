"""Compiles the kernels now: ``python -m fitting.kernels``. Otherwise the first long fits on a machine do so beside their work."""

import sys

from . import kernels

if __name__ == "__main__":
    is_there = kernels(wait=True) is not None
    print("The kernels are compiled." if is_there else "The extra `fast` is not installed: pip install smplify-fit[fast]")
    sys.exit(0 if is_there else 2)
