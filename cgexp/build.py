"""build(spec): makes an object from a config node ``{_target_: dotted.name, argument: value, ...}``.

Only targets on the allow-list are made. Arguments are checked against the target's signature, which is read from its
source text (signatures.py), so that a config can be checked in milliseconds without importing torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cgexp.errors import InputError, did_you_mean
from cgexp.signatures import Signature, ancestors, mismatch, object_type, read_signature

TARGET = "_target_"
ALLOWED = ("cgexp.", "torch.optim.", "pytorch_lightning.")
# Ranges of arguments that other packages leave unchecked.
FOREIGN_RANGES = {
    "lr": "Positive",
    "max_lr": "Positive",
    "eps": "Positive",
    "weight_decay": "NonNegative",
    "patience": "NonNegativeInt",
    "decay": "Fraction",
    "pct_start": "OpenFraction",
    "factor": "OpenFraction",
    "gamma": "Positive",
}


def is_spec(node: Any) -> bool:
    """Whether a config node describes an object."""
    return isinstance(node, Mapping) and TARGET in node


def build(spec: Mapping[str, Any], **provided: Any) -> Any:
    """Make the object that ``spec`` describes; nested specs are made first.

    ``provided`` are run-time arguments (data, parameters): each is passed if the target takes it. A None in a
    mapping of specs (a term or callback switched off) is dropped. Raises InputError for a target that is not
    allowed, unknown or missing arguments, and values of the wrong type or range.
    """
    for problem in problems(spec, provided=provided.keys()):
        raise InputError(problem)
    signature = read_signature(spec[TARGET])
    assert signature is not None  # else there was a problem
    arguments = {name: _build_value(value) for name, value in spec.items() if name != TARGET}
    for name, value in arguments.items():
        if isinstance(value, dict) and object_type(signature.parameters.get(name)) is not None:
            arguments[name] = {key: item for key, item in value.items() if item is not None}
    for name, value in provided.items():
        if name in signature.parameters and name not in arguments:
            arguments[name] = value
    return _import(spec[TARGET])(**arguments)


def problems(
    spec: Mapping[str, Any], where: str = "", provided: Collection[str] = (), kind: str | None = None
) -> Iterator[str]:
    """Yield a sentence for everything wrong with ``spec`` and the specs inside it.

    ``where`` is its place, ``kind`` the class that it must be or inherit from.
    """
    target = spec.get(TARGET)
    if not isinstance(target, str) or not target.startswith(ALLOWED):
        yield (
            f"{_join(where, TARGET)}={target} is not allowed: expected a name that starts with "
            f"{', '.join(ALLOWED[:-1])} or {ALLOWED[-1]}"
        )
        return
    signature = read_signature(target)
    if signature is None:
        yield f"{_join(where, TARGET)}={target} is no class: check the spelling of the module and the class"
        return
    if kind is not None and kind not in ancestors(target):
        yield f"{_join(where, TARGET)}={target} is no {kind}, which belongs there: choose another class"
        return
    for name, value in spec.items():
        if name != TARGET:
            if name in provided:
                yield f"{_join(where, name)} is filled in at run time: leave it out"
            else:
                yield from _argument_problems(signature, _join(where, name), name, value)
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
    annotation = signature.parameters.get(name)
    if not signature.target.startswith("cgexp.") and name in FOREIGN_RANGES:
        annotation = FOREIGN_RANGES[name]
    expected = mismatch(annotation, value) if annotation else None
    if expected:
        yield f"{place}={value} is not valid: expected {expected}"
    yield from _nested_problems(place, value, object_type(annotation))


def _nested_problems(place: str, value: Any, kind: str | None) -> Iterator[str]:
    """Problems of an object, or of a mapping of objects of class ``kind``, in which null switches one off."""
    if is_spec(value):
        yield from problems(value, place, kind=kind)
    elif isinstance(value, Mapping):
        objects = [name for name, child in value.items() if is_spec(child)]
        for name, child in value.items():
            child_place = _join(place, str(name))
            if kind is not None and child is not None and not is_spec(child):
                yield (
                    f"{child_place} is no {kind}{did_you_mean(str(name), objects)}: expected null or an object with "
                    f"{TARGET}"
                )
            else:
                yield from _nested_problems(child_place, child, kind)


def _build_value(value: Any) -> Any:
    if is_spec(value):
        return build(value)
    if isinstance(value, Mapping):
        return {key: _build_value(child) for key, child in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _import(target: str) -> Any:
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"cannot import {target}: {error}; check that it is installed") from error


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
