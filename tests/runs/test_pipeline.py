"""A run from config to metrics: skipped when finished, resumed when not, reused by later stages."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import cgexp
from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.runs import pipeline, resolve, stages
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder, folder_of
from cgexp.runs.lock import lock
from cgexp.runs.pipeline import run
from cgexp.store import write_record
from tests.runs.small import configure, quiet, without_costs


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def finished(outputs: Path) -> RunFolder:
    return run(configure(outputs, "experiment=toy_cgnet"), say=quiet)


@pytest.fixture
def copy(finished: RunFolder, outputs: Path, tmp_path: Path) -> RunFolder:
    """The finished run with its data in a folder of the test's own, ``tmp_path``."""
    for path in (finished.path, outputs / "data"):
        shutil.copytree(path, tmp_path / path.relative_to(outputs))
    return RunFolder(tmp_path / finished.path.relative_to(outputs))


def test_data_on_disk_give_the_same_numbers(finished: RunFolder, outputs: Path) -> None:
    folder = run(configure(outputs / "disk", "experiment=toy_cgnet", "trainer.resident_gb=1e-9"), say=quiet)
    found, expected = (without_costs(json.loads(of.metrics.read_text())) for of in (folder, finished))
    assert found == expected
    assert not folder.scratch().exists()


def test_a_finished_run_is_skipped(outputs: Path, finished: RunFolder) -> None:
    said: list[str] = []
    before = finished.metrics.stat().st_mtime_ns
    run(configure(outputs, "experiment=toy_cgnet"), say=said.append)
    assert "finished, skipped" in said[0]
    assert "force=true" in said[0]
    assert finished.metrics.stat().st_mtime_ns == before


def test_another_code_version_is_named_when_skipping(finished: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.provenance, "code_version", lambda: {"version": "99", "commit": None, "dirty": None})
    assert f"made by version {cgexp.__version__}" in resolve._made_by(finished, "evaluate")


def test_force_runs_again(copy: RunFolder, tmp_path: Path) -> None:
    before = copy.metrics.stat().st_mtime_ns
    assert run(configure(tmp_path, "experiment=toy_cgnet", "force=true"), say=quiet).path == copy.path
    assert copy.metrics.stat().st_mtime_ns > before


@pytest.mark.parametrize("override", ["trainer.callbacks.ema=null", "prior.terms.wall=null"])
def test_null_switches_a_part_off(tmp_path: Path, override: str) -> None:
    assert run(configure(tmp_path, override), "train", say=quiet).potential.is_file()


@pytest.mark.parametrize("name", ["provenance.json", "config.yaml", "metrics.json", "simulation.json", "potential.npz"])
def test_a_run_that_lost_a_file_is_completed_again(copy: RunFolder, tmp_path: Path, name: str) -> None:
    (copy.path / name).unlink()
    again = run(configure(tmp_path, "experiment=toy_cgnet"), say=quiet)
    assert again.path == copy.path
    assert all(again.done(stage) for stage in ("prior", "train", "simulate", "evaluate"))


def test_repeated_calls_on_a_run_that_starts_from_another_are_skipped(finished: RunFolder) -> None:
    given = [f"run={finished.path}", "analysis.n_bins=21", "figures=none"]
    child = run(compose(given), "evaluate", say=quiet)
    assert set(json.loads(child.provenance.read_text())["stages"]) == {"prior", "train", "simulate", "evaluate"}
    said: list[str] = []
    for verb in ("simulate", "evaluate", "run"):
        run(compose(given), verb, say=said.append)
    assert all("finished, skipped" in text for text in said)


def test_force_destroys_nothing_if_the_config_is_wrong(outputs: Path, finished: RunFolder) -> None:
    config = configure(outputs, "experiment=toy_cgnet", "force=true")
    config["analysis"] = {**config["analysis"], "_target_": "cgexp.analysis.toy.Nothing"}
    with pytest.raises(InputError):
        pipeline._work(Experiment.of(config), finished, "run")
    assert finished.metrics.is_file()
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no GPU was found"):
            run(configure(outputs, "experiment=toy_cgnet", "force=true", "trainer=gpu"), say=quiet)
    assert finished.metrics.is_file()


