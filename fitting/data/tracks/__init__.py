"""Keypoint tracks: the track itself, and one file for each format that can be read."""

from .read import read_track, read_tracks
from .track import KeypointTrack

__all__ = ["KeypointTrack", "read_track", "read_tracks"]
