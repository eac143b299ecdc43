"""The list of runs: their states, what differs, what they take; and removing some."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cgexp.errors import InputError
from cgexp.runs.folder import RunFolder, newest
from cgexp.runs.lock import HOLDER, lock
from cgexp.store import write_bytes, write_record
from cgexp.studies.catalogue import catalogue, in_bytes, in_folder, in_time, remove, shared_overrides
from tests.studies.synthetic import config_with, put


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    put(tmp_path, "a", config_with(1, model__width=20), {"loss_validation": 0.5})
    put(tmp_path, "b", config_with(2, model__width=40), failure="the bond blew up")
    put(tmp_path, "c", config_with(3))
    (tmp_path / "data" / "toy").mkdir(parents=True)
    return tmp_path


def test_a_run_says_what_it_is_and_how_far(outputs: Path) -> None:
    entries = {entry.id: entry for entry in catalogue(outputs)}
    assert {name: entry.state for name, entry in entries.items()} == {"a": "done", "b": "failed", "c": "unfinished"}
    assert entries["b"].sentence == "train: the bond blew up"
    assert (entries["a"].experiment, entries["a"].seed, entries["a"].differs) == ("toy_cgnet", 1, ["model.width=20"])
    assert entries["a"].metrics == {"loss_validation": 0.5}
    assert entries["a"].size > 1000
    assert (entries["a"].settings["model.width"], entries["a"].settings["model"]) == (20, "toy_mlp")


def test_a_run_that_was_to_go_no_further_is_not_unfinished(outputs: Path) -> None:
    def state() -> str:
        return next(entry for entry in catalogue(outputs) if entry.id == "c").state

    folder = RunFolder(outputs / "toy_cgnet" / "c")
    record = folder.read_provenance()
    write_record(folder.provenance, record | {"stages": {"prior": {}, "train": {}}})
    assert state() == "trained"
    write_bytes(folder.trajectory / "chunk-000000.npz", b"")
    assert state() == "unfinished"
    write_record(folder.provenance, record | {"stages": {"prior": {}, "train": {}, "simulate": {}}})
    assert state() == "simulated"


def test_a_run_at_work_is_locked_and_its_holder_named(outputs: Path) -> None:
    with lock(outputs / "toy_cgnet" / "c"):
        entry = next(entry for entry in catalogue(outputs) if entry.id == "c")
    assert (entry.state, entry.sentence) == ("locked", f"pid {os.getpid()} on {os.uname().nodename}")


def test_who_was_killed_holds_nothing(outputs: Path) -> None:
    (outputs / "toy_cgnet" / "c" / HOLDER).write_text("pid 1 on nowhere")
    assert next(entry for entry in catalogue(outputs) if entry.id == "c").state == "unfinished"


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json", "provenance.json"])
def test_a_damaged_run_is_listed_with_its_sentence(outputs: Path, name: str) -> None:
    path = outputs / "toy_cgnet" / "a" / name
    path.write_text(path.read_text().replace("0", "1"))
    entry = next(entry for entry in catalogue(outputs) if entry.id == "a")
    assert entry.state == "damaged"
    assert name in entry.sentence


def test_the_one_changed_last_is_first_and_the_newest(outputs: Path) -> None:
    for age, name in enumerate("bca"):
        for path in (outputs / "toy_cgnet" / name).glob("*.*"):
            os.utime(path, (1e9 - age, 1e9 - age))
    assert [entry.id for entry in catalogue(outputs)] == ["b", "c", "a"]
    assert newest(outputs).name == "b"
    with pytest.raises(InputError, match="there is no run in"):
        newest(outputs / "data")


def test_runs_are_found_in_their_folder_and_above_it(outputs: Path) -> None:
    for place, number in ((outputs, 3), (outputs / "toy_cgnet", 3), (outputs / "toy_cgnet" / "a", 1)):
        assert len(in_folder(place)) == number
    with pytest.raises(InputError, match="is no folder"):
        catalogue(outputs / "nowhere")


def test_nothing_is_removed_while_one_is_at_work(outputs: Path) -> None:
    entries = catalogue(outputs)
    with lock(outputs / "toy_cgnet" / "c"), pytest.raises(InputError, match="nothing was removed"):
        remove(entries)
    assert len(catalogue(outputs)) == 3
    remove([entry for entry in entries if entry.id == "b"])
    assert sorted(entry.id for entry in catalogue(outputs)) == ["a", "c"]


def test_what_a_link_leads_to_stays_and_counts_nothing(outputs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    scratch = tmp_path_factory.mktemp("scratch")
    (scratch / "large").write_bytes(b"0" * 100_000)
    (outputs / "toy_cgnet" / "a" / "trajectory").symlink_to(scratch)
    entry = next(entry for entry in catalogue(outputs) if entry.id == "a")
    assert entry.size < 50_000
    remove([entry])
    assert (scratch / "large").is_file()


def test_what_all_have_is_told_once(outputs: Path) -> None:
    put(outputs, "d", config_with(4, model__width=20, optimizer__lr=0.1))
    entries = [entry for entry in catalogue(outputs) if entry.id in "ad"]
    assert shared_overrides(entries) == ["model.width=20"]
    assert shared_overrides(entries[:1]) == []


def test_sizes_and_ages_are_a_persons() -> None:
    assert [in_bytes(size) for size in (12, 1234, 5.6e7, 2e12)] == ["12 B", "1.23 kB", "56 MB", "2 TB"]
    assert [in_time(seconds) for seconds in (5.0, 300.0, 7200.0, 9e5)] == ["5 s", "5 min", "2 h", "10 d"]