def test_an_unfinished_trajectory_is_not_evaluated(tmp_path: Path) -> None:
    folder = run(configure(tmp_path, "simulation.chunk_frames=5"), say=quiet)
    before = folder.read_metrics()
    folder.metrics.unlink()
    sorted(folder.trajectory.glob("chunk-*"))[-1].unlink()
    advice = f"`cgexp simulate run={folder.path}` does it"
    with pytest.raises(InputError, match=f"no finished stage 'simulate'.*trajectory: missing.*{advice}"):
        run(compose([f"run={folder.path}", "figures=none"]), "evaluate", say=quiet)
    run(compose([f"run={folder.path}"]), "simulate", say=quiet)
    run(compose([f"run={folder.path}", "figures=none"]), "evaluate", say=quiet)
    assert without_costs(folder.read_metrics()) == without_costs(before)


@pytest.mark.parametrize("stage", ["train", "simulate", "evaluate"])
def test_a_run_stopped_before_a_stage_goes_on_to_the_same_numbers(
    outputs: Path, finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    config = configure(tmp_path, "experiment=toy_cgnet")

    def stop(_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setitem(pipeline.WORK, stage, stop)
        with pytest.raises(RuntimeError, match="killed"):
            run(config, say=quiet)
    folder = RunFolder(tmp_path / finished.path.relative_to(outputs))
    assert "RuntimeError: killed" in folder.log.read_text()
    assert not folder.metrics.exists()
    run(config, say=quiet)
    assert without_costs(folder.read_metrics()) == without_costs(finished.read_metrics())


def test_a_later_stage_needs_the_earlier_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="do `cgexp train` first"):
        run(configure(tmp_path), "simulate", say=quiet)


def test_later_stages_of_a_given_run_reuse_the_earlier_ones(outputs: Path, finished: RunFolder) -> None:
    config = compose([f"run={finished.path}", "simulation.n_steps=100", "logger=csv"])
    folder = run(config, "simulate", say=quiet)
    assert folder.path != finished.path
    assert folder.path.parent == finished.path.parent
    assert folder.potential.read_bytes() == finished.potential.read_bytes()
    assert folder.read_config()["simulation"]["n_steps"] == 100
    assert not folder.metrics.exists()
    again = run(compose([f"run={folder.path}", "figures=none"]), "evaluate", say=quiet)
    assert again.path == folder.path
    assert again.metrics.is_file()


def test_a_run_that_starts_from_one_trained_again_follows(tmp_path: Path) -> None:
    config = configure(tmp_path, "seed=21")
    parent = run(config, "train", say=quiet)
    child = run(compose([f"run={parent.path}", "simulation.n_steps=100"]), "simulate", say=quiet)
    assert json.loads(child.provenance.read_text())["parent"] == parent.path.name
    # the parent's potential becomes another file, as a training by new code would make it
    stages.save_potential(
        parent.potential, cgexp.load(parent.path).potential, config["model"], config["prior"], again=1
    )
    advice = rf"potential\.npz: missing, or not as it was\): `cgexp train run={parent.path}` does it"
    (child.path / "potential.npz").unlink()
    with pytest.raises(InputError, match=advice):
        run(compose([f"run={parent.path}", "simulation.n_steps=100"]), "simulate", say=quiet)
    pipeline.provenance.note(parent, "train", "reference")
    again = run(compose([f"run={parent.path}", "simulation.n_steps=100", "force=true"]), "simulate", say=quiet)
    assert again.potential.read_bytes() == parent.potential.read_bytes()


def test_a_given_run_cannot_be_trained_otherwise(finished: RunFolder) -> None:
    with pytest.raises(InputError, match=r"model\.width differ.*start a new run"):
        run(compose([f"run={finished.path}", "model.width=8"]), "simulate", say=quiet)


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a run: it has no config\.yaml"):
        run(compose([f"run={tmp_path}"]), "evaluate", say=quiet)


def test_two_processes_cannot_work_in_one_run(tmp_path: Path) -> None:
    who = rf"another process \(pid {os.getpid()} on .+\) works in"
    with lock(tmp_path), pytest.raises(InputError, match=who), lock(tmp_path):
        pass
    with lock(tmp_path):
        pass


def test_the_python_face(finished: RunFolder) -> None:
    loaded = cgexp.load(finished.path)
    assert loaded.config["dataset"]["name"] == "toy_cgnet"
    assert loaded.metrics["replicas_failed"] == 0
    assert len(loaded.frames) == 240
    coords = torch.tensor(loaded.frames.coords[:5])
    assert loaded.potential.energy(coords).shape == (5,)
    assert loaded.potential.forces(coords).shape == coords.shape
    assert loaded.trajectory().coords.shape == (20, 4, 1, 1)
    with pytest.raises(InputError, match="is not a run"):
        cgexp.load("/nowhere")


def test_outputs_can_be_moved(finished: RunFolder, outputs: Path, tmp_path: Path) -> None:
    shutil.copytree(outputs, tmp_path / "moved")
    moved = cgexp.load(tmp_path / "moved" / finished.path.relative_to(outputs))
    assert len(moved.frames) == 240


def test_changed_data_are_noticed(finished: RunFolder, outputs: Path, tmp_path: Path) -> None:
    shutil.copytree(outputs, tmp_path / "moved")
    folder = RunFolder(tmp_path / "moved" / finished.path.relative_to(outputs))
    recorded = folder.read_provenance()
    recorded["data"]["content_hash"] = "0"
    write_record(folder.provenance, recorded)
    with pytest.raises(InputError, match="has changed since the run"):
        _ = cgexp.load(folder.path).frames


def test_a_run_without_a_simulation_is_finished_when_evaluated(outputs: Path) -> None:
    config = configure(outputs, "experiment=toy_cgnet", "simulation=none")
    folder = run(config, say=quiet)
    metrics = json.loads(folder.metrics.read_text())
    assert "force_rmse_relative" in metrics
    assert "replicas_failed" not in metrics
    assert not folder.trajectory.exists()
    said: list[str] = []
    run(config, say=said.append)
    assert "finished, skipped" in said[0]
    with pytest.raises(InputError, match="simulation=none"):
        run(config, "simulate", say=quiet)
    run(config, "evaluate", say=quiet)


def test_a_run_starts_from_the_weights_of_another(outputs: Path, finished: RunFolder, tmp_path: Path) -> None:
    given = ["experiment=toy_cgnet", "simulation=none", "seed=8", f"trainer.start_from={finished.path}"]
    warm = run(configure(outputs, *given, "optimizer.lr=1e-9", "scheduler=none"), "train", say=quiet)
    before, after = (cgexp.load(folder.path).potential.state_dict() for folder in (finished, warm))
    for name in ("network.hidden.0.weight", "network.energy_layer.weight"):
        torch.testing.assert_close(after[name], before[name], rtol=0.0, atol=1e-6)
    moved = configure(outputs, *given[:-1], f"trainer.start_from={tmp_path / finished.path.name}")
    assert folder_of(moved).path == folder_of(configure(outputs, *given)).path  # wherever that run lies
    with pytest.raises(InputError, match="holds no trained network"):
        run(configure(outputs, *given[:-1], f"trainer.start_from={tmp_path}"), "train", say=quiet)


def test_the_history_of_a_run_can_be_loaded(finished: RunFolder) -> None:
    history = cgexp.load(finished.path).history
    assert history["epoch"].tolist() == [0.0, 1.0]
    assert np.isfinite(history["loss_train_running"]).all()
    assert "loss_train" not in history  # a metric, of the kept weights: one name, one number


def test_what_a_run_gives_says_what_it_is(finished: RunFolder) -> None:
    found = cgexp.load(finished.path)
    assert repr(found) == f"<Run: {finished.path}; done: prior, train, simulate, evaluate>"
    assert repr(found.frames).startswith(f"<Frames: {len(found.frames)} of toy_cgnet, 1 beads in 1 dimensions, reduced")
    assert repr(found.trajectory()).startswith(f"<Trajectory: coords {list(found.trajectory().coords.shape)}, ")


def test_histories_written_before_their_column_was_renamed_are_read(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "history.csv").write_text("epoch,loss_train\n0,1.5\n")
    assert RunFolder(tmp_path).read_history()["loss_train_running"].tolist() == [1.5]


def test_figures_of_a_run_can_be_left_out_and_drawn_later(outputs: Path) -> None:
    folder = run(configure(outputs, "experiment=toy_cgnet", "simulation=none", "seed=9", "figures=none"), say=quiet)
    assert folder.metrics.is_file()
    assert not folder.figures.exists()
    run(compose([f"run={folder.path}", "figures=png", "force=true"]), "evaluate", say=quiet)
    assert {path.suffix for path in folder.figures.iterdir()} == {".png"}


def test_metrics_are_written_although_a_figure_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no LaTeX")

    monkeypatch.setattr("cgexp.runs.page.draw", fail)
    with pytest.warns(UserWarning, match=r"figures and report could not be made .*no LaTeX.* the metrics are complete"):
        folder = run(configure(tmp_path, "experiment=toy_cgnet", "figures=png"), say=quiet)
    assert folder.done("evaluate")
