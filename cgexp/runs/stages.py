"""The stages of a run, each reading what the one before left in the run's folder."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cgexp.datasets.packaged import load_packaged
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.kernels.choose import best_kernel
from cgexp.kernels.evaluator import forces_of
from cgexp.mapped import create
from cgexp.models.potential import Potential, load_potential, save_potential, take_weights
from cgexp.priors.harmonic import stiffness_of
from cgexp.priors.prior import Prior
from cgexp.progress import Progress
from cgexp.report.tracker import Tracker
from cgexp.runs import provenance
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import STAGES, RunFolder
from cgexp.runs.linked import claim_folder, require_own
from cgexp.runs.sense import warn_of_rest, warn_of_training
from cgexp.runs.untrained import keep_untrained
from cgexp.simulation.replicas import make_starts
from cgexp.simulation.simulation import content_hash
from cgexp.simulation.trajectory import HEADER, Trajectory
from cgexp.stability import time_step_problem
from cgexp.store import file_hash, read_record, write_record
from cgexp.training.fit import LAST, Watch
from cgexp.training.nodes import meet, node_rank
from cgexp.training.noise import with_noise

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Context:
    """What every stage needs: the experiment, its folder and frames, the tracker.

    watch: told of each epoch of the training, may stop it.
    """

    experiment: Experiment
    folder: RunFolder
    frames: Frames
    tracker: Tracker
    watch: Watch | None = None


def fit_prior(context: Context) -> None:
    """Fit the prior's terms on the frames and write prior.json; refuse a time step that its stiffest term forbids.

    Raises InputError if the shipped set that ``prior.fitted_on`` names is of another system.
    """
    fitted_prior(context.experiment, context.frames).save(context.folder.prior)


def fitted_prior(experiment: Experiment, frames: Frames) -> Prior:
    """The prior, fitted for a run on ``frames``; InputError for time steps that it, or the frames, forbid."""
    prior = experiment.prior.make()
    prior.fit(frames_of_prior(experiment, frames), experiment.system)
    require_time_step(experiment, prior, frames)
    warn_of_training(experiment, frames)
    if experiment.active is not None and experiment.active.proposals:
        require_time_step(proposing(experiment), prior, frames, "active.proposals")
    return prior


def frames_of_prior(experiment: Experiment, frames: Frames) -> Frames:
    """What the prior is fitted on: the sample among the run's ``frames``, or the set that ships as prior.fitted_on.

    With trainer.noise they are noised once: prior and network are to make up the PMF of noised frames together. Raises
    InputError if that set is of another system.
    """
    fitted_on = experiment.prior.make().fitted_on
    chosen = frames.sample if fitted_on is None else load_packaged(fitted_on)
    require_same_system(fitted_on, chosen.system, frames.system)
    return with_noise(chosen, experiment.trainer.noise, experiment.seed)


def require_same_system(fitted_on: str | None, found: str, expected: str) -> None:
    """Raise InputError if the set that ``prior.fitted_on`` names is of another system than the data set."""
    if found != expected:
        raise InputError(
            f"prior.fitted_on={fitted_on} is of system '{found}' but the data set of '{expected}': "
            "name a set of the same system, or null for the data set itself"
        )


def train(context: Context) -> None:
    """Train the network on what the prior leaves of the forces; write potential.npz and the numbers of the training."""
    settings, frames, folder = context.experiment.trainer, context.frames, context.folder
    claim_training(context)
    if settings.n_nodes > 1:
        meet(settings, lambda: facts_of_training(context))
    prior = Prior.load(folder.prior)
    scratch = folder.scratch(node_rank(settings))
    try:
        _train(context, prior, None if settings.fits_memory(frames) else scratch)
    finally:
        remove(scratch)


def _train(context: Context, prior: Prior, scratch: Path | None) -> None:
    """As ``train``; frames in training and the prior's forces are files in the folder scratch, if it is given."""
    experiment, frames, folder = context.experiment, context.frames, context.folder
    settings, seed = experiment.trainer, experiment.seed
    is_first = node_rank(settings) == 0  # the others only take part
    out = None if scratch is None else create(scratch / "prior_forces.npy", frames.coords.shape, np.float64)
    prior_forces = forces_of(Potential(None, prior.double()), frames.coords, experiment.kernel, out)
    torch.manual_seed(seed)
    network = experiment.model.make()
    network.fit(frames, experiment.system)
    if settings.start_from is not None:
        taken = take_weights(network, network_of(settings.start_from))
        own = [name for name, _ in network.named_parameters() if name not in taken]
        log.info("weights from %s, but for %s", settings.start_from, ", ".join(own) or "none")
    if not network.trainable():
        if is_first:
            keep_untrained(experiment, folder, frames, network, prior, prior_forces)
        return
    from cgexp.training.trainer import fit  # Lightning takes seconds to import

    numbers = fit(
        network, frames, prior_forces, settings, experiment.loss.make(), experiment.optimizer, experiment.scheduler,
        folder.training, seed, experiment.kernel, lambda row: context.tracker.log("train", row),
        _progress(experiment, "training: epoch", folder), prior=prior, watch=context.watch,
    )  # fmt: skip
    if not is_first:
        return
    kernel = best_kernel(network, settings.device) if experiment.kernel == "auto" else experiment.kernel
    numbers["n_parameters"] = float(sum(p.numel() for p in network.parameters()))
    write_record(folder.training_metrics, numbers)
    save_potential(
        folder.potential, Potential(network, prior.to(settings.dtype)), network.saved_spec(experiment.model.spec),
        prior.left(experiment.prior.spec), system=experiment.system.name,
        weights=f"{settings.use_weights} checkpoint, epoch {numbers['checkpoint_epoch']:.0f}, kernel {kernel}",
    )  # fmt: skip


