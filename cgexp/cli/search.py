"""cgexp search: the best settings within a space, by random search, TPE or a Gaussian process, with early stopping."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cgexp.config.paths import use_conf_dir

if TYPE_CHECKING:
    from cgexp.studies.search.search import Search


def main(given: argparse.Namespace) -> int:
    """Search, tell what was found, and compare the best with the default where that is asked for.

    Returns the exit code: 1 if no trial is done and allowed.
    """
    if given.config_dir is not None:
        use_conf_dir(Path(given.config_dir))
    from cgexp.config.processes import ends_on_terminate
    from cgexp.studies.search.search import Search

    with ends_on_terminate():
        return _told(Search.of(given.words))


def _told(search: Search) -> int:
    from cgexp.studies.search.found import PAGE, command_of, lines
    from cgexp.studies.search.search import run_search

    found = run_search(search)
    for line in lines(found):
        print(line)
    print(f"page: {search.folder / PAGE}")
    if found.best is None:
        print("no trial is done and keeps the constraints")
        return 1
    print(f"the best, trial {found.best.number}:\n{command_of(found.best, search.overrides, search.settings.seeds[0])}")
    if search.settings.confirm:
        from cgexp.studies.search.confirm import confirm, verdict

        compared, failed = confirm(search, found.best)
        for line in (*failed, *verdict(search, compared)):
            print(line)
    return 0
