"""The stages of a run, each reading what the one before left in the run's folder."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.datasets.packaged import load_packaged
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.kernels.choose import best_kernel
from cgexp.models.potential import Potential
from cgexp.models.potential_store import load_potential, save_potential
from cgexp.models.warm_start import take_weights
from cgexp.priors.prior import Prior
from cgexp.progress import Progress
from cgexp.report.wandb import WandbRun
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder
from cgexp.simulation.starts import make_starts
from cgexp.simulation.trajectory import Trajectory
from cgexp.stability import time_step_problem
from cgexp.store import read_json, write_json
from cgexp.training.fit import fit, untrained
from cgexp.training.noise import with_noise

log = logging.getLogger(__name__)
FORCE_BATCH = 4096  # frames per evaluation of the prior's forces


@dataclass(frozen=True)
class Context:
    """What every stage needs: the experiment, its folder and frames, the tracker."""

    experiment: Experiment
    folder: RunFolder
    frames: Frames
    tracker: WandbRun


def fit_prior(context: Context) -> None:
    """Fit the prior's terms on the frames and write prior.json; refuse a time step that its stiffest term forbids.

    Raises InputError if the shipped set that ``prior.fitted_on`` names is of another system.
    """
    prior = context.experiment.prior.make()
    prior.fit(frames_of_prior(context), context.experiment.system)
    _check_time_step(context, prior)
    prior.save(context.folder.prior)


def frames_of_prior(context: Context) -> Frames:
    """The frames that the prior is fitted on: those of the run, or of the shipped set that prior.fitted_on names.

    With trainer.noise they are noised once: prior and network are to make up the PMF of noised frames together. Raises
    InputError if that set is of another system.
    """
    experiment, fitted_on = context.experiment, context.experiment.prior.make().fitted_on
    frames = context.frames if fitted_on is None else load_packaged(fitted_on)
    require_same_system(fitted_on, frames.system, context.frames.system)
    return with_noise(frames, experiment.trainer.noise, experiment.seed)


def require_same_system(fitted_on: str | None, found: str, expected: str) -> None:
    """Raise InputError if the set that ``prior.fitted_on`` names is of another system than the data set."""
    if found != expected:
        raise InputError(
            f"prior.fitted_on={fitted_on} is of system '{found}' but the data set of '{expected}': "
            "name a set of the same system, or null for the data set itself"
        )


def train(context: Context) -> None:
    """Train the network on what the prior leaves of the forces; write potential.npz and the numbers of the training."""
    experiment, frames, folder = context.experiment, context.frames, context.folder
    settings, seed = experiment.trainer, experiment.seed
    prior = Prior.load(folder.prior)
    prior_forces = forces_of(Potential(None, prior.double()), frames.coords)
    torch.manual_seed(seed)
    network = experiment.model.make()
    network.fit(frames, experiment.system)
    if settings.start_from is not None:
        taken = take_weights(network, network_of(settings.start_from))
        own = [name for name, _ in network.named_parameters() if name not in taken]
        log.info("weights from %s, but for %s", settings.start_from, ", ".join(own) or "none")
    if not any(True for _ in network.parameters()):
        write_json(folder.training_metrics, untrained(frames, prior_forces, settings, folder.training, seed))
        save_potential(folder.potential, Potential(None, prior.to(settings.dtype)), None, experiment.prior.spec)
        return
    numbers = fit(
        network, frames, prior_forces, settings, experiment.loss.make(), experiment.optimizer, experiment.scheduler,
        folder.training, seed, experiment.kernel, context.tracker.log, Progress("training: epoch"),
        prior=prior,
    )  # fmt: skip
    kernel = best_kernel(network, settings.device) if experiment.kernel == "auto" else experiment.kernel
    numbers["n_parameters"] = float(sum(p.numel() for p in network.parameters()))
    write_json(folder.training_metrics, numbers)
    save_potential(
        folder.potential, Potential(network, prior.to(settings.dtype)), experiment.model.spec, experiment.prior.spec,
        weights=f"{settings.use_weights} checkpoint, epoch {numbers['checkpoint_epoch']:.0f}, kernel {kernel}",
    )  # fmt: skip


def simulate(context: Context, into: RunFolder | None = None) -> None:
    """Simulate the trained potential; write the trajectory and simulation.json, elsewhere if ``into`` is given."""
    experiment, folder = context.experiment, context.folder
    place = folder if into is None else into
    simulation, system, seed = experiment.simulation, experiment.system, experiment.seed
    assert simulation is not None
    _check_time_step(context, Prior.load(folder.prior))
    starts = make_starts(simulation.starts, context.frames, system, simulation.n_walkers, seed)
    began = time.perf_counter()
    simulation.run(
        load_potential(folder.potential), starts.to(experiment.trainer.device), system.masses, system.units,
        place.trajectory, seed, Progress("simulation: step"), experiment.kernel,
    )  # fmt: skip
    trajectory = Trajectory.load(place.trajectory)
    record: dict[str, Any] = {"n_failed": len(trajectory.failures), "failures": trajectory.failures}
    if trajectory.exchange is not None:
        record["exchange"] = trajectory.exchange.summary()
    write_json(place.simulated, {**record, "seconds": time.perf_counter() - began})


def discard(folder: RunFolder, stage: str) -> None:
    """Forget a stage and those after it, so that they are done again."""
    stages = {
        "prior": (folder.prior,),
        "train": (folder.potential, folder.training),
        "simulate": (folder.simulated, folder.trajectory),
        "evaluate": (folder.metrics, folder.definition("tica"), folder.figures, folder.structures, folder.report),
    }
    for paths in list(stages.values())[list(stages).index(stage) :]:
        for path in paths:
            if path.is_dir():
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


def forces_of(potential: Potential, coords: NDArray[np.floating]) -> NDArray[np.float64]:
    """Forces of many frames in float64, in batches: [n_frames, n_beads, n_dims] -> the same shape."""
    parts = [
        potential.forces(torch.tensor(coords[i : i + FORCE_BATCH], dtype=torch.float64)).numpy()
        for i in range(0, len(coords), FORCE_BATCH)
    ]
    return np.concatenate(parts)


def training_numbers(folder: RunFolder) -> dict[str, Any]:
    """What the training wrote down."""
    numbers: dict[str, Any] = read_json(folder.training_metrics)
    return numbers


def _check_time_step(context: Context, prior: Prior) -> None:
    stiffness, simulation, system = prior.stiffness(), context.experiment.simulation, context.experiment.system
    if stiffness is None or simulation is None:
        return
    problem = time_step_problem(
        simulation.dt, stiffness, float(system.masses.min()), system.units, system.n_beads,
        simulation.integrator.overdamped_friction,
    )  # fmt: skip
    if problem:
        raise InputError(f"simulation.dt={simulation.dt} {problem}")
