"""Arms of runs: which runs differ in their seed alone, and what tells one arm from another."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgexp.analysis.arms import ArmRuns, Comparison, Setting, compare_arms
from cgexp.config.identity import flat_physics
from cgexp.errors import InputError, did_you_mean, shown
from cgexp.report.comparison_tables import text_of
from cgexp.report.table import HEADLINES, SEM
from cgexp.studies.catalogue import Entry, by_units, shared_overrides
from cgexp.studies.query import Keys, conditions, select

log = logging.getLogger(__name__)
LARGEST_WHOLE = 1e15  # of which every digit is known
SEED, TARGET, EXPERIMENT = "seed", "_target_", "experiment"


@dataclass(frozen=True)
class Compared:
    """Runs by arm with what was found: comparison: the numbers; runs: of each of its arms; notes: what to know."""

    comparison: Comparison
    runs: tuple[tuple[Entry, ...], ...]
    units: str
    notes: tuple[str, ...]


def compare_runs(
    entries: Sequence[Entry],
    metrics: Sequence[str] | None = None,
    baseline: str | None = None,
    over: Sequence[str] = (),
) -> Compared:
    """Group runs into arms and compare these.

    metrics: names; None: the headlines that differ. baseline: conditions that hold of the runs of one arm alone; None:
    the arm with the fewest changes to its experiment. over: keys that are averaged over as the seed is, as
    ``trainer.fold``. Raises InputError if there is nothing to compare, or a name is none.
    """
    used, notes = _with_metrics(entries)
    units = by_units(used)
    if len(units) > 1:
        raise InputError(
            f"the runs are in the units {' and '.join(sorted(units))}, which cannot be compared: choose some by "
            "dataset.units=<units>"
        )
    keys = Keys(used)
    columns, groups = _grouped(used, [keys.full(key) for key in over])
    arms = [ArmRuns(_label(settings), settings, {key: run.metrics for key, run in runs.items()})
            for settings, runs in groups]  # fmt: skip
    runs = [tuple(found.values()) for _, found in groups]
    names, left_out = _chosen_metrics(used, metrics)
    number = _baseline(used, runs, baseline)
    comparison = compare_arms(arms, columns, names, number)
    told = (_what(used), *notes, *left_out, *_judged(comparison, over))
    return Compared(comparison, tuple(runs), next(iter(units)), told)


def compare_sweep(entries: Sequence[Entry], over: Sequence[str], metrics: Sequence[str] = ()) -> dict[str, Compared]:
    """The runs of a sweep that have numbers, compared, by the unit system that these are in.

    over: keys that are averaged over as the seed is. metrics: to compare; none: the most important ones.
    """
    groups = by_units(entry for entry in entries if entry.metrics)
    known = {name for alike in groups.values() for entry in alike for name in entry.metrics}
    for name in metrics if groups else ():
        if name not in known:
            log.warning("sweep.metrics: no run has %s%s", shown(name), did_you_mean(name, known))
    found = {}
    for units, alike in groups.items():
        names = [name for name in metrics if any(name in entry.metrics for entry in alike)]
        found[units] = compare_runs(alike, names or None, over=over)
    return found


def _what(entries: Sequence[Entry]) -> str:
    """What is compared, in a sentence: of which experiments, and what all runs say."""
    alone = len(entries) == 1
    shared = [shown(override, 60) for override in (entries[0].differs if alone else shared_overrides(entries))]
    names = dict.fromkeys(entry.experiment for entry in entries)
    alike = f",{'' if alone else ' all'} with {' '.join(shared)}" if shared else ""
    sets = {entry.config["dataset"]["name"] for entry in entries}
    losses = " Their data sets differ: a loss on one says nothing of a loss on another." if len(sets) > 1 else ""
    return f"{'A run' if alone else 'Runs'} of {', '.join(names)}{alike}.{losses}"


def _with_metrics(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """The runs that are done, or those that are trained if none is; and a sentence on those left out."""
    used = [entry for entry in entries if entry.state == "done"] or [entry for entry in entries if entry.metrics]
    if not used:
        raise InputError("there is no finished run to compare: `cgexp runs` says which runs there are")
    states = [entry.state for entry in entries if entry not in used]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return used, [f"Left out as they are not done: {counts}."] if counts else []


def _grouped(
    entries: Sequence[Entry], over: Sequence[str]
) -> tuple[list[str], list[tuple[dict[str, Setting], dict[Hashable, Entry]]]]:
    """What differs, and the arms: the value of each such key, and the runs by seed; of two alike the newer."""
    physics = [flat_physics(dict(entry.config)) for entry in entries]
    folded = {SEED, *over, *_follow_the_seed(physics)}
    known = dict.fromkeys(key for found in physics for key in found if key not in folded)
    differing = [key for key in known if len({_hashable(found.get(key)) for found in physics}) > 1]
    groups: dict[Hashable, dict[Hashable, int]] = {}
    for i, found in enumerate(physics):
        key = tuple(_hashable(found.get(name)) for name in differing)
        pairs_by = tuple(found.get(name) for name in (SEED, *over))
        groups.setdefault(key, {}).setdefault(pairs_by, i)
    first = [next(iter(runs.values())) for runs in groups.values()]
    settings = _named([entries[i] for i in first], [{key: physics[i].get(key) for key in differing} for i in first])
    rows = [
        (of_arm, {key: entries[i] for key, i in sorted(runs.items(), key=str)})
        for of_arm, runs in zip(settings, groups.values(), strict=True)
    ]
    rows.sort(key=lambda row: [_rank(value) for value in row[0].values()])
    return list(settings[0]), rows


def _follow_the_seed(physics: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys called seed that are the run's own seed in every run, as where each seed has data of its own."""
    names = {key for found in physics for key in found if key.endswith(f".{SEED}")}
    return [key for key in names if all(found.get(key, found[SEED]) == found[SEED] for found in physics)]


