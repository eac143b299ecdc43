"""cgexp run, train, simulate, evaluate: the stages of a run, all or one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cgexp.cli.composed import run_jobs
from cgexp.config.compose import Config


def main(arguments: Sequence[str], verb: str) -> int:
    """Run the command; return its exit code."""
    return run_jobs(arguments, partial(job, verb=verb))


def job(config: Config, verb: str) -> float | None:
    """Do the stages of ``verb`` for one config, print the table, return the sweep's objective."""
    from cgexp.runs.pipeline import run
    from cgexp.runs.summary import objective, print_table

    folder = run(config, verb)
    print_table(folder)
    return objective(folder, config)
