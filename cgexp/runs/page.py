"""Figures and report.html of a run: gathers what its folder and its evaluation hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cgexp.analysis.curves import Notes
from cgexp.analysis.equilibrium import Equilibrium
from cgexp.analysis.result import Analysis, Evaluation
from cgexp.analysis.structures import structures_of
from cgexp.build import TARGET
from cgexp.priors.prior import Prior
from cgexp.report.figures import draw, save
from cgexp.report.html_run import RunContent, run_page
from cgexp.report.html_summary import RunFacts
from cgexp.report.training_figures import TrainingCurve
from cgexp.runs.experiment import Experiment
from cgexp.runs.provenance import code_version
from cgexp.runs.stages import Context, frames_of_prior
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import write_arrays, write_bytes

DRAWS = 10  # for each of analysis.n_bootstrap, as for the other means


def draw_figures(
    context: Context, result: Evaluation, metrics: Mapping[str, float], analysis: Analysis
) -> dict[str, Path]:
    """Draw and write the figures that the setting ``figures`` asks for; return the PNG of each."""
    wanted, folder = context.experiment.figures, context.folder
    if wanted == "none":
        return {}
    curves = {**result.curves, "training": _history(context, metrics)}
    curves["prior_fit"] = Prior.load(folder.prior).fit_quality(frames_of_prior(context.experiment, context.frames))
    suffixes = ("png",) if wanted == "png" else ("png", "pdf")
    figures = draw(curves, analysis.figures)
    return {name: save(figure, folder.figures, name, suffixes)[0] for name, figure in figures.items()}


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
    notes: Notes | None,
    metrics: Mapping[str, float],
    figures: Mapping[str, Path],
) -> None:
    """Write report.html, and for a molecule structures.npz with what it shows in space.

    equilibrium: what the run is compared with, None: its data set. notes: of the analysis. figures: name -> PNG.
    """
    experiment, folder, system = context.experiment, context.folder, context.experiment.system
    structures = None
    if len(system.trace) and notes is not None:  # ensembles were compared
        reference = context.frames if equilibrium is None else equilibrium.frames
        burn_in = 0.0 if experiment.simulation is None else experiment.simulation.burn_in
        draws, seed = DRAWS * experiment.analysis.n_bootstrap, experiment.analysis.seed
        run = None if equilibrium is None else equilibrium.run
        structures = structures_of(system, reference, trajectory, burn_in, draws, seed, run)
        write_arrays(folder.structures, *structures.to_arrays(), compress=True)
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
        notes=notes,
        figures=figures,
        structures=structures,
    )
    write_bytes(folder.report, run_page(content))


def facts_of(experiment: Experiment) -> RunFacts:
    """What the page of a run tells of the parts of its experiment."""
    prior = experiment.prior.make()
    return RunFacts(
        data=experiment.dataset.name,
        network=experiment.model.spec[TARGET].rpartition(".")[2],
        prior_terms=[name for name, _ in prior.items()],
        simulation=experiment.simulation,
        basin=getattr(experiment.dataset, "basin", None),
        fitted_on=prior.fitted_on,
        start_from=experiment.trainer.start_from,
        debug=experiment.option("debug") or "none",
    )
