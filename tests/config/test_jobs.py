"""The jobs of a command line: values given there or in a config file, each run once, never too many."""

from __future__ import annotations

import importlib
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.plugins import Plugins

from cgexp.cli.main import main
from cgexp.config.compose import Config, compose
from cgexp.config.jobs import Jobs, expand, jobs_of
from cgexp.config.launch import MOST_DEATHS, launch, launch_chosen, sweep_name
from cgexp.errors import InputError, MistakeOfOptions, sentence_of
from cgexp.parts.allowed import VARIABLE

SWEPT = "# @package _global_\nhydra:\n  sweeper:\n    params:\n      seed: 1,2\n      optimizer: glob(adam*)\n"
SWEEPER = '''
"""A sweeper of a user's: two jobs within an interval."""

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper


class Ends(Sweeper):
    def __init__(self, max_batch_size=None, params=None):
        pass

    def setup(self, *, hydra_context, task_function, config):
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments):
        plain = [argument for argument in arguments if "interval" not in argument]
        jobs = [[*plain, f"++optimizer.lr={rate}"] for rate in (0.001, 0.002)]
        for result in self.launcher.launch(jobs, initial_job_idx=0):
            result.return_value
'''


@pytest.fixture
def swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment of one's own that lists values for the sweeper."""
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "swept.yaml").write_text(SWEPT)
    monkeypatch.chdir(tmp_path)


def chosen(jobs: Jobs) -> list[tuple[object, ...]]:
    return [(config["seed"], config["choices"]["optimizer"]) for config in jobs.configs]


@pytest.mark.usefixtures("swept")
def test_values_of_a_config_file_are_swept_over() -> None:
    jobs = jobs_of(["experiment=swept"], multirun=True)
    assert chosen(jobs) == [(1, "adam"), (1, "adamw"), (2, "adam"), (2, "adamw")]
    assert jobs.configs[0]["overrides"] == ["seed=1", "optimizer=adam", "experiment=swept"]


@pytest.mark.usefixtures("swept")
def test_the_command_line_wins_over_values_of_a_config_file() -> None:
    jobs = jobs_of(["experiment=swept", "seed=5,6", "optimizer=adamw"], multirun=True)
    assert chosen(jobs) == [(5, "adamw"), (6, "adamw")]
    assert chosen(jobs_of(["experiment=swept", "seed=5", "optimizer=adamw"])) == [(5, "adamw")]


@pytest.mark.usefixtures("swept")
def test_one_run_is_not_one_of_several_values() -> None:
    with pytest.raises(InputError, match=r"params of a config file \(seed=1,2, .*\) gives several values: add -m"):
        jobs_of(["experiment=swept"])
    with pytest.raises(InputError, match="seed=1,2 gives several values: add -m"):
        jobs_of(["seed=1,2"])


def test_hydras_own_word_for_a_multirun_is_understood() -> None:
    jobs = jobs_of(["hydra.mode=MULTIRUN", "seed=1,2"])
    assert jobs.is_multirun
    assert [config["seed"] for config in jobs.configs] == [1, 2]


def test_a_value_given_twice_counts_once() -> None:
    assert expand(["seed=7,7,8"]) == [["seed=7"], ["seed=8"]]


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        (["seed=range(100000000)"], "100,000,000 jobs"),
        (["seed=shuffle(range(0,100000000))"], "100,000,000 jobs"),
        (["seed=range(0,1e300)"], "at most 10,000"),
        (["seed=range(0,1000)", "dataset.seed=range(0,1000)"], "1,000,000 jobs"),
        (["seed=range(5,1)"], "has no value in it"),
        (["seed=range(0,5,0)"], "has no value in it"),
        (["optimizer.lr=interval(0,1)"], "a range without steps"),
    ],
)
def test_too_many_jobs_or_none_are_refused_at_once(overrides: list[str], part: str) -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match=part) as caught:
        jobs_of(overrides, multirun=True)
    assert time.monotonic() - began < 5.0
    assert len(str(caught.value)) < 250


def test_runs_that_are_the_same_are_done_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "-m", "dataset.n_frames=20", "seed=1,1,2", f"outputs={tmp_path}"]) == 0
    told = capsys.readouterr()
    assert told.out.count("content_hash") == 1
    assert "seed=2 is the same run as seed=1: it is done once" in told.err


