"""cgexp status: the jobs of a multirun, while it runs and after: state, progress, time left, why one failed."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from cgexp.cli.words import Words
from cgexp.errors import InputError
from cgexp.studies.sweeps import lines, status_of


def main(given: argparse.Namespace) -> int:
    """Tell how far a sweep is; return the exit code."""
    words = Words.read(given.words, ("outputs",))
    if len(words.places) > 1 or words.where:
        raise InputError("status takes one sweep: give its name, as in cgexp status learning_curve [outputs=DIR]")
    outputs = Path(words.settings.get("outputs", "outputs"))
    status = status_of(outputs, words.places[0] if words.places else None)
    if given.json:
        print(json.dumps(asdict(status), indent=2, default=str, ensure_ascii=False))
        return 0
    for line in lines(status):
        print(line)
    return 0
