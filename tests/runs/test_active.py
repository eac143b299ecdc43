"""cgexp active: rounds with the real stages, resumed after exceptions and after kills, in every mode."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import cgexp
from cgexp.active.rounds import RoundFolder, rounds_of, weighted
from cgexp.cli.main import main
from cgexp.config.checks import check
from cgexp.config.compose import Config, compose
from cgexp.config.identity import run_id
from cgexp.errors import InputError
from cgexp.priors.prior import Prior
from cgexp.runs import active_stages
from cgexp.runs.active import frames_of, run_active
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder
from cgexp.runs.pipeline import run
from cgexp.runs.rounds import damaged_rounds
from cgexp.runs.verify import verify
from cgexp.simulation.trajectory import Trajectory
from cgexp.training.history import ArrayCheckpointIO

TINY = [
    *("experiment=active_toy", "debug=fast", "dataset.n_frames=400", "trainer.steps_per_epoch=10", "figures=none"),
    *("simulation.n_replicas=10", "simulation.n_steps=100", "simulation.save_every=25", "analysis.n_bootstrap=2"),
]


def configure(outputs: Path, *overrides: str) -> Config:
    config = compose([*TINY, f"outputs={outputs}", *overrides])
    check(config)
    return config


def quiet(text: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def finished(outputs: Path) -> RunFolder:
    return run_active(configure(outputs), say=quiet)


def data_hash(folder: RunFolder) -> str:
    return str(rounds_of(folder.path)[-1].data_hash)


def test_a_run_has_a_model_metrics_and_a_table_of_its_rounds(finished: RunFolder) -> None:
    metrics = json.loads(finished.metrics.read_text())
    assert all(np.isfinite(value) for value in metrics.values())
    assert (metrics["rounds"], metrics["oracle_calls"], metrics["n_frames"]) == (2, 8, 408)
    assert {"pmf_rmse_integration", "w1_x", "coverage_max", "oracle_s", "labels_rejected"} <= metrics.keys()
    with open(finished.path / "rounds.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["n_frames"] for row in rows] == ["400", "404", "408"]
    assert float(rows[2]["w1_x"]) == metrics["w1_x"]
    last = cgexp.load(finished.path / "rounds" / "02")
    assert last.metrics["w1_x"] == metrics["w1_x"]
    assert finished.potential.read_bytes() == last.folder.potential.read_bytes()
    assert frames_of(finished.path).content_hash != frames_of(finished.path, 1).content_hash
    assert len(frames_of(finished.path)) == 408
    assert not list(finished.path.rglob("*.part"))


def test_all_rounds_train_for_the_same_number_of_steps(finished: RunFolder) -> None:
    for number in range(3):
        folder = RunFolder(RoundFolder(finished.path, number).path)
        assert folder.read_history()["step"].tolist() == [10, 20]
        assert folder.prior.read_bytes() == RunFolder(RoundFolder(finished.path, 0).path).prior.read_bytes()


def test_a_finished_run_is_as_it_was_written(finished: RunFolder) -> None:
    assert len(list(verify(finished.path))) == 2
    potential = finished.path / "rounds" / "01" / "potential.npz"
    kept = potential.read_bytes()
    try:
        shutil.copyfile(finished.path / "rounds" / "02" / "potential.npz", potential)
        with pytest.raises(InputError, match=r"potential\.npz of stage train in .*rounds/01: missing, or not as"):
            list(verify(finished.path))
    finally:
        potential.write_bytes(kept)


def test_a_check_names_each_file_that_a_round_has_lost(finished: RunFolder) -> None:
    for name in ("added.npz", "selection.npz", "round.json", "provenance.json", "labels/0001.npz"):
        path = finished.path / "rounds" / "01" / name
        kept = path.read_bytes()
        path.unlink()
        try:
            with pytest.raises(InputError, match=rf"{re.escape(name)} in .*rounds/01: missing"):
                list(verify(finished.path))
        finally:
            path.write_bytes(kept)


@pytest.mark.parametrize(
    ("name", "named", "again"),
    [
        ("rounds/01/proposals", r"proposals/provenance\.json in .*rounds/01: missing", [1]),
        ("rounds/02", r"provenance\.json in .*rounds/02: missing", [2]),
        ("rounds", r"provenance\.json in .*rounds/00: missing", [0, 1, 2]),
    ],
)
def test_a_whole_folder_that_is_lost_is_named_and_made_again(
    finished: RunFolder, tmp_path: Path, name: str, named: str, again: list[int]
) -> None:
    (finished.path / name).rename(tmp_path / "away")
    try:
        with pytest.raises(InputError, match=named):
            list(verify(finished.path))
        assert [place.number for place in damaged_rounds(finished, finished.read_config())] == again
    finally:
        (tmp_path / "away").rename(finished.path / name)


def test_a_finished_run_is_skipped(outputs: Path, finished: RunFolder) -> None:
    said: list[str] = []
    run_active(configure(outputs), said.append)
    assert "finished, skipped" in said[0]


def test_a_model_is_judged_from_the_initial_frames_and_proposes_from_all(tmp_path: Path, finished: RunFolder) -> None:
    folder = run_active(configure(tmp_path, "active.proposals={n_steps:50,n_replicas:6}"), quiet)
    for number in range(3):
        place = RoundFolder(folder.path, number).path
        judged, proposing = (Trajectory.load(one / "trajectory") for one in (place, place / "proposals"))
        assert judged.coords.shape[:2] == (4, 10)
        assert proposing.coords.shape[:2] == (2, 6)
    assert not (RoundFolder(finished.path, 0).path / "proposals").exists()
    assert (RoundFolder(finished.path, 1).path / "proposals").is_dir()


@pytest.mark.parametrize("proposals", ["null", "{n_steps:50,n_replicas:6}"])
def test_all_arms_are_judged_alike(proposals: str, tmp_path: Path) -> None:
    judged = []
    for arm in (["active.arm=learning"], ["active.arm=plain", "acquisition=none"]):
        folder = run_active(configure(tmp_path, "active.n_rounds=1", f"active.proposals={proposals}", *arm), quiet)
        place = RunFolder(RoundFolder(folder.path, 1).path)
        settings = Trajectory.load(place.trajectory).settings
        assert settings["n_steps"] == 100
        judged.append(settings["starts"])
    assert judged[0] == judged[1]


class Killed(BaseException):
    """As a kill would."""


def test_stopped_after_each_stage_it_ends_with_the_same_data(
    tmp_path: Path, finished: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, stopped = configure(tmp_path), []
    for stage in ("fit_prior", "train", "simulate", "evaluate"):
        original = getattr(active_stages, stage)

        def once(*context: object, original: object = original, stage: str = stage) -> None:
            original(*context)  # type: ignore[operator]
            if stage not in stopped:
                stopped.append(stage)
                raise Killed

        monkeypatch.setattr(active_stages, stage, once)
    for _ in range(4):
        with pytest.raises(Killed):
            run_active(config, quiet)
    folder = run_active(config, quiet)
    assert stopped == ["fit_prior", "train", "simulate", "evaluate"]
    assert data_hash(folder) == data_hash(finished)
    one, other = (json.loads(place.metrics.read_text()) for place in (folder, finished))
    for name in ("w1_x", "pmf_rmse_integration", "loss_train", "coverage_max"):
        assert one[name] == other[name]


@pytest.mark.slow
def test_a_warm_round_begins_with_the_last_ones_weights(tmp_path: Path) -> None:
    folder = run_active(configure(tmp_path, "active.mode=warm", "active.n_rounds=1", "scheduler.max_lr=1e-9"), quiet)
    first, second = (cgexp.load(RoundFolder(folder.path, number).path).potential.network for number in (0, 1))
    assert first is not None
    assert second is not None
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert float((one - other).detach().abs().max()) < 1e-5


def test_a_prior_is_refitted_to_the_data_of_a_round_by_the_weights_of_the_added(tmp_path: Path) -> None:
    changes = ("active.n_rounds=1", "active.refit_prior=true", "active.added_share=0.5")
    folder = run_active(configure(tmp_path, *changes), say=quiet)
    first, second = (RunFolder(RoundFolder(folder.path, number).path) for number in (0, 1))
    assert first.prior.read_bytes() != second.prior.read_bytes()
    frames = frames_of(folder.path)
    shared = weighted(frames, 0.5)
    assert shared.weights is not None
    assert shared.round is not None
    assert np.isclose(shared.weights[shared.round >= 0].sum(), 0.5 * len(frames))
    assert np.isclose(shared.weights.mean(), 1.0)
    experiment = Experiment.of(folder.read_config())
    expected = experiment.prior.make()
    expected.fit(shared, experiment.system)
    coords = torch.tensor(frames.coords)
    assert torch.equal(Prior.load(second.prior).energy(coords), expected.energy(coords))


@pytest.mark.slow
def test_an_online_loop_keeps_its_optimiser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ("active.mode=online", "scheduler=none")
    folder = run_active(configure(tmp_path / "whole", *overrides), quiet)
    for number in range(3):
        place = RunFolder(RoundFolder(folder.path, number).path)
        assert place.read_history()["step"].tolist() == [10.0 * epoch for epoch in range(1, 2 * number + 3)]
        (state,) = ArrayCheckpointIO().load_checkpoint(place.training / "last.ckpt")["optimizer_states"]
        assert int(state["state"][0]["step"]) == 20 * (number + 1)
    original, n_trained = active_stages.train, [0]

    def train(context: object) -> None:
        n_trained[0] += 1
        if n_trained[0] == 2:
            raise Killed
        original(context)  # type: ignore[arg-type]

    monkeypatch.setattr(active_stages, "train", train)
    with pytest.raises(Killed):
        run_active(configure(tmp_path / "stopped", *overrides), quiet)
    assert data_hash(run_active(configure(tmp_path / "stopped", *overrides), quiet)) == data_hash(folder)


@pytest.mark.slow
def test_an_ensemble_serves_the_rules_that_ask_for_one(tmp_path: Path) -> None:
    overrides = ("active.n_models=2", "acquisition=force_disagreement", "active.n_rounds=1")
    folder = run_active(configure(tmp_path, *overrides), quiet)
    members = [RunFolder(folder.path / "rounds" / "00" / place) for place in (".", "ensemble/1")]
    assert members[0].prior.read_bytes() == members[1].prior.read_bytes()
    assert members[0].potential.read_bytes() != members[1].potential.read_bytes()
    members[1].config.unlink()
    assert [place.number for place in damaged_rounds(folder, folder.read_config())] == [0]
    run_active(configure(tmp_path, *overrides), quiet)
    assert members[1].has_config()
    shutil.rmtree(members[1].path)
    with pytest.raises(InputError, match=r"ensemble/1/provenance.json in .*rounds/00: missing"):
        list(verify(folder.path))
    with pytest.raises(InputError, match=r"ensemble|models"):
        run_active(configure(tmp_path, *overrides[1:]), quiet)


@pytest.mark.slow
def test_a_model_whose_replicas_all_fail_is_learnt_from(tmp_path: Path) -> None:
    leaving = ("simulation.health.max_abs_coord=1.5", "dataset.within=[0.9,1.2]")  # the well is at 3
    folder = run_active(configure(tmp_path, *leaving, "simulation.n_steps=2000"), quiet)
    record = rounds_of(folder.path)[0]
    assert record.metrics["replicas_failed_fraction"] == 1.0
    assert record.n_added == 4


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["active=none"], "has no active learning"),
        (["trainer.steps_per_epoch=null"], "set trainer.steps_per_epoch="),
        (["oracle=none"], "active.arm=learning needs oracle"),
        (["active.mode=online"], "scheduler=onecycle ends with the first"),
        (["active.arm=plane"], "active.arm=plane is not valid"),
        (["active.n_round=3"], "did you mean 'n_rounds'"),
        (["acquisition=fartest_point"], "did you mean 'farthest_point'"),
        (["active.proposals={n_step:5}"], "unknown key 'active.proposals.n_step' (did you mean 'n_steps'?)"),
        (["active.proposals={n_steps:60}"], "is not a multiple of save_every=25"),
        (["active.proposals={temperature:2.0}"], "active.proposals.temperature=2.0 but dataset.temperature=1.0"),
        (["active.proposals={starts:folded}"], "active.proposals.starts=folded is not made for dataset toy_"),
        (["active.refit_prior=true", "active.mode=online"], "changes the prior in each round"),
        (["active.added_share=1"], "a number above 0 and below 1"),
        (["acquisition=force_disagreement"], "active.n_models=1: set it to 3"),
        (["acquisition=rank_sum"], "acquisition=rank_sum compares the forces of several networks"),
        (["trainer=early_stopping"], "which early stopping does not"),
        (["acquisition=tica_density"], "a toy has none: choose another acquisition"),
    ],
)
def test_mistakes_are_one_sentence(
    overrides: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["active", *TINY, f"outputs={tmp_path}", *overrides]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert len(error.splitlines()) == 1


def test_the_loop_has_a_run_of_its_own(finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["active", *TINY, f"outputs={tmp_path}", f"run={finished.path}"]) == 2
    assert "leave out run=" in capsys.readouterr().err


def test_the_verb_run_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="use `cgexp active`"):
        run(configure(tmp_path), say=quiet)


def test_run_ids_of_other_runs_do_not_know_of_it(tmp_path: Path) -> None:
    plain = compose(["experiment=toy_cgnet"])
    assert run_id(plain) == run_id({name: node for name, node in plain.items() if name not in ("active", "oracle")})
    base = run_id(configure(tmp_path))
    assert run_id(configure(tmp_path, "active.timeout_s=60")) == base
    for override in ("active.arm=none", "acquisition=random", "oracle.noise=sampled", "active.n_rounds=9"):
        assert run_id(configure(tmp_path, override)) != base
