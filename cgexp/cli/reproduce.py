"""cgexp reproduce: the experiments of ``experiments/``: missing runs, figures, table, and the check of the numbers."""

from __future__ import annotations

import argparse
from pathlib import Path

from cgexp.config.paths import use_conf_dir
from cgexp.errors import InputError
from cgexp.studies.study import STUDY, Study, experiments_in


def main(command: argparse.Namespace) -> int:
    """Run the command; return its exit code: 1 when a number is outside its bounds."""
    if command.config_dir is not None:
        use_conf_dir(Path(command.config_dir))
    experiments = Path(command.experiments or "experiments")
    parts = [word.removeprefix("part=") for word in command.words if word.startswith("part=")]
    given = [word for word in command.words if not word.startswith("part=")]
    names = [word for word in given if "=" not in word]
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
    from cgexp.studies.reproduce import reproduce

    return 0 if reproduce(study, [word for word in given if "=" in word], command.update, command.resume) else 1
