"""Body models as arrays: what a body file holds, before any arithmetic. Needs numpy only."""

from .body_data import BodyData
from .default_body import DEFAULT_BODY_PATH, GENDERS, load_default_body

__all__ = ["DEFAULT_BODY_PATH", "GENDERS", "BodyData", "load_default_body"]
