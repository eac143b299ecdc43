"""The loss of a model taken apart into noise, bias and variance, from models of repeated draws of the data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .curves import Exact, Values, X


class Parts(NamedTuple):
    """Of the loss above its noise floor, in units of the floor; excess = bias2 + variance. Errors by the jackknife."""

    bias2: float
    variance: float
    excess: float
    bias2_sem: float
    variance_sem: float


def decompose(force: Values, exact: Exact) -> Parts:
    """Parts of the excess loss of models of R draws: their forces on ``X``, kT/length, [R, n_x], R >= 3.

    E[loss] = noise + bias^2 + variance, as in Wang et al. 2019, with the expectation over data sets; each an
    integral over p(x): variance of the force over draws, and squared difference of its mean over draws and the mean
    force. The mean of R draws itself scatters by variance/R, which is subtracted from bias^2; the estimate is then
    right on average and may come out below zero.
    """
    if len(force) < 3:
        raise ValueError(f"expected the forces of at least 3 draws, got {len(force)}")
    bias2, variance = _parts(force, exact)
    left_out = np.array([_parts(np.delete(force, i, axis=0), exact) for i in range(len(force))])
    errors = np.sqrt((len(force) - 1) * left_out.var(axis=0))
    return Parts(bias2, variance, bias2 + variance, float(errors[0]), float(errors[1]))


def _parts(force: Values, exact: Exact) -> tuple[float, float]:
    weight = exact.density / exact.noise
    variance = float(np.trapezoid(weight * force.var(axis=0, ddof=1), X))
    bias2 = float(np.trapezoid(weight * (force.mean(axis=0) - exact.force) ** 2, X))
    return bias2 - variance / len(force), variance