def claim_training(context: Context) -> None:
    """Write down what a training is of before it begins; forget one that was begun on another prior or other data.

    Of several nodes the first does so.
    """
    folder = context.folder
    if node_rank(context.experiment.trainer) > 0:
        return
    own = {"data": context.frames.content_hash, "prior": file_hash(folder.prior)}
    try:
        same = read_record(folder.training_of) == own
    except InputError:
        same = False
    if not same and (folder.training / LAST).is_file():
        log.warning("%s was begun with other data or another prior, or does not say: it begins anew", folder.training)
        remove(folder.training)
    write_record(folder.training_of, own)


def facts_of_training(context: Context) -> dict[str, str]:
    """What must be the same on all nodes that train together, in words for a sentence."""
    folder, settings = context.folder, context.experiment.trainer
    last = folder.training / LAST
    return {
        "run": context.experiment.run_id,
        "number of devices": str(settings.devices),
        "data set": context.frames.content_hash,
        "prior": file_hash(folder.prior) if folder.prior.is_file() else "",
        "checkpoint": file_hash(last) if last.is_file() else "",
    }


def _claim_trajectory(trajectory: Path, potential: Potential) -> None:
    """Forget a simulation that was begun with another potential.

    Raises InputError if the folder is a link to none or to another run's, or cannot tell what simulation it holds.
    """
    claim_folder(trajectory)
    if not (trajectory / HEADER).is_file():
        return
    own = content_hash(potential)
    try:
        found = read_record(trajectory / HEADER).get("potential", own)  # older versions did not write it
    except InputError as error:
        raise InputError(
            f"{trajectory / HEADER} is damaged, which says what simulation this is: delete the folder {trajectory} and "
            "run again"
        ) from error
    if found != own:
        log.warning("%s was begun with another potential: it begins anew", trajectory)
        remove(trajectory)
        claim_folder(trajectory)


def simulate(context: Context, into: RunFolder | None = None) -> None:
    """Simulate the trained potential; write the trajectory and simulation.json, elsewhere if ``into`` is given."""
    experiment, folder = context.experiment, context.folder
    target = folder if into is None else into
    simulation, system, seed = experiment.simulation, experiment.system, experiment.seed
    assert simulation is not None
    place = "simulation" if into is None else "active.proposals"
    require_time_step(experiment, Prior.load(folder.prior), context.frames, place)
    starts = make_starts(simulation.starts, context.frames.sample, system, simulation.n_walkers, seed)
    potential, began = load_potential(folder.potential), time.perf_counter()
    _claim_trajectory(target.trajectory, potential)
    simulation.run(
        potential, starts.to(experiment.trainer.device), system.masses, system.units,
        target.trajectory, seed, _progress(experiment, "simulation: step", target), experiment.kernel,
    )  # fmt: skip
    trajectory = Trajectory.load(target.trajectory)
    warn_of_rest(trajectory.coords, context.frames)
    record: dict[str, Any] = {"n_failed": len(trajectory.failures), "failures": trajectory.failures}
    if trajectory.exchange is not None:
        record["exchange"] = trajectory.exchange.summary()
    write_record(target.simulated, {**record, "seconds": time.perf_counter() - began})


