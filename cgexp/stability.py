"""The largest time step that a stiff coordinate allows. No torch, so that a config is checked before it is loaded."""

from __future__ import annotations

import math
from typing import NamedTuple

from cgexp.errors import InputError
from cgexp.units import UnitSystem, unit_system


class TimeStepLimits(NamedTuple):
    """recommended: below it the sampling is accurate; limit: at or above it the coordinate blows up. Time unit."""

    recommended: float
    limit: float


def reduced_mass(mass: float, other: float) -> float:
    """m1 m2 / (m1 + m2): the mass that belongs to the distance between two beads."""
    return mass * other / (mass + other)


def max_stable_dt(stiffness: float, mass: float, units: UnitSystem, friction: float | None = None) -> TimeStepLimits:
    """Time step limits of one harmonic coordinate 1/2 k x^2.

    stiffness: k, energy/length^2 (twice the constant of a term written k (x - x0)^2). mass: of the coordinate; for a
    bond the reduced mass of its beads. friction: 1/time for overdamped dynamics; None for BAOAB.

    BAOAB, angular frequency w = sqrt(k a / m) with a the units' acceleration factor and period T = 2 pi / w: stable
    for dt < 2 / w = T / pi; recommended dt <= T / 10. In a long chain of equal bonds the fastest mode is sqrt(2) times
    faster than one bond, which the recommended step still allows. Overdamped (Euler-Maruyama): x is multiplied by
    1 - dt k a / (m friction) a step: stable for dt < 2 m friction / (k a); recommended 0.5 m friction / (k a).
    Raises InputError if a number is not positive.
    """
    for name, value in {"stiffness": stiffness, "mass": mass, "friction": friction}.items():
        if value is not None and not value > 0:
            raise InputError(f"{name}={value} gives no time step limit: expected a positive number")
    rate = stiffness * units.acceleration / mass  # 1/time^2
    if friction is None:
        period = 2.0 * math.pi / math.sqrt(rate)
        return TimeStepLimits(period / 10.0, period / math.pi)
    return TimeStepLimits(0.5 * friction / rate, 2.0 * friction / rate)


def time_step_problem(
    dt: float, stiffness: float, mass: float, units: str, n_beads: int, friction: float | None = None
) -> str | None:
    """Say what is wrong with a time step for the stiffest harmonic term of a system, or return None.

    dt: time unit of ``units``. stiffness: k of 1/2 k x^2, energy/length^2. mass: of the lightest bead. n_beads: with
    one bead the term holds the bead itself, k/m; with more it is a bond of a chain, whose fastest mode has 4 k/m.
    friction: 1/time for overdamped dynamics; None for BAOAB.
    """
    system = unit_system(units)
    limits = max_stable_dt(4.0 * stiffness if n_beads > 1 else stiffness, mass, system, friction)
    if dt < limits.limit:
        return None
    what = "bond" if n_beads > 1 else "wall or well"
    return (
        f"is too long for the stiffest {what} (k = {stiffness:.4g} {system.energy}/{system.length}^2): it blows up "
        f"from {limits.limit:.3g} {system.time} on; use {limits.recommended:.2g} {system.time} or less"
    )