def test_a_sweeper_of_ones_own_may_take_intervals_and_chooses_the_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "mine.py").write_text(SWEEPER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(VARIABLE, "")
    Plugins.instance().register(importlib.import_module("hydra_plugins.mine").Ends)
    overrides = ["parts=[hydra_plugins.mine]", "hydra.sweeper._target_=hydra_plugins.mine.Ends"]
    overrides += ["optimizer.lr=interval(1e-4,1)", "scheduler=null"]
    assert jobs_of(overrides, multirun=True).is_chosen
    rates: list[float] = []
    jobs = launch_chosen(overrides, lambda config: rates.append(config["optimizer"]["lr"]), "mine", tmp_path)
    assert rates == [0.001, 0.002]
    assert [compose(job)["optimizer"]["lr"] for job in jobs] == rates


def test_a_mistake_of_options_is_met_once(tmp_path: Path) -> None:
    """As a misspelt sweep.objective, which is known when the first run has its metrics."""
    done: list[tuple[str, int]] = []

    def job(config: Config) -> None:
        done.append((config["choices"]["optimizer"], config["seed"]))
        if config["choices"]["optimizer"] == "adam":
            raise MistakeOfOptions("sweep.objective=x is no metric")

    jobs = [[f"seed={seed}", f"optimizer={name}"] for name in ("adam", "adamw") for seed in (1, 2)]
    failed = launch(jobs, [], job, "mine", tmp_path)
    assert done == [("adam", 1), ("adamw", 1), ("adamw", 2)]
    assert [one.overrides for one in failed] == [tuple(job) for job in jobs[:2]]


@pytest.mark.parametrize(("deaths", "given_up"), [(1, False), (MOST_DEATHS, True)])
def test_a_process_that_dies_costs_no_other_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: int, given_up: bool
) -> None:
    """A launcher whose processes die with job 2 in one of them, and job 3 in another."""
    done, rounds = list[int](), list[list[str]]()

    def multirun(overrides: list[str], task: Any, folder: Path) -> None:
        numbers = [int(n) for n in overrides[-1].partition("=")[2].split(",")]
        rounds.append(overrides)
        for number in numbers:
            if number == 2 and sum("2" in one[-1].partition("=")[2] for one in rounds) <= deaths:
                for begun in {2, 3} & set(numbers):
                    (folder / "ends" / f"{begun}.begun").touch()
                raise BrokenExecutor("a worker was killed")
            task(SimpleNamespace(job_number=number))

    def job(config: Config) -> None:
        done.append(config["seed"])
        if config["seed"] == 1:
            raise InputError("on purpose")

    monkeypatch.setattr("cgexp.config.launch._multirun", multirun)
    failed = launch([[f"seed={seed}"] for seed in range(5)], [], job, "mine", tmp_path)
    assert done == ([0, 1, 4, 3] if given_up else [0, 1, 4, 2, 3])
    assert [overrides[-1] for overrides in rounds[:2]] == ["+job_number=0,1,2,3,4", "+job_number=4"]
    told = {one.overrides[0]: sentence_of(one.error) for one in failed}
    assert told.pop("seed=1") == "on purpose"
    assert sorted(told) == (["seed=2"] if given_up else [])
    assert all("has died 3 times" in sentence for sentence in told.values())
    assert [one.is_mistake for one in failed if one.overrides == ("seed=1",)] == [True]


@pytest.mark.parametrize(
    "how",
    ["launcher=joblib", "hydra.launcher.n_jobs=3", "force=true", "outputs=there", "sweep.metrics=[w1_x]", "+seed=1,2"],
)
def test_a_sweep_has_one_name_however_it_is_done(how: str) -> None:
    given = ["experiment=toy_cgnet", "seed=1,2"]
    assert sweep_name([*given, how] if "seed" not in how else [given[0], how]) == sweep_name(given)
    assert sweep_name(["experiment=toy_cgnet", "seed=1,3"]) != sweep_name(given)


def test_one_job_that_is_left_begins_no_pool_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, forks, deaths = list[int](), list[int](), [True, False]

    def fork(work: Any) -> None:
        forks.append(len(done))
        if deaths.pop(0):
            raise BrokenExecutor("killed")
        work()

    monkeypatch.setattr("cgexp.config.launch.may_fork", lambda: True)
    monkeypatch.setattr("cgexp.config.launch.forked", fork)
    monkeypatch.setattr("cgexp.config.launch._multirun", None)
    assert launch([["seed=3"]], ["launcher=joblib"], lambda config: done.append(config["seed"]), "mine", tmp_path) == []
    assert (done, forks) == ([3], [0, 0])
