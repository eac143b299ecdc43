"""Curve: what one figure draws, as a frozen dataclass that goes to arrays and back."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Self, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError

SEPARATOR = "/"


class Curve:
    """Base of the dataclasses that an analysis hands to a figure.

    A field is an array, a number, a text, a list of these, another curve, a mapping of names to any of these, or None
    for what there is not. ``to_arrays`` names what is nested by its path, as ``free_energy/ic1/model``, and leaves out
    what is None.
    """

    def to_arrays(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays by path, and all else as metadata by path, as store.write_arrays takes them."""
        arrays: dict[str, NDArray[Any]] = {}
        meta: dict[str, Any] = {}
        _flatten("", self, arrays, meta)
        return arrays, meta

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """The inverse of ``to_arrays``; names that are no field are ignored.

        Raises InputError if a field is missing that has no default.
        """
        tree: dict[str, Any] = {}
        for path, value in {**arrays, **meta}.items():
            *above, name = path.split(SEPARATOR)
            node = tree
            for part in above:
                node = node.setdefault(part, {})
            node[name] = value
        return _restored(cls, tree)


def _flatten(path: str, value: object, arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> None:
    if isinstance(value, Curve):
        assert is_dataclass(value)
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        for name, below in value.items():
            _flatten(f"{path}{SEPARATOR}{name}" if path else name, below, arrays, meta)
    elif isinstance(value, np.ndarray):
        arrays[path] = value
    elif value is not None:
        meta[path] = value.item() if isinstance(value, np.generic) else value


def _restored(kind: Any, value: Any) -> Any:
    """``value``, a tree of mappings, as what a field of annotation ``kind`` holds."""
    if get_origin(kind) in (Union, types.UnionType):
        kinds = [one for one in get_args(kind) if one is not type(None)]
        return None if value is None else _restored(kinds[0], value)
    if get_origin(kind) is Mapping:
        return {name: _restored(get_args(kind)[1], below) for name, below in value.items()}
    if not (isinstance(kind, type) and issubclass(kind, Curve)):
        return value
    assert is_dataclass(kind)
    hints = get_type_hints(kind)
    empty = {name: {} for name, hint in hints.items() if get_origin(hint) is Mapping}  # leaves no trace in a file
    value = {**empty, **value}
    missing = [f.name for f in fields(kind) if f.name not in value and f.default is MISSING]
    if missing:
        raise InputError(
            f"a stored curve ({kind.__name__}) lacks {', '.join(missing)}: it is of another version; "
            "evaluate the run again with force=true"
        )
    return kind(**{f.name: _restored(hints[f.name], value[f.name]) for f in fields(kind) if f.name in value})
