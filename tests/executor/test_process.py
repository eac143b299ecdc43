"""Processes that workers of Dask begin, the jobs of a sweep among them: each ends with whoever wants it."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cgexp.config.compose import Config
from cgexp.config.launch import launch
from cgexp.errors import InputError
from cgexp.executor.dask import DaskWorkers
from cgexp.executor.process import run_apart
from tests.executor.test_local import wait_for_end
from tests.executor.units import dies, sleeps, tells

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of workers that were killed


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    # workers are threads of this process, which begins faster: what is looked at are the processes that they begin
    settings: Any = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": ":0"}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, **settings) as cluster:
        yield cluster.scheduler_address


def test_a_process_has_its_directory_and_variables_and_its_death_is_told(address: str, tmp_path: Path) -> None:
    with DaskWorkers(address=address).open() as executor:
        told = executor.submit(run_apart, pickle.dumps(tells), str(tmp_path), {"CGEXP_TEST": "7"})
        dead = executor.submit(run_apart, pickle.dumps(partial(dies, 0)), str(tmp_path), {})
        wrong = executor.submit(run_apart, pickle.dumps(partial(divmod, 1, 0)), str(tmp_path), {})
        directory, variable, pid, is_main = told.result()
        assert (directory, variable, is_main) == (str(tmp_path), "7", True)
        assert wait_for_end([pid])
        with pytest.raises(BrokenExecutor, match="its process ended with exit code -9"):
            dead.result()
        with pytest.raises(ZeroDivisionError):
            wrong.result()


def interrupted(address: str, folder: Path) -> None:
    with DaskWorkers(address=address).open() as executor:
        for number in range(3):
            executor.submit(run_apart, pickle.dumps(partial(sleeps, folder / str(number))), str(folder), {})
        while len(list(folder.glob("[0-9]"))) < 2:
            time.sleep(0.05)
        raise KeyboardInterrupt


def test_an_interrupt_leaves_no_process(address: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(address, tmp_path)
    pids = [int(path.read_text()) for path in tmp_path.glob("[0-9]")]
    assert wait_for_end(pids)
    time.sleep(0.5)
    assert len(list(tmp_path.glob("[0-9]"))) == 2  # the third never began


def job(config: Config) -> float:
    """Writes its seed; fails for seed 1; dies at its first time with seed 2."""
    place = Path(config["outputs"])
    if config["seed"] == 1:
        raise InputError("on purpose")
    if config["seed"] == 2 and not (place / "died").exists():
        (place / "died").touch()
        dies(0)
    (place / f"seed-{config['seed']}").write_text(str(os.getpid()))
    return 1.0


@pytest.mark.slow
def test_jobs_of_a_sweep_go_to_workers_and_one_that_dies_is_begun_again(address: str, tmp_path: Path) -> None:
    settings = ["launcher=dask", f"hydra.launcher.address={address}"]
    jobs = [[f"seed={seed}", f"outputs={tmp_path}"] for seed in range(4)]
    failed = launch(jobs, settings, job, "mine", tmp_path / "sweep")
    assert [(one.overrides[0], str(one.error)) for one in failed] == [("seed=1", "on purpose")]
    done = {path.name: int(path.read_text()) for path in tmp_path.glob("seed-*")}
    assert sorted(done) == ["seed-0", "seed-2", "seed-3"]
    assert os.getpid() not in done.values()
    assert len(set(done.values())) == 3


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (["hydra.launcher.address=127.0.0.1:1"], r"no scheduler of Dask answers at 127\.0\.0\.1:1"),
        ([], r"hydra\.launcher\.address is missing a value"),
    ],
)
def test_a_sweep_without_a_scheduler_is_refused_in_a_sentence(
    address: list[str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=sentence):
        launch([["seed=0"]], ["launcher=dask", "hydra.launcher.timeout_s=1", *address], job, "mine", tmp_path)