def _named(firsts: Sequence[Entry], differing: Sequence[dict[str, Any]]) -> list[dict[str, Setting]]:
    """What tells arms apart, in few keys: an option stands for the keys that it decides, an experiment for options.

    firsts: a run of each arm. differing: of each arm, the keys of which not all arms have the same value.
    """
    rows: list[dict[str, Setting]] = [dict(found) for found in differing]
    for group in dict.fromkeys(key.partition(".")[0] for key in differing[0]):
        options = [entry.config["choices"].get(group) for entry in firsts]
        inside = [key for key in differing[0] if key.partition(".")[0] == group]
        rows = _stand_for(rows, group, options, [key for key in inside if _decides(options, rows, key)], 1)
    experiments = [entry.experiment for entry in firsts]
    decided = [key for key in rows[0] if _decides(experiments, rows, key)]
    rows = _stand_for(rows, EXPERIMENT, experiments, decided, 2)
    short = _short_names(list(rows[0]))
    return [{short[key]: _plain(key, value) for key, value in row.items()} for row in rows]


def _stand_for(
    rows: Sequence[dict[str, Setting]], name: str, values: Sequence[Any], decided: Sequence[str], at_least: int
) -> list[dict[str, Setting]]:
    """Rows in which ``name`` takes the place of the keys that it decides, if it decides enough of them."""
    if len(set(values)) < 2 or len(decided) < at_least:
        return list(rows)
    return [
        {name: value, **{key: found for key, found in row.items() if key not in decided}}
        for row, value in zip(rows, values, strict=True)
    ]


