"""cgexp active: rounds of training, simulation, selection and labelling."""

from __future__ import annotations

from collections.abc import Sequence

from cgexp.cli.composed import run_jobs
from cgexp.cli.stages import table
from cgexp.config.compose import Config


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    return run_jobs(arguments, job, after=table)


def job(config: Config) -> float | None:
    """Do the rounds of one config; return the sweep's objective."""
    from cgexp.runs.active import run_active
    from cgexp.runs.summary import objective

    return objective(run_active(config), config)
