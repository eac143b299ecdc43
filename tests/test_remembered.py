"""Numbers that runs share are computed once; whatever is wrong with their file, they are computed again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from cgexp import remembered as module
from cgexp.analysis.peptide import PeptideAnalysis
from cgexp.errors import MachineError
from cgexp.remembered import Numbers, remembered
from cgexp.systems.peptide import Peptide

if TYPE_CHECKING:
    from cgexp.analysis.comparison import Bins


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CGEXP_NO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cgexp" / "kind"


class Counted:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Numbers:
        self.calls += 1
        return {"w1": 1.0 / 3.0, "none": float("nan")}


def test_they_are_computed_once_for_the_same_facts_and_come_back_to_the_last_digit(cache: Path) -> None:
    make = Counted()
    assert [remembered("kind", {"n": n}, make)["w1"] for n in (1, 1, 2, 1)] == [1.0 / 3.0] * 4
    assert make.calls == 2
    assert len(list(cache.iterdir())) == 2


def test_other_code_is_another_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Counted()
    remembered("kind", {}, make)
    monkeypatch.setattr(module, "_code", lambda: "changed")
    remembered("kind", {}, make)
    assert make.calls == 2


def edited(path: Path) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "numbers": {"w1": 2.0}}))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "empty": lambda path: path.write_bytes(b""),
    "edited": edited,
    "without a checksum": lambda path: path.write_text('{"numbers": {"w1": 2.0}}'),
    "a list": lambda path: path.write_text("[1, 2]"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_made_again_in_silence(cache: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    make = Counted()
    remembered("kind", {}, make)
    (path,) = cache.iterdir()
    DAMAGES[damage](path)
    assert remembered("kind", {}, make)["w1"] == 1.0 / 3.0
    assert make.calls == 2
    remembered("kind", {}, make)
    assert make.calls == 2
    assert not caplog.records


def test_a_link_and_a_file_of_somebody_else_are_not_believed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Counted()
    remembered("kind", {}, make)
    (path,) = cache.iterdir()
    path.rename(path.with_suffix(".other"))
    path.symlink_to(path.with_suffix(".other"))
    remembered("kind", {}, make)
    monkeypatch.setattr(module.os, "getuid", lambda: path.stat().st_uid + 1)
    remembered("kind", {}, make)
    assert make.calls == 3


def test_without_a_folder_that_can_be_written_to_they_are_computed(cache: Path) -> None:
    cache.parent.parent.mkdir(exist_ok=True)
    cache.parent.write_text("no folder")
    make = Counted()
    remembered("kind", {}, make)
    remembered("kind", {}, make)
    assert make.calls == 2


@pytest.mark.parametrize("name", ["write_record", "read_json"])
def test_a_disk_that_is_full_or_fails_ends_nothing(cache: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Counted()
    remembered("kind", {}, make)
    if name == "write_record":
        next(cache.iterdir()).unlink()

    def full(*_: object) -> None:
        raise MachineError("cannot write: no space left")

    monkeypatch.setattr(module, name, full)
    assert remembered("kind", {}, make)["w1"] == 1.0 / 3.0
    assert make.calls == 2


def test_they_can_be_computed_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGEXP_NO_CACHE", "1")
    make = Counted()
    remembered("kind", {}, make)
    remembered("kind", {}, make)
    assert make.calls == 2
    assert not cache.exists()


def test_the_distances_within_a_reference_are_those_of_all_that_they_follow_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("cgexp.analysis.peptide.remembered", lambda kind, facts, _: asked.append(json.dumps(facts)))
    reference, bins = SimpleNamespace(has_native=True), cast("Bins", None)
    for changed in (
        {},
        {"n_samples": 50},
        {"n_samples_tica": 50},
        {"n_bins": 20},
        {"n_bins_tica": 20},
        {"n_bootstrap": 3},
        {"folded_rmsd": 2.5},
        {"contact_cutoff": 7.0},
        {"seed": 1},
    ):
        analysis = PeptideAnalysis(lag_ps=4.0, **cast("dict[str, Any]", changed))
        for name, n_model in (("one", 100), ("two", 100), ("one", 60)):
            equilibrium = SimpleNamespace(content_hash=lambda name=name: name)
            analysis._resolve(cast("Any", reference), n_model, bins, cast("Any", equilibrium), Peptide("YYDPETGTWY"))
    assert len(set(asked)) == len(asked) - 1  # 50 frames at most are fewer than 60 and 100
