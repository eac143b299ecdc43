"""Contact maps against mdtraj and against a structure whose contacts are known."""

from __future__ import annotations

import mdtraj
import numpy as np
import pytest

from cgexp.analysis.comparison import compare_contacts, contact_curve
from cgexp.analysis.observables import contact_pairs, contacts
from cgexp.systems.peptide import Peptide, register_contacts
from tests.analysis.ensembles import ensemble_of, walkers


def test_a_square_touches_along_its_side_only() -> None:
    square = np.array([[0.0, 0, 0], [3, 0, 0], [3, 3, 0], [0, 3, 0], [0, 6.1, 0]])[None]
    first, second = contact_pairs(5)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 3), (0, 4), (1, 4)]
    np.testing.assert_array_equal(contacts(square, 3.1), [[True, False, False]])
    np.testing.assert_array_equal(contacts(square, 6.2), [[True, True, False]])


def test_contacts_are_those_of_mdtraj() -> None:
    coords = walkers(5, 8, np.random.default_rng(0), swelling=0.3).reshape(-1, 10, 3)
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(10):
        topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("ALA", chain))
    pairs = np.stack(contact_pairs(10), axis=1)
    distances, _ = mdtraj.compute_contacts(mdtraj.Trajectory(coords / 10, topology), pairs, scheme="ca")
    np.testing.assert_array_equal(contacts(coords, 6.5), distances < 0.65)
    native = contacts(Peptide().native()[None], 6.5)[0]
    assert native.sum() == register_contacts(Peptide().native()[None]).sum(), "the same contacts as of the basins"
    assert native[[tuple(pair) == (2, 6) for pair in pairs.tolist()]].item() is True, "the turn of the hairpin"


def test_the_difference_is_the_root_mean_square_over_pairs_and_weights_matter() -> None:
    touching = np.zeros((4, 28), dtype=bool)
    touching[:2, 0] = True  # half of the frames
    never, half = ensemble_of(np.zeros((4, 2))), ensemble_of(np.zeros((4, 2)), contacts=touching)
    rng = np.random.default_rng(0)
    assert compare_contacts(never, half, 0, rng) == {"contact_rmse": pytest.approx(0.5 / np.sqrt(28))}
    weighted = ensemble_of(np.zeros((4, 2)), contacts=touching, weights=np.array([0.0, 0.0, 1.0, 1.0]))
    assert compare_contacts(weighted, never, 0, rng) == {"contact_rmse": 0.0}
    assert compare_contacts(weighted, half, 0, rng) == {"contact_rmse": pytest.approx(0.5 / np.sqrt(28))}


def test_the_error_is_the_spread_of_repeated_simulations() -> None:
    rng = np.random.default_rng(1)
    reference = ensemble_of(np.zeros((1, 2)))

    def simulation() -> dict[str, float]:
        touching = np.zeros((40, 28), dtype=bool)
        touching[:, 0] = rng.random(40) < 0.3
        return compare_contacts(reference, ensemble_of(np.zeros((40, 2)), contacts=touching), 300, rng)

    repeated = [simulation() for _ in range(200)]
    spread = np.std([found["contact_rmse"] for found in repeated])
    assert np.mean([found["contact_rmse_sem"] for found in repeated]) == pytest.approx(spread, rel=0.15)


def test_maps_are_symmetric_and_leave_neighbours_along_the_chain_out() -> None:
    touching = np.zeros((2, 28), dtype=bool)
    touching[0, 3] = True  # the pair (0, 6)
    curve = contact_curve(
        ensemble_of(np.zeros((2, 2)), contacts=touching), ensemble_of(np.zeros((2, 2))), "YYDPETGTWY", 6.5, "data"
    )
    assert curve.reference[0, 6] == curve.reference[6, 0] == 0.5
    assert curve.difference[0, 6] == -0.5
    assert np.isnan(curve.reference).sum() == 100 - 2 * 28
    assert curve.labels[:3] == ["Y1", "Y2", "D3"]
    assert contact_curve(ensemble_of(np.zeros((2, 2))), None, "YYDPETGTWY", 6.5, "data").model is None
    beads = contact_curve(ensemble_of(np.zeros((2, 2))), None, [str(i + 1) for i in range(10)], 6.5, "data")
    assert (curve.of, beads.of, beads.labels[0]) == ("residue (C-alpha)", "bead", "1")
