"""Body models as arrays: what a body file holds, before any arithmetic. Needs numpy only."""

from .body_data import BodyData
from .default_body import DEFAULT_BODY_PATH, GENDERS, load_default_body
from .model_file import ModelInfo, describe_model, is_model, load_body_data
from .model_folder import find_models
from .skeletons import JOINT_NAMES, KEYPOINT_CONVENTIONS, PARENTS

__all__ = [
    "DEFAULT_BODY_PATH",
    "GENDERS",
    "JOINT_NAMES",
    "KEYPOINT_CONVENTIONS",
    "PARENTS",
    "BodyData",
    "ModelInfo",
    "describe_model",
    "find_models",
    "is_model",
    "load_body_data",
    "load_default_body",
]
