"""Fits SMPL bodies to 3D keypoint tracks.

Importing this package costs nothing: each public name is loaded when it is first used, and PyTorch only with the names that need it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import fit
    from .body import BodyModel, load_body
    from .data.conventions import Convention, get_convention, list_conventions
    from .data.conversion import convert_keypoints
    from .data.keypoints import Keypoints
    from .data.preset import Preset, list_presets, load_preset
    from .data.result import FitResult
    from .data.tracks import KeypointTrack, read_track, read_tracks
    from .device import devices
    from .errors import FitCancelled, FittingError
    from .handlers import (
        BaseHandler,
        BaseInput,
        BetasPriorHandler,
        BodyPosePriorHandler,
        JointMotionHandler,
        Keypoint3dLimbLenHandler,
        Keypoint3dLimbLenInput,
        Keypoint3dMSEHandler,
        Keypoint3dMSEInput,
        build_handler,
        build_loss,
    )
    from .losses import (
        JointAccelerationLoss,
        JointPriorLoss,
        KeypointMSELoss,
        LimbLengthLoss,
        Loss,
        MaxMixturePriorLoss,
        PoseRegLoss,
        ShapePriorLoss,
        SmoothJointLoss,
    )
    from .progress import Progress
    from .registrant import SMPLify, build_registrant

__version__ = "0.1.0"

_HOMES = {
    "api": ("fit",),
    "body": ("BodyModel", "load_body"),
    "data.conventions": ("Convention", "get_convention", "list_conventions"),
    "data.conversion": ("convert_keypoints",),
    "data.keypoints": ("Keypoints",),
    "data.preset": ("Preset", "list_presets", "load_preset"),
    "data.result": ("FitResult",),
    "data.tracks": ("KeypointTrack", "read_track", "read_tracks"),
    "device": ("devices",),
    "errors": ("FitCancelled", "FittingError"),
    "handlers": (
        *("BaseHandler", "BaseInput", "BetasPriorHandler", "BodyPosePriorHandler", "JointMotionHandler", "Keypoint3dLimbLenHandler"),
        *("Keypoint3dLimbLenInput", "Keypoint3dMSEHandler", "Keypoint3dMSEInput", "build_handler", "build_loss"),
    ),
    "losses": (
        *("JointAccelerationLoss", "JointPriorLoss", "KeypointMSELoss", "LimbLengthLoss", "Loss", "MaxMixturePriorLoss"),
        *("PoseRegLoss", "ShapePriorLoss", "SmoothJointLoss"),
    ),
    "progress": ("Progress",),
    "registrant": ("SMPLify", "build_registrant"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted([*_HOME_OF, "__version__"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
