"""TensorBoard and MLflow: what they are told of a run, read back with their own tools."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from cgexp.errors import InputError
from cgexp.report.loggers import MlflowSettings, TensorboardSettings
from cgexp.report.tracker import Artefact, Chart, Tracker, TrackerSettings
from tests.report.test_wandb import DESCRIBED

pytestmark = pytest.mark.filterwarnings("ignore")  # of these packages


def run_of(outputs: Path) -> Path:
    folder = outputs / "toy" / "abc"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tell(run: Tracker, n_epochs: int, folder: Path) -> None:
    """Epochs from the first, a simulation, results."""
    for epoch in range(n_epochs):
        run.log("train", {"epoch": float(epoch), "loss_validation": 3.0 - epoch})
    for time_ in (0.0, 0.5):
        run.log("sim", {"time": time_, "replicas_healthy": 2.0})
    (folder / "potential.npz").write_bytes(b"potential")
    run.artefact(Artefact("potential-abc", "potential", {"potential.npz": folder / "potential.npz"}, {"sha256": "0a"}))
    run.charts({"pmf": Chart({"x": [0.0, 1.0], "model": [2.0, None]}, "pmf", "x", "model")})
    run.summarise("eval", {"w1_x": 0.5})


def tell_twice(settings: TrackerSettings, folder: Path) -> None:
    """A run that is interrupted, and goes on."""

    def interrupted() -> None:
        with settings.open(DESCRIBED, folder) as run:
            tell(run, 1, folder)
            assert run.is_told
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with settings.open(DESCRIBED, folder) as run:
        tell(run, 3, folder)
        assert run.is_told


@pytest.mark.parametrize("settings", [TensorboardSettings(), MlflowSettings()])
def test_a_package_that_is_not_installed_is_named(
    settings: TrackerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cgexp.report.loggers.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'cgexp\["), settings.open(DESCRIBED, tmp_path):
        pass
    with type(settings)(enabled=False).open(DESCRIBED, tmp_path) as run:
        run.log("train", {"epoch": 0.0})


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="needs tensorboard")
def test_tensorboard_has_whole_curves_settings_and_results(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = run_of(tmp_path)
    tell_twice(TensorboardSettings(), folder)
    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    assert [(event.step, event.value) for event in found.Scalars("train/loss_validation")] == [(0, 3), (1, 2), (2, 1)]
    assert [event.value for event in found.Scalars("sim/time")] == [0.0, 0.5]
    assert [event.value for event in found.Scalars("eval/w1_x")] == [0.5]
    assert "artifacts/potential-abc/text_summary" in found.Tags()["tensors"]
    with pytest.raises(ValueError, match="broken"), TensorboardSettings().open(DESCRIBED, folder):
        raise ValueError("broken")
    failed = EventAccumulator(str(folder / "tensorboard"))
    failed.Reload()
    assert "failed/text_summary" in failed.Tags()["tensors"]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """MLflow's own server on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}", "--artifacts-destination", str(tmp_path)]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *store]
    with subprocess.Popen(command, cwd=tmp_path, env=dict(os.environ), start_new_session=True) as server:
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + 240.0
        try:
            while not is_up(f"{address}/health"):
                assert time.monotonic() < until
                time.sleep(0.5)
            yield address
        finally:
            os.killpg(server.pid, 15)


def is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mlflow") is None, reason="needs mlflow")
def test_mlflows_server_has_one_run_with_whole_curves(address: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    folder = run_of(tmp_path / "outputs")
    settings = MlflowSettings(tracking_uri=address, notes="why", tags=["mine"])
    tell_twice(settings, folder)
    client = MlflowClient(address)

    def runs() -> list[Any]:
        return list(client.search_runs([client.get_experiment_by_name("cgexp").experiment_id]))

    (found,) = runs()
    assert (found.info.status, found.info.run_name) == ("FINISHED", "toy width=3 seed=1")
    assert found.data.params["model/width"] == "3"
    assert (found.data.tags["cgexp_id"], found.data.tags["tags"]) == ("abc", "model:mlp, mine")
    assert found.data.metrics["eval/w1_x"] == 0.5
    losses = client.get_metric_history(found.info.run_id, "train/loss_validation")
    assert sorted((metric.step, metric.value) for metric in losses) == [(0, 3), (1, 2), (2, 1)]
    assert [one.path for one in client.list_artifacts(found.info.run_id, "artifacts")] == [
        "artifacts/potential-abc.json"
    ]
    assert [one.path for one in client.list_artifacts(found.info.run_id, "charts")] == ["charts/pmf.json"]
    with pytest.raises(ValueError, match="broken"), settings.open(DESCRIBED, folder):
        raise ValueError("broken")
    (found,) = runs()
    assert found.info.status == "FAILED"
    assert found.data.tags["failed"].startswith("failed with ValueError: broken")
