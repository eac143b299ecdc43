"""What an experiment file sets in a group whose option the command line has replaced by another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from cgexp.build import TARGET, is_spec
from cgexp.parts.signatures import read_signature

Node = Mapping[str, Any]


def without_strays(node: Any, option: Any, given: Sequence[str], group: str) -> tuple[Any, list[str]]:
    """``node`` without what an experiment set for another part than the one that was chosen; the keys left out.

    node: of a group, as composed. option: of the same, as the chosen option alone says. given: dotted keys that the
    command line sets, which stay, so that a mistake in them is told.
    """
    other_part = _class_of(node) != _class_of(option) and f"{group}.{TARGET}" not in given
    if other_part and isinstance(option, Mapping):  # an experiment's own part, or null, would make the choice void
        return _with_given(option, node, given, group), [group]
    kept = deepcopy(node)
    return kept, list(_drop(kept, option, given, group))


def _class_of(node: Any) -> Any:
    return node.get(TARGET) if isinstance(node, Mapping) else None


def _with_given(option: Node, node: Any, given: Sequence[str], place: str) -> Node:
    """``option`` with what the command line sets in ``node``."""
    result = deepcopy(dict(option))
    for key, value in node.items() if isinstance(node, Mapping) else ():
        name = f"{place}.{key}"
        if name in given:
            result[key] = value
        elif isinstance(result.get(key), Mapping):
            result[key] = _with_given(result[key], value, given, name)
    return result


def _drop(node: Any, option: Any, given: Sequence[str], place: str) -> Iterator[str]:
    """Take the strays out of ``node`` and yield their dotted keys."""
    if not isinstance(node, dict) or not isinstance(option, Mapping):
        return
    for key in list(node):
        name = f"{place}.{key}"
        if key in option:
            yield from _drop(node[key], option[key], given, name)
        elif not any(f"{one}.".startswith(f"{name}.") for one in given) and not _has_place(key, node, option):
            del node[key]
            yield name


def _has_place(key: str, node: Node, option: Node) -> bool:
    """Whether ``key``, which the option does not set, is an argument of its class, or a whole part among others."""
    if is_spec(node):
        signature = read_signature(str(node[TARGET]))
        return signature is None or signature.takes_anything or key in signature.parameters
    holds_parts = all(is_spec(part) for part in option.values() if part is not None)
    return not holds_parts or not isinstance(node[key], Mapping) or is_spec(node[key])
