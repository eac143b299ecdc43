"""The command line of the ready scripts: what is given, and mistakes without a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cgexp.errors import InputError
from cgexp.interfaces.scripts import N_STEPS, run_script
from cgexp.runs.bundle import READY

SCRIPTS = sorted(READY.glob("simulate_*.py"))
STYLES = ("real", "metal")


def ended(monkeypatch: pytest.MonkeyPatch, *words: str, error: str = "") -> tuple[int, list[tuple[int, str]]]:
    """The exit code of a script with such a command line, and what its ``main`` was called with."""
    calls = []

    def main(n_steps: int, style: str) -> None:
        calls.append((n_steps, style))
        if error:
            raise InputError(error)

    monkeypatch.setattr(sys, "argv", ["simulate_lammps.py", *words])
    with pytest.raises(SystemExit) as end:
        run_script(main, "What it does.", style=STYLES)
    return int(end.value.code or 0), calls


@pytest.mark.parametrize(
    ("words", "given"), [([], (N_STEPS, "real")), (["200"], (200, "real")), (["200", "metal"], (200, "metal"))]
)
def test_words_are_given_on(words: list[str], given: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(monkeypatch, *words) == (0, [given])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["many"], "many is no number of steps: expected a whole number from 1 on"),
        (["-5"], "-5 is no number of steps"),
        (["1e6"], "1e6 is no number of steps"),
        (["0"], "0 is no number of steps"),
        (["200", "reel"], "invalid choice: 'reel'"),
        (["200", "real", "5"], "unrecognized arguments: 5"),
        (["n_steps=200"], "n_steps=200 is no number of steps"),
    ],
)
def test_a_mistake_is_told(
    words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, *words) == (2, [])
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_what_a_bundle_is_refused_for_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, error="bundle.json is damaged: export it again")[0] == 2
    assert capsys.readouterr().err == "simulate_lammps.py: bundle.json is damaged: export it again\n"


def test_help_says_what_the_script_does(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(monkeypatch, "--help") == (0, [])
    assert "What it does." in capsys.readouterr().out


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_every_ready_script_reads_its_command_line_so(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert "run_script(main, __doc__" in text
    assert "sys.argv" not in text
