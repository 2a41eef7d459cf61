"""Terms that a solver knows by heart: what is needed to write down their derivatives, in place of autograd."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PointTerm:
    """Distances of points that joints carry: the sum of `weight` times the robust square of |points - target|.

    Attributes:
        matrix: (N, K) the N points as weighted sums of the body's K keypoints.
        target: (F, N, 3) metres.
        weight: (F, N) inverse square of what is usual, from 0.
        sigma: Distance in metres at which the robust function (Geman-McClure) bends, or None for the plain square.
    """

    matrix: Tensor
    target: Tensor
    weight: Tensor
    sigma: float | None


@dataclass(frozen=True)
class RotationTerm:
    """The sum of squares of `shares` times the turn of joints from their usual rotation.

    Attributes:
        joints: (N,) indices of joints.
        usual: (N, 3, 3) rotations relative to the parents.
        shares: (N, 3) inverse of what is usual about each axis, 1 / radians.
    """

    joints: Tensor
    usual: Tensor
    shares: Tensor


@dataclass(frozen=True)
class RotationAccelerationTerm:
    """The sum of squares of `shares` times the change of each joint's turn from frame to frame.

    Attributes:
        shares: (J,) 1 / radians.
    """

    shares: Tensor


@dataclass(frozen=True)
class RootAccelerationTerm:
    """The sum of squares of `share` times the second difference of the translation.

    Attributes:
        share: 1 / metres.
    """

    share: float


@dataclass(frozen=True)
class SharedTerm:
    """The sum of squares of `root` times the difference of a parameter that all frames share from its usual value.

    Attributes:
        name: Name of the parameter.
        usual: (S,) its usual value.
        root: (R, S).
    """

    name: str
    usual: Tensor
    root: Tensor


@dataclass(frozen=True)
class FrameTerm:
    """The sum of squares of `share` times a parameter of each frame that is no rotation.

    Attributes:
        name: Name of the parameter.
        share: Inverse of what is usual.
    """

    name: str
    share: float


QuadraticTerm = FrameTerm | SharedTerm | PointTerm | RotationTerm | RotationAccelerationTerm | RootAccelerationTerm
