"""Averages on frozen beads: exact where the answer is known, with errors that are what they say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.oracles.averaging import N_BLOCKS, Averaging, block_variance, force_series, mean_force
from cgexp.units import KCAL_IN_KJ, NM_IN_ANGSTROM

SPRINGS = (5.0, 10.0, 3.0)  # kcal/mol/Å^2, between the four atoms of a chain whose ends are beads
AVERAGING = Averaging(temperature=300.0, equilibrate_ps=2.0, average_ps=8.0, save_ps=0.1, platform="CPU")
N_CHAINS = 20


class Chains:
    """Independent chains of four atoms on springs of length 0; the two ends of each are beads.

    With the ends held, the spring that a bead feels averages to that of the three springs in series.
    """

    def __init__(self) -> None:
        mm = pytest.importorskip("openmm")
        self.positions = np.random.default_rng(0).normal(scale=2.0, size=(N_CHAINS, 4, 3))
        self.system = mm.System()
        springs = mm.CustomBondForce("0.5 * k * r^2")
        springs.addPerBondParameter("k")
        for first in range(0, 4 * N_CHAINS, 4):
            for _ in range(4):
                self.system.addParticle(12.0)
            for number, constant in enumerate(SPRINGS):
                springs.addBond(first + number, first + number + 1, [constant * KCAL_IN_KJ * NM_IN_ANGSTROM**2])
        self.system.addForce(springs)
        ends = np.arange(N_CHAINS)[:, None] * 4 + np.array([0, 3])
        self.beads = ends.ravel()
        pull = (self.positions[:, 3] - self.positions[:, 0]) / sum(1.0 / constant for constant in SPRINGS)
        self.exact = np.stack([pull, -pull], axis=1).reshape(-1, 3)

    def series(self, n_starts: int, others: float = 0.0, seed: int = 0) -> NDArray[np.float64]:
        """Forces from starts at random places of the inner atoms; ``others``: spread of the map's weights for those."""
        n_atoms = self.positions.size // 3
        matrix = others * np.random.default_rng(0).normal(size=(len(self.beads), n_atoms))
        matrix[:, self.beads] = np.eye(len(self.beads))
        parts = []
        for start in range(n_starts):
            positions = self.positions.copy()
            positions[:, 1:3] += np.random.default_rng(start).normal(size=(N_CHAINS, 2, 3))
            flat = positions.reshape(-1, 3)
            parts.append(force_series(self.system, self.beads, flat, matrix, AVERAGING, 1000 * seed + start + 1))
        return np.array(parts)


@pytest.fixture(scope="module")
def chains() -> Chains:
    return Chains()


@pytest.mark.slow
@pytest.mark.parametrize("others", [0.0, 0.1])
def test_mean_force_is_exact_within_its_error_whatever_the_map_gives_to_other_atoms(
    chains: Chains, others: float
) -> None:
    found = [mean_force(chains.series(4, others, seed)) for seed in range(4)]
    z = np.array([(one.mean - chains.exact) / one.sem for one in found])
    assert np.square(z).mean() == pytest.approx(1.0, abs=0.35)
    assert abs(z.mean()) < 4.0 / z.size**0.5
    off = np.mean([one.mean for one in found], axis=0) - chains.exact
    assert np.sqrt(np.square(off).mean()) < 0.02 * np.sqrt(np.square(chains.exact).mean())


