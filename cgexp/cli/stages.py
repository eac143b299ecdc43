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
    """Do the stages of ``verb`` for one config; return the sweep's objective."""
    from cgexp.runs.pipeline import run
    from cgexp.runs.summary import objective

    return objective(run(config, verb), config)


def table(configs: list[Config]) -> None:
    """Print the results: all metrics of one run, or mean and spread over seeds of many."""
    from cgexp.runs.summary import print_runs, print_table

    if len(configs) == 1:
        print_table(configs[0])
    else:
        print_runs(configs)
