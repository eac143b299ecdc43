"""Which Coverage a system gets, that each agrees with the system's distance, and life without a compiler."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.kernels import superposed
from cgexp.kernels.coverage import Coverage
from cgexp.kernels.native_library import NoNativeKernel
from cgexp.kernels.superposed import EuclideanCoverage, PlainCoverage, SuperposedCoverage, make_coverage
from cgexp.systems.base import System, farthest_points
from cgexp.systems.cgnet_toy import CGnetToy
from cgexp.systems.julia_toy import JuliaToy
from cgexp.systems.peptide import Peptide
from cgexp.systems.plane import Plane
from cgexp.testing.configurations import random_chains


class Cyclic(System):
    """A system whose distance nothing else knows: of angles."""

    name, n_beads, n_dims, units = "cyclic", 1, 1, "reduced"
    metric = "own"

    def distance(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.abs(np.angle(np.exp(1j * (a.reshape(-1, 1) - b.reshape(1, -1)))))


SYSTEMS: dict[type[Coverage], list[System]] = {
    SuperposedCoverage: [Peptide()],
    EuclideanCoverage: [CGnetToy(), Plane(JuliaToy())],
    PlainCoverage: [Cyclic()],
}
CASES = [(kind, system) for kind, systems in SYSTEMS.items() for system in systems]


def frames(system: System, n: int, seed: int) -> NDArray[np.float64]:
    if isinstance(system, Peptide):
        return random_chains(n, seed=seed).numpy()
    return np.random.default_rng(seed).normal(size=(n, system.n_beads, system.n_dims))


@pytest.mark.parametrize(("kind", "system"), CASES, ids=lambda value: getattr(value, "name", ""))
def test_choices_are_those_of_the_systems_distance(kind: type[Coverage], system: System) -> None:
    candidates, known = frames(system, 400, 1), frames(system, 300, 2)
    expected = system.distance(candidates, known).min(axis=1)
    assert type(make_coverage(system, candidates, known)) is kind
    np.testing.assert_allclose(make_coverage(system, candidates, known).distances(), expected, rtol=1e-9)
    chosen = make_coverage(system, candidates, known).most_distant(20)
    np.testing.assert_array_equal(chosen, np.argsort(-expected, kind="stable")[:20])
    chosen = make_coverage(system, candidates, known).farthest_points(20)
    np.testing.assert_array_equal(chosen, farthest_points(system, candidates, known, 20))


@pytest.mark.parametrize(("kind", "system"), CASES, ids=lambda value: getattr(value, "name", ""))
def test_without_known_frames(kind: type[Coverage], system: System) -> None:
    candidates = frames(system, 30, 1)
    coverage = make_coverage(system, candidates, candidates[:0])
    assert np.isinf(coverage.distances()).all()
    assert coverage.most_distant(3).tolist() == [0, 1, 2]
    expected = farthest_points(system, candidates, candidates[:0], 5)
    np.testing.assert_array_equal(coverage.farthest_points(5), expected)
    assert len(make_coverage(system, candidates[:0], candidates).distances()) == 0


def test_plain_coverage_gives_up_on_what_is_near() -> None:
    candidates, known = frames(Cyclic(), 3000, 1), frames(Cyclic(), 3000, 2)
    coverage = PlainCoverage(Cyclic(), candidates, known)
    coverage.most_distant(5)
    assert coverage.n_pairs < 0.3 * len(candidates) * len(known)


def test_without_a_compiler_peptides_are_compared_plainly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*frames: NDArray[np.floating]) -> Coverage:
        raise NoNativeKernel("no C++ compiler was found", "install one")

    candidates, known = frames(Peptide(), 60, 1), frames(Peptide(), 50, 2)
    expected = make_coverage(Peptide(), candidates, known).farthest_points(10)
    monkeypatch.setattr(superposed, "SuperposedCoverage", refuse)
    coverage = make_coverage(Peptide(), candidates, known)
    assert type(coverage) is PlainCoverage
    np.testing.assert_array_equal(coverage.farthest_points(10), expected)
    assert "compared without the C++ kernel" in caplog.text