def test_frozen_beads_do_not_move_and_a_seed_repeats(chains: Chains) -> None:
    np.testing.assert_array_equal(chains.series(1), chains.series(1))
    assert np.abs(chains.series(1) - chains.series(1, seed=1)).max() > 0.1
    # every force is the spring between a bead that stays and an atom that does not: bounded, no drift
    series = chains.series(1)[0]
    assert np.abs(series[: len(series) // 2].mean(axis=0) - series[len(series) // 2 :].mean(axis=0)).max() < 2.0


def correlated(n_series: int, n_frames: int, rng: np.random.Generator, memory: float = 0.5) -> NDArray[np.float64]:
    """First-order autoregressive series of variance 1, [n_series, n_frames]."""
    values = np.empty((n_series, n_frames))
    values[:, 0] = rng.normal(size=n_series)
    for frame in range(1, n_frames):
        values[:, frame] = memory * values[:, frame - 1] + np.sqrt(1 - memory**2) * rng.normal(size=n_series)
    return values


def test_block_variance_sees_correlation() -> None:
    rng = np.random.default_rng(0)
    series = correlated(2000, 400, rng, memory=0.8)
    expected = series.mean(axis=1).var()
    assert block_variance(series.T).mean() == pytest.approx(expected, rel=0.15)
    assert series.var() / 400 < 0.2 * expected


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_error_holds_whether_or_not_the_starts_differ(spread: float) -> None:
    """Starts that are stuck in different states make the means spread more than each series tells."""
    rng = np.random.default_rng(1)
    n_frames, n_starts, n_labels = 120, 4, 300
    chi2, within = [], []
    for _ in range(n_labels):
        stuck = spread * rng.normal(size=(n_starts, 1, 10, 3))
        noise = correlated(n_starts * 30, n_frames, rng).reshape(n_starts, 10, 3, n_frames)
        found = mean_force(stuck + np.moveaxis(noise, -1, 1))
        chi2.append(np.square(found.mean / found.sem).mean())
        within.append(np.square(found.mean / found.within).mean())
    assert np.mean(chi2) == pytest.approx(1.0, abs=0.25)
    assert np.mean(within) == pytest.approx(1.0, abs=0.25) if not spread else np.mean(within) > 5.0


def test_annealing_begins_hot_and_ends_at_the_temperature() -> None:
    annealed = replace(AVERAGING, anneal_ps=2.0, hot_temperature=900.0)
    temperatures, steps = zip(*[stage[:2] for stage in annealed.stages], strict=True)
    assert temperatures == pytest.approx([900.0] * 4 + [800.0, 700.0, 600.0, 500.0, 400.0, 300.0, 300.0, 300.0])
    assert sum(steps) == round((2.0 + 2.0 + 8.0) / annealed.time_step)
    assert [stage[0] for stage in AVERAGING.stages] == [300.0, 300.0]
    assert len(replace(AVERAGING, equilibrate_ps=0.0).stages) == 1


@pytest.mark.slow
def test_annealing_does_not_change_the_mean(chains: Chains) -> None:
    averaging = replace(AVERAGING, anneal_ps=1.0)
    matrix = (chains.beads[:, None] == np.arange(4 * N_CHAINS)).astype(np.float64)
    flat = chains.positions.reshape(-1, 3)
    series = [force_series(chains.system, chains.beads, flat, matrix, averaging, seed) for seed in range(4)]
    found = mean_force(np.array(series))
    assert np.square((found.mean - chains.exact) / found.sem).mean() == pytest.approx(1.0, abs=0.6)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"save_ps": 0.0013}, "save_ps=0.0013 is not a whole number of time steps"),
        ({"equilibrate_ps": 0.25}, "equilibrate_ps=0.25 is not a whole number of save_ps"),
        ({"average_ps": 0.25}, "ps_per_start=0.25 is not a whole number of save_ps"),
        ({"average_ps": 0.1 * (N_BLOCKS - 1)}, f"fewer than {N_BLOCKS} forces"),
        ({"anneal_ps": 0.05}, r"anneal_ps=0\.05 is not a whole number of 10 stages"),
        (
            {"anneal_ps": 1.0, "hot_temperature": 250.0},
            r"hot_temperature=250\.0 is not above the temperature of 300\.0 K",
        ),
    ],
)
def test_lengths_that_do_not_fit_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Averaging(**{"temperature": 300.0, "equilibrate_ps": 1.0, "average_ps": 2.0, "save_ps": 0.1, **changed})
