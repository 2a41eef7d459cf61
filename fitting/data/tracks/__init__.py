"""Keypoint tracks: the track itself, and one file for each format that can be read."""

from .read import person_of, read_track, read_tracks
from .track import KeypointTrack

__all__ = ["KeypointTrack", "person_of", "read_track", "read_tracks"]
