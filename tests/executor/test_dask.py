"""Workers of Dask: the numbers of local processes; what dies is done again; a wrong address is a sentence."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path

import numpy as np
import pytest

from cgexp.active.labelling import label
from cgexp.active.workers import Answers
from cgexp.config.checks import check
from cgexp.config.compose import compose, compose_on
from cgexp.errors import InputError
from cgexp.executor.dask import DaskWorkers
from cgexp.executor.local import InlineExecutor
from cgexp.executor.workers import RemoteExecutor
from cgexp.oracles.jobs import run_jobs
from cgexp.progress import silent
from tests.active.fakes import fake
from tests.active.test_labelling import configurations
from tests.all_atom.sampling.test_protocol import assert_same
from tests.all_atom.sampling.test_protocol import run as sample_tripeptide
from tests.executor.units import dies, dies_once, marks
from tests.oracles.test_jobs import jobs

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of workers that were killed


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def executor(address: str) -> Iterator[RemoteExecutor]:
    with DaskWorkers(address=address).open() as opened:
        yield opened


def test_labels_are_those_of_this_process(executor: RemoteExecutor, tmp_path: Path) -> None:
    expected = run_jobs(jobs(2, -1, 0, 3), None, InlineExecutor(), silent)
    found = run_jobs(jobs(2, -1, 0, 3), tmp_path, executor, silent)
    assert executor.n_workers == 2
    assert len(list(tmp_path.glob("*.npz"))) == 4
    for name, outcome in expected.items():
        assert found[name].reason == outcome.reason
        assert found[name].arrays.keys() == outcome.arrays.keys()
        for key, values in outcome.arrays.items():
            np.testing.assert_array_equal(found[name].arrays[key], values)


def test_work_is_done_elsewhere_on_one_thread_and_its_errors_come_back(executor: RemoteExecutor) -> None:
    assert os.getpid() not in set(executor.map(dies_once, [Path(__file__)] * 4))
    assert executor.submit(os.getenv, "OPENMM_CPU_THREADS").result() == "1"
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()


def test_a_worker_that_dies_costs_a_retry(executor: RemoteExecutor, tmp_path: Path) -> None:
    others = [executor.submit(abs, -number) for number in range(4)]
    assert executor.submit(dies_once, tmp_path / "died").result() != os.getpid()
    assert [one.result() for one in others] == [0, 1, 2, 3]


@pytest.mark.slow
def test_work_that_workers_die_of_ends_in_a_sentence(executor: RemoteExecutor) -> None:
    with pytest.raises(BrokenExecutor, match="4 different workers"):
        executor.submit(dies, 0).result()


def interrupted(address: str, folder: Path) -> None:
    with DaskWorkers(address=address).open() as executor:
        for number in range(8):
            executor.submit(marks, folder / str(number), 0.3)
        raise KeyboardInterrupt


def test_an_interrupt_takes_back_what_has_not_begun(address: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted(address, tmp_path)
    assert time.monotonic() - began < 1.2  # eight on two workers take that long
    time.sleep(1.0)
    assert len(list(tmp_path.iterdir())) <= 4


def test_an_oracle_that_is_asked_elsewhere_answers_the_same(address: str, tmp_path: Path) -> None:
    here, there = Answers(tmp_path / "here"), Answers(tmp_path / "there")
    oracle = fake(rejects=(1,), raises=(2,))
    label(oracle, configurations(5), here, tmp_path)
    label(oracle, configurations(5), there, tmp_path, workers=DaskWorkers(address=address))
    for one, other in zip(here.read(5).values(), there.read(5).values(), strict=True):
        assert (one.reason, one.broken) == (other.reason, other.broken)
        assert (one.frames is None) == (other.frames is None)
        if one.frames is not None and other.frames is not None:
            assert one.frames.content_hash == other.frames.content_hash


@pytest.mark.slow
def test_sampling_gives_the_frames_of_local_processes(executor: RemoteExecutor, tmp_path: Path) -> None:
    pytest.importorskip("openmm")
    assert_same(sample_tripeptide(tmp_path / "dask", executor=executor), sample_tripeptide(tmp_path / "local"))


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("tcp://127.0.0.1:1", "no scheduler of Dask answers at tcp://127.0.0.1:1"),
        ("nonsense", "no scheduler of Dask answers at nonsense"),
        ("tcp://127.0.0.1:99999", "no scheduler of Dask answers"),
        ("there/is/none.json", "there/is/none.json is no file of a scheduler"),
    ],
)
def test_a_wrong_address_is_a_sentence(address: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught, DaskWorkers(address=address, timeout_s=2.0).open():
        pass
    assert "\n" not in str(caught.value)


def test_workers_with_several_threads_or_none_are_refused() -> None:
    settings = {"processes": False, "protocol": "tcp://", "dashboard_address": ":0"}
    with distributed.LocalCluster(n_workers=0, **settings) as cluster:
        workers = DaskWorkers(address=cluster.scheduler_address, timeout_s=0.2)
        with pytest.raises(InputError, match="has no workers: start some with `dask worker"), workers.open():
            pass
    with distributed.LocalCluster(n_workers=1, threads_per_worker=3, **settings) as cluster:
        workers = DaskWorkers(address=cluster.scheduler_address)
        with pytest.raises(InputError, match=r"has 3 threads.*start workers with --nthreads 1"), workers.open():
            pass


def test_only_the_command_line_sends_work_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = ["executor=dask", "executor.address=tcp://host:8786"]
    config = compose(said)
    check(config)
    assert config["executor"]["address"] == "tcp://host:8786"
    assert compose_on(config, ["seed=1"])["executor"] is None
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "planted.yaml").write_text(
        "# @package _global_\ndefaults: [toy_cgnet, override /executor: dask]\nexecutor: {address: 'tcp://evil:1'}\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"executor\.address is set by a config file"):
        compose(["experiment=planted"])


def test_a_time_limit_needs_processes_that_can_be_ended() -> None:
    config = compose(["experiment=active_toy", "active.timeout_s=5", "executor=dask", "executor.address=host:1"])
    with pytest.raises(InputError, match=r"set active\.timeout_s=null or executor=local"):
        check(config)
