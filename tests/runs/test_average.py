"""model=average: a run of the mean of trained networks, from data to report; its potential stands alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cgexp.cli.jobs import check_one
from cgexp.config.checks import all_problems
from cgexp.config.compose import compose
from cgexp.config.identity import run_id
from cgexp.errors import InputError
from cgexp.models.potential import POTENTIAL_FILE, Potential, load_potential, save_potential
from cgexp.report.figures import draw
from cgexp.runs.bundle import export_bundle
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder
from cgexp.runs.load import load
from cgexp.runs.pipeline import run
from cgexp.runs.stages import fitted_prior
from tests.runs.small import configure, quiet

TOY = ("experiment=toy_cgnet", "dataset.n_frames=400")


def mean_of(outputs: Path, runs: list[Path], *overrides: str) -> RunFolder:
    given = (*TOY, "model=average", f"model.runs=[{','.join(map(str, runs))}]", *overrides)
    return run(configure(outputs, *given), say=quiet)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def members(outputs: Path) -> list[Path]:
    """Folders of runs, as far as an average reads them: with a network that could have been trained."""
    experiment, folders = Experiment.of(configure(outputs, *TOY)), [outputs / "toy_cgnet" / name for name in "ab"]
    frames = experiment.data_set.get()[0]
    prior = fitted_prior(experiment, frames)
    for seed, folder in enumerate(folders):
        torch.manual_seed(seed)
        network = experiment.model.make()
        network.fit(frames, experiment.system)
        folder.mkdir(parents=True)
        spec, prior_spec = experiment.model.spec, prior.left(experiment.prior.spec)
        save_potential(folder / POTENTIAL_FILE, Potential(network, prior.float()), spec, prior_spec)
    return folders


@pytest.fixture(scope="module")
def finished(outputs: Path, members: list[Path]) -> RunFolder:
    with pytest.MonkeyPatch.context() as patch:  # its figures are those of any model
        patch.setattr("cgexp.runs.page.draw", lambda curves, _: draw({"training": curves["training"]}))
        return mean_of(outputs, members, "figures=png")


def test_it_is_the_mean_and_nothing_is_trained(finished: RunFolder, members: list[Path]) -> None:
    found, coords = load(finished.path), torch.linspace(-1.0, 1.0, 7)[:, None, None]
    potentials = [load_potential(member / POTENTIAL_FILE) for member in members]
    energies = torch.stack([potential.energy(coords) for potential in potentials])
    torch.testing.assert_close(found.potential.energy(coords), energies.mean(0))
    assert found.metrics["epochs"] == 0
    assert found.metrics["n_parameters"] == sum(len(p.flatten()) for one in potentials for p in one.parameters())
    assert found.metrics["replicas_failed"] == 0


def test_no_frame_counts_as_held_out_of_its_members(finished: RunFolder) -> None:
    metrics, frames = load(finished.path).metrics, load(finished.path).frames
    assert "loss_validation" not in metrics
    assert frames.forces is not None
    errors = load(finished.path).potential.forces(frames.coords) - frames.forces
    assert metrics["loss_train"] == pytest.approx(float(np.square(errors).mean()), rel=1e-4)


def test_the_report_says_whose_mean_it_is(finished: RunFolder, members: list[Path]) -> None:
    page = finished.report.read_text(encoding="utf-8")
    assert f"the mean of the networks of 2 runs ({members[0].name}, {members[1].name})" in page
    assert "nothing was trained" in page


def test_a_run_is_named_by_the_names_of_its_members(outputs: Path) -> None:
    def named(*runs: str) -> str:
        return run_id(configure(outputs, *TOY, "model=average", f"model.runs=[{','.join(runs)}]"))

    assert named("here/a", "b") == named("there/a", "/elsewhere/b") != named("a", "c")


def test_active_learning_has_nothing_to_train() -> None:
    problems = all_problems(compose(["experiment=active_toy", "model=average", "model.runs=[a]"]))
    assert any("model=average is none to train: choose another" in problem for problem in problems)


def test_members_with_another_prior_are_refused(outputs: Path, members: list[Path]) -> None:
    with pytest.raises(InputError, match="was trained on top of another prior than the one of this run"):
        mean_of(outputs, members, "prior=none")
    with pytest.raises(InputError, match="nowhere holds no trained network"):
        mean_of(outputs, [*members, outputs / "nowhere"])


def test_it_needs_the_folders_of_its_members_no_more(finished: RunFolder, members: list[Path], tmp_path: Path) -> None:
    shutil.copytree(finished.path.parents[1], tmp_path / "outputs")
    moved = tmp_path / "outputs" / finished.path.relative_to(finished.path.parents[1])
    for member in members:
        shutil.rmtree(moved.parent / member.name)
    coords = np.linspace(-1.0, 1.0, 5)[:, None, None]
    expected = load(finished.path).potential.forces(coords)
    assert np.array_equal(load(moved).potential.forces(coords), expected)
    bundle = export_bundle(moved, tmp_path / "bundle")
    assert np.array_equal(bundle.potential.forces(coords), expected)


def test_a_finished_run_is_checked_where_its_members_are_not(
    finished: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(run: str) -> None:
        raise InputError(f"model.runs={run} holds no trained network")

    monkeypatch.setattr("cgexp.models.average._trained", gone)
    check_one(compose([f"run={finished.path}"]))
    assert "potential  forces [64, 1, 1], all finite" in capsys.readouterr().out
