"""Every experiment that ships runs from data to figures, and every loss trains."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cgexp.config.compose import compose
from cgexp.config.paths import group_options
from cgexp.errors import InputError
from cgexp.report.figures import SUFFIXES, draw
from cgexp.runs.pipeline import run
from tests.runs.small import configure, quiet

# Seconds of all-atom sampling instead of minutes.
LITTLE_SAMPLING = [
    *("dataset.protocol.n_native=1", "dataset.protocol.n_extended=0", "dataset.protocol.n_hot=1"),
    *("dataset.protocol.ps_per_walker=8", "dataset.protocol.segment_ps=4", "dataset.protocol.drop_ps=5"),
    *("dataset.protocol.hot_ps=4", "dataset.protocol.save_ps=0.04"),
    "dataset.force_map=constraint_group",  # the optimal map of so few frames is seen to be biased
]


# PDFs take three times as long as all else of a run: those of a toy are drawn here, a peptide's free energy in
# tests/report/test_figures.py; all of a peptide's are slow
WITH_PDF = "toy_cgnet"
# figures of these are drawn, and their files are blank: those of chignolin_first are of the same curves
BLANK = ("chignolin_cgnet", "chignolin_cgschnet")

# these ask for a file or a sequence: tests/datasets/trajectory/test_to_report.py runs them
OF_USERS = ("own_molecule", "own_peptide", "peptide")
ELSEWHERE = ("toy_polymer",)  # tests/systems/test_molecules.py runs it
READY = [
    name for name in group_options("experiment") if not name.startswith("active_") and name not in OF_USERS + ELSEWHERE
]

SAMPLED = ["trainer.use_weights=last"] + [
    f"loss.terms.relative_entropy.{key}=2" for key in ("n_replicas", "n_steps", "n_equilibration")
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.mark.parametrize("experiment", READY)
def test_every_experiment_runs_from_data_to_figures(
    outputs: Path, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if experiment in BLANK:
        monkeypatch.setattr("cgexp.runs.page.draw", lambda *given: dict.fromkeys(draw(*given), Figure((1, 1))))
    overrides = [f"experiment={experiment}", f"figures={'all' if experiment == WITH_PDF else 'png'}"]
    if compose(overrides)["dataset"]["name"] == "chignolin_openmm":
        pytest.importorskip("openmm")
        overrides += LITTLE_SAMPLING
    folder = run(configure(outputs, *overrides), say=quiet)
    metrics = json.loads(folder.metrics.read_text())
    assert all(np.isfinite(value) for value in metrics.values())
    assert metrics["replicas_failed"] == 0
    assert {"loss_train", "loss_validation", "loss_zero_force", "loss_prior_only"} <= metrics.keys()
    assert "w1_tica" in metrics or "force_rmse_relative" in metrics
    figures = {path.name for path in folder.figures.iterdir()}
    assert {"training.png", "prior_fit.png"} <= figures
    assert ("training.pdf" in figures) == (experiment == WITH_PDF)
    assert not list(folder.path.rglob("*.part"))


@pytest.mark.slow
def test_every_figure_of_a_peptide_is_written_in_every_way(outputs: Path) -> None:
    folder = run(configure(outputs, "experiment=chignolin_first", "figures=all"), say=quiet)
    names = {path.stem for path in folder.figures.iterdir()}
    assert {path.name for path in folder.figures.iterdir()} == {f"{n}.{s}" for n in names for s in SUFFIXES["all"]}


@pytest.mark.parametrize("loss", group_options("loss"))
def test_every_loss_trains(outputs: Path, loss: str) -> None:
    own = SAMPLED if loss == "force_relative_entropy" else []
    config = configure(outputs, f"loss={loss}", *own)
    refused = {"force_circulation": "1 bead in 1 dimension"}
    if loss in refused:
        with pytest.raises(InputError, match=refused[loss]):
            run(config, "train", say=quiet)
        return
    assert run(config, "train", say=quiet).potential.is_file()
