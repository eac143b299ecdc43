"""One training on several nodes: what the environment must say, the meeting, and two nodes against one process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from cgexp.cli.jobs import _multirun
from cgexp.config.compose import compose
from cgexp.config.jobs import jobs_of
from cgexp.errors import InputError, MachineError
from cgexp.models.potential import load_potential
from cgexp.runs.check import require_processes
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder, newest
from cgexp.runs.stages import training_numbers
from cgexp.training.devices import sentences_of_processes
from cgexp.training.fit import Training
from cgexp.training.nodes import ADDRESS, LOCAL, PORT, RANK, TASKS, _join, _lead, meet, node_rank, require_nodes
from tests.executor.one_machine_slurm import missing, running_slurm

TWO, ALONE = Training(1, 16, n_nodes=2), Training(1, 16)
FACTS = {"data set": "a", "prior": "b"}


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (RANK, LOCAL, TASKS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(ADDRESS, "127.0.0.1")
    monkeypatch.setenv(PORT, free_port())


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "NODE_RANK is not set: start the same command on each node with MASTER_ADDR"),
        ({RANK: "0", ADDRESS: ""}, "MASTER_ADDR is not set"),
        ({RANK: "2"}, "NODE_RANK=2 but trainer.n_nodes=2: number the nodes from 0 to 1"),
        ({RANK: "one"}, "NODE_RANK=one but"),
        ({RANK: "0", PORT: "99999"}, "MASTER_PORT=99999 is no port"),
        ({RANK: "0", LOCAL: "0"}, "LOCAL_RANK is set, as torchrun does"),
        ({RANK: "0", TASKS: "1"}, "SLURM runs 1 of this command"),
    ],
)
def test_what_the_environment_must_say(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sentence: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=sentence):
        require_nodes(TWO)
    require_nodes(ALONE)
    assert node_rank(ALONE) == 0


def test_settings_that_make_no_sense_on_several_nodes(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match=r"trainer\.n_nodes=3, which share each batch: set trainer\.batch_size=18"):
        Training(1, 16, devices=2, n_nodes=3)
    require_processes(Experiment.of(compose(["experiment=toy_cgnet", "trainer.n_nodes=2"])))
    assert "could not begin here: trainer.n_nodes=2 but NODE_RANK is not set" in caplog.text
    with pytest.raises(InputError, match=r"not for active learning: set trainer\.n_nodes=1"):
        require_processes(Experiment.of(compose(["experiment=active_toy", "trainer.n_nodes=2"])))
    overrides = ["experiment=toy_cgnet", "trainer.n_nodes=2", "seed=1,2"]
    with pytest.raises(InputError, match="not for a multirun"):
        _multirun(jobs_of(overrides, True), overrides, lambda config: None, "run")


def met(facts: Sequence[dict[str, str]], ranks: Sequence[int]) -> list[str]:
    """What is wrong, as each node of a meeting hears it."""
    until = time.monotonic() + 10.0
    with ThreadPoolExecutor() as pool:
        others = [
            pool.submit(_join, rank, lambda own=own: own, until) for rank, own in zip(ranks, facts[1:], strict=True)
        ]
        first = pool.submit(_lead, len(facts), facts[0], until)
        return [found.result() for found in (first, *others)]


def test_nodes_meet_and_all_hear_what_differs() -> None:
    assert met([FACTS] * 3, [1, 2]) == [""] * 3
    found = met([FACTS, FACTS | {"prior": "c"}], [1])
    assert found == [found[0]] * 2
    assert found[0].startswith("node 1 has another prior than node 0: start the same command")
    assert met([FACTS] * 3, [1, 1]) == ["two nodes have NODE_RANK=1: number them from 0 to 2"] * 3


def test_a_stranger_is_ignored_and_a_node_that_has_ended_is_told() -> None:
    until, address = time.monotonic() + 10.0, (os.environ[ADDRESS], int(os.environ[PORT]))

    def visit(word: bytes) -> None:
        while True:
            try:
                with socket.create_connection(address) as stranger:
                    return stranger.sendall(word)
            except ConnectionRefusedError:
                time.sleep(0.01)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(_lead, 2, FACTS, until)
        visit(b"GET / HTTP/1.1\n")
        visit(b"1\n")
        assert "a node has ended before the training began" in first.result()


def test_a_node_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    for rank in ("0", "1"):
        monkeypatch.setenv(RANK, rank)
        with pytest.raises(InputError, match=r"trainer\.n_nodes=2 but these were not all at 127\.0\.0\.1:\d+ after"):
            meet(TWO, lambda: FACTS, wait_s=0.05)
    monkeypatch.setenv(ADDRESS, "no.such.host.invalid")
    with pytest.raises(InputError, match=r"MASTER_ADDR=no\.such\.host\.invalid is not known"):
        meet(TWO, lambda: FACTS, wait_s=5.0)


def test_a_process_that_is_lost_is_a_sentence() -> None:
    closed = "Traceback\nRuntimeError: [/gloo/transport/tcp/pair.cc:553] Connection closed by peer"
    with pytest.raises(MachineError, match="another process of the training has ended"), sentences_of_processes():
        raise ProcessRaisedException(closed, 0, 0)
    with pytest.raises(MachineError, match="was killed, as where memory runs out"), sentences_of_processes():
        raise ProcessExitedException("process 0 terminated", 0, 0, -9, "SIGKILL")
    with pytest.raises(ProcessRaisedException), sentences_of_processes():
        raise ProcessRaisedException("Traceback\nZeroDivisionError", 0, 0)


COMMAND = (
    sys.executable, "-m", "cgexp.cli.main", "train", "experiment=toy_cgnet", "debug=fast", "trainer.precision=float64",
    "trainer.max_epochs=9", "logger=csv",
)  # fmt: skip


def same_training(found: Path, expected: Path) -> None:
    """Assert that two outputs folders hold the same run, trained alike to 1e-8."""
    one, other = RunFolder(newest(found)), RunFolder(newest(expected))
    assert one.path.name == other.path.name
    weights, others = (load_potential(folder.potential).state_dict() for folder in (one, other))
    for name, value in weights.items():
        np.testing.assert_allclose(value.numpy(), others[name].numpy(), rtol=1e-8, atol=1e-8)
    numbers, others = training_numbers(one), training_numbers(other)
    for name in ("loss_train", "loss_validation", "epochs", "checkpoint_epoch"):
        assert numbers[name] == pytest.approx(others[name], rel=1e-8)


def train_alone(outputs: Path) -> None:
    subprocess.run([*COMMAND, f"outputs={outputs}"], check=True, capture_output=True)


@pytest.mark.slow
def test_two_nodes_train_what_one_process_does(tmp_path: Path) -> None:
    """Fifty steps in float64, the network in files of the first node; then both find that it is trained."""
    command = [*COMMAND, f"outputs={tmp_path / 'two'}", "trainer.n_nodes=2"]

    def begin(rank: int) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, env={**os.environ, RANK: str(rank)}, **pipes)  # type: ignore[call-overload, no-any-return]

    train_alone(tmp_path / "one")
    nodes = [begin(1), begin(0)]
    told = [node.communicate(timeout=300)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], told
    assert "node 1 has taken part in the training; node 0 does the rest" in told[0]
    same_training(tmp_path / "two", tmp_path / "one")
    again = begin(1)
    assert "finished, skipped" in again.communicate(timeout=60)[0]


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason="SLURM is not installed")
def test_two_tasks_of_slurm_are_two_nodes(tmp_path: Path) -> None:
    """As in docs/scaling.md, where each task has a node of its own."""
    train_alone(tmp_path / "one")
    words = " ".join([*COMMAND, f"outputs={tmp_path / 'two'}", "trainer.n_nodes=2"])
    task = f"{ADDRESS}=127.0.0.1 {PORT}={free_port()} {RANK}=$SLURM_PROCID {words}"
    with running_slurm(tmp_path / "slurm") as own:
        command = ["srun", "--ntasks=2", "--overcommit", "bash", "-c", task]
        done = subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    same_training(tmp_path / "two", tmp_path / "one")
