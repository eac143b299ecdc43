"""cgexp data: make or find a data set and print its data card."""

from __future__ import annotations

from collections.abc import Sequence

from cgexp.cli.composed import run_jobs
from cgexp.config.compose import Config


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    return run_jobs(arguments, job, groups=("dataset",))


def job(config: Config) -> None:
    """Make one data set and print its card."""
    from cgexp.runs.data import data_card, get_data
    from cgexp.runs.pipeline import resolve
    from cgexp.runs.summary import print_card

    config = resolve(config)[0]
    frames, _, path = get_data(config, again=config["force"])
    print_card(data_card(frames, config["dataset"]), path)
