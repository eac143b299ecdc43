"""Checks a value against an annotation, to the bottom of lists and mappings."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import DocInfo, Ge, Gt, Le, Lt, MaxLen, MinLen, Predicate

from cgexp.errors import did_you_mean
from cgexp.parts.ranges import LARGEST, LARGEST_INT
from cgexp.parts.sources import ObjectOf, UnknownAnnotation

LISTS: tuple[Any, ...] = (list, tuple, Sequence, Iterable)
MAPPINGS: tuple[Any, ...] = (dict, Mapping)
PLAIN = (str, int, float, list, tuple, type(None))
Words = list[str] | None
# of what a command line or YAML takes for something else, such as the peptide NAN
QUOTED = " (in quotes within quotes, '\"...\"', where it reads as a number, true or false)"


def is_mapping(value: Any) -> bool:
    """Whether a value is a mapping, without the dear question of ``abc`` for those of a config that are none."""
    return isinstance(value, dict) or (not isinstance(value, PLAIN) and isinstance(value, Mapping))


def mismatch(hint: Any, value: Any) -> str | None:
    """What was expected if ``value`` does not fit the annotation, or None if it does.

    Where the annotation asks for an object, a config's mapping may stand for it: build.py checks of what kind it is.
    Raises UnknownAnnotation for an annotation that says nothing that a value could be checked against.
    """
    wanted = _expected(hint, value)
    return None if wanted is None else " or ".join(dict.fromkeys(wanted))


def _expected(hint: Any, value: Any) -> Words:
    """None if the value fits, else descriptions of what would."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:], value)
    if origin in (Union, types.UnionType):
        parts = [_expected(argument, value) for argument in arguments]
        return None if None in parts else [word for part in parts for word in part or ()]
    if origin is Literal:
        fits = any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in arguments)
        words = [choice for choice in arguments if isinstance(choice, str)]
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        return None if fits else ["one of " + ", ".join(map(str, arguments)) + hint]
    if (origin or hint) in LISTS:
        return _list(origin or hint, arguments, value)
    if (origin or hint) in MAPPINGS:
        return _mapping(arguments, value)
    return _plain(hint, value)


def _plain(hint: Any, value: Any) -> Words:
    if hint is Any:
        return None
    if hint in (None, type(None)):
        return None if value is None else ["null"]
    if hint is bool:
        return None if isinstance(value, bool) else ["true or false"]
    if hint is float:
        fits = _is_of(value, (int, float), Real) and _is_finite(value)
        return None if fits else ["a finite number"]
    if hint is int:
        fits = _is_of(value, (int,), Integral) and abs(int(value)) < 2**63
        return None if fits else ["an integer"]
    if hint is str:
        quoted = QUOTED if isinstance(value, bool | int | float) else ""
        return None if isinstance(value, str) else [f"a text{quoted}"]
    if hint is Path:
        return None if isinstance(value, str | Path) else ["a path"]
    if isinstance(hint, type) and issubclass(hint, ObjectOf):
        return None if is_mapping(value) else [f"an object ({hint.__name__})"]
    if hint is UnknownAnnotation or not isinstance(hint, type) or hint.__module__ == "builtins":
        raise UnknownAnnotation(str(hint))
    return None  # a class, known when called from Python


def _is_of(value: Any, types: tuple[type, ...], kind: type) -> bool:
    """Whether a value is a number of a kind; numpy's are, true and false are not."""
    return not isinstance(value, bool) and (
        isinstance(value, types) or (not isinstance(value, PLAIN) and isinstance(value, kind))
    )


def _is_finite(value: Any) -> bool:
    return bool(-LARGEST <= value <= LARGEST)  # also of an integer that no float holds


def _annotated(base: Any, metadata: Sequence[Any], value: Any) -> Words:
    doc = next((item.documentation for item in metadata if isinstance(item, DocInfo)), None)
    below = _expected(base, value)
    if below is not None:
        return below if doc is None else [_with_limits(doc, metadata, value)]
    if value is None or all(_meets(constraint, value) for constraint in metadata):
        return None
    return [_with_limits(doc or "another value", metadata, value)]


