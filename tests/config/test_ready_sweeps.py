"""Ready sweeps of conf/sweep/: every job is composed and checked, and all are different runs."""

from __future__ import annotations

import pytest

from cgexp.cli.main import main
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.config.identity import run_id
from cgexp.config.jobs import jobs_of
from cgexp.config.paths import group_options

READY = {
    "cgnet_chignolin_folds": (60, ["trainer.fold"]),
    "cgnet_toy_folds": (45, ["trainer.fold"]),
    "cgschnet_chignolin_folds": (60, ["trainer.fold"]),
    "learning_curve": (15, []),
    "prior_temperature_cutoff": (18, []),
}


def test_all_are_known() -> None:
    assert sorted([*READY, "default"]) == group_options("sweep")


@pytest.mark.slow
@pytest.mark.parametrize("name", READY)
def test_every_job_is_a_run_of_its_own(name: str) -> None:
    jobs = jobs_of([f"sweep={name}"], multirun=True)
    for config in jobs.configs:
        check(config)
    assert len({run_id(config) for config in jobs.configs}) == len(jobs.configs) == READY[name][0]


@pytest.mark.parametrize("name", READY)
def test_first_and_last_jobs_fit(name: str) -> None:
    """In the default tests, in place of every job."""
    few = {"learning_curve": "seed=1", "prior_temperature_cutoff": "dataset.temperature=0.7"}.get(
        name, "trainer.fold=0"
    )
    jobs = jobs_of([f"sweep={name}", few], multirun=True)
    for config in (jobs.configs[0], jobs.configs[-1]):
        check(config)
        assert config["sweep"]["name"] == name
        assert config["sweep"].get("over", []) == READY[name][1]


def test_the_command_line_and_debug_win_over_a_ready_sweep() -> None:
    jobs = jobs_of(["sweep=learning_curve", "experiment=toy_julia", "dataset.n_frames=50,60", "seed=7"], multirun=True)
    assert [(c["choices"]["experiment"], c["dataset"]["n_frames"], c["seed"]) for c in jobs.configs] == [
        ("toy_julia", 50, 7),
        ("toy_julia", 60, 7),
    ]
    config = compose(["sweep=cgnet_toy_folds", "debug=fast", "trainer.fold=1"])
    assert (config["trainer"]["max_epochs"], config["trainer"]["fold"], config["simulation"]) == (2, 1, None)


def test_a_ready_sweep_without_multirun_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "sweep=cgnet_toy_folds"]) == 2
    assert "gives several values: add -m to run them all" in capsys.readouterr().err
