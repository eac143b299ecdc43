"""From replica-exchange runs to one weighted ensemble: frames of all temperatures, reweighted to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.sampling.exchange_trajectory import ExchangeTrajectory
from cgexp.all_atom.sampling.reweighting import weights_at
from cgexp.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NEGLIGIBLE = 1e-3  # of the whole weight: the lightest frames that hold no more than this together are left out


@dataclass(frozen=True)
class Pool:
    """All saved frames of several runs: run after run, in it walker after walker, in it in the order of time.

    coords: [n, n_beads, 3], Å, centred. run, walker (counted through all runs), level (index of the temperature it was
    sampled at): [n]. time_ps: since the start of its run, [n]. energy: potential energy, kcal/mol, [n]. temperatures:
    of the ladder, K.
    """

    coords: NDArray[np.float32]
    run: Integers
    walker: Integers
    level: Integers
    time_ps: Floats
    energy: Floats
    temperatures: Floats

    @classmethod
    def of(cls, runs: Sequence[ExchangeTrajectory]) -> Pool:
        """Join runs of one ladder. Raises InputError if their temperatures differ."""
        for run in runs[1:]:
            if not np.array_equal(run.temperatures, runs[0].temperatures):
                raise InputError(
                    f"the runs have temperatures {runs[0].temperatures.tolist()} and {run.temperatures.tolist()}: "
                    "expected one ladder; join runs of the same settings only"
                )
        parts: dict[str, list[NDArray[np.generic]]] = {name: [] for name in cls.__annotations__}
        n_before = 0
        for number, run in enumerate(runs):
            n_frames, n_walkers = run.frame_levels.shape
            coords = np.moveaxis(run.coords, 1, 0).reshape(n_frames * n_walkers, *run.coords.shape[2:])
            parts["coords"].append(coords - coords.mean(axis=1, keepdims=True))
            parts["run"].append(np.full(len(coords), number))
            parts["walker"].append(np.repeat(np.arange(n_before, n_before + n_walkers), n_frames))
            parts["level"].append(run.frame_levels.T.ravel())
            parts["time_ps"].append(np.tile(run.frame_ps * np.arange(1.0, n_frames + 1.0), n_walkers))
            parts["energy"].append(run.frame_energies.T.ravel())
            n_before += n_walkers
        joined = {name: np.concatenate(values) for name, values in parts.items() if values}
        return cls(**joined, temperatures=runs[0].temperatures)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.run)

    def select(self, index: NDArray[np.generic]) -> Pool:
        """The frames at ``index``, integers or booleans."""
        return Pool(
            **{name: values if name == "temperatures" else values[index] for name, values in vars(self).items()}
        )

    def every(self, stride: int) -> Pool:
        """Every ``stride``-th frame of each walker, beginning with its ``stride``-th."""
        first = np.searchsorted(self.walker, self.walker)  # where its walker begins
        return self.select((np.arange(len(self)) - first + 1) % stride == 0)

    def weights(self, temperature: float) -> Floats:
        """Weights of the frames at ``temperature`` (K), of mean 1, from all of them together (``weights_at``)."""
        return weights_at(temperature, self.energy, self.level, self.temperatures)

    def blocks(self, stretch_ps: float) -> Integers:
        """A number for each frame's walker and stretch of time; each walker has as many numbers: [n]."""
        return np.asarray(self.walker * self.n_stretches(stretch_ps) + self._stretch(stretch_ps), dtype=np.int64)

    def n_stretches(self, stretch_ps: float) -> int:
        """Stretches of the longest walker."""
        return int(self._stretch(stretch_ps).max()) + 1

    def _stretch(self, stretch_ps: float) -> Integers:
        return np.asarray(np.ceil(self.time_ps / stretch_ps - 1e-9) - 1, dtype=np.int64)


def weighty(weights: Floats, negligible: float = NEGLIGIBLE) -> NDArray[np.bool_]:
    """Which frames to keep: all but the lightest, which together hold at most ``negligible`` of the weight."""
    order = np.argsort(weights, kind="stable")
    light = np.cumsum(weights[order]) <= negligible * weights.sum()
    kept = np.ones(len(weights), dtype=bool)
    kept[order[light]] = False
    return kept
