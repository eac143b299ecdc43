"""chignolin_mean_force: how its configurations are chosen, labelled and packed, and what ships."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from cgexp.all_atom.sampling.exchange_trajectory import SETTINGS_FILE, load_exchange
from cgexp.build import build
from cgexp.cards import DATA, load_card, packaged_names
from cgexp.config.compose import compose
from cgexp.datasets.packaged import Packaged, find_packaged, load_packaged
from cgexp.datasets.recipe import Recipe
from cgexp.frames import Frames
from cgexp.oracles.oracle import Labels
from cgexp.store import Chunks, write_json
from cgexp.systems.peptide import BASINS, Peptide, basin_of

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


HELD_OUT = (400.0, 4000.0)  # ps


def made_up(n_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Configurations of all basins, [n_frames, 10, 3]: native, a shifted hairpin, a frayed one, an extended chain."""
    native = PEPTIDE.native()
    along = np.where(np.arange(10) < 3.5, np.arange(10), 7 - np.arange(10))
    shifted = np.stack([3.4 * along, np.where(np.arange(10) < 3.5, 0.0, 5.0), np.zeros(10)], axis=-1)
    frayed = native.copy()
    frayed[8:] = frayed[7] + np.array([[-2.0, 2.5, 2.0], [-4.0, 5.0, 4.0]])
    extended = np.stack([3.5 * np.arange(10), np.zeros(10), np.zeros(10)], axis=-1)
    shapes = np.stack([native, shifted, frayed, extended])[rng.integers(4, size=n_frames)]
    return (shapes + rng.normal(scale=0.15, size=shapes.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two made-up runs of three walkers, 4 ps between frames."""
    folder, n_frames, rng = tmp_path_factory.mktemp("runs"), 1200, np.random.default_rng(3)
    for kind in ("native", "unfolded"):
        settings = {"temperatures": [350.0, 387.0, 408.0], "exchange_ps": 4.0, "cycles_per_save": 1, "seed": 0}
        write_json(folder / kind / SETTINGS_FILE, settings)
        levels = np.stack([rng.permutation(3) for _ in range(n_frames)])
        Chunks(folder / kind).append(
            {
                "coords": made_up(n_frames * 3, rng).reshape(n_frames, 3, 10, 3),
                "levels": levels.astype(np.int8),
                "energies": np.zeros((n_frames, 3)),
                "outcomes": np.zeros((n_frames, 2), np.int8),
            }
        )
    return folder


@pytest.fixture(scope="module")
def pool(script: ModuleType, runs: Path) -> SimpleNamespace:
    found: SimpleNamespace = script.candidates(runs, HELD_OUT)
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


def test_candidates_are_of_the_part_of_the_runs_that_is_held_out(
    script: ModuleType, runs: Path, pool: SimpleNamespace
) -> None:
    assert pool.time_ps.min() == HELD_OUT[0] + script.APART_PS + 4.0
    assert pool.time_ps.max() == HELD_OUT[1]
    assert set(pool.temperature) == {350.0, 387.0}, "the hottest level is left out"
    assert set(pool.block) == set(range(6))
    run, frame = load_exchange(runs / "unfolded"), 900
    at = (pool.block == 3 + 1) & (pool.time_ps == 4.0 * (frame + 1))
    if run.frame_levels[frame, 1] < 2:
        found = PEPTIDE.distance(pool.coords[at], run.coords[frame, 1][None])
        assert found[0, 0] < 0.01
    else:
        assert not at.any()


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
    assert (frames.temperature, frames.force_map, len(frames)) == (
        card["temperature_K"],
        "mean_force",
        card["n_frames"],
    )
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
    assert find_packaged(frames.system, frames.temperature, "mean_force") == [NAME]


def test_the_recipe_loads_it(tmp_path: Path) -> None:
    if NAME not in packaged_names():
        pytest.skip("not packed yet")
    recipe = build(compose([f"dataset={NAME}"])["dataset"], Recipe)
    assert isinstance(recipe, Packaged)
    assert recipe.make(tmp_path).content_hash == load_card(NAME)["content_hash"]
