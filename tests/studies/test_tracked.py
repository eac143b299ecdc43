"""A workspace and a report of W&B: what they draw of runs, checked by W&B's own package, saved on a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cgexp.cli.completion import candidates
from cgexp.studies.catalogue import catalogue
from cgexp.studies.tracked import drawn
from tests.cli.answers import output_of
from tests.report.server import Server
from tests.report.serving import use_server
from tests.studies.synthetic import config_with, put

pytest.importorskip("wandb_workspaces")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    with use_server(monkeypatch, tmp_path) as served:
        yield served


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        for width in (20, 40):
            metrics = {"w1_x": 0.1 * width, "w1_x_resolution": 0.1, "w1_x_sem": 0.1, "loss_validation": 2.0}
            put(tmp_path / "outputs", f"run{width}{seed}", config_with(seed, model__width=width), metrics)
    return tmp_path / "outputs"


def values_of(node: Any, key: str) -> list[Any]:
    """All that stands under a key, at any depth."""
    if isinstance(node, dict):
        return [*([node[key]] if key in node else []), *(v for below in node.values() for v in values_of(below, key))]
    return [v for below in node for v in values_of(below, key)] if isinstance(node, list) else []


def test_what_is_drawn_is_what_the_runs_have(outputs: Path) -> None:
    found = drawn(catalogue(outputs), {})
    assert (found.project, found.experiments, found.parameters) == ("cgexp", ["toy_cgnet"], ["model.width"])
    assert (found.distances, found.metric) == (["w1_x"], "eval/w1_x")
    assert found.charts["pmf"] == ("x", "model")


def test_a_run_that_was_interrupted_in_its_training_is_no_obstacle(outputs: Path) -> None:
    (outputs / "toy_cgnet" / "run201" / "train").mkdir(exist_ok=True)
    (outputs / "toy_cgnet" / "run201" / "train" / "history.csv").write_text("epoch,loss_validation\n0,1.0\n")
    assert drawn(catalogue(outputs), {"metric": "loss_validation"}).metric == "eval/loss_validation"


@pytest.mark.usefixtures("outputs")
def test_the_dry_run_prints_both_as_their_package_wrote_them(capsys: pytest.CaptureFixture[str]) -> None:
    from wandb_workspaces.reports.v2 import internal as reports
    from wandb_workspaces.workspaces import internal as workspaces

    code, out, _ = output_of(capsys, "wandb", "workspace", "--dry-run", "metric=loss_validation")
    made = json.loads(out)
    assert code == 0
    workspaces.WorkspaceViewspec.model_validate(made["workspace"])
    reports.Spec.model_validate(made["report"])
    for spec in made.values():
        assert {"train/epoch", "sim/time"} <= set(values_of(spec, "xAxis"))
        assert ["train/loss_validation"] in values_of(spec, "metrics")
        assert ["summary_metrics.eval/w1_x"] in values_of(spec, "metrics")
        assert "charts/pmf_table" in values_of(spec, "value")
        assert "eval/loss_validation" in values_of(spec, "targetKey")
        assert "config:model.value.width" in values_of(spec, "accessor")
        assert "arm.value" in values_of(spec, "groupBy")
        assert [v for v in values_of(spec, "value") if v == ["toy_cgnet"]][:1] == [["toy_cgnet"]]


@pytest.mark.usefixtures("outputs")
def test_both_are_saved(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = output_of(capsys, "wandb", "workspace", "name=widths")
    workspace, report = server.views
    assert (code, not server.unknown) == (0, True)
    assert (workspace["type"], report["type"]) == ("project-view", "runs")
    assert {workspace["entityName"], report["entityName"]} == {"lab"}
    assert [line.split(": ")[0] for line in out.splitlines()] == ["workspace 'widths'", "report 'widths'"]


@pytest.mark.usefixtures("outputs")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["metric=w1_y"], "no run has the metric 'w1_y' (did you mean 'w1_x'?)"),
        (["width=7"], "no run has width=7: model.width is 20, 40"),
    ],
)
def test_what_does_not_fit_is_said(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = output_of(capsys, "wandb", "workspace", *words)
    assert (code, sentence in err) == (2, True)


def test_completion_knows_its_words() -> None:
    assert {"metric=", "to="} <= set(candidates(["wandb", "workspace"], ""))
