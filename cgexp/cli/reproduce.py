"""cgexp reproduce: the experiments of ``experiments/``: missing runs, figures, table, and the check of the numbers."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from cgexp.config.study import STUDY, Study, experiments_in
from cgexp.errors import InputError


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code: 1 when a number is outside its bounds."""
    given = [part for word in arguments for part in (word.split("=", 1) if word.startswith("--exp") else [word])]
    experiments, update, resume = Path("experiments"), "--update" in given, "--resume" in given
    if "--experiments" in given:
        at = given.index("--experiments")
        if at + 1 == len(given):
            raise InputError("--experiments lacks its folder: write --experiments DIR")
        experiments = Path(given[at + 1])
        del given[at : at + 2]
    parts = [word.removeprefix("part=") for word in given if word.startswith("part=")]
    given = [word for word in given if word not in ("--update", "--resume") and not word.startswith("part=")]
    names = [word for word in given if "=" not in word]
    for word in names:
        if word.startswith("-"):
            raise InputError(
                f"unknown option {word}: expected --experiments DIR, --update, --resume, part=NAME or overrides"
            )
    for word in given:
        if word.lstrip("+").startswith(("seed=", "run=", "force=", "experiment=")):
            raise InputError(
                f"{word} is the study's own: change {STUDY}, or delete a run's folder to have it done again"
            )
    if len(names) != 1:
        known = ", ".join(experiments_in(experiments)) or "none here"
        raise InputError(f"expected the name of one experiment, got {' '.join(names) or 'none'}: there are {known}")
    if len(parts) > 1:
        raise InputError(f"expected one part, got {' and '.join(parts)}: run them one after another")
    study = Study.load(names[0], experiments, parts[0] if parts else None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a kill ends the processes side by side, too
    from cgexp.runs.reproduce import reproduce

    return 0 if reproduce(study, [word for word in given if "=" in word], update, resume) else 1
