"""Signatures of classes read from their source text, and config values checked against them.

Nothing is imported: the module's file is found and parsed, so checking ``torch.optim.Adam`` does not load torch.
The range aliases below are what a constructor annotates its arguments with; they are checked by name.
"""

from __future__ import annotations

import ast
import importlib.util
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

Positive = float
NonNegative = float
Fraction = float  # 0 <= x <= 1
OpenFraction = float  # 0 < x < 1
Share = float  # 0 <= x < 1
PositiveInt = int
NonNegativeInt = int
Seed = int  # 0 <= n < 2^31
ROOTS = ("cgexp", "torch", "pytorch_lightning")  # packages whose sources are read


@dataclass(frozen=True)
class Signature:
    """Arguments of a target: name -> annotation as source text (or None), which are required, and if **kwargs."""

    target: str
    parameters: Mapping[str, str | None]
    required: tuple[str, ...]
    takes_anything: bool = False


class _Definition(NamedTuple):
    node: ast.ClassDef
    module: Path
    package: str  # dotted name of the package that relative imports start from


@lru_cache(maxsize=None)
def read_signature(target: str) -> Signature | None:
    """Return the signature of a class given by its dotted name, or None where there is no such class.

    Functions are no targets: calling one could do anything, making an object of this package does not.
    """
    definition = _find(target)
    return None if definition is None else _from_class(target, definition)


@lru_cache(maxsize=None)
def ancestors(target: str) -> frozenset[str]:
    """Names of a class and of all it inherits from, as far as their sources can be read."""
    definition = _find(target)
    return frozenset() if definition is None else frozenset(_lineage(definition))


def _lineage(definition: _Definition) -> Iterator[str]:
    yield definition.node.name
    for base in definition.node.bases:
        name = _name(base)
        yield name
        found = _lookup(name, definition.module, definition.package)
        if found is not None:
            yield from _lineage(found)


def object_type(annotation: str | None) -> str | None:
    """The class that an argument or the values of a mapping must have, if the annotation names one."""
    match = re.fullmatch(r"(?:(?:dict|Mapping)\[str, )?([A-Z]\w*)\]?(?: \| None)?", annotation or "")
    return match.group(1) if match and match.group(1) not in (*_TESTS, "Any", "None") else None


def mismatch(annotation: str, value: Any) -> str | None:
    """Return what was expected if ``value`` does not fit the annotation, or None if it does.

    Annotations this module does not understand accept anything.
    """
    try:
        node = ast.parse(annotation, mode="eval").body
    except SyntaxError:
        return None
    wanted = _expectations(node, value)
    return None if wanted is None else " or ".join(dict.fromkeys(wanted))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_TESTS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "float": ("a finite number", _is_number),
    "int": ("an integer", _is_int),
    "bool": ("true or false", lambda v: isinstance(v, bool)),
    "str": ("a text", lambda v: isinstance(v, str)),
    "Path": ("a path", lambda v: isinstance(v, str)),
    "None": ("null", lambda v: v is None),
    "Positive": ("a positive number", lambda v: _is_number(v) and v > 0),
    "NonNegative": ("a number >= 0", lambda v: _is_number(v) and v >= 0),
    "Fraction": ("a number between 0 and 1", lambda v: _is_number(v) and 0 <= v <= 1),
    "OpenFraction": ("a number above 0 and below 1", lambda v: _is_number(v) and 0 < v < 1),
    "Share": ("a number >= 0 and below 1", lambda v: _is_number(v) and 0 <= v < 1),
    "Seed": ("an integer >= 0 and below 2^31", lambda v: _is_int(v) and 0 <= v < 2**31),
    "PositiveInt": ("a positive integer", lambda v: _is_int(v) and v > 0),
    "NonNegativeInt": ("an integer >= 0", lambda v: _is_int(v) and v >= 0),
}
_SEQUENCES = {"list", "tuple", "Sequence", "List", "Tuple", "Iterable"}
_MAPPINGS = {"dict", "Mapping", "Dict"}


