"""The page of the command line: every verb's own help."""

from __future__ import annotations

import argparse
from pathlib import Path

from cgexp.cli.parser import make_parser

HEAD = "# Command line\n\nWhat `cgexp --help` and `cgexp <verb> --help` say.\n"


def write_commands(page: Path) -> None:
    """Write the page."""
    parser = make_parser()
    parts = [HEAD, block(parser.format_help())]
    for name, verb in verbs(parser).items():
        parts += [f"## `cgexp {name}`", block(verb.format_help())]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the verbs, by name."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: verb for group in groups for name, verb in group.choices.items()}


def block(text: str) -> str:
    """Text as it is on a terminal."""
    return f"```text\n{text.rstrip()}\n```"
