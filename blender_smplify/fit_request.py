"""What is asked of a fit."""

from dataclasses import dataclass

from . import bodies
from .core import KeypointTrack, Preset


@dataclass(frozen=True)
class Request:
    """A fit that is asked for; `overlay` is the name of the object that shows the track, if there is one.

    Raises:
        BodyError: The body is no body, or of another type than the preset.
    """

    track: KeypointTrack
    preset: Preset
    body: str | None = None
    gender: str | None = None
    device: str = "auto"
    overlay: str = ""

    def __post_init__(self) -> None:
        if self.body is not None:
            bodies.check_fits(self.preset, self.body)
