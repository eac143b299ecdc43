"""NoNetwork: no energy, no parameters; a run with it is the prior alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.models.no_network import NoNetwork
from cgexp.report.figures import draw
from cgexp.runs.folder import RunFolder
from cgexp.runs.load import load
from cgexp.runs.pipeline import run
from cgexp.runs.stages import network_of
from cgexp.testing.configurations import toy_frames
from cgexp.training.levels import untrained


def test_energy_and_forces_are_zero() -> None:
    coords = torch.randn(5, 10, 3, dtype=torch.float64, requires_grad=True)
    energy = NoNetwork().energy(coords)
    (gradient,) = torch.autograd.grad(energy.sum(), coords)
    assert energy.shape == (5,)
    assert not energy.any()
    assert not gradient.any()
    assert list(NoNetwork().parameters()) == []


def test_frames_without_forces_have_no_losses(tmp_path: Path) -> None:
    frames, forces = toy_frames(40).with_labels(forces=None), np.zeros((40, 1, 1))
    numbers = untrained(frames, forces, forces, 0.1, 0, tmp_path, seed=0)
    assert numbers == {"checkpoint_epoch": 0.0, "epochs": 0.0, "train_seconds": 0.0}
    assert (tmp_path / "history.csv").is_file()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    given = ["experiment=chignolin_first", "model=none", "debug=fast", "figures=png", "analysis.n_bootstrap=2"]
    config = compose([*given, f"outputs={tmp_path_factory.mktemp('prior_only')}"])
    check(config)
    with pytest.MonkeyPatch.context() as patch:  # the other figures are those of any model
        patch.setattr("cgexp.runs.page.draw", lambda curves, _: draw({"training": curves["training"]}))
        return run(config, say=lambda text: None)


def test_a_run_with_it_is_the_prior_alone(finished: RunFolder) -> None:
    found = load(finished.path)
    assert found.potential.network is None
    assert found.metrics["loss_validation"] == found.metrics["loss_prior_only"]
    assert found.metrics["epochs"] == 0
    assert found.metrics["replicas_failed"] == 0
    assert np.all(found.history["loss_train_running"] == found.metrics["loss_train"])
    assert (finished.figures / "training.png").is_file()


def test_no_weights_can_be_taken_from_it(finished: RunFolder) -> None:
    with pytest.raises(InputError, match="holds no trained network"):
        network_of(str(finished.path))


def test_it_is_checked_without_a_step(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from cgexp.cli.main import main

    assert main(["check", "experiment=chignolin_first", "model=none", f"outputs={tmp_path}"]) == 0
    printed = capsys.readouterr().out
    assert "0 parameters" in printed
    assert "double backward" not in printed
