"""Folded fraction, its free energy, and mirror images."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.analysis.ensemble import Ensemble
from cgexp.analysis.folding import folding_metrics, free_energy_metrics, free_energy_of, handedness, mirrored
from cgexp.analysis.tica import Tica
from cgexp.datasets.equilibrium import load_equilibrium
from cgexp.systems.metric import superposed_rmsd
from cgexp.systems.peptide import Peptide
from tests.analysis.ensembles import ensemble_of, peptide_frames, walkers


def measured(coords: np.ndarray) -> Ensemble:
    tica = Tica.fit(peptide_frames(), 2.0)
    return Ensemble.of(coords, Peptide(), tica, 6.5, np.arange(len(coords)) % 10)


def metrics_of(n_folded: int, n: int, **options: object) -> dict[str, float]:
    ensemble = ensemble_of(np.zeros((n, 2)), rmsd=np.where(np.arange(n) < n_folded, 1.0, 5.0), **options)  # type: ignore[arg-type]
    return folding_metrics(ensemble, Peptide(), 2.0, 50, np.random.default_rng(0))


def test_free_energy_is_that_of_a_two_state_system() -> None:
    energy = 1.7  # kT, of the folded state
    fraction = np.exp(-energy) / (1.0 + np.exp(-energy))
    assert free_energy_of(fraction) == pytest.approx(energy)
    found = metrics_of(20, 100)
    assert found["folded_fraction"] == pytest.approx(0.2)
    assert found["folded_free_energy"] == pytest.approx(np.log(4.0))


def test_its_error_is_the_spread_of_repeated_simulations() -> None:
    found = metrics_of(60, 200)
    assert found["folded_fraction_sem"] == pytest.approx(np.sqrt(0.3 * 0.7 / 200), rel=0.1)
    counts = np.random.default_rng(0).binomial(200, 0.3, size=4000) / 200
    assert found["folded_free_energy_sem"] == pytest.approx(np.std(-np.log(counts / (1 - counts))), rel=0.1)


def test_without_folded_or_unfolded_frames_the_free_energy_is_only_bounded() -> None:
    for n_folded, ending, sign in ((0, "above", 1.0), (50, "below", -1.0)):
        found = metrics_of(n_folded, 50)
        assert found["folded_fraction"] == n_folded / 50
        assert [name for name in found if "free_energy" in name] == [f"folded_free_energy_{ending}"]
        assert found[f"folded_free_energy_{ending}"] == pytest.approx(sign * np.log(50 / 3 - 1)), "3 in 50 at 95 %"
    assert not [name for name in metrics_of(0, 3) if "free_energy" in name], "three frames say nothing"


def test_the_free_energy_of_a_reference_is_one_sided_where_a_run_has_none() -> None:
    assert free_energy_metrics(0.04, 0.04, [0.08, 0.0], 60) == {"folded_free_energy_above": free_energy_of(0.08)}
    assert free_energy_metrics(0.96, 0.04, [0.92, 1.0], 60) == {
        "folded_free_energy_below": pytest.approx(free_energy_of(0.92))
    }
    assert free_energy_metrics(0.5, 0.5, [0.0, 1.0], 60) == {}
    both = free_energy_metrics(0.5, 0.1, [0.4, 0.6], 60)
    assert both["folded_free_energy_resolution"] == pytest.approx(2.0 * np.log(1.5))
    assert both["folded_free_energy_sem"] == pytest.approx(0.4)


def test_weights_decide() -> None:
    weights = np.where(np.arange(100) < 20, 4.0, 1.0)
    assert metrics_of(20, 100, weights=weights)["folded_fraction"] == pytest.approx(0.5)
    assert metrics_of(20, 100, weights=weights)["folded_free_energy"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("flip", [(1.0, 1.0, -1.0), (-1.0, 1.0, 1.0)])
def test_a_mirrored_trajectory_is_caught(flip: tuple[float, float, float]) -> None:
    coords = walkers(20, 10, np.random.default_rng(0), swelling=0.05).reshape(-1, 10, 3)
    right, wrong = (measured(c) for c in (coords, coords * flip))
    assert not mirrored(right, Peptide(), 2.0).any()
    assert mirrored(wrong, Peptide(), 2.0).mean() > 0.95
    np.testing.assert_allclose(handedness(wrong, Peptide()), -handedness(right, Peptide()))
    metrics = folding_metrics(wrong, Peptide(), 2.0, 20, np.random.default_rng(0))
    assert metrics["mirror_fraction"] > 0.95
    assert metrics["folded_fraction"] == 0.0
    assert metrics["handedness"] < -0.8
    assert handedness(right, Peptide()).mean() > 0.8


def test_near_the_mirror_image_but_with_the_native_hand_is_not_mirrored() -> None:
    coords = walkers(4, 10, np.random.default_rng(0), swelling=0.05).reshape(-1, 10, 3) * [1.0, 1.0, -1.0]
    ensemble = measured(coords)
    turned = {**ensemble.observables, "dihedral": -ensemble.observables["dihedral"]}
    assert not mirrored(Ensemble(**{**vars(ensemble), "observables": turned}), Peptide(), 2.0).any()


def test_hand_of_a_chain_by_triple_products() -> None:
    """The sign of a dihedral is that of the triple product of its three bonds."""
    coords = Peptide().native() + np.random.default_rng(0).normal(size=(50, 10, 3))

    def signs(x: np.ndarray) -> np.ndarray:
        bonds = np.diff(x, axis=1)
        return np.sign(np.einsum("fid,fid->fi", np.cross(bonds[:, :-2], bonds[:, 1:-1]), bonds[:, 2:]))

    expected = (signs(coords) * signs(Peptide().native()[None])).mean(axis=1)
    np.testing.assert_allclose(handedness(measured(coords), Peptide()), expected)


def test_the_all_atom_reference_is_hardly_ever_mirrored() -> None:
    """The criterion has next to no false alarms on L-peptides: less than 0.1 % of chignolin_reference is mirrored."""
    frames = load_equilibrium("chignolin_reference").frames
    native = Peptide().native()
    assert frames.weights is not None
    of_mirror = superposed_rmsd(frames.coords, (native * [1.0, 1.0, -1.0])[None])[:, 0] < 2.0
    assert np.average(of_mirror, weights=frames.weights) < 0.001
    assert superposed_rmsd(native[None], (native * [1.0, 1.0, -1.0])[None]).item() == pytest.approx(3.18, abs=0.01)
