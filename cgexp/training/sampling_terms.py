"""Terms of a loss that sample the model: what a training must be for them, and their beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.potential import Potential
from cgexp.training.fit import ONE_PROCESS
from cgexp.training.losses import Loss, LossTerm

if TYPE_CHECKING:
    from cgexp.training.fit import Training


def require_fitting(loss: Loss, settings: Training, network: EnergyTerm) -> None:
    """Raise InputError if a loss that samples the model's ensemble cannot train this network so."""
    if not loss.ensembles:
        return
    what = " and ".join(f"loss.terms.{name}" for name in loss.ensembles)
    if settings.use_weights == "best":
        raise InputError(
            f"{what} trains the ensemble, which the validation loss of forces does not judge: "
            "set trainer.use_weights=last"
        )
    if any(type(term).importance is not LossTerm.importance for term in loss.terms.values()):
        raise InputError(
            f"{what} takes the batches for the ensemble of the data, but another term draws frames by their weight: "
            "use MeanSquaredError beside it"
        )
    if settings.noise:
        raise InputError(f"{what} compares with the data as they are: set trainer.noise=0")
    if settings.n_processes > 1:
        raise InputError(f"{what} samples the model, which is done in one process: set {ONE_PROCESS}")
    if not network.conservative:
        raise InputError(f"{what} compares energies, and this model has none: choose a model with energy")


def require_sample(loss: Loss, frames: Frames) -> None:
    """Raise InputError if a loss takes batches for the ensemble, and some of the frames were chosen."""
    if loss.ensembles and frames.chosen is not None:
        raise InputError(
            f"{' and '.join(f'loss.terms.{name}' for name in loss.ensembles)} takes the frames for a sample of the "
            f"ensemble, but {int(frames.chosen.sum())} of them were chosen: train on all of them with loss=force or "
            "inverse_variance, and then with this loss on the sample alone (trainer.start_from)"
        )


def begin_sampling(
    loss: Loss, network: EnergyTerm, prior: EnergyTerm | None, frames: Frames, seed: int, kernel: str
) -> None:
    """Let the terms that sample the model begin, under the potential of the network and the prior."""
    if prior is None:
        raise ValueError("a loss that samples the model needs the prior, without which there is no model")
    for term in loss.ensembles.values():
        term.begin(Potential(network, prior), frames, seed, kernel)
