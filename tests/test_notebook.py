"""The ten lines of a notebook give what the command line gives, and say what does not fit in one sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cgexp
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.notebook import Comparison, Ensemble, Model
from cgexp.runs.pipeline import run

# measured, not computed
MEASURED = ("seconds", "per_second", "memory")
SETTINGS = {"trainer.batch_size": 128, "trainer.validation_fraction": 0.2}
SIMULATION = {"n_replicas": 8, "n_steps": 200, "save_every": 10}
ANALYSIS = {"n_bootstrap": 2}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def model(outputs: Path) -> Model:
    frames = cgexp.load_dataset("chignolin_mini", n_frames=600)
    return cgexp.fit(frames, model="cgnet", epochs=2, seed=3, settings=SETTINGS, outputs=outputs)


@pytest.fixture(scope="module")
def ensemble(model: Model) -> Ensemble:
    return cgexp.simulate(model, **SIMULATION)


@pytest.fixture(scope="module")
def comparison(ensemble: Ensemble) -> Comparison:
    return cgexp.compare(ensemble, **ANALYSIS)


def test_its_numbers_are_those_of_the_command_line(comparison: Comparison, tmp_path: Path) -> None:
    keys = {**SETTINGS, **{f"simulation.{key}": value for key, value in SIMULATION.items()}}
    keys |= {f"analysis.{key}": value for key, value in ANALYSIS.items()}
    overrides = ["experiment=notebook", "dataset=chignolin_mini", "dataset.n_frames=600", "model=cgnet"]
    overrides += [
        "prior=peptide",
        "simulation=peptide",
        "analysis=peptide",
        "trainer.max_epochs=2",
        "seed=3",
        "figures=none",
    ]
    config = compose([*overrides, *(f"{key}={value}" for key, value in keys.items()), f"outputs={tmp_path}"])
    check(config)
    expected = cgexp.load(run(config, say=lambda text: None).path).metrics
    assert expected.keys() == comparison.metrics.keys()
    for name, value in expected.items():
        if not any(word in name for word in MEASURED):
            assert comparison.metrics[name] == value or np.isnan(value), name


def test_what_is_there_is_not_done_again(model: Model, ensemble: Ensemble, outputs: Path) -> None:
    made = model.folder.potential.stat().st_mtime_ns
    frames = cgexp.load_dataset("chignolin_mini", n_frames=600)
    again = cgexp.fit(frames, model="cgnet", epochs=2, seed=3, settings=SETTINGS, outputs=outputs)
    assert again.folder.path == model.folder.path
    assert again.folder.potential.stat().st_mtime_ns == made
    assert cgexp.simulate(again, **SIMULATION).folder.path == ensemble.folder.path


def test_results_show_themselves(model: Model, ensemble: Ensemble, comparison: Comparison) -> None:
    assert "cgnet with prior peptide" in repr(model)
    assert "loss_validation" in repr(model)
    assert "replicas failed" in repr(ensemble)
    assert ensemble.trajectory.coords.shape[1:] == (8, 10, 3)
    assert "tica (TICA units)" in repr(comparison)
    page = comparison._repr_html_()
    assert page.count("data:image/png;base64,") == len(comparison.figures) > 3
    assert comparison.report.is_file()
    coords = torch.tensor(model.run.frames.coords[:3])
    assert torch.isfinite(model.potential.forces(coords)).all()


def test_a_toy_is_made_and_learned(outputs: Path) -> None:
    frames = cgexp.load_dataset("toy_cgnet", n_frames=200, seed=4)
    assert len(frames) == 200
    made = cgexp.fit(frames, model="toy_mlp", prior="toy_wall", epochs=1, outputs=outputs)
    assert made.metrics["loss_validation"] > 0


def test_mistakes_are_one_sentence(model: Model, outputs: Path) -> None:
    frames = cgexp.load_dataset("chignolin_mini", n_frames=600)
    with pytest.raises(InputError, match="did you mean 'cgschnet'"):
        cgexp.fit(frames, model="cgschnett", outputs=outputs)
    with pytest.raises(InputError, match=r"batch_sise.*did you mean 'batch_size'"):
        cgexp.fit(frames, settings={"trainer.batch_sise": 3}, outputs=outputs)
    with pytest.raises(InputError, match="carry no forces"):
        cgexp.fit(cgexp.load_dataset("chignolin_reference"), outputs=outputs)
    with pytest.raises(InputError, match=r"n_step.*did you mean 'n_steps'"):
        cgexp.simulate(model, n_step=5)
    with pytest.raises(InputError, match="chignolin_mini"):
        cgexp.load_dataset("chignolin_minni")


def test_a_data_set_takes_the_option_of_a_group_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def of(config: dict[str, Any]) -> None:
        asked.update(config["dataset"])
        raise InterruptedError

    monkeypatch.setattr("cgexp.runs.data.DataSet.of", of)
    with pytest.raises(InterruptedError):
        cgexp.load_dataset("chignolin_openmm", protocol="extended", **{"name": "mine", "protocol.n_extended": 3})
    assert (asked["name"], asked["protocol"]["n_extended"]) == ("mine", 3)
    assert asked["protocol"]["_target_"].endswith("Extended")


def test_something_else_gets_a_sentence() -> None:
    for function, sentence in (
        (cgexp.load, "the folder of load is None, a NoneType: give that of a run"),
        (cgexp.fit, "the data of fit is None, a NoneType: give Frames, as load_dataset returns them"),
        (cgexp.simulate, "the model of simulate is None, a NoneType: give what fit returned"),
        (cgexp.compare, "the ensemble of compare is None, a NoneType: give what simulate returned"),
    ):
        with pytest.raises(InputError, match=re.escape(sentence)):
            function(None)  # type: ignore[operator]
