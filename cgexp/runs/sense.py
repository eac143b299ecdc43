"""What can be run and yet says nothing, as warnings: settings without effect, simulations in which nothing moves."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from cgexp.frames import Frames
from cgexp.runs.experiment import Experiment

log = logging.getLogger(__name__)
OWN_RATE = "max_lr"  # of a scheduler that takes no learning rate from the optimizer
LEAST_MOVED = 1e-3  # of the spread of the data
N_LOOKED_AT = 5000  # frames


def warn_of_training(experiment: Experiment, frames: Frames) -> None:
    """Warn of noise that is wider than the data, and of a learning rate that the scheduler replaces by its own."""
    noise, spread = experiment.trainer.noise, _spread(frames)
    if noise > spread > 0.0:
        log.warning(
            "trainer.noise=%g is more than the spread of the data (%.3g): what is learnt is the noise", noise, spread
        )
    scheduler = experiment.scheduler
    said = any(override.lstrip("+").startswith("optimizer.lr=") for override in experiment.config["overrides"])
    if said and scheduler is not None and OWN_RATE in scheduler.spec:
        log.warning("optimizer.lr has no effect with this scheduler, which has a rate of its own: set scheduler.max_lr")


def warn_of_rest(coords: NDArray[np.floating], frames: Frames) -> None:
    """Warn of saved configurations [n_saved, n_replicas, n_beads, n_dims] that are all those that were begun from."""
    if len(coords) < 2:
        return
    moved, spread = float(np.nanstd(coords[-1] - coords[0])), _spread(frames)
    if moved < LEAST_MOVED * spread:
        log.warning(
            "replicas have moved by %.2g where the data spread over %.3g: what is judged is where they began; raise "
            "simulation.dt or simulation.n_steps", moved, spread,
        )  # fmt: skip


def _spread(frames: Frames) -> float:
    """Standard deviation of the coordinates, length, of some of the frames: all may not fit into memory."""
    return float(frames.coords[:: max(1, len(frames) // N_LOOKED_AT)].std())
