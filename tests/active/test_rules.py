"""The acquisition rules: the checks that all obey, and what each is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

from cgexp.active.acquisition import Acquisition, Context, ScoreRule
from cgexp.active.farthest_point import FarthestPoint
from cgexp.active.filtered import Filtered
from cgexp.active.force_disagreement import ForceDisagreement, force_deviation
from cgexp.active.nearest_rmsd import NearestRmsd
from cgexp.active.random import Random
from cgexp.active.rank_sum import RankSum
from cgexp.active.tica_density import TicaDensity
from cgexp.build import build
from cgexp.config.paths import conf_dir, group_options
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.models.potential import Potential
from cgexp.systems.base import farthest_points
from cgexp.systems.cgnet_toy import CGnetToy
from cgexp.testing.acquisition_checks import AcquisitionChecks, peptide_pool, toy_pool

TOY = Context(CGnetToy())


class TestRandom(AcquisitionChecks):
    looks_at_frames = False

    def make_rule(self) -> Random:
        return Random()

    def test_every_candidate_is_as_likely(self) -> None:
        pool = points(np.zeros(10))
        chosen = [Random().select(pool, pool[:0], 3, Context(CGnetToy(), seed=seed)) for seed in range(1000)]
        assert np.abs(np.bincount(np.concatenate(chosen)) - 300).max() < 60  # four standard deviations


class TestNearestRmsd(AcquisitionChecks):
    avoids_twins = True

    def make_rule(self) -> NearestRmsd:
        return NearestRmsd()

    def test_picks_are_those_of_all_distances(self) -> None:
        pool = peptide_pool()
        distance = pool.context.system.distance(pool.candidates, pool.known).min(axis=1)
        np.testing.assert_array_equal(self.select(pool), np.argsort(-distance)[:12])
        np.testing.assert_allclose(NearestRmsd().scores(pool.candidates, pool.known, pool.context), distance, rtol=1e-9)

    def test_of_equal_ones_the_first(self) -> None:
        assert NearestRmsd().select(points([1, 2, 2, 0, 2]), points([0.0]), 2, TOY).tolist() == [1, 2]


class TestFarthestPoint(AcquisitionChecks):
    avoids_twins = True

    def make_rule(self) -> FarthestPoint:
        return FarthestPoint()

    def test_picks_are_those_of_all_distances(self) -> None:
        for pool in self.pools():
            expected = farthest_points(pool.context.system, pool.candidates, pool.known, 40)
            np.testing.assert_array_equal(self.select(pool, 40), expected)

    def test_picks_are_not_near_each_other(self) -> None:
        pool = points([5, 5.1, 5.2, -3, 0.1])
        assert FarthestPoint().select(pool, points([0.0]), 2, TOY).tolist() == [2, 3]
        assert NearestRmsd().select(pool, points([0.0]), 2, TOY).tolist() == [2, 1]

    def test_without_known_frames_the_first_candidate_begins(self) -> None:
        assert FarthestPoint().select(points([1, 2, 5]), points([]), 2, TOY).tolist() == [0, 2]


class TestForceDisagreement(AcquisitionChecks):
    def make_rule(self) -> ForceDisagreement:
        return ForceDisagreement()

    def test_deviation_is_that_of_the_formula(self) -> None:
        pool = peptide_pool()
        coords = torch.from_numpy(pool.candidates)
        forces = torch.stack([model.forces(coords) for model in pool.context.models])
        expected = (forces - forces.mean(dim=0)).square().sum(dim=-1).mean(dim=0).sqrt()
        found = force_deviation(pool.context.models, pool.candidates, 77)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.max()))
        scores = ForceDisagreement("mean").scores(pool.candidates, pool.known, pool.context)
        np.testing.assert_allclose(scores, expected.mean(dim=1), rtol=1e-4)

    def test_models_that_agree_differ_by_nothing(self) -> None:
        pool = peptide_pool()
        assert force_deviation([pool.context.models[0]] * 4, pool.candidates, 1000).max() == 0.0

    def test_frames_with_forces_that_are_not_finite_come_last(self) -> None:
        context = Context(CGnetToy(), [Potential(None, Steep()), Potential(None, Steep())])
        chosen = ForceDisagreement().select(points([0.0, 1.0, 2.0]), points([]), 3, context)
        assert chosen.tolist() == [1, 2, 0]

    @pytest.mark.parametrize("n_models", [0, 1])
    def test_fewer_than_two_models_are_refused(self, n_models: int) -> None:
        pool = toy_pool()
        with pytest.raises(InputError, match=f"has {n_models}: train an ensemble of at least two"):
            self.select(replace(pool, context=replace(pool.context, models=pool.context.models[:n_models])))


class TestTicaDensity(AcquisitionChecks):
    systems = ("peptide",)

    def make_rule(self) -> TicaDensity:
        return TicaDensity(n_neighbours=3)

    def test_score_is_the_distance_of_the_third_neighbour(self) -> None:
        pool = peptide_pool()
        assert pool.context.tica is not None
        ics, known = (pool.context.tica.transform(coords) for coords in (pool.candidates, pool.known))
        expected = np.sort(np.linalg.norm(ics[:, None] - known, axis=-1), axis=1)[:, 2]
        np.testing.assert_allclose(self.make_rule().scores(pool.candidates, pool.known, pool.context), expected)

    def test_fewer_known_frames_than_neighbours(self) -> None:
        pool = peptide_pool()
        assert len(self.select(replace(pool, known=pool.known[:2]))) == 12

    def test_no_tica_and_no_known_frames_are_refused(self) -> None:
        pool = toy_pool()
        with pytest.raises(InputError, match="needs the TICA of a reference, which system 'toy_cgnet' has none"):
            self.select(pool)
        pool = peptide_pool()
        with pytest.raises(InputError, match="needs known frames and there are none"):
            self.select(replace(pool, known=pool.known[:0]))


class TestRankSum(AcquisitionChecks):
    def make_rule(self) -> RankSum:
        return RankSum({"distance": NearestRmsd(), "disagreement": ForceDisagreement()}, {"distance": 2})

    def test_ranks_are_added_with_their_weights(self) -> None:
        rule = RankSum({"x": Score([0, 1, 2, 3, 4]), "y": Score([40, 30, 20, 10, 10])}, {"y": 3.0})
        expected = (np.array([0, 1, 2, 3, 4]) + 3 * np.array([4, 3, 2, 0.5, 0.5])) / 16
        np.testing.assert_allclose(rule.scores(points(range(5)), points([]), TOY), expected)

    def test_a_rule_without_weight_is_not_asked(self) -> None:
        rule = RankSum({"x": Score([0, 1, 2]), "disagreement": ForceDisagreement()}, {"disagreement": 0})
        assert rule.select(points(range(3)), points([]), 3, TOY).tolist() == [2, 1, 0]

    @pytest.mark.parametrize(
        ("weights", "words"),
        [
            ({"distence": 1.0}, r"weighs no rule \(did you mean 'distance'\?\): expected distance"),
            ({"distance": -1.0}, "expected a number >= 0"),
            ({"distance": 0.0}, "no rule of the rank sum has a weight above 0"),
        ],
    )
    def test_weights_that_make_no_sense_are_refused(self, weights: dict[str, float], words: str) -> None:
        with pytest.raises(InputError, match=words):
            RankSum({"distance": NearestRmsd()}, weights)


class TestFiltered(AcquisitionChecks):
    def make_rule(self) -> Filtered:
        return Filtered(ForceDisagreement(), FarthestPoint(), kept_per_pick=3)

    def test_picks_are_farthest_points_of_what_the_first_lets_through(self) -> None:
        pool = peptide_pool()
        kept = np.sort(ForceDisagreement().select(pool.candidates, pool.known, 36, pool.context))
        expected = kept[farthest_points(pool.context.system, pool.candidates[kept], pool.known, 12)]
        np.testing.assert_array_equal(self.select(pool), expected)


@pytest.mark.parametrize("option", [option for option in group_options("acquisition") if option != "none"])
def test_every_option_makes_a_rule_that_selects(option: str) -> None:
    rule = build(
        yaml.safe_load((conf_dir() / "acquisition" / f"{option}.yaml").read_text(encoding="utf-8")), Acquisition
    )
    assert isinstance(rule, Acquisition)
    pool = peptide_pool()
    assert len(rule.select(pool.candidates, pool.known, 5, pool.context)) == 5


def test_shapes_of_another_system_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \[2, 1, 2\]: expected \[n, 1, 1\] of 'toy_cgnet'"):
        Random().select(np.zeros((2, 1, 2)), np.zeros((2, 1, 1)), 1, TOY)


class Score(ScoreRule):
    """Given scores."""

    def __init__(self, values: Any) -> None:
        self.values = np.array(values, dtype=np.float64)

    def scores(self, candidates: Any, known: Any, context: Context) -> NDArray[np.float64]:
        return self.values


class Steep(EnergyTerm):
    """1 / x^2, whose force at 0 is not finite."""

    def energy(self, coords: Tensor) -> Tensor:
        return coords.square().sum(dim=(1, 2)).reciprocal()


def points(x: Any) -> NDArray[np.float64]:
    return np.array(x, dtype=np.float64).reshape(-1, 1, 1)
