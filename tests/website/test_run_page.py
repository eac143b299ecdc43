"""Pages whose Python is run from beginning to end: what they say it prints, and their figures, are what it gives."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from website.run_page import agree, blocks_of, figures_of, run  # noqa: E402

RUN = [ROOT / "docs" / "concepts.md"]


def test_a_block_of_text_below_is_what_it_prints() -> None:
    text = "```python\nprint(1)\n```\n\n```text\n1\n```\n\n```python\na = 1\n```\nwords\n```text\n2\n```\n"
    assert [(block.code, block.expected) for block in blocks_of(text)] == [("print(1)\n", "1\n"), ("a = 1\n", None)]


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("loss 0.34, 3 of 50", True),
        ("loss 0.36, 3 of 50", True),
        ("loss 0.50, 3 of 50", False),
        ("lost 0.34, 3 of 50", False),
    ],
)
def test_numbers_may_differ_a_little_and_words_not(printed: str, same: bool) -> None:
    assert agree(printed, "loss 0.34, 3 of 50\n") == same


def test_a_page_that_says_something_else_is_found() -> None:
    text = "```python\na = 2\nprint(a)\n```\n\n```text\n2\n```\n\n```python\nprint(a + 1)\n```\n\n```text\n7\n```\n"
    assert list(run(text)) == [("3\n", "7\n")]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_a_page_says_what_it_prints_and_shows_what_it_draws(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mpl.use("agg")
    monkeypatch.chdir(tmp_path)
    assert list(run(page.read_text(encoding="utf-8"), page.name)) == []
    kept = {path.name for path in figures_of(page).glob("*.png")}
    assert {path.name for path in tmp_path.glob("*.png")} == kept
    shown = page.read_text(encoding="utf-8")
    assert [name for name in kept if f"]({Path('figures') / page.stem / name})" not in shown] == []
