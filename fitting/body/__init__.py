"""Body models: kinematics of joints, skinning of vertices."""

from .anny_body import AnnyBody
from .body_model import BodyModel
from .interface import Body, BodyOutput
from .load import build_body_model, load_body, preset_body_model

__all__ = ["AnnyBody", "Body", "BodyModel", "BodyOutput", "build_body_model", "load_body", "preset_body_model"]
