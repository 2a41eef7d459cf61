"""Body models as arrays: what a body file holds, before any arithmetic. Needs numpy only."""

from .body_data import BodyData
from .default_body import DEFAULT_BODY_PATH, GENDERS, load_default_body
from .skeletons import JOINT_NAMES, KEYPOINT_CONVENTIONS, PARENTS

__all__ = ["DEFAULT_BODY_PATH", "GENDERS", "JOINT_NAMES", "KEYPOINT_CONVENTIONS", "PARENTS", "BodyData", "load_default_body"]
