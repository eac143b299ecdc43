"""From replica-exchange runs to one weighted ensemble: frames of all temperatures, reweighted by MBAR.

With the free energies f_k = -ln Z(beta_k) of the ladder, a sample of energy E drawn at any of its temperatures has at
beta the weight

    w(E) ~ exp(-beta E) / sum_k N_k exp(f_k - beta_k E),

whichever temperature it was drawn at (Shirts and Chodera 2008, J. Chem. Phys. 129, 124105, eqs. 11 and 15). f solves
the same equations self-consistently. Nothing is binned.

It is written out because it is short: pymbar 4.0.3 gives the same weights, but prints a banner about JAX on import and
needs a third package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, softmax

from cgexp.all_atom.sampling.exchange_trajectory import ExchangeTrajectory
from cgexp.errors import InputError
from cgexp.units import BOLTZMANN

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


def not_negligible(weights: Floats, negligible: float = NEGLIGIBLE) -> NDArray[np.bool_]:
    """Which frames to keep: all but the lightest, which together hold at most ``negligible`` of the weight."""
    order = np.argsort(weights, kind="stable")
    light = np.cumsum(weights[order]) <= negligible * weights.sum()
    kept = np.ones(len(weights), dtype=bool)
    kept[order[light]] = False
    return kept


STEPS = 100  # of Newton's method; a handful is usual
TOLERANCE = 1e-10  # of the share of samples that the solution gives each temperature


def free_energies(energies: ArrayLike, levels: NDArray[np.integer], temperatures: ArrayLike) -> Floats:
    """Free energies f_k = -ln Z(beta_k) of the temperatures, in kT of each, f_0 = 0: [n_temperatures].

    energies: potential energy of each sample, kcal/mol [n]. levels: index of the temperature it was drawn at [n].
    temperatures: K, ascending. Raises InputError if one of them has no sample.
    """
    energy, levels = np.asarray(energies, dtype=np.float64), np.asarray(levels)
    beta = 1.0 / (BOLTZMANN * np.asarray(temperatures, dtype=np.float64))
    if energy.ndim != 1 or energy.shape != levels.shape:
        raise ValueError(f"energies {energy.shape} and levels {levels.shape}: expected one of each a sample")
    counts = np.bincount(levels, minlength=len(beta))
    if len(counts) > len(beta) or not counts.all():
        raise InputError(
            f"samples of the {len(beta)} temperatures are {counts.tolist()}: expected at least one of each; "
            "leave out a temperature without samples, or sample longer"
        )
    shares = counts / len(energy)
    energy = energy - energy.mean()  # only shifts f by a multiple of beta, undone below

    def excess(free: Floats) -> tuple[Floats, Floats]:
        """Share that each temperature but the first is given, less its own; and the derivatives of it."""
        exponent = np.log(shares) + np.concatenate([[0.0], free]) - np.outer(energy, beta)
        chances = softmax(exponent, axis=1)[:, 1:]
        mean = chances.mean(axis=0)
        return mean - shares[1:], np.diag(mean) - chances.T @ chances / len(chances)

    # thermodynamic integration, d f / d beta = <E>, is a close start
    means = np.bincount(levels, energy) / counts
    start = np.cumsum(np.diff(beta) * 0.5 * (means[1:] + means[:-1]))
    free = start
    for _ in range(STEPS):  # Newton's method; the step is halved while it overshoots
        miss, slope = excess(free)
        if (np.abs(miss) <= TOLERANCE).all():
            break
        step = np.linalg.lstsq(slope, miss)[0]
        while np.square(excess(free - step)[0]).sum() > np.square(miss).sum():
            step = 0.5 * step
        free = free - step
    else:
        raise InputError("the free energies of the ladder did not converge: expected neighbours that overlap in energy")
    shift = np.asarray(energies, dtype=np.float64).mean() * (beta - beta[0])
    return np.concatenate([[0.0], free]) + shift


def weights_at(temperature: float, energies: ArrayLike, levels: NDArray[np.integer], temperatures: ArrayLike) -> Floats:
    """Weights [n] of the samples at ``temperature`` (K), of mean 1; arguments as for ``free_energies``.

    The temperature need not be on the ladder, but weights beyond its ends rest on ever fewer samples: look at
    ``effective_size``.
    """
    energy = np.asarray(energies, dtype=np.float64)
    free = free_energies(energy, levels, temperatures)
    beta = 1.0 / (BOLTZMANN * np.asarray(temperatures, dtype=np.float64))
    counts = np.bincount(levels, minlength=len(beta))
    mixture = logsumexp(np.log(counts) + free - np.outer(energy, beta), axis=1)
    logs = -energy / (BOLTZMANN * temperature) - mixture
    return np.asarray(len(energy) * softmax(logs))


def effective_size(weights: ArrayLike) -> float:
    """Number of equally weighted independent samples that weights [n] are worth (Kish): (sum w)^2 / sum w^2.

    Correlation in time comes on top: this counts samples as if each were independent.
    """
    weights = np.asarray(weights, dtype=np.float64)
    return float(weights.sum() ** 2 / np.square(weights).sum())
