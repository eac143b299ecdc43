"""Whole runs as W&B's server has them, and runs that an agent of a W&B sweep begins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cgexp.cli.main import main
from cgexp.report.wandb_files import SWEEP
from cgexp.runs import pipeline
from cgexp.runs.pipeline import run
from tests.report.offline import read
from tests.report.server import Server
from tests.report.serving import PATIENT, use_server
from tests.runs.small import quiet
from tests.runs.test_tracking import configure

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
ARGUMENTS = {"model.width": {"value": 20}, "optimizer.lr": {"value": 0.00123}, "seed": {"value": 2}}
FAST = ("debug=fast", "analysis.n_bootstrap=2", "figures=none", "trainer.max_epochs=2", "logger.enabled=true")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    with use_server(monkeypatch, tmp_path) as served:
        yield served


def command(arguments: dict[str, Any]) -> list[str]:
    """The command that W&B makes of our file's for one run of a sweep."""
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    told = create_sweep_command_args({"args": arguments})
    parts = create_sweep_command(yaml.safe_load(SWEEP.read_text(encoding="utf-8"))["command"])
    return [word for part in parts for word in (told[part[2:-1]] if part.startswith("${") else [part])]


def test_a_run_that_an_agent_begins_is_the_agents_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    variables = {"WANDB_MODE": "offline", "WANDB_SWEEP_ID": "sweep", "WANDB_PROJECT": "theirs", **PATIENT}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    words = command(ARGUMENTS)
    assert words == ["cgexp", "run", "experiment=toy_cgnet", "model.width=20", "optimizer.lr=0.00123", "seed=2"]
    for agents_id in ("first", "second"):  # the second finds the run finished, and tells it nevertheless
        wandb.teardown()
        monkeypatch.setenv("WANDB_RUN_ID", agents_id)
        assert main([*words[1:], *FAST, "simulation=none", f"outputs={tmp_path}"]) == 0
        (folder,) = tmp_path.glob("toy_cgnet/*")
        found = read(folder, agents_id)
        assert (found.run.run_id, found.run.sweep_id, found.run.project) == (agents_id, "sweep", "theirs")
        assert found.axis("train/epoch") == [0.0, 1.0]
        assert found.summary["eval/loss_excess_relative"] > 0.0
    wandb.teardown()


def test_the_file_of_a_sweep_is_one_that_wandb_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wandb", "sweep", f"to={tmp_path / 'sweep.yaml'}"]) == 0
    swept = yaml.safe_load((tmp_path / "sweep.yaml").read_text(encoding="utf-8"))
    assert swept["metric"]["name"].startswith("eval/")
    words = command({name: {"value": 1 if name == "seed" else 40} for name in swept["parameters"]})
    assert main(["run", "--cfg", *words[2:]]) == 0
    assert main(["wandb", "sweep", "width=3"]) == 2
    assert "takes to=FILE alone" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_an_agent_of_wandb_runs_what_its_sweep_says(server: Server, tmp_path: Path) -> None:
    file = yaml.safe_load(SWEEP.read_text(encoding="utf-8"))
    file["command"] += [*FAST, f"outputs={tmp_path / 'outputs'}"]
    file["command"][:1] = [sys.executable, "-m", "cgexp.cli.main"]
    server.sweep = yaml.safe_dump(file)
    server.jobs = [
        {"type": "run", "run_id": f"job{seed}", "program": "cgexp", "args": {**ARGUMENTS, "seed": {"value": seed}}}
        for seed in (1, 2)
    ]
    agent = [sys.executable, "-m", "wandb", "agent", "--count", "2", "lab/cgexp/swept"]
    done = subprocess.run(agent, cwd=tmp_path, capture_output=True, text=True, timeout=1200, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert server.runs.keys() == {"job1", "job2"}
    for job in server.runs.values():
        assert (job.state, job.told["sweep"]) == ("finished", "swept")
        assert job.axis("train/epoch") == [0, 1]
        assert job.summary["eval/loss_excess_relative"] > 0.0


@pytest.mark.slow
def test_a_whole_run_online(server: Server, tmp_path: Path) -> None:
    import wandb

    config = configure(tmp_path, "figures=png", "trainer.max_epochs=3")
    folder = run(config, say=quiet)
    found, metrics = server.runs[folder.path.name], folder.read_metrics()
    assert found.state == "finished"
    assert found.axis("train/epoch") == [0, 1, 2]
    assert found.axis("sim/replicas_healthy")
    losses = folder.read_history()["loss_validation"]
    assert found.summary["train/loss_validation"] == pytest.approx({"min": losses.min(), "last": losses[-1]})
    assert found.summary["eval/loss_validation"] == pytest.approx(metrics["loss_validation"])
    assert found.summary["eval/w1_x"] == pytest.approx(metrics["w1_x"])
    assert {"figures/pmf", "charts/pmf_table"} <= found.summary.keys()
    kinds = [artifact.type for artifact in server.artifacts.values() if artifact.type != "run_table"]
    assert kinds == ["dataset", "potential", "trajectory", "metrics"]
    assert found.used == [server.named("dataset")[0].id]
    assert {"arm", "differs", "data_hash", "code", "options", "dataset", "model"} <= found.config.keys()
    read_back = wandb.Api().run(f"lab/cgexp/{folder.path.name}")
    rows = [row for row in read_back.scan_history() if "train/epoch" in row]
    assert [row["train/loss_validation"] for row in rows] == pytest.approx(list(losses))
    assert read_back.config["data_hash"] == folder.data_hash()
    assert [one.type for one in read_back.used_artifacts()] == ["dataset"]
    made = [one for one in read_back.logged_artifacts() if one.type != "run_table"]
    assert [one.type for one in made] == ["potential", "trajectory", "metrics"]
    assert not server.unknown


@pytest.mark.slow
def test_a_whole_run_that_fails_online(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setitem(pipeline.WORK, "train", fails)
    with pytest.raises(ValueError, match="broken"):
        run(configure(tmp_path), say=quiet)
    (found,) = server.runs.values()
    assert found.state == "failed"
    assert found.summary["failed"].startswith("failed with ValueError: broken")
