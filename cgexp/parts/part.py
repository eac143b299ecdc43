"""Part: what a config may name. An object is made only of arguments that its annotations allow, also from Python."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import lru_cache
from typing import Any, Self

from cgexp.errors import InputError, shown
from cgexp.parts.sources import UnknownAnnotation
from cgexp.parts.values import mismatch


class Part:
    """Base of everything that a config can name, whose constructor arguments are plain values and other parts.

    ``width: Size`` is the type, the documentation and the check at once: a class need not test it again. Raises
    InputError where a value does not fit; whether an object is of the right class is left to whoever uses it.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if args or kwargs:  # a copy is made without
            _check(cls, args, kwargs)
        return super().__new__(cls)


def _check(cls: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    constructor: Callable[..., None] = cls.__init__
    try:
        given = _signature(constructor).bind_partial(None, *args, **kwargs).arguments
    except TypeError:
        return  # Python says what is wrong with the call itself
    hints = _hints(cls, constructor)
    for name, value in given.items():
        if (expected := _mismatch(hints.get(name, Any), value)) is not None:
            raise InputError(f"{cls.__name__}.{name}={shown(value)} is not valid: expected {expected}")


def _mismatch(hint: Any, value: Any) -> str | None:
    try:
        return mismatch(hint, value)
    except UnknownAnnotation:  # as of an array
        return None


@lru_cache(maxsize=None)
def _signature(constructor: Callable[..., None]) -> inspect.Signature:
    return inspect.signature(constructor)


@lru_cache(maxsize=None)
def _hints(cls: Any, constructor: Callable[..., None]) -> dict[str, Any]:
    """Annotations of the constructor; a name that is imported for type checkers alone stands for anything."""
    owner = next(base for base in cls.__mro__ if "__init__" in vars(base))
    made = is_dataclass(owner) and constructor.__code__.co_filename == "<string>"  # by dataclass, from its fields
    unknown: dict[str, Any] = {}
    while True:
        try:
            return typing.get_type_hints(owner if made else constructor, localns=unknown or None, include_extras=True)
        except NameError as error:
            if error.name is None or error.name in unknown:
                return {}
            unknown[error.name] = Any
