"""The ten lines of a notebook: data, training, simulation and comparison without a command line.

    frames = cgexp.load_dataset("chignolin_sample")
    model = cgexp.fit(frames, model="cgschnet", prior="peptide", epochs=20)
    ensemble = cgexp.simulate(model, n_steps=20_000)
    cgexp.compare(ensemble)

Each call is the stage of a run (runs/pipeline.py) in a run's folder below ``outputs``: what is there is not done again,
the numbers are those of the command line, and ``cgexp evaluate run=<folder>`` goes on from it.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cgexp.config.checks import check
from cgexp.config.compose import Config, compose
from cgexp.config.overrides import as_overrides, quoted
from cgexp.config.paths import group_options
from cgexp.errors import InputError, require_kind
from cgexp.frames import Frames
from cgexp.report.table import metrics_table
from cgexp.runs.folder import RunFolder
from cgexp.runs.load import Run
from cgexp.runs.pipeline import run
from cgexp.store import read_record, write_frames
from cgexp.systems.base import system_of

if TYPE_CHECKING:
    from cgexp.models.potential import Potential
    from cgexp.simulation.trajectory import Trajectory

FRAMES_FILE = "frames.npz"
SHOWN = ("loss_validation", "loss_zero_force", "loss_prior_only", "loss_noise_floor", "n_parameters", "train_seconds")
Settings = Mapping[str, Any]


def fit(
    frames: Frames,
    model: str = "cgschnet",
    prior: str | None = None,
    *,
    epochs: int | None = None,
    seed: int = 0,
    settings: Settings | None = None,
    outputs: str | Path = "outputs",
) -> Model:
    """Fit a prior and train a network by force matching.

    frames: [n_frames, n_beads, n_dims] with forces, which carry their system. model, prior: options of these config
    groups (prior None: the one that is made for such systems). epochs: passes over the training frames. settings: any
    other key of the config, as {"trainer.batch_size": 128, "model.cutoff": 20.0}. outputs: folder of all runs.
    Raises InputError with one sentence for whatever does not fit.
    """
    require_kind(frames, Frames, "the data of fit", "Frames, as load_dataset returns them")
    kind = system_of(frames).analysis
    chosen = {group: kind if kind in group_options(group) else None for group in ("prior", "simulation", "analysis")}
    chosen |= {"model": model} | ({"prior": prior} if prior else {})
    changed = {**({} if epochs is None else {"trainer.max_epochs": epochs}), **(settings or {})}
    config = _composed(
        [
            *(f"{group}={option}" for group, option in chosen.items() if option),
            *_of_frames(frames, Path(outputs)),
            *as_overrides({"seed": seed, "outputs": str(outputs), **changed}),
        ]
    )
    return Model(run(config, "train", _silent))


def simulate(model: Model, **settings: Any) -> Ensemble:
    """Langevin dynamics of many replicas of a trained model.

    settings: keys of the config group ``simulation`` in place of the option's, as ``n_steps=20_000, n_replicas=100``.
    """
    require_kind(model, Model, "the model of simulate", "what fit returned")
    changed = {f"simulation.{key}": value for key, value in settings.items()}
    return Ensemble(run(_gone_on(model.folder, changed), "simulate", _silent))


def compare(ensemble: Ensemble, reference: str | None = "auto", **settings: Any) -> Comparison:
    """The ensemble of a model against a reference: TICA, W1, free energies, structure (docs/metrics.md).

    reference: 'auto' takes the equilibrium ensemble that ships for the system and temperature, if there is one; its
    name names another; None takes the training frames. settings: keys of the config group ``analysis``.
    """
    require_kind(ensemble, Ensemble, "the ensemble of compare", "what simulate returned")
    changed = {f"analysis.{key}": value for key, value in settings.items()}
    if reference != "auto":
        changed["analysis.reference"] = reference
    return Comparison(run(_gone_on(ensemble.folder, changed), "evaluate", _silent))


@dataclass(frozen=True)
class _Result:
    """What is in a run's folder."""

    folder: RunFolder

    @property
    def run(self) -> Run:
        """The same as ``cgexp.load`` gives it."""
        return Run(self.folder)

    def _title(self) -> str:
        choices = self.run.config["choices"]
        return f"{choices['model']} with prior {choices['prior']}, {self.folder.path}"


@dataclass(frozen=True, repr=False)
class Model(_Result):
    """A trained potential: ``energy``, ``forces`` and what the training found."""

    @cached_property
    def potential(self) -> Potential:
        """Network and prior."""
        return self.run.potential

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Losses of the training (force^2) and its costs."""
        return read_record(self.folder.training_metrics)

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {self.metrics[name]:.4g}" for name in SHOWN if name in self.metrics)
        return f"<Model: {self._title()}; {numbers}>"


@dataclass(frozen=True, repr=False)
class Ensemble(_Result):
    """What a simulation of a model left: ``trajectory.coords`` [n_frames, n_replicas, n_beads, n_dims]."""

    @cached_property
    def trajectory(self) -> Trajectory:
        return self.run.trajectory()

    def __repr__(self) -> str:
        shape = list(self.trajectory.coords.shape)
        return f"<Ensemble: {self._title()}; coords {shape}, {len(self.trajectory.failures)} replicas failed>"


@dataclass(frozen=True, repr=False)
class Comparison(_Result):
    """Metrics and figures of an ensemble against its reference. A notebook shows both."""

    @cached_property
    def metrics(self) -> dict[str, float]:
        """metrics.json (docs/metrics.md)."""
        return self.run.metrics

    @property
    def figures(self) -> dict[str, Path]:
        """Name -> PNG."""
        return {path.stem: path for path in sorted(self.folder.figures.glob("*.png"))}

    @property
    def report(self) -> Path:
        """report.html, for a browser."""
        return self.folder.report

    def __repr__(self) -> str:
        return f"<Comparison: {self._title()}>\n{self._table()}"

    def _repr_html_(self) -> str:
        images = "".join(
            f'<img alt="{html.escape(name)}" style="max-width: 100%" src="data:image/png;base64,'
            f'{base64.b64encode(path.read_bytes()).decode()}">'
            for name, path in self.figures.items()
        )
        return f"<p>{html.escape(self._title())}</p>{images}<details><pre>{html.escape(self._table())}</pre></details>"

    def _table(self) -> str:
        return metrics_table(self.metrics, units=self.run.config["dataset"]["units"])


def _composed(overrides: Sequence[str]) -> Config:
    config = compose(["experiment=notebook", "logger=csv", "figures=png", *overrides])
    check(config)
    return config


def _gone_on(folder: RunFolder, changed: Settings) -> Config:
    """The config of the next stage of a run, with changes to it."""
    return compose([f"run={quoted(str(folder.path.resolve()))}", "figures=png", *as_overrides(changed)])


def _of_frames(frames: Frames, outputs: Path) -> list[str]:
    """Overrides that name the frames as a data set, from a file below ``outputs`` that is written if need be."""
    if frames.forces is None:
        raise InputError("the frames carry no forces: force matching needs them, [n_frames, n_beads, n_dims]")
    path = (outputs / "data" / f"frames-{frames.content_hash[:10]}" / FRAMES_FILE).resolve()
    if not path.is_file():
        write_frames(path, frames)
    facts = {name: getattr(frames, name) for name in ("n_beads", "n_dims", "units", "temperature", "force_map")}
    system = dict(frames.system_spec or {})
    named = {f"dataset.{name}": value for name, value in {**facts, "path": str(path), "system": system}.items()}
    return ["dataset=frames_file", *as_overrides(named)]


def _silent(text: str) -> None:
    """Say nothing: what is returned says it."""
