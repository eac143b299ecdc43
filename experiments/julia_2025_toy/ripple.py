"""What a model has learnt of the ripple: the exact force is a cubic plus a ripple whose wave number grows with x."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.analysis.toy import energy_and_force
from cgexp.runs.load import Run
from cgexp.systems.julia_toy import JuliaToy

N_GRID, N_WINDOWS = 1001, 20
INSIDE = 4.9  # |x| up to which points lie on both sides of every place
GRID = np.linspace(*JuliaToy.evaluation_range, N_GRID)

Values = NDArray[np.float64]


@cache
def exact_force() -> Values:
    """The exact mean force on GRID, kT/length."""
    return JuliaToy().mean_force(GRID)


@cache
def exact_pmf() -> Values:
    """The exact potential of mean force on GRID with its mean removed, kT."""
    pmf = JuliaToy().pmf(GRID)
    return pmf - pmf.mean()


@cache
def broad_force() -> Values:
    """The force of the quartic alone, without the ripple, on GRID."""
    x = torch.tensor(GRID, requires_grad=True)
    ((x - 4.0) * (x + 2.0) * (x - 2.0) * (x + 3.0) / 50.0).sum().backward()
    assert x.grad is not None
    return -x.grad.numpy()


def model_force(run: Run) -> Values:
    """Force of a run's potential on GRID [N_GRID], kT/length."""
    return energy_and_force(run.potential, GRID)[1]


def error_inside(force: Values) -> float:
    """Relative force error as ``force_rmse_relative``, but over |x| <= INSIDE: away from the edges of the data."""
    inside = np.abs(GRID) <= INSIDE
    difference = (force - exact_force())[inside]
    return float(np.sqrt(np.mean(difference**2)) / exact_force().std())


def pmf_of(force: Values) -> Values:
    """Minus the integral of a force on GRID, its mean removed, kT."""
    steps = 0.5 * (force[1:] + force[:-1]) * np.diff(GRID)
    pmf = -np.concatenate([[0.0], np.cumsum(steps)])
    return pmf - pmf.mean()


def ripple_learnt(force: Values) -> float:
    """Projection of the model's ripple on the exact one: 1 has learnt all of it, 0 nothing. force [N_GRID]."""
    ripple = exact_force() - broad_force()
    return float((force - broad_force()) @ ripple / (ripple @ ripple))


def ripple_learnt_by_wave_number(force: Values) -> tuple[Values, Values]:
    """The same in N_WINDOWS windows of x: the ripple's wave number 3 (2x + 11) in each, rad/length, and the share.

    In each window the mean of both is removed, so that an error of the broad force plays no part.
    """
    ripple, found = exact_force() - broad_force(), force - broad_force()
    windows = np.array_split(np.arange(N_GRID), N_WINDOWS)
    shares = []
    for window in windows:
        exact, model = (f[window] - f[window].mean() for f in (ripple, found))
        shares.append(model @ exact / (exact @ exact))
    return np.array([3.0 * (2.0 * GRID[window].mean() + 11.0) for window in windows]), np.array(shares)
