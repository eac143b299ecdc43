"""What a workspace of W&B should draw of some runs: what differs, distances, curves that overlay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cgexp.analysis.curves import read_curves
from cgexp.errors import InputError, did_you_mean
from cgexp.report.charts import charts_of
from cgexp.report.wandb_workspace import Drawn
from cgexp.runs.tracking import training_numbers
from cgexp.studies.catalogue import Entry

METRICS = ("w1_tica", "w1_x", "pmf_rmse_simulation", "loss_validation")  # the first there is judges parameters
DISTANCE = "w1_"
NO_DISTANCES = ("_sem", "_resolution", "_bias", "_null", "_split_half", "_kde")  # endings of what belongs to one
OF_TOYS = {"pmf": ("x", "model"), "pmf_simulation": ("bin_x", "simulation")}  # which keep no curves in their folder


def drawn(entries: Sequence[Entry], settings: Mapping[str, str]) -> Drawn:
    """What to draw of these runs.

    settings: ``entity``, ``project``, ``name`` and ``metric``, where they were given; project and entity else as the
    runs have them. Raises InputError where there are no runs, runs are of several projects, or none has the metric.
    """
    if not entries:
        raise InputError("there is no such run: give folders, ids or conditions of runs that W&B was told of")
    metrics = list(dict.fromkeys(name for entry in entries for name in entry.metrics))
    metric = settings.get("metric") or next((name for name in METRICS if name in metrics), "loss_validation")
    if "metric" in settings and metric not in metrics:
        raise InputError(f"no run has the metric '{metric}'{did_you_mean(metric, metrics)}: see `cgexp runs --json`")
    experiments = list(dict.fromkeys(entry.experiment for entry in entries))
    return Drawn(
        entity=settings.get("entity") or _shared(entries, "entity") or "",
        project=settings.get("project") or _shared(entries, "project") or "cgexp",
        title=settings.get("name") or f"cgexp: {', '.join(experiments)}"[:128],
        experiments=experiments,
        parameters=_parameters(entries),
        distances=[name for name in metrics if name.startswith(DISTANCE) and not name.endswith(NO_DISTANCES)],
        metric=_key(metric, entries),
        charts=_charts(entries),
    )


def _key(metric: str, entries: Sequence[Entry]) -> str:
    """The name that the tracker has for a metric: ``train/`` or ``eval/`` before it."""
    folders = [entry.folder for entry in entries if entry.folder.training_metrics.is_file()]  # whose training has ended
    trained = any(metric in training_numbers(folder) for folder in folders)
    return f"{'train' if trained else 'eval'}/{metric}"


def _shared(entries: Sequence[Entry], key: str) -> str | None:
    """What all runs have under ``logger``; InputError if they have several."""
    found = {entry.config.get("logger", {}).get(key) for entry in entries} - {None}
    if len(found) > 1:
        raise InputError(f"the runs are of several: {', '.join(sorted(found))}; say which with {key}=NAME")
    return next(iter(found), None)


def _parameters(entries: Sequence[Entry]) -> list[str]:
    """Keys of the config in which runs differ, with options of groups below ``options``; what all share is left out."""
    overrides = [dict(text.partition("=")[::2] for text in entry.differs) for entry in entries]
    keys = dict.fromkeys(key for one in overrides for key in one)
    varied = [key for key in keys if len({one.get(key) for one in overrides}) > 1]
    return [key if "." in key else f"options.{key}" for key in varied]


def _charts(entries: Sequence[Entry]) -> dict[str, tuple[str, str]]:
    """The tables of lines that W&B has of these runs: name -> (x, y)."""
    found: dict[str, tuple[str, str]] = {}
    for experiment in dict.fromkeys(entry.experiment for entry in entries):
        for entry in (one for one in entries if one.experiment == experiment):
            try:
                curves = read_curves(entry.path).by_figure()
            except InputError:  # of a toy, or not evaluated
                continue
            charts = charts_of(curves).items()
            found |= {name: (chart.x, chart.y) for name, chart in charts if chart.x is not None and chart.y is not None}
            break
    toys = [entry for entry in entries if "w1_x" in entry.metrics]
    return found | (OF_TOYS if toys else {})
