"""Registrants: they run the stages of a fit."""

from .hooks import HOOKS, SMPLifyBaseHook, SMPLifyVerboseHook
from .smplify import REGISTRANTS, SMPLify, SMPLifyH, SMPLifyX, build_registrant

__all__ = [
    "HOOKS",
    "REGISTRANTS",
    "SMPLify",
    "SMPLifyBaseHook",
    "SMPLifyH",
    "SMPLifyVerboseHook",
    "SMPLifyX",
    "build_registrant",
]