def _meets(constraint: Any, value: Any) -> bool:
    if isinstance(constraint, Ge):
        return bool(value >= constraint.ge)
    if isinstance(constraint, Gt):
        return bool(value > constraint.gt)
    if isinstance(constraint, Le):
        return bool(value <= constraint.le)
    if isinstance(constraint, Lt):
        return bool(value < constraint.lt)
    if isinstance(constraint, MinLen):
        return len(value) >= constraint.min_length
    if isinstance(constraint, MaxLen):
        return len(value) <= constraint.max_length
    return bool(constraint.func(value)) if isinstance(constraint, Predicate) else True


def _with_limits(doc: str, metadata: Sequence[Any], value: Any) -> str:
    """The description; the limits of what a number can be, too, where that is what the value exceeds."""
    low = next((item.ge for item in metadata if isinstance(item, Ge) and item.ge != 0), None)
    high = next((item.le for item in metadata if isinstance(item, Le) and item.le in (LARGEST, LARGEST_INT)), None)
    number: Any = value if _is_of(value, (int, float), Real) else 0
    if high is not None and number > high:
        return f"{doc} up to {high:g}" if isinstance(high, float) else f"{doc} up to {high}"
    if isinstance(low, float) and 0 < number < low:
        return f"{doc} from {low:g}"
    return doc


def _list(outer: Any, arguments: Sequence[Any], value: Any) -> Words:
    if not isinstance(value, list | tuple):
        return ["a list"]
    fixed = outer is tuple and bool(arguments) and Ellipsis not in arguments
    if fixed and len(value) != len(arguments):
        return [f"a list of {len(arguments)}"]
    wanted = arguments if fixed else [arguments[0]] * len(value) if arguments else [Any] * len(value)
    for hint, item in zip(wanted, value, strict=True):
        expected = _expected(hint, item)
        if expected:
            return ["a list of " + " or ".join(expected)]
    return None


def _mapping(arguments: Sequence[Any], value: Any) -> Words:
    if not is_mapping(value):
        return ["a mapping"]
    for key, item in value.items():
        if arguments and (expected := _expected(arguments[0], key)):
            return ["a mapping whose names are " + " or ".join(expected)]
        # objects are checked by build.py, one by one; null switches one off
        if arguments and not kinds(arguments[1]) and (expected := _expected(arguments[1], item)):
            return [f"{' or '.join(expected)} for {key}"]
    return None


def kinds(hint: Any) -> tuple[type[ObjectOf], ...]:
    """The classes that an annotation asks for, ``X | None`` included."""
    if isinstance(hint, type) and issubclass(hint, ObjectOf):
        return (hint,)
    if get_origin(hint) is Annotated:
        return kinds(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(kind for argument in get_args(hint) for kind in kinds(argument))
    return ()


def items_of(hint: Any, outer: tuple[Any, ...]) -> Any:
    """The annotation of the items of a list or a mapping (``outer`` is LISTS or MAPPINGS), None where it is none."""
    if get_origin(hint) is Annotated:
        return items_of(get_args(hint)[0], outer)
    if get_origin(hint) in (Union, types.UnionType):
        found = [items_of(argument, outer) for argument in get_args(hint)]
        return next((item for item in found if item is not None), None)
    return get_args(hint)[-1 if outer is MAPPINGS else 0] if get_origin(hint) in outer else None


def is_float(hint: Any) -> bool:
    """Whether an annotation asks for a number that need not be whole, ``X | None`` included."""
    if get_origin(hint) is Annotated:
        return is_float(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return any(is_float(argument) for argument in get_args(hint))
    return hint is float


def require_known(hint: Any) -> None:
    """Raise UnknownAnnotation if any part of an annotation says nothing that a value could be checked against."""
    if get_origin(hint) is Literal or hint is Ellipsis:
        return
    origin = get_origin(hint)
    if origin not in (None, Annotated, Union, types.UnionType, *LISTS, *MAPPINGS):
        raise UnknownAnnotation(str(hint))
    for argument in get_args(hint)[: 1 if origin is Annotated else None]:
        require_known(argument)
    if not get_args(hint) and hint not in (*LISTS, *MAPPINGS):
        if hint is None or hint is UnknownAnnotation:
            raise UnknownAnnotation(str(hint))
        _plain(hint, None)
