"""build(spec, kind): makes an object from a config node ``{_target_: dotted.name, argument: value, ...}``.

Every place has a kind, the class that stands there or inherits from it; only what is of that kind is imported. Names
are checked against the allow-list (parts/allowed.py), arguments against the signature (parts/signatures.py), both from
source text, so that a config can be checked in milliseconds without importing torch.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from cgexp.errors import InputError, did_you_mean, shown
from cgexp.parts.allowed import not_allowed
from cgexp.parts.ranges import PLACES
from cgexp.parts.signatures import Signature, read_signature
from cgexp.parts.sources import find_class, why_no_class
from cgexp.parts.values import LISTS, MAPPINGS, UnknownAnnotation, is_float, is_mapping, items_of, kinds, mismatch

TARGET = "_target_"
LONGEST_NAME, LONGEST_PATH = 255, 4096  # bytes, of what file systems take
Kinds = tuple[str, ...]  # dotted names of classes, one of which fits
T = TypeVar("T")


def is_spec(node: Any) -> bool:
    """Whether a config node describes an object."""
    return is_mapping(node) and TARGET in node


def build(spec: Mapping[str, Any], kind: type[T], **provided: Any) -> T:
    """Make the object that ``spec`` describes, a ``kind``; nested specs are made first.

    ``provided`` are run-time arguments (data, parameters): each is passed if the target takes it. A None in a
    mapping of specs (a term or callback switched off) is dropped. Raises InputError for a target that is not
    allowed or not of the kind, unknown or missing arguments, and values of the wrong type or range.
    """
    wanted = (f"{kind.__module__}.{kind.__qualname__}",)
    for problem in problems(spec, wanted, provided=provided.keys()):
        raise InputError(problem)
    return cast(T, _make(spec, wanted, provided))


@dataclass(frozen=True)
class Template(Generic[T]):
    """A part that is made anew each time: it learns, or takes arguments that exist only at run time.

    spec: its config node. kind: the class that it is of, or of a subclass.
    """

    spec: Mapping[str, Any]
    kind: type[T]

    def make(self, **provided: Any) -> T:
        """A new part; ``provided`` as in ``build``."""
        return build(self.spec, self.kind, **provided)


def _make(spec: Mapping[str, Any], wanted: Kinds, provided: Mapping[str, Any]) -> Any:
    signature = read_signature(spec[TARGET])
    assert signature is not None  # else there was a problem
    arguments = {name: _value(value, signature.parameters.get(name)) for name, value in spec.items() if name != TARGET}
    for name, value in provided.items():
        if name in signature.parameters and name not in arguments:
            arguments[name] = value
    made = _import(spec[TARGET], wanted)
    if not spec[TARGET].startswith(("torch.", "pytorch_lightning.")):
        return made(**arguments)
    try:
        return made(**arguments)
    except Exception as error:  # what only they know of their arguments; Lightning's errors have no common class
        if isinstance(error, InputError):
            raise
        raise InputError(f"{spec[TARGET]} does not take these arguments together: {error}") from error


def _value(value: Any, hint: Any) -> Any:
    if is_spec(value):
        template = next((kind for kind in kinds(hint) if kind.is_template), None)
        if template is not None:
            return Template(value, template)
        return _make(value, tuple(kind.dotted for kind in kinds(hint)), {})
    if is_mapping(value):
        inner = items_of(hint, MAPPINGS)
        return {key: _value(child, inner) for key, child in value.items() if child is not None or not kinds(inner)}
    if isinstance(value, list | tuple):
        return [_value(child, items_of(hint, LISTS)) for child in value]
    # torch takes no integer beyond 64 bits where it wants a number
    return float(value) if isinstance(value, int) and abs(value) >= 2**63 and is_float(hint) else value


def problems(spec: Mapping[str, Any], kind: Kinds, where: str = "", provided: Collection[str] = ()) -> Iterator[str]:
    """Yield a sentence for everything wrong with ``spec`` and the specs inside it.

    ``kind``: dotted names of the classes, one of which it must be or inherit from. ``where`` is its place.
    """
    target = spec.get(TARGET)
    if (reason := not_allowed(target)) is not None:
        yield f"{_join(where, TARGET)}={shown(target)} is not allowed: {reason}"
        return
    target = str(target)
    signature, found = read_signature(target), find_class(target)
    if signature is None or found is None:
        yield f"{_join(where, TARGET)}={shown(target)} is no class: {why_no_class(target)}"
        return
    if not found.lineage.intersection(kind):
        names = " or ".join(dict.fromkeys(name.rpartition(".")[2] for name in kind)) or "object at all"
        advice = "choose another class, or inherit from that one"
        yield f"{_join(where, TARGET)}={shown(target)} is no {names}, which belongs there: {advice}"
        return
    for name, value in spec.items():
        if name in provided:
            yield f"{_join(where, name)} is filled in at run time: leave it out"
        elif name != TARGET:
            yield from _argument_problems(signature, _join(where, shown(name)), str(name), value)
    for name in signature.required:
        if name not in spec and name not in provided:
            yield f"{_join(where, name)} is missing: {target} needs it; set {_join(where, name)}=<value>"


def _argument_problems(signature: Signature, place: str, name: str, value: Any) -> Iterator[str]:
    if name not in signature.parameters and not signature.takes_anything:
        known = signature.parameters
        yield (
            f"unknown key '{place}'{did_you_mean(name, known)}: {signature.target} takes "
            f"{', '.join(known) or 'no arguments'}"
        )
        return
    if value == "???":
        yield f"{place} is missing a value: set {place}=<value>"
        return
    if not PLACES.isdisjoint(signature.marks(name)) and not all(map(_is_short_path, _texts(value))):
        yield f"{place}={shown(value)} is not valid: expected a path whose names have at most {LONGEST_NAME} letters"
        return
    hint = signature.parameters.get(name)
    try:
        expected = mismatch(hint, value)
    except UnknownAnnotation:
        yield (
            f"{place} cannot be set from a config: the annotation of {name} in {signature.target} is none that a value "
            "could be checked against"
        )
        return
    if expected and hint is None and name in signature.parameters:
        yield (
            f"{place} cannot be set from a config: {name} has no annotation in {signature.target}; give it one, "
            f"such as {name}: PositiveInt (cgexp/parts/ranges.py)"
        )
    elif expected:
        yield f"{place}={shown(value)} is not valid: expected {expected}"
    yield from _nested_problems(place, value, hint)


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, str)]


def _is_short_path(path: str) -> bool:
    return len(path) < LONGEST_PATH and all(len(name.encode()) <= LONGEST_NAME for name in path.split("/"))


def _nested_problems(place: str, value: Any, hint: Any) -> Iterator[str]:
    """Problems of an object, or of a list or mapping of objects, in which null switches one off."""
    if is_spec(value):
        yield from problems(value, tuple(kind.dotted for kind in kinds(hint)), place)
    elif is_mapping(value) and kinds(hint):
        yield f"{place} has no {TARGET}: expected an object ({kinds(hint)[0].__name__}) with {TARGET}"
    elif is_mapping(value):
        inner = items_of(hint, MAPPINGS)
        objects = [str(name) for name, child in value.items() if is_spec(child)]
        for name, child in value.items():
            child_place = _join(place, shown(name))
            if kinds(inner) and child is not None and not is_spec(child):
                yield (
                    f"{child_place} is no {kinds(inner)[0].__name__}{did_you_mean(str(name), objects)}: expected null "
                    f"or an object with {TARGET}"
                )
            else:
                yield from _nested_problems(child_place, child, inner)
    elif isinstance(value, list | tuple):
        for number, child in enumerate(value):
            yield from _nested_problems(f"{place}.{number}", child, items_of(hint, LISTS))


def _import(target: str, wanted: Kinds) -> Any:
    found = imported(target)
    lineage = {f"{base.__module__}.{base.__qualname__}" for base in found.__mro__} if isinstance(found, type) else set()
    if not lineage.intersection(wanted):
        raise InputError(f"{target} is no {' or '.join(wanted)}, though its source says so: choose another class")
    return found


def imported(target: str) -> Any:
    """The object of a dotted name. Raises InputError if its module is not there, fails as it is run, or has no such."""
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"cannot import {target}: {error}; check that it is installed") from error
    except Exception as error:  # whatever somebody's module raises as it is run
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
        place = f"{lines[-1].filename}, line {lines[-1].lineno}"
        raise InputError(f"cannot import {target}: {type(error).__name__}: {error} ({place}): mend it there") from error


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
