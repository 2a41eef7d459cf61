"""A keypoint convention: which keypoints there are, and in which order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ...errors import ConventionError, did_you_mean
from . import vocabulary

CUSTOM = "custom"


@dataclass(frozen=True)
class Convention:
    """The names of K keypoints in the order of the data.

    Attributes:
        name: What the convention is called.
        names: The K keypoint names. Those of "human_data" have a meaning; any other name is carried along.

    Raises:
        ConventionError: No name, or one name twice.
    """

    name: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        if not self.names:
            raise ConventionError(f"The convention {self.name!r} has no keypoint names.", "Give one name for each keypoint.")
        name, times = Counter(self.names).most_common(1)[0]
        if times > 1:
            raise ConventionError(f"The convention {self.name!r} has the keypoint {name!r} {times} times.", "Name each keypoint once.")

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._index_of

    def index(self, name: str) -> int:
        """Place of a keypoint in the order.

        Raises:
            ConventionError: The convention has no such keypoint.
        """
        if name not in self._index_of:
            raise ConventionError(f"The convention {self.name!r} has no keypoint {name!r}.", did_you_mean(name, self.names))
        return self._index_of[name]

    def part(self, part: str) -> tuple[int, ...]:
        """Indices of the keypoints of a part of the body: one of `list_parts()`.

        Raises:
            ConventionError: Unknown part.
        """
        if part not in vocabulary.parts():
            raise ConventionError(f"There is no body part {part!r}.", did_you_mean(part, vocabulary.parts()))
        members = vocabulary.parts()[part]
        return tuple(index for index, name in enumerate(self.names) if name in members)

    def limbs(self, kind: str | None = "body") -> tuple[tuple[int, int], ...]:
        """Limbs between keypoints of the convention, for limb lengths and for drawing.

        Args:
            kind: "body", "face", "left_hand", "right_hand", "left_eye", "right_eye", "mouth", "nose", or None for all of them.

        Returns:
            Pairs of keypoint indices in rising order, each limb once.

        Raises:
            ConventionError: Unknown kind.
        """
        known = vocabulary.limbs()
        if kind is not None and kind not in known:
            raise ConventionError(f"There are no limbs of kind {kind!r}.", did_you_mean(kind, known))
        pairs = [pair for name in known if kind in (None, name) for pair in known[name]]
        index_of = self._index_of
        return tuple(sorted({(index_of[a], index_of[b]) for a, b in pairs if a in index_of and b in index_of}))

    @cached_property
    def _index_of(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}


def get_convention(name: str) -> Convention:
    """A registered convention by its name ("smpl", "coco", ...) or by another name it goes by ("body_25", ...).

    Raises:
        ConventionError: Unknown name.
    """
    known = vocabulary.registered_names()
    key = vocabulary.convention_aliases().get(name, name) if isinstance(name, str) else name
    if not isinstance(key, str) or key not in known:
        raise ConventionError(f"There is no keypoint convention {name!r}.", did_you_mean(str(name), known))
    return Convention(key, known[key])


def list_conventions() -> tuple[str, ...]:
    """The names of the registered conventions, sorted."""
    return tuple(sorted(vocabulary.registered_names()))


def list_parts() -> tuple[str, ...]:
    """The names of the parts of the body."""
    return tuple(vocabulary.parts())


def as_convention(value: Convention | str | Sequence[str]) -> Convention:
    """A convention from itself, from its name, or from keypoint names in the order of the data.

    Raises:
        ConventionError: Unknown name, no keypoint names, or one of them twice.
    """
    if isinstance(value, Convention):
        return value
    if isinstance(value, str):
        return get_convention(value)
    try:
        names = tuple(str(name) for name in value)
    except TypeError as error:
        raise ConventionError(
            f"{value!r} is no keypoint convention.", "Give its name, or a list with one name for each keypoint."
        ) from error
    return Convention(CUSTOM, names)


def limbs_of(convention: Convention | str | Sequence[str], kind: str | None = "body") -> tuple[tuple[int, int], ...]:
    """`Convention.limbs` of anything that names a convention."""
    return as_convention(convention).limbs(kind)
