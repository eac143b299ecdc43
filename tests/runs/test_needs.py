"""What a run needs of the machine, and what is said where there is too little."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from collections import namedtuple
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest

from cgexp.cli.main import main
from cgexp.config.compose import compose
from cgexp.errors import MachineError, sentence_of
from cgexp.runs import needs
from cgexp.runs.check import report
from cgexp.runs.experiment import Experiment
from cgexp.runs.needs import Needs, needs_of, shortages, training_steps
from cgexp.store import file_hash, read_arrays, write_arrays

Usage = namedtuple("Usage", "total used free")


def experiment(*overrides: str) -> Experiment:
    return Experiment.of(compose(overrides))


def test_bytes_are_those_of_the_arrays() -> None:
    toy = experiment(
        "dataset.n_frames=1000", "simulation.n_replicas=10", "simulation.n_steps=2000", "simulation.save_every=20"
    )
    found = needs_of(toy)
    assert found.frames == 2 * 1000 * 4
    assert found.trajectory == 10 * 100 * 4
    peptide = experiment("experiment=chignolin_first", "simulation.n_replicas=7", "simulation.n_steps=1000")
    saved = 1000 // peptide.simulation.save_every if peptide.simulation else 0
    assert needs_of(peptide, n_frames=50) == Needs(
        frames=2 * 50 * 10 * 12, trajectory=7 * saved * 10 * 12, file=needs_of(peptide, n_frames=50).file
    )


def test_steps_are_those_of_a_training() -> None:
    overrides = ["dataset.n_frames=1000", "trainer.batch_size=100", "trainer.max_epochs=3"]
    assert training_steps(experiment(*overrides, "trainer.validation_fraction=0.2")) == 3 * 8
    assert training_steps(experiment(*overrides, "trainer.steps_per_epoch=5")) == 15
    unknown = experiment("experiment=chignolin_first", "dataset=peptide_file", "dataset.path=x")
    assert training_steps(unknown) is None
    assert needs_of(unknown).frames == 0


def test_check_estimates_and_tells_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(2, 1, 1))
    lines = list(report(compose([])))
    (said,) = [line for line in lines if line.startswith("needs")]
    for part in ("training", "simulation", "of disk", "of memory (estimates)"):
        assert part in said
    assert "of disk in" in caplog.text
    assert "choose another disk with outputs=<directory>" in caplog.text


def test_each_shortage_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert list(shortages(Needs(1e3, 1e3, 1e3), tmp_path / "not" / "yet")) == []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (5e8, 5e8))
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(2e9, 1e9, 1e9))
    monkeypatch.setattr(needs, "available_memory", lambda: 3e9)
    disk, memory, limit = shortages(Needs(1e9, 1e9, 6e8), tmp_path)
    assert "about 2.0 GB of disk" in disk
    assert "1.0 GB are free" in disk
    assert "about 4.0 GB of memory" in memory
    assert "3.0 GB are there" in memory
    assert "about 600.0 MB, but the limit on the size of files is 500.0 MB" in limit


@pytest.mark.parametrize(
    ("number", "part"),
    [
        (errno.ENOSPC, "free space on this disk"),
        (errno.EMFILE, "open files (ulimit -n)"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EIO, "the disk fails"),
    ],
)
def test_what_the_machine_lacks_is_named_with_the_path(
    number: int, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "arrays.npz"
    write_arrays(file, {"a": np.zeros(3)})

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        patch.setattr(Path, "read_bytes", fail)
        patch.setattr("builtins.open", fail)
        for act in (lambda: write_arrays(file, {}), lambda: read_arrays(file), lambda: file_hash(file)):
            with pytest.raises(MachineError) as caught:
                act()
            told = sentence_of(caught.value)
            assert str(file) in told
            assert os.strerror(number) in told
            assert part in told
    assert read_arrays(file)[0]["a"].shape == (3,), "nothing was harmed"


def test_a_full_disk_is_no_mistake_of_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert main(["data", "dataset.n_frames=20", f"outputs={tmp_path}"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("cgexp: cannot write ")
    assert "No space left on device; free space" in told
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to")]
)
def test_too_little_memory_is_a_sentence(error: Exception) -> None:
    told = sentence_of(error)
    assert told.startswith("not enough memory (")
    assert "lower trainer.batch_size" in told


def test_memory_that_is_used_is_counted_in_bytes_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    here = needs.used()
    monkeypatch.setattr(needs.sys, "platform", "darwin")  # whose getrusage counts bytes, not kilobytes
    assert needs.used() == pytest.approx(here / 1024, rel=0.1)


def test_a_lost_process_gets_a_sentence() -> None:
    told = sentence_of(BrokenProcessPool("A process in the process pool was terminated abruptly."))
    assert told.startswith("a process that worked for this one has ended (A process in")
    assert told.endswith("goes on from what is kept")
