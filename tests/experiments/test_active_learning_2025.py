"""Active learning on the toy: its arms differ in where labels are, and in nothing else."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cgexp.config.compose import Config
from cgexp.config.identity import data_id
from cgexp.studies.study import Study

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


@cache
def configs() -> dict[str, list[Config]]:
    study = Study.load("active_learning_2025", EXPERIMENTS, "toy")
    return {arm.name: arm.configs() for arm in study.arms}


def test_all_arms_have_the_same_data_training_and_simulation() -> None:
    by_arm = configs()
    assert {len(found) for found in by_arm.values()} == {10}
    for found in zip(*by_arm.values(), strict=True):
        assert len({data_id(config) for config in found}) == 1
        for group in ("seed", "dataset", "model", "prior", "loss", "trainer", "scheduler", "simulation", "analysis"):
            assert all(config[group] == found[0][group] for config in found), group
        budgets = [(config["active"]["n_rounds"], config["active"]["n_per_round"]) for config in found]
        assert set(budgets) == {(4, 5)}


def test_seeds_have_data_of_their_own() -> None:
    assert len({data_id(config) for config in configs()["learning"]}) == 10