def _decides(values: Sequence[Any], rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    """Whether rows of one of the values all have the same under the key."""
    pairs = {(value, _hashable(row[key])) for value, row in zip(values, rows, strict=True)}
    return len(pairs) == len(set(values))


def _short_names(keys: Sequence[str]) -> dict[str, str]:
    """Each key by the shortest ending that no other one has; a class by what it is the class of."""
    plain = {key: key.removesuffix(f".{TARGET}") for key in keys}
    short = {}
    for key, name in plain.items():
        parts = name.split(".")
        endings = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
        others = [SEED, *(other for other in plain.values() if other != name)]
        short[key] = next(
            (end for end in endings if not any(other == end or other.endswith(f".{end}") for other in others)), key
        )
    return short if len(set(short.values())) == len(short) else {key: key for key in keys}


def _plain(key: str, value: Any) -> Setting:
    """A class without its module; a file's hash, cut; a whole number as such, which an id takes for a float."""
    if isinstance(value, str) and key.endswith(TARGET):
        return value.rpartition(".")[2]
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE:
        return int(value)
    return shown(value, 40) if isinstance(value, str) else value


def _label(settings: Mapping[str, Setting]) -> str:
    """``width=20, lr=0.001``; ``all`` where there is one arm alone."""
    return ", ".join(f"{key}={text_of(value)}" for key, value in settings.items()) or "all"


def _chosen_metrics(entries: Sequence[Entry], names: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The metrics to compare, and a sentence on headlines that are the same in all runs. Raises InputError."""
    known = dict.fromkeys(name for entry in entries for name in entry.metrics)
    if names is not None:
        for name in names:
            if name not in known:
                raise InputError(
                    f"metrics={shown(name)} is no metric of these runs{did_you_mean(name, known)}: expected some of "
                    f"{', '.join(known)}"
                )
        return list(dict.fromkeys(names)), []
    found = [name for name in HEADLINES if name in known] or [name for name in known if not name.endswith(SEM)]
    values = {name: {entry.metrics.get(name) for entry in entries} for name in found}
    alike = [name for name in found if len(values[name]) == 1 and len(entries) > 1]
    told = ", ".join(f"{name} {next(iter(values[name])):.4g}" for name in alike)
    return [name for name in found if name not in alike], [f"The same in all runs: {told}."] if alike else []


def _baseline(entries: Sequence[Entry], runs: Sequence[Sequence[Entry]], text: str | None) -> int:
    """Which arm is meant. Raises InputError if conditions do not hold of exactly one arm."""
    if text is None:
        return min(range(len(runs)), key=lambda i: (len(runs[i][0].differs), -len(runs[i])))
    if Path(text).is_dir() or any(text == entry.id for entry in entries):
        meant = {entry.path for entry in entries if text == entry.id or entry.path.resolve() == Path(text).resolve()}
    else:
        meant = {entry.path for entry in select(entries, conditions(text))}
    found = [i for i, of_arm in enumerate(runs) if any(entry.path in meant for entry in of_arm)]
    if len(found) != 1:
        raise InputError(
            f"baseline={shown(text)} holds of {len(found) or 'no'} arms: expected conditions, as 'model.width=20', or "
            "the folder or id of a run, that name one of them"
        )
    return found[0]


def _judged(comparison: Comparison, over: Sequence[str]) -> list[str]:
    """How numbers were judged, in sentences."""
    folded = f"Mean ± standard deviation over {' and '.join(('the seed', *over))}"
    if len(comparison.arms) < 2:
        return [f"{folded}."]
    sentences = [f"{folded}; baseline: {comparison.arms[comparison.baseline].label}."]
    n_compared = max((sum(name in found for found in comparison.differences) for name in comparison.metrics), default=0)
    if n_compared:
        sentences.append(
            "Differences to the baseline are paired by seed, with 95 % intervals by Student's t; * stands where "
            f"p < 0.05 by Holm's correction for the {n_compared} comparison{'s' if n_compared > 1 else ''} of a metric."
        )
        sentences.append(
            "The best of a metric is marked only where it is significantly better than every other arm, corrected for "
            f"all pairs of arms: {_marked(comparison)}."
        )
    else:
        sentences.append("No arm shares two seeds with the baseline, so nothing is judged: run the same seeds in each.")
    return sentences


def _marked(comparison: Comparison) -> str:
    found = [f"{name}: {comparison.arms[i].label}" for name, i in comparison.best.items()]
    return "; ".join(found) if found else "none is"


def _hashable(value: Any) -> Hashable:
    return (type(value).__name__, value)


def _rank(value: Setting) -> tuple[int, float, str]:
    if value is None:
        return 0, 0.0, ""
    return (1, float(value), "") if isinstance(value, int | float) else (2, 0.0, value)
