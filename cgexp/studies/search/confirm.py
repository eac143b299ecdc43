"""The best of a search against the default on seeds that the search has not seen, paired by seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cgexp.config.space import Value
from cgexp.errors import InputError
from cgexp.executor.apart import do_apart
from cgexp.progress import Progress
from cgexp.runs.folder import folder_of
from cgexp.studies.arms import Compared, compare_runs
from cgexp.studies.catalogue import entry_of
from cgexp.studies.search.found import Trial
from cgexp.studies.search.search import Search, ran_of
from cgexp.studies.search.trials import DONE, Unit, do_runs

BEST, DEFAULT = "best", "default"


def confirm(search: Search, best: Trial) -> tuple[Compared, list[str]]:
    """Run the best values and the default ones on ``search.settings.confirm`` fresh seeds each and compare them.

    Also returns a sentence for every run that failed, whose seed is then compared with nothing. Raises InputError if
    fewer than two seeds are left.
    """
    settings = search.settings
    first = max(settings.seeds) + 1
    seeds = range(first, first + settings.confirm)
    arms: Mapping[str, Mapping[str, Value]] = {BEST: best.params, DEFAULT: {}}
    configs = {(arm, c["seed"]): c for arm, values in arms.items() for c in search.configs(values, seeds)}
    units = ((name, Unit([config], settings.objective)) for name, config in configs.items())
    progress, done, failed = Progress("fresh seeds: run"), 0, []
    for name, outcome in do_apart(do_runs, units, settings.n_jobs, settings.timeout):
        ran, done = ran_of(outcome), done + 1
        progress(done, len(configs), "")
        if ran.state != DONE:
            failed.append(f"{name[0]} with seed {name[1]} failed: {ran.sentence}")
    finished = {name: folder_of(config).path for name, config in configs.items() if _is_done(folder_of(config).path)}
    if any(sum(arm == name for arm, _ in finished) < 2 for name in arms):
        raise InputError(
            f"too few runs on fresh seeds are finished to compare them: {'; '.join(failed) or 'give confirm=2'}"
        )
    baseline = next(path for (arm, _), path in finished.items() if arm == DEFAULT)
    entries = [entry_of(path) for path in dict.fromkeys(finished.values())]
    return compare_runs(entries, [settings.objective], baseline=str(baseline)), failed


def verdict(search: Search, found: Compared) -> Iterator[str]:
    """Whether the best is better than the default, in a sentence."""
    comparison, name = found.comparison, search.settings.objective
    if len(comparison.arms) < 2:
        yield "The best values are the default ones."
        return
    index = 1 - comparison.baseline
    difference = comparison.differences[index].get(name)
    means = [f"{comparison.spreads[i][name].mean:.4g}" for i in (index, comparison.baseline)]
    if difference is None:
        yield f"{name}: best {means[0]}, default {means[1]}; too few seeds in common for an interval."
        return
    gain, ends = -search.settings.sign * difference.mean, (difference.low, difference.high)
    told = (
        f"On {difference.n} fresh seeds, {name} is {means[0]} for the best and {means[1]} for the default: best less "
        f"default {difference.mean:+.3g} [{ends[0]:.3g}, {ends[1]:.3g}] (95 %, paired by seed)"
    )
    if ends[0] <= 0.0 <= ends[1]:
        yield f"{told}: that the best is better than the default is not shown."
    else:
        yield f"{told}: the best is {'better' if gain > 0.0 else 'worse'}."


def _is_done(path: Path) -> bool:
    return path.is_dir() and entry_of(path).state == "done"
