"""Keypoint conventions: names in their order, body parts, limbs, and how one convention reads another."""

from .convention import Convention, as_convention, get_convention, limbs_of, list_conventions, list_parts
from .conversion_matrix import conversion_matrix

__all__ = [
    "Convention",
    "as_convention",
    "conversion_matrix",
    "get_convention",
    "limbs_of",
    "list_conventions",
    "list_parts",
]
