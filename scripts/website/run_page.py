"""Runs the Python blocks of a page one after another, and compares what each prints with the text below it."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOLERANCE = 0.15  # relative, of a number that is learned: another processor rounds otherwise
ROUNDING = 0.02  # absolute: numbers on pages have two or three digits
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Block:
    """Python of a page, and what the page says that it prints (None: nothing is said)."""

    code: str
    expected: str | None


def blocks_of(text: str) -> list[Block]:
    """The Python blocks of a page, each with the ``text`` block that follows it at once, if one does."""
    found = re.findall(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", text, re.MULTILINE | re.DOTALL)
    return [Block(code, expected or None) for code, expected in found]


def run(text: str, name: str = "page") -> Iterator[tuple[str, str]]:
    """Run the blocks of a page in one namespace; yield (what was printed, what the page says) where they differ."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(text):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.code, name, "exec"), names)
        if block.expected is not None and not agree(printed.getvalue(), block.expected):
            yield printed.getvalue(), block.expected


def agree(printed: str, expected: str) -> bool:
    """Whether two texts are equal but for numbers, and these nearly so."""
    if NUMBER.sub("#", printed).split() != NUMBER.sub("#", expected).split():
        return False
    pairs = zip(NUMBER.findall(printed), NUMBER.findall(expected), strict=True)
    return all(abs(float(a) - float(b)) <= max(TOLERANCE * abs(float(b)), ROUNDING) for a, b in pairs)


def figures_of(page: Path) -> Path:
    """Where a page's own figures are kept."""
    return page.parent / "figures" / page.stem
