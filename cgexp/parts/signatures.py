"""Signatures of classes read from their source text, so that checking ``torch.optim.Adam`` does not load torch."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, get_args, get_origin

from cgexp.parts.ranges import Mark
from cgexp.parts.sources import ClassSource, UnknownAnnotation, annotation, find_class


@dataclass(frozen=True)
class Signature:
    """Arguments of a class: name -> annotation (None: it has none; UnknownAnnotation: it cannot be read).

    required: which must be given. defaults: of the others, where they are written out. takes_anything: has **kwargs.
    """

    target: str
    parameters: Mapping[str, Any]
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    takes_anything: bool = False

    def marks(self, name: str) -> frozenset[Mark]:
        """The marks on an argument."""
        return marks_of(self.parameters.get(name))

    def marked(self, mark: Mark) -> tuple[str, ...]:
        """The arguments that bear a mark."""
        return tuple(name for name in self.parameters if mark in self.marks(name))


def marks_of(hint: Any) -> frozenset[Mark]:
    """The marks in an annotation, ``X | None`` included."""
    own = {item for item in get_args(hint)[1:] if isinstance(item, Mark)} if get_origin(hint) is Annotated else set()
    inner = get_args(hint)[:1] if get_origin(hint) is Annotated else get_args(hint)
    return frozenset(own.union(*(marks_of(item) for item in inner if not isinstance(item, str | int | float))))


@lru_cache(maxsize=None)
def read_signature(target: str) -> Signature | None:
    """The signature of a class given by its dotted name, or None where there is no such class.

    Functions are no targets: calling one could do anything, making an object of a known kind does not.
    """
    found = find_class(target)
    return None if found is None else _of_class(target, found)


def _of_class(target: str, found: ClassSource) -> Signature:
    for item in found.node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return _of_constructor(target, item, found)
    inherited = [_of_class(target, base) for base in found.bases]
    if not found.is_dataclass:
        return inherited[0] if inherited else Signature(target, {})
    parameters: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    required: dict[str, None] = {}
    for base in reversed(inherited):
        parameters |= base.parameters
        defaults |= base.defaults
        required |= dict.fromkeys(base.required)
    for field_node in found.node.body:
        if not isinstance(field_node, ast.AnnAssign) or not isinstance(field_node.target, ast.Name):
            continue
        if ast.unparse(field_node.annotation).startswith("ClassVar"):
            continue
        name = field_node.target.id
        parameters[name] = _annotation(field_node.annotation, found)
        if field_node.value is None:
            required[name] = None
        else:
            required.pop(name, None)
            defaults |= _default(name, field_node.value)
    return Signature(target, parameters, tuple(required), defaults)


def _of_constructor(target: str, node: ast.FunctionDef, found: ClassSource) -> Signature:
    arguments = node.args
    positional = (arguments.posonlyargs + arguments.args)[1:]
    n_required = len(positional) - min(len(arguments.defaults), len(positional))
    given = dict(zip((a.arg for a in positional[n_required:]), arguments.defaults[-len(positional) :], strict=False))
    given |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None}
    every = positional + arguments.kwonlyargs
    return Signature(
        target,
        {a.arg: _annotation(a.annotation, found) for a in every},
        tuple(a.arg for a in every if a.arg not in given),
        {name: value for argument, node in given.items() for name, value in _default(argument, node).items()},
        arguments.kwarg is not None,
    )


def _annotation(node: ast.expr | None, found: ClassSource) -> Any:
    try:
        return None if node is None else annotation(node, found.module)
    except (UnknownAnnotation, TypeError, ValueError, AttributeError):
        return UnknownAnnotation


def _default(name: str, node: ast.expr) -> dict[str, Any]:
    try:
        return {name: ast.literal_eval(node)}
    except ValueError:
        return {}
