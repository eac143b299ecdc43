"""Reweighting a ladder of temperatures to one, on systems with a known answer: exact samples, replica exchange."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

from cgexp.all_atom.sampling.ensemble import effective_size, free_energies, weights_at
from cgexp.all_atom.sampling.exchange_trajectory import exchange
from cgexp.errors import InputError
from cgexp.units import BOLTZMANN

LADDER = np.array([300.0, 360.0, 450.0, 600.0])
GRID = np.linspace(-3.0, 3.0, 30001)
BARRIER, TILT = 3.0, 0.75  # kcal/mol: wells at -1 and 1 Å, 5 kT apart at 300 K
Floats = NDArray[np.float64]


def energy(x: Floats) -> Floats:
    return np.asarray(BARRIER * (x**2 - 1.0) ** 2 + TILT * x)


def log_density(temperature: float) -> Floats:
    logs = -energy(GRID) / (BOLTZMANN * temperature)
    return np.asarray(logs - logsumexp(logs))


def exact(values: Floats, temperature: float) -> float:
    """Average of a function on the grid, by quadrature."""
    return float(np.exp(log_density(temperature)) @ values)


def independent(temperature: float, n: int, rng: np.random.Generator) -> Floats:
    """Independent exact samples of the double well."""
    return np.interp(rng.random(n), np.cumsum(np.exp(log_density(temperature))), GRID)


def ladder_samples(n: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    counts = [n, 2 * n, n // 2, n]  # MBAR takes any
    return (
        np.concatenate([independent(t, count, rng) for t, count in zip(LADDER, counts, strict=True)]),
        np.repeat(np.arange(4), counts),
    )


def averages(x: Floats) -> Floats:
    """Observables of the double well: the right well's population, the tail at the barrier, mean energy, x."""
    return np.stack([x > 0, np.abs(x) < 0.25, energy(x), x]).astype(np.float64)


def test_free_energies_are_those_of_quadrature() -> None:
    x, levels = ladder_samples(20_000, np.random.default_rng(1))
    found = free_energies(energy(x), levels, LADDER)
    logs = [logsumexp(-energy(GRID) / (BOLTZMANN * t)) for t in LADDER]
    np.testing.assert_allclose(found, logs[0] - np.array(logs), atol=0.01)


@pytest.mark.parametrize("temperature", [300.0, 330.0, 450.0])
def test_averages_are_exact_at_every_temperature_and_better_than_a_direct_run(temperature: float) -> None:
    truth = np.array([exact(values, temperature) for values in averages(GRID)])
    reweighted, direct = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        x, levels = ladder_samples(1000, rng)
        reweighted.append(np.average(averages(x), axis=1, weights=weights_at(temperature, energy(x), levels, LADDER)))
        direct.append(averages(independent(temperature, 1000, rng)).mean(axis=1))
    for values in (reweighted, direct):
        z = (np.mean(values, axis=0) - truth) / (np.std(values, axis=0, ddof=1) / np.sqrt(len(values)))
        assert (np.abs(z) < 4.0).all(), z
    assert (np.std(reweighted, axis=0) < np.std(direct, axis=0)).all(), "all temperatures tell more than one"


def replica_exchange(n_cycles: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Metropolis walkers of the double well, all starting in the right well: x and levels, [n_cycles, 4]."""
    x, levels = np.ones(4), np.arange(4)
    record, record_levels = [], []
    for cycle in range(n_cycles):
        kT = BOLTZMANN * LADDER[levels]
        for _ in range(5):
            trial = x + rng.normal(scale=0.5, size=4)
            x = np.where(rng.random(4) < np.exp(np.minimum(0.0, (energy(x) - energy(trial)) / kT)), trial, x)
        record.append(x)
        record_levels.append(levels)
        levels, _ = exchange(energy(x), levels, LADDER, cycle % 2, rng.random(3))
    return np.array(record), np.array(record_levels)


def test_replica_exchange_reweighted_agrees_with_the_exact_average_and_with_its_own_cold_walker() -> None:
    x, levels = (values[200:] for values in replica_exchange(6200, np.random.default_rng(5)))
    weights = weights_at(300.0, energy(x).ravel(), levels.ravel(), LADDER).reshape(x.shape)
    cold = x[levels == 0]
    blocks = [
        (np.average(a.ravel() < 0, weights=w.ravel()), np.mean(c < 0))
        for a, w, c in zip(np.split(x, 20), np.split(weights, 20), np.split(cold, 20), strict=True)
    ]
    truth = exact(GRID < 0, 300.0)
    for name, means in zip(("reweighted", "direct"), np.transpose(blocks), strict=True):
        error = means.std(ddof=1) / np.sqrt(len(means))
        assert error < 0.05, name
        assert abs(means.mean() - truth) < 4.0 * error, name


def test_a_harmonic_well_has_equipartition_at_a_temperature_off_the_ladder() -> None:
    rng = np.random.default_rng(2)
    levels = np.repeat(np.arange(4), 20_000)
    x = rng.normal(size=(len(levels), 3)) * np.sqrt(BOLTZMANN * LADDER[levels])[:, None]
    energies = 0.5 * np.square(x).sum(axis=1)
    weights = weights_at(400.0, energies, levels, LADDER)
    assert np.average(energies, weights=weights) == pytest.approx(1.5 * BOLTZMANN * 400.0, rel=0.02)
    assert weights.mean() == pytest.approx(1.0)


def test_the_zero_of_energy_does_not_matter() -> None:
    x, levels = ladder_samples(500, np.random.default_rng(3))
    plain, shifted = (weights_at(300.0, energy(x) + zero, levels, LADDER) for zero in (0.0, -30_000.0))
    np.testing.assert_allclose(shifted, plain, rtol=1e-5)


def test_one_temperature_reweighted_to_itself_has_equal_weights() -> None:
    x = independent(300.0, 50, np.random.default_rng(3))
    weights = weights_at(300.0, energy(x), np.zeros(50, dtype=np.int64), [300.0])
    np.testing.assert_allclose(weights, 1.0)
    assert effective_size(weights) == pytest.approx(50.0)
    assert effective_size([1.0, 1.0, 0.0]) == pytest.approx(2.0)


def test_a_temperature_without_samples_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"samples of the 4 temperatures are \[2, 1, 0, 0\]: expected at least one"):
        free_energies([1.0, 2.0, 3.0], np.array([0, 0, 1]), LADDER)
    with pytest.raises(ValueError, match="expected one of each a sample"):
        free_energies([1.0, 2.0], np.array([0, 0, 1]), LADDER)
