"""Fits SMPL bodies to 3D keypoint tracks.

Importing this package costs nothing: each public name is loaded when it is first used, and PyTorch only with the names that need it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `as`: type checkers take these names as public
    from .api import fit as fit
    from .body import (
        AnnyBody as AnnyBody,
        Body as Body,
        BodyModel as BodyModel,
        BodyOutput as BodyOutput,
        build_body_model as build_body_model,
        load_body as load_body,
    )
    from .data.amass import read_amass as read_amass, write_amass as write_amass
    from .data.bodies import BodyData as BodyData, load_body_data as load_body_data, load_default_body as load_default_body
    from .data.bodies.export import export_body as export_body
    from .data.cameras import Camera as Camera, read_cameras as read_cameras, triangulate as triangulate
    from .data.config_file import Config as Config, load_config as load_config
    from .data.conventions import Convention as Convention, get_convention as get_convention, list_conventions as list_conventions
    from .data.conversion import convert_keypoints as convert_keypoints
    from .data.keypoints import Keypoints as Keypoints
    from .data.motion import Motion as Motion
    from .data.preset import Preset as Preset, list_presets as list_presets, load_preset as load_preset
    from .data.result import FitResult as FitResult
    from .data.smpl_codec import read_smpl as read_smpl, write_smpl as write_smpl
    from .data.smpl_data import SMPLData as SMPLData
    from .data.smplx_data import SMPLXData as SMPLXData, SMPLXDData as SMPLXDData, auto_load_smpl_data as auto_load_smpl_data
    from .data.tracks import KeypointTrack as KeypointTrack, read_track as read_track, read_tracks as read_tracks
    from .device import devices as devices
    from .errors import FitCancelled as FitCancelled, FittingError as FittingError
    from .handlers import (
        BaseHandler as BaseHandler,
        BaseInput as BaseInput,
        BetasPriorHandler as BetasPriorHandler,
        BodyPosePriorHandler as BodyPosePriorHandler,
        DepthPriorHandler as DepthPriorHandler,
        DepthPriorInput as DepthPriorInput,
        JointMotionHandler as JointMotionHandler,
        JointToleranceHandler as JointToleranceHandler,
        Keypoint3dLimbLenHandler as Keypoint3dLimbLenHandler,
        Keypoint3dLimbLenInput as Keypoint3dLimbLenInput,
        Keypoint3dMSEHandler as Keypoint3dMSEHandler,
        Keypoint3dMSEInput as Keypoint3dMSEInput,
        MeshHandler as MeshHandler,
        MeshInput as MeshInput,
        MultiviewKeypoint2dMSEHandler as MultiviewKeypoint2dMSEHandler,
        MultiviewKeypoint2dMSEInput as MultiviewKeypoint2dMSEInput,
        ParameterPriorHandler as ParameterPriorHandler,
        PointCloudHandler as PointCloudHandler,
        PointCloudInput as PointCloudInput,
        RootAccelerationHandler as RootAccelerationHandler,
        RotationAccelerationHandler as RotationAccelerationHandler,
        ShapeEstimateHandler as ShapeEstimateHandler,
        build_handler as build_handler,
        build_loss as build_loss,
    )
    from .losses import (
        AxisPriorLoss as AxisPriorLoss,
        DepthPriorLoss as DepthPriorLoss,
        HandPosePriorLoss as HandPosePriorLoss,
        JointAccelerationLoss as JointAccelerationLoss,
        JointPriorLoss as JointPriorLoss,
        JointToleranceLoss as JointToleranceLoss,
        KeypointMSELoss as KeypointMSELoss,
        LimbLengthLoss as LimbLengthLoss,
        Loss as Loss,
        MaxMixturePriorLoss as MaxMixturePriorLoss,
        PointDistanceLoss as PointDistanceLoss,
        PoseRegLoss as PoseRegLoss,
        RootAccelerationLoss as RootAccelerationLoss,
        RotationAccelerationLoss as RotationAccelerationLoss,
        ShapeEstimateLoss as ShapeEstimateLoss,
        ShapePriorLoss as ShapePriorLoss,
        SmoothJointLoss as SmoothJointLoss,
    )
    from .progress import Progress as Progress
    from .registrant import (
        SMPLify as SMPLify,
        SMPLifyBaseHook as SMPLifyBaseHook,
        SMPLifyH as SMPLifyH,
        SMPLifyVerboseHook as SMPLifyVerboseHook,
        SMPLifyX as SMPLifyX,
        build_registrant as build_registrant,
    )
    from .stream import Fitter as Fitter

__version__ = "0.1.0"

_HOMES = {
    "api": ("fit",),
    "body": ("AnnyBody", "Body", "BodyModel", "BodyOutput", "build_body_model", "load_body"),
    "data.amass": ("read_amass", "write_amass"),
    "data.bodies": ("BodyData", "load_body_data", "load_default_body"),
    "data.bodies.export": ("export_body",),
    "data.cameras": ("Camera", "read_cameras", "triangulate"),
    "data.config_file": ("Config", "load_config"),
    "data.conventions": ("Convention", "get_convention", "list_conventions"),
    "data.conversion": ("convert_keypoints",),
    "data.keypoints": ("Keypoints",),
    "data.motion": ("Motion",),
    "data.preset": ("Preset", "list_presets", "load_preset"),
    "data.result": ("FitResult",),
    "data.smpl_codec": ("read_smpl", "write_smpl"),
    "data.smpl_data": ("SMPLData",),
    "data.smplx_data": ("SMPLXData", "SMPLXDData", "auto_load_smpl_data"),
    "data.tracks": ("KeypointTrack", "read_track", "read_tracks"),
    "device": ("devices",),
    "errors": ("FitCancelled", "FittingError"),
    "handlers": (
        *("BaseHandler", "BaseInput", "BetasPriorHandler", "BodyPosePriorHandler", "DepthPriorHandler", "DepthPriorInput"),
        *("JointMotionHandler", "Keypoint3dLimbLenHandler", "Keypoint3dLimbLenInput", "Keypoint3dMSEHandler", "Keypoint3dMSEInput"),
        *("MeshHandler", "MeshInput", "MultiviewKeypoint2dMSEHandler", "MultiviewKeypoint2dMSEInput", "ParameterPriorHandler"),
        *("PointCloudHandler", "PointCloudInput", "RootAccelerationHandler", "RotationAccelerationHandler", "JointToleranceHandler"),
        *("ShapeEstimateHandler", "build_handler", "build_loss"),
    ),
    "losses": (
        *("AxisPriorLoss", "DepthPriorLoss", "HandPosePriorLoss", "JointAccelerationLoss", "JointPriorLoss", "KeypointMSELoss"),
        *("JointToleranceLoss", "LimbLengthLoss", "Loss", "MaxMixturePriorLoss", "PointDistanceLoss", "PoseRegLoss"),
        *("RootAccelerationLoss", "RotationAccelerationLoss", "ShapeEstimateLoss", "ShapePriorLoss", "SmoothJointLoss"),
    ),
    "progress": ("Progress",),
    "registrant": ("SMPLify", "SMPLifyBaseHook", "SMPLifyH", "SMPLifyVerboseHook", "SMPLifyX", "build_registrant"),
    "stream": ("Fitter",),
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
