"""Body models: kinematics of joints, skinning of vertices."""

from .body_model import BodyModel, BodyOutput
from .load import build_body_model, load_body

__all__ = ["BodyModel", "BodyOutput", "build_body_model", "load_body"]
