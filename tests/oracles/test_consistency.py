"""The two all-atom oracles agree: force matching on released frames predicts the mean forces on frozen beads."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom.mapping.unbiasedness import virial
from cgexp.frames import Frames
from cgexp.oracles.mean_force import MeanForceOracle
from cgexp.oracles.release import ReleaseOracle
from cgexp.systems.peptide import Peptide
from tests.oracles.test_mean_force import bent

PAIRS = np.array([(0, 1), (1, 2), (0, 2)])
DEGREE = 5
Values = NDArray[np.float64]


def lengths_of(coords: Values) -> Values:
    return np.linalg.norm(coords[:, PAIRS[:, 1]] - coords[:, PAIRS[:, 0]], axis=-1)


def gradients(coords: Values, center: Values, scale: Values) -> Values:
    """-d(feature)/d(coords) [n_frames, 9, n_features] of all monomials of the three distances up to DEGREE."""
    bonds, lengths = coords[:, PAIRS[:, 1]] - coords[:, PAIRS[:, 0]], lengths_of(coords)
    directions = np.zeros((len(coords), 3, 3, 3))  # frame, distance, bead, dimension
    for number, (first, second) in enumerate(PAIRS):
        unit = bonds[:, number] / lengths[:, number, None] / scale[number]
        directions[:, number, first], directions[:, number, second] = -unit, unit
    z = (lengths - center) / scale
    columns = []
    for degree in range(1, DEGREE + 1):
        for powers in combinations_with_replacement(range(3), degree):
            gradient = np.zeros_like(coords)
            for place in range(degree):
                rest = np.prod([z[:, other] for i, other in enumerate(powers) if i != place], axis=0)
                gradient += np.broadcast_to(rest, len(coords))[:, None, None] * directions[:, powers[place]]
            columns.append(-gradient.reshape(len(coords), -1))
    return np.stack(columns, axis=-1)


def predicted(frames: Frames, coords: Values) -> tuple[Values, Values]:
    """Mean forces at ``coords`` by force matching on frames, and their standard errors by bootstrap over blocks."""
    assert frames.forces is not None
    known = frames.coords.astype(np.float64)
    center, scale = lengths_of(known).mean(axis=0), lengths_of(known).std(axis=0)
    features = gradients(known, center, scale)
    targets = frames.forces.reshape(len(known), -1).astype(np.float64)
    blocks = [frames.block == block for block in np.unique(frames.block)]
    normal = np.array([np.einsum("fcp,fcq->pq", features[b], features[b]) for b in blocks])
    right = np.array([np.einsum("fcp,fc->p", features[b], targets[b]) for b in blocks])
    where = gradients(coords, center, scale)
    rng, draws = np.random.default_rng(0), []
    for _ in range(50):
        chosen = rng.integers(0, len(blocks), len(blocks))
        draws.append(where @ np.linalg.solve(normal[chosen].sum(axis=0), right[chosen].sum(axis=0)))
    best = where @ np.linalg.solve(normal.sum(axis=0), right.sum(axis=0))
    return best.reshape(coords.shape), np.std(draws, axis=0).reshape(coords.shape)


def central(frames: Frames) -> NDArray[np.bool_]:
    """Frames within the middle 96 % of all three distances, where a fitted polynomial can be trusted."""
    values = lengths_of(frames.coords.astype(np.float64))
    low, high = np.quantile(values, (0.02, 0.98), axis=0)
    return ((values > low) & (values < high)).all(axis=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_released_frames_predict_the_mean_force_on_frozen_beads() -> None:
    pytest.importorskip("openmm")
    system = Peptide("AGA")
    starts = np.stack([bent(degrees) for degrees in np.linspace(90.0, 145.0, 12)])
    release = ReleaseOracle(
        system=system,
        temperature=350.0,
        n_starts=4,
        n_attempts=8,
        force_map="optimal",
        drop_ps=4.0,
        release_ps=40.0,
        save_ps=0.1,
    )
    frames = release.label(starts).frames
    mean, error = virial(frames)
    assert abs(mean + 3.0) < 4.0 * error
    chosen = np.random.default_rng(0).choice(np.flatnonzero(central(frames)), 24, replace=False)
    frozen = MeanForceOracle(system=system, temperature=350.0)
    labels = frozen.label(frames.coords[chosen])
    assert not labels.rejected
    forces, sem = labels.frames.forces, labels.frames.force_sem
    assert forces is not None
    assert sem is not None
    expected, expected_sem = predicted(frames, labels.frames.coords.astype(np.float64))
    difference = forces - expected
    z = difference / np.hypot(sem, expected_sem)
    signal, off = (float(np.sqrt(np.square(values).mean())) for values in (forces, difference))
    known = float(np.sqrt(np.square(sem).mean() + np.square(expected_sem).mean()))
    print(
        f"released frames: {len(frames)}, virial {mean:.3f} ± {error:.3f} kT; labels: {len(chosen)}, "
        f"RMS {signal:.2f}, difference {off:.2f}, errors {known:.2f} kcal/mol/Å, chi^2 {np.square(z).mean():.2f}"
    )
    assert off < 0.15 * signal
    assert np.square(z).mean() < 2.0
