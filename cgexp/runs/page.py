"""Figures and report.html of a run: gathers what its folder and its evaluation hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cgexp.analysis.curves import TicaMaps
from cgexp.analysis.equilibrium import Equilibrium
from cgexp.analysis.result import Analysis, Evaluation
from cgexp.analysis.structures import REFERENCE, SIMULATION, Structures, structures_of
from cgexp.analysis.tica import Tica
from cgexp.analysis.tiles import InPlane, Landscape, landscape
from cgexp.build import TARGET
from cgexp.frames import Frames
from cgexp.priors.prior import Prior
from cgexp.report.figures import SUFFIXES, draw, save
from cgexp.report.html_run import RunContent, run_page
from cgexp.report.html_summary import RunFacts
from cgexp.report.training_figures import TrainingCurve
from cgexp.runs.experiment import Experiment
from cgexp.runs.provenance import code_version
from cgexp.runs.stages import Context, frames_of_prior
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import write_arrays, write_bytes
from cgexp.systems.base import System

DRAWS = 10  # for each of analysis.n_bootstrap, as for the other means


def draw_figures(
    context: Context, result: Evaluation, metrics: Mapping[str, float], analysis: Analysis
) -> dict[str, Path]:
    """Draw and write the figures that the setting ``figures`` asks for; return the PNG of each."""
    wanted, folder = context.experiment.figures, context.folder
    if not SUFFIXES[wanted]:
        return {}
    curves = dict(result.curves)
    if context.frames.forces is not None:
        curves["training"] = _history(context, metrics)
    curves["prior_fit"] = Prior.load(folder.prior).fit_quality(frames_of_prior(context.experiment, context.frames))
    figures = draw(curves, analysis.figures)
    return {name: save(figure, folder.figures, name, SUFFIXES[wanted])[0] for name, figure in figures.items()}


def _history(context: Context, metrics: Mapping[str, float]) -> TrainingCurve:
    table = context.folder.read_history()
    validation = table["loss_validation"]
    return TrainingCurve(
        epoch=table["epoch"],
        train=table["loss_train_running"],
        unit=f"({context.frames.unit_system.force})²",
        validation=None if np.isnan(validation).all() else validation,
        zero_force=metrics.get("loss_zero_force"),
        prior_only=metrics.get("loss_prior_only"),
        noise_floor=metrics.get("loss_noise_floor"),
    )


def write_page(
    context: Context,
    trajectory: Trajectory | None,
    equilibrium: Equilibrium | None,
    result: Evaluation,
    metrics: Mapping[str, float],
    figures: Mapping[str, Path],
) -> None:
    """Write report.html, and for a molecule structures.npz with what it shows in space.

    equilibrium: what the run is compared with, None: its data set. result: of the analysis. figures: name -> PNG.
    """
    experiment, folder, system = context.experiment, context.folder, context.experiment.system
    structures = shown = None
    if len(system.trace) and result.notes is not None:  # ensembles were compared
        reference = context.frames.sample if equilibrium is None else equilibrium.frames
        burn_in = 0.0 if experiment.simulation is None else experiment.simulation.burn_in
        draws, seed = DRAWS * experiment.analysis.n_bootstrap, experiment.analysis.seed
        run = None if equilibrium is None else equilibrium.run
        structures = structures_of(system, reference, trajectory, burn_in, draws, seed, run)
        write_arrays(folder.structures, *structures.to_arrays(), compress=True)
        shown = landscape_of(system, reference, trajectory, burn_in, result, structures)
    facts = facts_of(experiment)
    content = RunContent(
        experiment=experiment.name,
        run_id=folder.path.name,
        facts=facts,
        config=experiment.config,
        metrics=metrics,
        frames=context.frames,
        n_frames_prior=len(frames_of_prior(context.experiment, context.frames)) if facts.fitted_on else None,
        provenance=folder.read_provenance(),
        code=code_version(),
        notes=result.notes,
        figures=figures,
        structures=structures,
        landscape=shown,
    )
    write_bytes(folder.report, run_page(content))


def landscape_of(
    system: System,
    reference: Frames,
    trajectory: Trajectory | None,
    burn_in: float,
    result: Evaluation,
    structures: Structures,
) -> Landscape | None:
    """What lies where in the plane of the ICs; None if the analysis has made no map of it.

    structures: what its frames are superposed on, and whether the simulation has a healthy replica.
    """
    maps = result.curves.get("tica")
    if not isinstance(maps, TicaMaps) or "tica" not in result.definitions:
        return None
    tica = Tica.from_arrays(*result.definitions["tica"])
    coords = {REFERENCE: (reference.coords, reference.weights)}
    if trajectory is not None and maps.model is not None:
        production = trajectory.production(burn_in)
        coords[SIMULATION] = (production.reshape(-1, *production.shape[2:]), None)
    ensembles = {
        name: InPlane(tica.transform(x), x[:, system.trace], np.ones(len(x)) if weights is None else weights)
        for name, (x, weights) in coords.items()
    }
    target = structures.ensembles[REFERENCE][1][0] if structures.native is None else structures.native
    return landscape(maps, ensembles, structures.native, target)


def facts_of(experiment: Experiment) -> RunFacts:
    """What the page of a run tells of the parts of its experiment."""
    prior = experiment.prior.make()
    return RunFacts(
        data=experiment.dataset.called,
        network=experiment.model.spec[TARGET].rpartition(".")[2],
        prior_terms=[name for name, _ in prior.items()],
        simulation=experiment.simulation,
        basin=getattr(experiment.dataset, "basin", None),
        fitted_on=prior.fitted_on,
        start_from=experiment.trainer.start_from,
        averaged=[Path(run).name for run in experiment.model.spec.get("runs", ())],
        debug=experiment.option("debug") or "none",
    )
