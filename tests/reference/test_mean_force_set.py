"""chignolin_mean_force: how its configurations are chosen, labelled and packed, and what ships."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from cgexp.build import build
from cgexp.cards import DATA, load_card, packaged_names
from cgexp.config.compose import compose
from cgexp.frames import Frames
from cgexp.reference.oracles.oracle import Labels
from cgexp.reference.packaged import Packaged, find_packaged, load_packaged
from cgexp.reference.sampling.exchange_trajectory import load_exchange
from cgexp.store import read_arrays
from cgexp.systems.basins import BASINS, basin_of
from cgexp.systems.peptide import Peptide

pytest.importorskip("openmm")
pytest.importorskip("PeptideBuilder")
ROOT = Path(__file__).parents[2]
NAME = "chignolin_mean_force"
PEPTIDE = Peptide()


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location(NAME, ROOT / "scripts" / f"make_{NAME}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setitem(sys.modules, NAME, module)  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    yield module
    monkeypatch.undo()


@pytest.fixture(scope="module")
def pool(script: ModuleType) -> SimpleNamespace:
    found: SimpleNamespace = script.candidates(ROOT / "experiments" / "chignolin_reference")
    return found


class FakeOracle:
    """Labels each configuration with its own coordinates, but rejects those given; counts what it was asked."""

    def __init__(self, rejected: np.ndarray) -> None:
        self.rejected = rejected
        self.asked: list[np.ndarray] = []

    def label(self, coords: np.ndarray, *, folder: Path, progress: object) -> Labels:
        self.asked.append(coords)
        bad = np.array([(configuration == self.rejected).all(axis=(1, 2)).any() for configuration in coords])
        frames = Frames(
            coords=coords[~bad],
            forces=coords[~bad],
            force_sem=np.full_like(coords[~bad], 0.5),
            bead_types=PEPTIDE.bead_types,
            block=np.arange(int((~bad).sum())),
            units="molecular",
            temperature=300.0,
            system=PEPTIDE.name,
            source="test",
            force_map="mean_force",
        )
        return Labels(frames, np.flatnonzero(~bad), tuple((int(i), "cis bond") for i in np.flatnonzero(bad)), 1.0)


def test_candidates_keep_away_from_the_training_set(script: ModuleType, pool: SimpleNamespace) -> None:
    """Where a training walker began, 48 ps of that walker are left out on both sides."""
    seeds = read_arrays(ROOT / "experiments" / "chignolin_reference" / "seeds.npz")[0]["positions"]
    ca = seeds[:, script.build_native(PEPTIDE.sequence).ca]
    found = 0
    for number, kind in enumerate(script.KINDS):
        run = load_exchange(ROOT / "experiments" / "chignolin_reference" / kind)
        for seed in ca:
            for frame, walker in np.argwhere(np.abs(run.coords - seed).max(axis=(2, 3)) < 1e-3):
                times = pool.time_ps[pool.block == walker + 6 * number]
                assert np.abs(times - (frame + 1) * run.frame_ps).min() > script.APART_PS
                found += 1
    assert found == len(seeds), "every training walker began at a frame of one of the runs"
    assert pool.level.max() == script.HOTTEST_LEVEL
    assert pool.time_ps.min() > script.DROP_PS


def test_the_order_takes_basins_in_turn_and_farthest_points_in_each(script: ModuleType, pool: SimpleNamespace) -> None:
    line = script.chosen(pool, 5, seed=0)
    again = script.chosen(pool, 5, seed=0)
    np.testing.assert_array_equal(line.coords, again.coords)
    assert line.basin[:8].tolist() == 2 * list(BASINS)
    for name in BASINS:
        members = line.coords[line.basin == name]
        of_pool = pool.coords[pool.basin == name]
        reached = PEPTIDE.distance(of_pool, members[:2]).min(axis=1)
        assert PEPTIDE.distance(members[2:3], members[:2]).min() == pytest.approx(reached.max())
    longer = script.chosen(pool, 8, seed=0)
    np.testing.assert_array_equal(longer.coords[: len(line.coords)], line.coords)


def test_a_rejected_configuration_is_replaced_by_the_next_of_its_basin(
    script: ModuleType, pool: SimpleNamespace
) -> None:
    line = script.chosen(pool, 6, seed=0)
    folded = np.flatnonzero(line.basin == "folded")
    oracle = FakeOracle(line.coords[folded[[0, 3]]])
    labels, order = script.label(oracle, line, 6, Path("unused"))
    assert [len(batch) for batch in oracle.asked] == [24, 2]
    kept = line.basin[order[labels.parent]]
    assert {name: int((kept == name).sum()) for name in BASINS} == dict.fromkeys(BASINS, 6)
    np.testing.assert_array_equal(labels.frames.coords, line.coords[order[labels.parent]])
    assert sorted(order[index] for index, _ in labels.rejected) == folded[[0, 3]].tolist()


def test_what_ships_is_what_its_card_says() -> None:
    if NAME not in packaged_names():
        pytest.skip("not packed yet")
    card, frames = load_card(NAME), load_packaged(NAME)
    assert sum(path.stat().st_size for path in DATA.glob(f"{NAME}*")) <= 1e6
    assert (frames.temperature, frames.force_map, len(frames)) == (300.0, "mean_force", card["n_frames"])
    assert frames.forces is not None
    assert frames.force_sem is not None
    basins = basin_of(frames.coords, PEPTIDE.native())
    for name in BASINS:
        row = card["by_basin"][name]
        assert row["n_frames"] == (basins == name).sum() >= 20
        assert row["force_sem_rms"] == pytest.approx(np.sqrt(np.square(frames.force_sem[basins == name]).mean()), 1e-2)
        assert row["force_sem_rms"] < 0.3 * row["mean_force_rms"]
    assert 0.5 < card["by_basin"]["all"]["force_sem_rms"] < 1.6
    assert (frames.force_sem > 0).all()
    assert card["unbiasedness"] == "not applicable", "no identity holds for selected frames"
    training = load_packaged("chignolin_sample").coords[::3]
    assert PEPTIDE.distance(frames.coords[::40], training).min() > 0.05, "no training frame is among them"
    assert find_packaged(frames.system, 300.0, "mean_force") == [NAME]


def test_the_recipe_loads_it(tmp_path: Path) -> None:
    if NAME not in packaged_names():
        pytest.skip("not packed yet")
    recipe = build(compose([f"dataset={NAME}"])["dataset"])
    assert isinstance(recipe, Packaged)
    assert recipe.make(tmp_path).content_hash == load_card(NAME)["content_hash"]
