"""Registrants: they run the stages of a fit."""

from .smplify import REGISTRANTS, SMPLify, build_registrant

__all__ = ["REGISTRANTS", "SMPLify", "build_registrant"]
