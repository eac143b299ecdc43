"""cgexp check: is the config sound, do its parts fit, does one training step work? Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from cgexp.cli.composed import run_jobs
from cgexp.config.compose import Config


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    return run_jobs(arguments, job)


def job(config: Config) -> None:
    """Check one config and print what it describes."""
    from cgexp.runs.check import report
    from cgexp.runs.pipeline import resolve

    for line in report(resolve(config)[0]):
        print(line)
