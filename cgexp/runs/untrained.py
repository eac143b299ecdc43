"""What a run keeps of a model that is not trained: the prior alone, or on it the mean of networks of other runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.kernels.evaluator import forces_of
from cgexp.models.average import AverageOfRuns
from cgexp.models.potential import Potential, save_potential
from cgexp.priors.prior import Prior
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder
from cgexp.store import write_record
from cgexp.training.levels import untrained


def keep_untrained(
    experiment: Experiment,
    folder: RunFolder,
    frames: Frames,
    network: EnergyTerm,
    prior: Prior,
    prior_forces: NDArray[np.floating],
) -> None:
    """Write the potential, and the losses on the frames in place of those of a training.

    prior_forces: [n_frames, n_beads, n_dims], of the prior, which is in float64. No frames are held out from networks
    that were trained before, on other parts of the data. Raises InputError if these stand on another prior.
    """
    settings, spec = experiment.trainer, experiment.model.spec
    parameters = list(network.parameters())
    own, fraction, forces = None, settings.validation_fraction, prior_forces
    if isinstance(network, AverageOfRuns):
        require_same_prior(network, prior)
    if parameters:
        own, fraction = network, 0.0
        forces = forces_of(Potential(own, prior), frames.coords, experiment.kernel)
    numbers = untrained(frames, prior_forces, forces, fraction, settings.fold, folder.training, experiment.seed)
    numbers |= {"n_parameters": float(sum(p.numel() for p in parameters))} if parameters else {}
    write_record(folder.training_metrics, numbers)
    save_potential(
        folder.potential, Potential(own, prior).to(settings.dtype), None if own is None else own.saved_spec(spec),
        prior.left(experiment.prior.spec), system=experiment.system.name,
    )  # fmt: skip


def require_same_prior(network: AverageOfRuns, prior: Prior) -> None:
    """Raise InputError if a member was trained on top of another prior than the one that the mean will stand on."""
    for run, other in network.priors.items():
        if not prior.agrees_with(other):
            raise InputError(
                f"model.runs={run} was trained on top of another prior than the one of this run, so that its network "
                "has learned another part of the forces: give this run the data set and the prior of that one"
            )