def _progress(experiment: Experiment, label: str, folder: RunFolder) -> Progress:
    """Of a stage; in a sweep, whose jobs may write side by side, it says which run it is of."""
    of_run = "" if experiment.sweep.name is None else experiment.run_id
    return Progress(label, keep=folder.keep_progress, of=of_run)


def complete(context: Context, stage: str, work: Callable[[Context], object], into: RunFolder | None = None) -> None:
    """Do a stage by ``work(context)`` unless it is done, and record it in its folder, or in ``into``.

    What was made from other files or data than there are now is forgotten first.
    """
    folder = context.folder if into is None else into
    if folder.done(stage):
        return
    if stage in folder.read_provenance()["stages"]:
        if lost := folder.changed(stage, "files"):
            log.warning("%s: %s missing or changed: stage %s is done again", folder.path, _are(lost), stage)
        if other := folder.changed(stage, "made_of"):
            log.warning("%s: %s not what stage %s was made from: it is done again", folder.path, _are(other), stage)
            discard(folder, stage)
    work(context)
    provenance.note(folder, stage, context.experiment.kernel)


def _are(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def discard(folder: RunFolder, stage: str) -> None:
    """Forget a stage and those after it, so that they are done again.

    Raises InputError, before anything is deleted, if the trajectory is a link to no folder or to another simulation's.
    """
    require_own(folder.trajectory)
    provenance.forget(folder, *STAGES[STAGES.index(stage) :])
    stages = {
        "prior": (folder.prior,),
        "train": (folder.potential, folder.training),
        "simulate": (folder.simulated, folder.trajectory),
        "evaluate": (folder.metrics, folder.definition("tica"), folder.figures, folder.structures, folder.report),
    }
    for later in STAGES[STAGES.index(stage) :]:
        for path in stages[later]:
            remove(path)


def remove(path: Path) -> None:
    """Remove a file or folder of a run, if it is there; of a link to a folder, what this run's simulation wrote there.

    Raises InputError if the link leads to the folder of another simulation.
    """
    require_own(path)
    if path.is_symlink() and path.is_dir():
        for file in (*path.glob("chunk-*.npz"), path / HEADER):
            file.unlink(missing_ok=True)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def network_of(run: str) -> EnergyTerm:
    """The trained network of another run's folder; InputError if there is none."""
    path = RunFolder(Path(run)).potential
    network = load_potential(path).network if run and path.is_file() else None
    if network is None:
        raise InputError(
            f"trainer.start_from={run} holds no trained network: give the folder that `cgexp run` or `cgexp train` "
            "printed"
        )
    return network


def training_numbers(folder: RunFolder) -> dict[str, Any]:
    """What the training wrote down."""
    return read_record(folder.training_metrics)


def require_time_step(experiment: Experiment, prior: Prior, frames: Frames, place: str = "simulation") -> None:
    """Raise InputError if a fitted prior's stiffest term forbids the time step, which ``place`` sets, or the frames do.

    A model of the frames is at least as stiff as their spread says, whatever its prior.
    """
    simulation, system = experiment.simulation, experiment.system
    if simulation is None:
        return
    stiffness = max(prior.stiffness() or 0.0, stiffness_of(frames.sample, system))
    problem = None if stiffness == 0.0 else time_step_problem(
        simulation.dt, stiffness, float(system.masses.min()), system.units, system.n_beads,
        simulation.integrator.overdamped_friction,
    )  # fmt: skip
    if problem:
        facts = f"{len(frames):,} frames of dataset {experiment.dataset.name} and the prior"
        raise InputError(f"{place}.dt={simulation.dt} {problem}; this follows from {facts}")


def proposing(experiment: Experiment) -> Experiment:
    """The experiment with the simulation that proposes candidates for active learning."""
    proposals = experiment.active.proposals if experiment.active is not None else None
    return experiment.changed(simulation=proposals) if proposals else experiment