def _expectations(node: ast.expr, value: Any) -> list[str] | None:
    """None if the value fits, else descriptions of what would."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _expectations(node.left, value), _expectations(node.right, value)
        return None if left is None or right is None else left + right
    name = _name(node)
    if isinstance(node, ast.Subscript):
        return _subscript(_name(node.value), node.slice, value)
    if name in _TESTS:
        text, test = _TESTS[name]
        return None if test(value) else [text]
    if name in _SEQUENCES:
        return None if isinstance(value, (list, tuple)) else ["a list"]
    if name in _MAPPINGS:
        return None if isinstance(value, Mapping) else ["a mapping"]
    if name and name[0].isupper() and name not in ("Any", "Tensor", "Union"):
        return None if isinstance(value, Mapping) else [f"an object ({name})"]
    return None


def _subscript(outer: str, inner: ast.expr, value: Any) -> list[str] | None:
    if outer == "Optional":
        return None if value is None else _expectations(inner, value)
    elements = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if outer == "Literal":
        choices = [choice.value for choice in elements if isinstance(choice, ast.Constant)]
        return None if value in choices else ["one of " + ", ".join(map(str, choices))]
    if outer in _SEQUENCES:
        if not isinstance(value, (list, tuple)):
            return ["a list"]
        fixed_length = outer.lower() == "tuple" and not _is_ellipsis(elements[-1])
        if fixed_length and len(value) != len(elements):
            return [f"a list of {len(elements)}"]
        for item in value:
            expected = _expectations(elements[0], item)
            if expected:
                return ["a list of " + " or ".join(expected)]
        return None
    if outer in _MAPPINGS:
        return None if isinstance(value, Mapping) else ["a mapping"]
    return None


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant):
        return "None" if node.value is None else str(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return ""


def _from_constructor(target: str, node: ast.FunctionDef) -> Signature:
    arguments = node.args
    positional = (arguments.posonlyargs + arguments.args)[1:]
    n_required = len(positional) - min(len(arguments.defaults), len(positional))
    required = [a.arg for a in positional[:n_required]]
    required += [a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is None]
    parameters = {a.arg: ast.unparse(a.annotation) if a.annotation else None for a in positional + arguments.kwonlyargs}
    return Signature(target, parameters, tuple(required), arguments.kwarg is not None)


def _from_class(target: str, definition: _Definition) -> Signature:
    node = definition.node
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return _from_constructor(target, item)
    bases = [_from_base(target, base, definition) for base in node.bases]
    inherited = [signature for signature in bases if signature is not None]
    if any(_decorator(d) == "dataclass" for d in node.decorator_list):
        parameters: dict[str, str | None] = {}
        required: list[str] = []
        for base in reversed(inherited):
            parameters.update(base.parameters)
            required += base.required
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                annotation = ast.unparse(item.annotation)
                if annotation.startswith("ClassVar"):
                    continue
                parameters[item.target.id] = annotation
                if item.value is None:
                    required.append(item.target.id)
                elif item.target.id in required:
                    required.remove(item.target.id)
        return Signature(target, parameters, tuple(required))
    return inherited[0] if inherited else Signature(target, {}, ())


def _from_base(target: str, base: ast.expr, definition: _Definition) -> Signature | None:
    found = _lookup(_name(base), definition.module, definition.package)
    return None if found is None else _from_class(target, found)


def _decorator(node: ast.expr) -> str:
    return _name(node.func) if isinstance(node, ast.Call) else _name(node)


def _find(target: str) -> _Definition | None:
    parts = target.split(".")
    for n_module in range(len(parts) - 1, 0, -1):
        module = _module_file(parts[:n_module])
        if module is not None:
            if n_module != len(parts) - 1:
                return None
            package = parts[:n_module] if module.name == "__init__.py" else parts[: n_module - 1]
            return _lookup(parts[-1], module, ".".join(package))
    return None


def _module_file(parts: list[str]) -> Path | None:
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    for root in spec.submodule_search_locations:
        folder = Path(root).joinpath(*parts[1:])
        for candidate in (folder / "__init__.py", folder.with_suffix(".py")):
            if candidate.is_file():
                return candidate
    return None


@lru_cache(maxsize=None)
def _parse(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def _lookup(name: str, module: Path, package: str) -> _Definition | None:
    """Find a class by name in a module, following ``from x import name``."""
    for node in _parse(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _Definition(node, module, package)
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                source = _absolute(node, package)
                if (alias.asname or alias.name) == name and source.split(".")[0] in ROOTS:
                    return _find(f"{source}.{alias.name}")
    return None


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    base = package.split(".")
    base = base[: len(base) - (node.level - 1)]
    return ".".join(base + ([node.module] if node.module else []))
