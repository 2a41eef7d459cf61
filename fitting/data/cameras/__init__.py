"""Calibrated cameras: from OpenCV, Blender and calibration files; projection and triangulation."""

from .camera import Camera
from .read import read_cameras
from .triangulation import triangulate

__all__ = ["Camera", "read_cameras", "triangulate"]
