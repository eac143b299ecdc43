"""cgexp run, train, simulate, evaluate: the stages of a run, all or one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cgexp.cli.composed import run_jobs
from cgexp.config.compose import Config


def main(arguments: Sequence[str], verb: str) -> int:
    """Run the command; return its exit code."""
    return run_jobs(arguments, partial(job, verb=verb), after=table)


def job(config: Config, verb: str) -> float | None:
    """Do the stages of ``verb`` for one config, print the table, return the sweep's objective."""
    from cgexp.runs.pipeline import run
    from cgexp.runs.summary import objective, print_table

    folder = run(config, verb)
    if config["sweep"]["name"] is None:  # a multirun ends with one table of all its runs
        print_table(folder)
    return objective(folder, config)


def table(configs: list[Config]) -> None:
    """Print the results of a multirun, with mean and spread over seeds."""
    from cgexp.runs.summary import print_runs

    print_runs(configs)
