"""Registries: build an object from a config such as ``dict(type="KeypointMSELoss", sigma=100)``."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from .errors import PresetError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Classes of one kind, by name.

    Args:
        kind: What the registry holds, for error messages ("loss", "handler").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._classes: dict[str, type[T]] = {}

    def register(self, cls: type[T]) -> type[T]:
        """Adds a class under its own name; for use as a decorator."""
        present = self._classes.get(cls.__name__)
        # A notebook cell that is run again defines the same class anew: the newer one counts.
        if present is not None and present.__module__ != cls.__module__:
            raise PresetError(
                f"There are two {self.kind} classes named {cls.__name__!r}: in {present.__module__} and in {cls.__module__}.",
                "Rename one of them.",
            )
        self._classes[cls.__name__] = cls
        return cls

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._classes))

    def __contains__(self, name: object) -> bool:
        return name in self._classes

    def get(self, type_: str | type[T] | Callable[..., T]) -> Callable[..., T]:
        """The class of a name; a class is handed back as it is.

        Raises:
            PresetError: No class has that name, or it is neither a name nor a class.
        """
        if not isinstance(type_, str):
            if not callable(type_):
                raise PresetError(f"A {self.kind} config has type = {type_!r}, expected a name or a class.", f"Known: {', '.join(self)}.")
            return type_
        if type_ not in self._classes:
            raise PresetError(f"There is no {self.kind} of type {type_!r}.", did_you_mean(type_, self._classes))
        return self._classes[type_]

    def build(self, config: Mapping[str, Any] | T, **defaults: Any) -> T:
        """An object from its config; the config is left unchanged. An object is handed back as it is.

        Args:
            config: `type` (a registered name or a class) and the arguments of its constructor.
            defaults: Arguments that are used where the config lacks them and the constructor knows them.

        Raises:
            PresetError: Unknown type, unknown or missing argument.
        """
        if not isinstance(config, Mapping):
            return config
        arguments = dict(config)
        type_ = arguments.pop("type", None)
        if type_ is None:
            raise PresetError(f"A {self.kind} config has no 'type': {dict(config)!r}.", f"Known: {', '.join(self)}.")
        cls = self.get(type_)
        parameters = inspect.signature(cls).parameters
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        name = getattr(cls, "__name__", str(cls))
        for key in arguments:
            if key not in parameters and not takes_any:
                raise PresetError(f"The {self.kind} {name} has no argument {key!r}.", did_you_mean(key, parameters))
        for key, value in defaults.items():
            if key in parameters:
                arguments.setdefault(key, value)
        missing = [
            key
            for key, parameter in parameters.items()
            if parameter.default is parameter.empty
            and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            and key not in arguments
        ]
        if missing:
            raise PresetError(f"The {self.kind} {name} needs {', '.join(map(repr, missing))}.", "Add it to its config.")
        return cls(**arguments)
