"""Jobs of a real SLURM on this machine: an oracle's batch, a sweep, and both after ``scancel``."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path

import numpy as np
import pytest

from cgexp.cli.main import main
from cgexp.config.compose import Config
from cgexp.config.launch import launch
from cgexp.errors import InputError
from cgexp.executor.local import InlineExecutor
from cgexp.executor.slurm import SlurmWorkers
from cgexp.oracles.jobs import run_jobs
from cgexp.progress import silent
from cgexp.runs.folder import RunFolder
from tests.executor.one_machine_slurm import missing, running_slurm
from tests.executor.units import sleeps, sleeps_once
from tests.oracles.test_jobs import jobs

SETTINGS = ["launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=1"]
needs_slurm = pytest.mark.skipif(
    bool(missing()), reason=f"SLURM is not installed (apt-get install slurmctld slurmd munge): {', '.join(missing())}"
)


def test_a_machine_without_slurm_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="no SLURM on this machine"), SlurmWorkers().open():
        pass


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    pytest.importorskip("submitit")
    with running_slurm(tmp_path_factory.mktemp("slurm") / "here") as own, pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        yield


def workers(folder: Path) -> SlurmWorkers:
    return SlurmWorkers(n_jobs=2, mem_gb=1.0, timeout_min=10, folder=str(folder / "jobs"))


def queue() -> list[str]:
    """Jobs of SLURM that have not ended."""
    return subprocess.run(["squeue", "-h", "-o", "%i"], capture_output=True, text=True, check=True).stdout.split()


def cancel_when(marker: Path) -> threading.Thread:
    """scancel all jobs as soon as a file is there."""

    def wait() -> None:
        while not marker.is_file():
            time.sleep(0.1)
        subprocess.run(["scancel", *queue()], check=True)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@needs_slurm
@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_labels_are_those_of_this_process(tmp_path: Path) -> None:
    expected = run_jobs(jobs(2, -1, 0, 3), None, InlineExecutor(), silent)
    with workers(tmp_path).open() as executor:
        found = run_jobs(jobs(2, -1, 0, 3), tmp_path / "labels", executor, silent)
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result()
    for name, outcome in expected.items():
        assert found[name].reason == outcome.reason
        for key, values in outcome.arrays.items():
            np.testing.assert_array_equal(found[name].arrays[key], values)


@needs_slurm
@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_a_job_that_is_cancelled_is_begun_again(tmp_path: Path) -> None:
    with workers(tmp_path).open() as executor:
        cancelled = cancel_when(tmp_path / "begun")
        assert executor.submit(sleeps_once, tmp_path / "begun").result(timeout=120) == 2
        cancelled.join()


def interrupted(folder: Path) -> None:
    with workers(folder).open() as executor:
        futures = [executor.submit(sleeps, folder / str(number)) for number in range(3)]
        while not list(folder.glob("[0-9]")):
            time.sleep(0.1)
        assert not futures[2].done()
        raise KeyboardInterrupt


@needs_slurm
@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_an_interrupt_leaves_no_job(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    deadline = time.monotonic() + 30.0
    while queue() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert queue() == []


def job(config: Config) -> float:
    """Writes its seed; with seed 2 it sleeps at its first time."""
    place = Path(config["outputs"])
    if config["seed"] == 2:
        sleeps_once(place / "begun")
    (place / f"seed-{config['seed']}").touch()
    return 1.0


@needs_slurm
@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_a_sweep_goes_on_after_scancel(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "cgexp")
    cancelled = cancel_when(tmp_path / "begun")
    given = [[f"seed={seed}", f"outputs={tmp_path}"] for seed in (1, 2)]
    assert launch(given, SETTINGS, job, "mine", tmp_path / "sweep") == []
    cancelled.join()
    assert sorted(path.name for path in tmp_path.glob("seed-*")) == ["seed-1", "seed-2"]
    assert "begun again" in caplog.text


def metrics_of(outputs: Path) -> dict[str, dict[str, float]]:
    return {path.parent.name: RunFolder(path.parent).read_metrics() for path in outputs.glob("*/*/metrics.json")}


@needs_slurm
@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_a_sweep_of_runs_gives_the_metrics_of_this_process(tmp_path: Path) -> None:
    common = ["run", "-m", "experiment=toy_cgnet", "debug=fast", "seed=1,2", "logger=csv", "figures=none"]
    assert main([*common, f"outputs={tmp_path / 'slurm'}", *SETTINGS]) == 0
    assert main([*common, f"outputs={tmp_path / 'here'}"]) == 0
    here, there = metrics_of(tmp_path / "here"), metrics_of(tmp_path / "slurm")
    assert len(here) == 2
    assert [one["w1_x"] for one in here.values()] == [there[run]["w1_x"] for run in here]


@needs_slurm
@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_what_slurm_does_not_take_is_told(tmp_path: Path) -> None:
    workers = SlurmWorkers(partition="none", folder=str(tmp_path / "jobs"))
    with workers.open() as executor, pytest.raises(BrokenExecutor, match="SLURM takes no job"):
        executor.submit(abs, -1).result()
