"""cgexp search: trials of a space in worker processes, until there are as many as were asked for; and the best."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cgexp.config.checks import check
from cgexp.config.compose import Config, compose, compose_seeds
from cgexp.config.overrides import as_overrides, quiet, without
from cgexp.config.space import Dimension, Value, check_space, read_space, values_in
from cgexp.errors import InputError
from cgexp.executor.apart import Outcome, do_apart
from cgexp.progress import Progress
from cgexp.runs.experiment import Experiment
from cgexp.runs.lock import lock, require_writable
from cgexp.store import claim
from cgexp.studies.search.book import Book
from cgexp.studies.search.found import Found, found_in, write_found
from cgexp.studies.search.settings import Settings, read_settings, require_optuna, sorted_words
from cgexp.studies.search.trials import FAILED, Ran, Unit, do_runs

FOLDER = "searches"  # in outputs
log = logging.getLogger(__name__)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Search:
    """What is searched. overrides: of all its runs. default: the config that the space is laid on."""

    settings: Settings
    space: Sequence[Dimension]
    overrides: Sequence[str]
    default: Config

    @classmethod
    def of(cls, words: Sequence[str]) -> Search:
        """Read and check the words of a command line. Raises InputError with the first mistake."""
        given, overrides = sorted_words(words)
        overrides = quiet(overrides)
        default = compose(overrides)
        settings = read_settings(given, overrides, default)
        space = read_space(settings.space)
        check(default)
        if settings.pruner != "none":
            _require_judged_by_forces(default)
        check_space(space, overrides)
        require_optuna()
        return cls(settings, space, overrides, default)

    @property
    def outputs(self) -> Path:
        return Path(self.default["outputs"])

    @property
    def folder(self) -> Path:
        """Where the search keeps its own files; its runs lie among all others."""
        return self.outputs / FOLDER / self.settings.name

    def configs(self, values: Mapping[str, Value], seeds: Sequence[int]) -> list[Config]:
        """The checked configs of the runs with these values of the space, one for each seed."""
        configs = compose_seeds([*without(self.overrides, values), *as_overrides(values)], seeds)
        for config in configs:
            check(config)
            if config["sweep"]["name"] is None:
                config["sweep"]["name"] = self.settings.name
        return configs


def _require_judged_by_forces(config: Config) -> None:
    """Raise InputError if the loss trains what the validation loss, by which trials are pruned, does not tell."""
    for name in Experiment.of(config).loss.make().ensembles:
        raise InputError(
            f"pruner=halving judges trials by their validation loss of forces, which says nothing of "
            f"loss.terms.{name}: use pruner=none"
        )


def run_search(search: Search, say: Say = print) -> Found:
    """Do the trials that are missing and write what was found into the search's folder.

    An interrupted search goes on with the trials that it had begun, whose finished runs are skipped. Raises InputError
    if the folder was begun with other settings, or another process searches in it.
    """
    settings = search.settings
    require_writable(search.folder)
    with lock(search.folder):
        claim(search.folder / "settings.json", settings.claimed(search.space, search.overrides))
        book = Book(search.folder, settings, search.space, values_in(search.default, search.space))
        before = book.n_ended
        say(f"{search.folder}: {before} of {settings.n_trials} trials are done" if before else str(search.folder))
        _do_trials(search, book)
        found = found_in(book, search.default)
        write_found(found, book, search.folder, search.overrides)
        return found


def _do_trials(search: Search, book: Book) -> None:
    settings, progress = search.settings, Progress("search: trial")
    progress(book.n_ended, settings.n_trials, "")
    for number, outcome in do_apart(do_runs, _units(search, book), settings.n_jobs, settings.timeout, book.report):
        _end(book, number, ran_of(outcome))
        progress(book.n_ended, settings.n_trials, _best_so_far(book))


def _units(search: Search, book: Book) -> Iterator[tuple[int, Unit]]:
    """The runs of each trial that is to be done, made when a worker is free for it."""
    left = book.interrupted()
    while left or book.n_begun < search.settings.n_trials:
        number = left.pop(0) if left else book.begin()
        try:
            configs = search.configs(book.values(number), search.settings.seeds)
        except InputError as error:  # what the corners of the space did not show
            _end(book, number, Ran(FAILED, str(error)))
            continue
        yield number, Unit(configs, search.settings.objective, search.settings.pruner != "none")


def _end(book: Book, number: int, ran: Ran) -> None:
    book.end(number, ran)
    if sentence := book.trials[number].user_attrs["sentence"]:
        log.info("trial %d: %s%s", number, "" if ran.state != FAILED else "failed: ", sentence)


def ran_of(outcome: Outcome) -> Ran:
    """What became of a trial, also where its process was ended or died."""
    if outcome.problem:
        return Ran(FAILED, outcome.problem)
    ran: Ran = outcome.value
    return ran


def _best_so_far(book: Book) -> str:
    best = found_in(book).best
    return "" if best is None else f"best {book.settings.objective} {best.value:.4g} (trial {best.number})"
