"""cgexp wandb: upload what is offline (sync); a workspace and a report of runs (workspace); a sweep's file (sweep)."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cgexp.cli.words import Words
from cgexp.errors import InputError, did_you_mean
from cgexp.store import write_bytes
from cgexp.studies.catalogue import Entry

ACTIONS = ("sync", "workspace", "sweep")
KEYS = ("outputs", "project", "entity", "name", "metric", "to")  # of sync the first alone


def main(given: argparse.Namespace) -> int:
    """Do what the first word says; return the exit code."""
    if not given.words:
        raise InputError(f"say what to do with W&B: {', '.join(ACTIONS)}")
    action = given.words[0]
    if action not in ACTIONS:
        raise InputError(f"unknown action '{action}'{did_you_mean(action, ACTIONS)}: expected {', '.join(ACTIONS)}")
    if action == "sweep":
        return _sweep(Words.read(given.words[1:], KEYS))
    if action == "workspace":
        return _workspace(Words.read(given.words[1:], KEYS), given.dry_run)
    return _sync(Words.read(given.words[1:], KEYS[:1]).entries(), given.dry_run)


def _workspace(words: Words, is_dry: bool) -> int:
    """Save a workspace and a report in W&B; with --dry-run, or to=FILE, their specification instead."""
    from cgexp.report import wandb_workspace as made
    from cgexp.report.wandb_files import require_connection
    from cgexp.studies.tracked import drawn

    subject = drawn(words.some(), words.settings)
    if not is_dry and "to" not in words.settings:
        require_connection()
        subject = replace(subject, entity=subject.entity or made.default_entity())
        for what, one in (("workspace", made.make_workspace(subject)), ("report", made.make_report(subject))):
            print(f"{what} '{subject.title}': {made.save(one)}")
        return 0
    both = {"workspace": made.make_workspace(subject), "report": made.make_report(subject)}
    text = json.dumps({what: made.specification(one) for what, one in both.items()}, indent=2, ensure_ascii=False)
    return _give(text + "\n", words)


def _sweep(words: Words) -> int:
    """Print or keep the file that `wandb sweep` takes."""
    if words.places or words.where or words.settings.keys() - {"to"}:
        raise InputError("cgexp wandb sweep takes to=FILE alone: the file it writes says what else may be changed")
    from cgexp.report.wandb_files import SWEEP

    return _give(SWEEP.read_text(encoding="utf-8"), words)


def _give(text: str, words: Words) -> int:
    """To the file that is named, or to the screen."""
    if "to" in words.settings:
        write_bytes(Path(words.settings["to"]), text.encode())
        print(f"wrote {words.settings['to']}")
    else:
        print(text, end="")
    return 0


def _sync(entries: Sequence[Entry], is_dry: bool) -> int:
    """Upload what is offline of these runs, and say what became of each."""
    from cgexp.report.wandb_files import require_connection, unsent_files, upload

    unsent = [entry for entry in entries if unsent_files(entry.path)]
    busy = [entry for entry in unsent if entry.state == "locked"]
    waiting = [entry.path for entry in unsent if entry not in busy]
    if is_dry:
        for path in waiting:
            print(f"{path}: would be uploaded")
        print(f"{len(waiting)} of {_runs(len(entries))} would be uploaded")
        return 0
    if waiting:
        require_connection()
    failed = 0
    for one in upload(waiting):
        failed += one.sentence is not None
        print(f"{one.folder}: {f'not uploaded: {one.sentence}' if one.sentence else f'uploaded to {one.address}'}")
    for entry in busy:
        print(f"{entry.path}: not uploaded: {entry.sentence}; the same command uploads it afterwards")
    rest = len(entries) - len(unsent)
    counts = {"uploaded": len(waiting) - failed, "failed": failed, "being worked in": len(busy)}
    told = [f"{number} {what}" for what, number in counts.items() if number or what == "uploaded"]
    print(f"{_runs(len(entries))}: {', '.join(told)}; of {rest} nothing is offline" if rest else ", ".join(told))
    return 1 if failed else 0


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"
