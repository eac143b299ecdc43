"""chignolin_sample: how it is taken from the labelled frames of two replica-exchange runs."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cgexp.all_atom.mapping.linear_map import read_map
from cgexp.all_atom.sampling.exchange_trajectory import SETTINGS_FILE
from cgexp.all_atom.structure import build_peptide
from cgexp.cards import load_card
from cgexp.datasets.packaged import load_packaged, map_path
from cgexp.errors import InputError
from cgexp.frames import force_field_of
from cgexp.store import Chunks, write_json

pytest.importorskip("openmm")
pytest.importorskip("PeptideBuilder")
ROOT = Path(__file__).parents[2]
NAME, FORCE_FIELD = "make_chignolin_sample", "ff14SBonlysc + GBn2 + ACE"
N_ROUNDS, N_CYCLES, PER_CYCLE = 40, 4, 4  # of 2 ps: 320 ps, a labelled frame each 0.5 ps


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location(NAME, ROOT / "scripts" / f"{NAME}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setitem(sys.modules, NAME, module)  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "N_MINI", 20)
    monkeypatch.setattr(module, "N_MAPS", 40)
    monkeypatch.setattr(module, "STRETCH_PS", 20.0)
    monkeypatch.setattr(module, "GAP_PS", 1.0)
    monkeypatch.setattr(module, "HELD_OUT_PS", (10.0, 36.0))
    yield module
    monkeypatch.undo()


def sample(folder: Path, seed: int, force_field: str = FORCE_FIELD) -> None:
    """A made-up run: the extended chain with noise, the number of the frame in an atom's force."""
    rng, positions = np.random.default_rng(seed), build_peptide("YYDPETGTWY").positions
    settings = {"temperatures": [350.0, 400.0], "exchange_ps": 2.0, "cycles_per_save": 2, "seed": seed}
    write_json(folder / SETTINGS_FILE, {**settings, "labels_per_cycle": PER_CYCLE, "force_field": force_field})
    chunks = Chunks(folder)
    chunks.append({"levels": np.zeros((0, 2), np.int8), "n_cycles": np.array(0)})
    for number in range(N_ROUNDS):
        n = N_CYCLES * PER_CYCLE
        chunks.append(
            {
                "levels": np.zeros((N_CYCLES, 2), np.int8),
                "n_cycles": np.array(N_CYCLES * (number + 1)),
                "labelled_coords": (positions + rng.normal(scale=0.05, size=(n, *positions.shape))).astype(np.float32),
                "labelled_forces": rng.normal(scale=10.0, size=(n, *positions.shape)).astype(np.float32),
                "labelled_walker": np.repeat(rng.integers(2, size=N_CYCLES), PER_CYCLE),
            }
        )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed, kind in enumerate(("native", "unfolded")):
        sample(folder / kind, seed)
    return folder


def test_frames_are_evenly_taken_from_both_runs_between_burn_in_and_what_is_held_out(
    script: ModuleType, runs: Path, tmp_path: Path
) -> None:
    cards = script.make(runs, tmp_path, 350.0, 40.0, n_sample=480)
    assert [card["name"] for card in cards] == ["chignolin_sample", "chignolin_mini", "chignolin_maps"]
    assert cards[0] == load_card("chignolin_sample", tmp_path)
    assert cards[0]["protocol"]["held_out_ps"] == [10.0, 36.0]
    assert cards[0]["force_field"] == FORCE_FIELD
    frames = load_packaged("chignolin_sample", tmp_path)
    assert (len(frames), frames.temperature, force_field_of(frames)) == (480, 350.0, FORCE_FIELD)
    assert frames.weights is None
    assert frames.time_ps is not None
    assert (frames.time_ps.min(), frames.time_ps.max()) == (41.5, 320.0)
    assert (frames.time_ps % 20.0 > 1.0)[frames.time_ps % 20.0 > 0.0].all()  # no two blocks touch
    assert cards[0]["share_by_run"] == {"native": 0.5, "unfolded": 0.5}
    assert [*cards[0]["first_block_by_run"]] == ["native", "unfolded"]
    assert 0 == cards[0]["first_block_by_run"]["native"] < cards[0]["first_block_by_run"]["unfolded"]
    assert sum(cards[0]["coverage"]["native"].values()) == pytest.approx(1.0, abs=1e-3)
    assert "equal weights" in frames.notes
    assert len(np.unique(frames.block)) > 8
    assert np.diff(np.unique(frames.block)).max() == 1
    maps = load_packaged("chignolin_maps", tmp_path, "slice")
    assert maps.forces is not None
    assert len(maps) == 40
    assert cards[0]["system_spec"] == script.SYSTEM.spec
    assert set(cards[2]["other_force_maps"]) == {"constraint_group", "residue", "slice"}
    assert cards[2]["other_force_maps"]["slice"]["force_rms"] == pytest.approx(10.0, rel=0.1)  # as of a single atom


def test_when_the_runs_have_gone_on_the_optimal_map_is_kept(script: ModuleType, runs: Path, tmp_path: Path) -> None:
    first = script.make(runs, tmp_path, 350.0, 40.0, n_sample=480)
    made = map_path("chignolin_sample", tmp_path)
    fitted = read_map(made)
    later = script.make(runs, tmp_path, 350.0, 160.0, n_sample=480)
    assert read_map(made).content_hash == fitted.content_hash
    assert later[0]["content_hash"] != first[0]["content_hash"]
    for card, fitted_here in ((first[0], True), (later[0], False)):
        assert f"sha256 {fitted.content_hash}" in card["notes"]
        assert ("force_rms_held_out_blocks" in card["verification_on_all_frames"]) == fitted_here
    script.make(runs, tmp_path, 350.0, 160.0, refit_map=True, n_sample=480)
    assert read_map(made).content_hash != fitted.content_hash


def test_a_labelled_frame_has_its_time_and_walker(script: ModuleType, runs: Path) -> None:
    atoms = script.choose(runs / "native", 40.0, 60.0, 10_000, 0)
    np.testing.assert_allclose(atoms.time_ps, np.arange(41.5, 60.1, 0.5))  # the first ps of a stretch is a gap
    stored = [arrays for arrays, _ in Chunks(runs / "native")][6]  # the round from 40 to 48 ps
    np.testing.assert_array_equal(atoms.walker[:14], stored["labelled_walker"][2:])
    np.testing.assert_array_equal(atoms.forces[:14], stored["labelled_forces"][2:])


def test_runs_that_are_not_of_one_kind_are_refused(script: ModuleType, runs: Path, tmp_path: Path) -> None:
    sample(tmp_path / "native", 0)
    sample(tmp_path / "unfolded", 1, "ff14SB + OBC2 + ACE")
    with pytest.raises(InputError, match=r"differ in force_field: ff14SBonlysc"):
        script.make(tmp_path, tmp_path, 350.0, 40.0)
    with pytest.raises(InputError, match="has no labelled frame between 500 and 320 ps"):
        script.make(runs, tmp_path, 350.0, 500.0)
