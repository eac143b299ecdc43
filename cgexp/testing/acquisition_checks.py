"""AcquisitionChecks: what every acquisition rule must obey, on a peptide and on a toy, as tests to subclass."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cgexp.active.acquisition import Acquisition, Context, ScoreRule
from cgexp.analysis.tica import Tica
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.geometry import distances, pair_list
from cgexp.models.potential import Potential
from cgexp.models.toy_mlp import ToyMLP
from cgexp.priors.prior import Prior
from cgexp.systems.cgnet_toy import CGnetToy
from cgexp.systems.peptide import Peptide
from cgexp.testing.configurations import random_chains, random_rotations

N_CANDIDATES, N_KNOWN, N = 300, 100, 12
SYSTEMS = ("peptide", "toy")


@dataclass(frozen=True)
class Pool:
    """What ``select`` is called with, but for the number."""

    candidates: NDArray[np.float64]
    known: NDArray[np.float64]
    context: Context


class AcquisitionChecks:
    """Subclass it as ``TestX``, implement ``make_rule``, and set the attributes that differ.

    systems: which of SYSTEMS the rule serves. looks_at_frames: what is chosen depends on the frames alone, not on their
    order or orientation; False for a random choice. avoids_twins: a twin of a known frame is taken last.
    """

    systems: tuple[str, ...] = SYSTEMS
    looks_at_frames = True
    avoids_twins = False

    def make_rule(self) -> Acquisition:
        """The rule; a new one at each call."""
        raise NotImplementedError

    def pools(self) -> list[Pool]:
        """A pool for each system that the rule serves."""
        made = {"peptide": peptide_pool, "toy": toy_pool}
        return [made[name]() for name in self.systems]

    def test_indices_are_valid_and_all_different(self) -> None:
        for pool in self.pools():
            for n in (0, 1, N, N_CANDIDATES):
                chosen = self.select(pool, n)
                assert chosen.shape == (n,)
                assert chosen.dtype == np.int64
                assert len(set(chosen.tolist()) & set(range(N_CANDIDATES))) == n

    def test_the_same_seed_gives_the_same_choice(self) -> None:
        for pool in self.pools():
            np.testing.assert_array_equal(self.select(pool), self.select(pool))

    def test_arguments_are_left_as_they_were(self) -> None:
        for pool in self.pools():
            before = pool.candidates.copy(), pool.known.copy()
            self.select(pool)
            np.testing.assert_array_equal(pool.candidates, before[0])
            np.testing.assert_array_equal(pool.known, before[1])

    def test_more_picks_than_candidates_are_refused(self) -> None:
        for pool in self.pools():
            with pytest.raises(InputError, match=f"{N_CANDIDATES + 1} frames .* pool of {N_CANDIDATES}"):
                self.select(pool, N_CANDIDATES + 1)

    def test_candidates_that_are_not_finite_are_refused(self) -> None:
        for pool in self.pools():
            pool.candidates[7, 0, 0] = np.nan
            with pytest.raises(InputError, match="not finite, the first at index 7"):
                self.select(pool)

    def test_order_of_candidates_and_of_known_frames_does_not_matter(self) -> None:
        if not self.looks_at_frames:
            pytest.skip("chooses by index")
        for pool in self.pools():
            rng = np.random.default_rng(5)
            order = rng.permutation(N_CANDIDATES)
            moved = replace(pool, candidates=pool.candidates[order], known=rng.permutation(pool.known))
            self.assert_as_good(pool, order[self.select(moved)])

    def test_rotation_and_translation_do_not_matter(self) -> None:
        if not self.looks_at_frames or "peptide" not in self.systems:
            pytest.skip("chooses by index, or is not for peptides")
        pool = peptide_pool()
        rotations = random_rotations(N_CANDIDATES, seed=3).numpy()
        shifts = np.random.default_rng(3).normal(scale=50.0, size=(N_CANDIDATES, 1, 3))
        moved = replace(pool, candidates=pool.candidates @ rotations.swapaxes(1, 2) + shifts)
        self.assert_as_good(pool, self.select(moved))

    def test_twins_of_known_frames_come_last(self) -> None:
        if not self.avoids_twins:
            pytest.skip("may take a frame that is known")
        for pool in self.pools():
            pool.candidates[::3] = pool.known
            chosen = self.select(pool, N_CANDIDATES)
            assert (chosen[: N_CANDIDATES - N_KNOWN] % 3 > 0).all()

    def assert_as_good(self, pool: Pool, chosen: NDArray[np.int64]) -> None:
        """The same choice, but for frames that the rule finds equal, of which it takes the first."""
        rule, expected = self.make_rule(), self.select(pool)
        if isinstance(rule, ScoreRule):
            scores = rule.scores(pool.candidates, pool.known, pool.context)
            np.testing.assert_allclose(scores[chosen], scores[expected], rtol=1e-5)
        else:
            np.testing.assert_array_equal(chosen, expected)

    def select(self, pool: Pool, n: int = N) -> NDArray[np.int64]:
        return self.make_rule().select(pool.candidates, pool.known, n, pool.context)


def peptide_pool() -> Pool:
    """Random chains of ten C-alpha beads, three models and a TICA."""
    chains = random_chains(N_CANDIDATES + N_KNOWN, seed=11).numpy()
    return Pool(
        chains[:N_CANDIDATES],
        chains[N_CANDIDATES:],
        Context(Peptide(), [Potential(None, _Springs(k)) for k in (1.0, 1.2, 1.5)], _tica(chains), seed=4),
    )


def toy_pool() -> Pool:
    """Points of a toy on a line, and three models."""
    points = np.random.default_rng(2).normal(size=(N_CANDIDATES + N_KNOWN, 1, 1))
    models = [_network(seed) for seed in range(3)]
    return Pool(points[:N_CANDIDATES], points[N_CANDIDATES:], Context(CGnetToy(), models, seed=4))


class _Springs(EnergyTerm):
    """The sum of k r^2 / 2 over all pairs of beads, with k that grows along the chain."""

    def __init__(self, k: float) -> None:
        super().__init__()
        self.k = k

    def energy(self, coords: torch.Tensor) -> torch.Tensor:
        pairs = pair_list(coords.shape[1]).to(coords.device)
        return (self.k ** (1.0 + pairs[:, 0]) * distances(coords, pairs).square()).sum(dim=1) / 2.0


def _network(seed: int) -> Potential:
    torch.manual_seed(seed)
    return Potential(ToyMLP(n_beads=1, n_dims=1, width=8), Prior({}, temperature=1.0))


def _tica(chains: NDArray[np.float64]) -> Tica:
    frames = Frames(
        coords=chains,
        bead_types=np.arange(10),
        block=np.zeros(len(chains), dtype=np.int64),
        time_ps=np.arange(len(chains), dtype=np.float64),
        units="molecular",
        temperature=300.0,
        system="random chain",
        source="generated for a test",
    )
    return Tica.fit(frames, lag_ps=1.0)
