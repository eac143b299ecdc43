"""Values against annotations, to the bottom, from a config and from Python alike."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pytest

from cgexp.errors import InputError
from cgexp.parts import ranges
from cgexp.parts.part import Part
from cgexp.parts.ranges import Name, Positive, PositiveInt, Seed, Share, Size
from cgexp.parts.signatures import read_signature
from cgexp.parts.sources import UnknownAnnotation, object_of
from cgexp.parts.values import mismatch, require_known

SYSTEM = object_of("cgexp.systems.base.System")


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (int, 3, 3.5),
        (int, 3, True),
        (int, 3, 2**63),
        (float, 3, "3"),
        (float, 3, float("nan")),
        (float, np.float32(3), 10**400),
        (bool, True, 1),
        (str | None, None, 3),
        (ranges.Fraction, 0.5, 1.5),
        (PositiveInt, 1, 0),
        (PositiveInt, 2**31 - 1, 2**31),
        (Size, 512, 10**25),
        (Size, 512, 1e25),
        (Positive, 1e30, 1e300),
        (Positive, 1e-30, 1e-300),
        (Positive, 1, True),
        (ranges.NonNegative, 0, -1e-300),
        (Literal["a", "b"], "a", "c"),
        (Literal[1], 1, True),
        (list[float], [1, 2.5], [1, "x"]),
        (tuple[float, float], [1, 2], [1, 2, 3]),
        (tuple[int, str], [1, "a"], [1, 2]),
        (dict[str, int], {"a": 1}, [1]),
        (Mapping[str, ranges.NonNegative], {"a": 1}, {"a": -1}),
        (Mapping[str, Sequence[Share]], {"a": [0.5]}, {"a": [0.5, 1.0]}),
        (Sequence[tuple[Positive, Positive]], [[1, 2]], [[1, -2]]),
        (Positive | None, None, -1),
        (SYSTEM, {"_target_": "x"}, 3),
        (SYSTEM, {"_target_": "x"}, None),
        (SYSTEM, {"_target_": "x"}, "toy"),
        (Share, 0, 1),
        (ranges.OpenFraction, 0.5, 0),
        (Seed, 7, 10**12),
        (Name, "chignolin-2.0_a", "../x"),
        (Name, "a", ".."),
        (Name, "a", "/etc/x"),
        (Name, "a", "my set"),
        (Name, "a", ""),
        (Name, "a" * 100, "a" * 101),
    ],
)
def test_values_are_checked_against_annotations(annotation: Any, good: Any, bad: Any) -> None:
    require_known(annotation)
    assert mismatch(annotation, good) is None
    assert mismatch(annotation, bad) is not None


@pytest.mark.parametrize("annotation", [complex, set[int], typing.TypeVar("T"), UnknownAnnotation])
def test_an_annotation_that_says_nothing_is_refused(annotation: Any) -> None:
    with pytest.raises(UnknownAnnotation):
        require_known(annotation)


def test_the_limit_that_was_passed_is_named() -> None:
    assert mismatch(Positive, 1e300) == "a positive number up to 1e+30"
    assert mismatch(Positive, 1e-300) == "a positive number from 1e-30"
    assert mismatch(PositiveInt, 2**40) == "a positive integer up to 2147483647"
    assert mismatch(Positive, -1) == "a positive number"


class Width(Part):
    """A part whose class repeats no check."""

    def __init__(self, width: Size, scales: Mapping[str, Positive] | None = None) -> None:
        self.width, self.scales = width, scales


@pytest.mark.parametrize("arguments", [{"width": 0}, {"width": 3, "scales": {"a": float("inf")}}, {"width": True}])
def test_a_call_from_python_is_held_to_the_same(arguments: dict[str, Any]) -> None:
    assert Width(3, scales={"a": 1.0}).width == 3
    with pytest.raises(InputError, match=r"Width\.\w+=.* is not valid: expected"):
        Width(**arguments)


def test_both_read_the_same_annotation() -> None:
    signature = read_signature(f"{__name__}.Width")
    assert signature is not None
    hints = typing.get_type_hints(Width.__init__, include_extras=True)
    assert signature.parameters == {name: hint for name, hint in hints.items() if name != "return"}


@pytest.mark.parametrize("value", [float("nan"), False, 12])
def test_a_text_that_was_read_as_something_else_is_to_be_quoted(value: object) -> None:
    assert "in quotes within quotes" in str(mismatch(str, value))
    assert mismatch(str, []) == "a text"
