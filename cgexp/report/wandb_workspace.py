"""A workspace and a report of W&B as code: runs grouped by what differs, in panels that compare them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cgexp.errors import InputError

ARM = "arm"  # the key of the config that runs which differ in their seed alone have in common
LEARNING = {
    "loss_validation": "Validation loss",
    "loss_train_running": "Training loss, running",
    "objective": "Objective",
    "lr": "Learning rate",
    "gradient_norm": "Gradient norm",
    "frames_per_second": "Throughput (frames/s)",
}
ON_LOG_AXES = ("loss_validation", "loss_train_running", "objective", "lr", "gradient_norm")
LINES = "wandb/line/v0"  # W&B's own chart of lines from a table


@dataclass(frozen=True)
class Drawn:
    """What the panels are of.

    experiments: those of the runs. parameters: keys of the config in which the runs differ, as ``model.width``.
    distances: metrics w1_*. metric: what parameters are judged by, as W&B has it. charts: name -> (x, y) of
    the tables that overlay.
    """

    entity: str
    project: str
    title: str
    experiments: Sequence[str]
    parameters: Sequence[str]
    distances: Sequence[str]
    metric: str
    charts: Mapping[str, tuple[str, str]]


def make_workspace(drawn: Drawn) -> Any:
    """The workspace, not saved."""
    ws = _package("workspaces")
    sections = [ws.Section(name=name, panels=panels, is_open=True) for name, panels in _panels(drawn).items() if panels]
    return ws.Workspace(
        entity=drawn.entity,
        project=drawn.project,
        name=drawn.title,
        sections=sections,
        settings=ws.WorkspaceSettings(x_axis="train/epoch", max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=[ws.Config("experiment").isin(list(drawn.experiments))],
            groupby=[ws.Config(ARM)],
        ),
    )


def make_report(drawn: Drawn) -> Any:
    """The report, not saved: the same panels below headings, of the same runs."""
    wr = _package("reports.v2")
    runs = wr.Runset(  # of the report's own project, since none is named
        filters=f"Config('experiment') in {list(drawn.experiments)}",
        groupby=[f"config.{ARM}"],
    )
    blocks: list[Any] = [wr.P(f"Runs of {', '.join(drawn.experiments)}, grouped by what differs but for the seed.")]
    for name, panels in _panels(drawn).items():
        if panels:
            blocks += [wr.H2(name), wr.PanelGrid(runsets=[runs], panels=panels)]
    return wr.Report(
        project=drawn.project, entity=drawn.entity, title=drawn.title, blocks=blocks, width="fluid",
        description="Learning curves, distances to the reference, free energies, and what matters for them.",
    )  # fmt: skip


def specification(made: Any) -> dict[str, Any]:
    """What W&B would be given of a workspace or report, which its package checks on the way."""
    return dict(json.loads(made._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)))


def save(made: Any) -> str:
    """Save a workspace or report in W&B and return its address. Raises InputError where W&B refuses."""
    try:
        return str(made.save().url)
    except Exception as error:  # of many libraries
        raise InputError(f"W&B did not save '{_title(made)}': {error}") from error


def default_entity() -> str:
    """The user's or team's name that goes with the key; W&B is reachable already."""
    import wandb

    return str(wandb.Api().default_entity)


def _title(made: Any) -> str:
    return str(getattr(made, "title", None) or made.name)


def _panels(drawn: Drawn) -> dict[str, list[Any]]:
    """Heading -> panels."""
    return {
        "Learning curves": list(_learning(drawn)),
        "Wasserstein-1 distances to the reference": list(_distances(drawn)),
        "Free energies and distributions": list(_overlays(drawn)),
        "What matters": list(_importance(drawn)),
        "Simulation": list(_health(drawn)),
    }


def _learning(drawn: Drawn) -> Iterator[Any]:
    wr = _package("reports.v2")
    for name, title in LEARNING.items():
        yield wr.LinePlot(
            title=title, x="train/epoch", y=[f"train/{name}"], log_y=name in ON_LOG_AXES, title_x="epoch",
            groupby=wr.Config(ARM), groupby_aggfunc="mean", groupby_rangefunc="stddev",
        )  # fmt: skip


def _distances(drawn: Drawn) -> Iterator[Any]:
    wr = _package("reports.v2")
    for name in drawn.distances:
        yield wr.BarPlot(
            title=name, metrics=[wr.SummaryMetric(f"eval/{name}")],
            groupby=wr.Config(ARM), groupby_aggfunc="mean", groupby_rangefunc="stddev",
        )  # fmt: skip


def _overlays(drawn: Drawn) -> Iterator[Any]:
    wr = _package("reports.v2")
    for name, (x, y) in drawn.charts.items():
        yield wr.CustomChart(
            query={"summaryTable": {"tableKey": f"charts/{name}_table"}},
            chart_name=LINES,
            chart_fields={"x": x, "y": y, "stroke": "name"},
            chart_strings={"title": name},
        )


def _importance(drawn: Drawn) -> Iterator[Any]:
    wr = _package("reports.v2")
    yield wr.ParameterImportancePlot(with_respect_to=drawn.metric)
    if drawn.parameters:
        axes = [wr.Config(key) for key in drawn.parameters] + [wr.SummaryMetric(drawn.metric)]
        columns = [wr.ParallelCoordinatesPlotColumn(metric=axis) for axis in axes]
        yield wr.ParallelCoordinatesPlot(title=drawn.metric, columns=columns)


def _health(drawn: Drawn) -> Iterator[Any]:
    wr = _package("reports.v2")
    yield wr.LinePlot(title="Replicas that are healthy", x="sim/time", y=["sim/replicas_healthy"])
    yield wr.BarPlot(
        title="replicas_failed", metrics=[wr.SummaryMetric("sim/replicas_failed")],
        groupby=wr.Config(ARM), groupby_aggfunc="mean",
    )  # fmt: skip


def _package(module: str) -> Any:
    """A module of W&B's package. Raises InputError where it is not installed."""
    import importlib

    try:
        return importlib.import_module(f"wandb_workspaces.{module}")
    except ImportError as error:
        raise InputError("workspaces need W&B's own package: pip install 'cgexp[workspaces]'") from error
