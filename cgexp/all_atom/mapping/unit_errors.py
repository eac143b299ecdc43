"""What a wrong scale of forces and coords means: the likeliest unit that was mistaken for the right one."""

from __future__ import annotations

import math

import numpy as np

from cgexp.frames import Frames
from cgexp.units import NM_IN_ANGSTROM, force_factors

NM_DISTANCE = 0.8  # Å; neighbouring beads on atoms are farther apart, unless the numbers are nm
TOLERANCE = 0.15  # of a factor
N_SEM = 4.0  # standard errors within which a scale is taken to be 0


def unit_error(frames: Frames, scale: float, sem: float) -> str | None:
    """A sentence on frames whose forces times coords are ``scale`` ± ``sem`` times too large, see ``force_scale``.

    None if no mistake of units would explain the number, nor where it may be 0: then they have nothing in common.
    """
    if abs(scale) <= N_SEM * sem:
        return None
    found = []
    stretch = NM_IN_ANGSTROM if _looks_like_nm(frames) else 1.0
    if stretch != 1.0:
        found.append(f"coords look like nm, expected Å: multiply them by {NM_IN_ANGSTROM:g}")
    factor, error = scale * stretch, sem * stretch
    unit, known = _nearest(_unit_factors(frames), abs(factor))
    if abs(abs(factor) - known) <= max(TOLERANCE * known, 4.0 * error) and (factor < 0 or known != 1.0):
        if factor < 0:
            unit, known = f"gradients in {unit}", -known
        expected = frames.unit_system.force
        found.append(f"forces look like {unit}, expected forces in {expected}: divide them by {known:.4g}")
    if not found:
        return None
    demand = f"forces times coords are {scale:.3g} ± {sem:.2g} times what the fluctuations of the coords demand"
    return f"{'; '.join(found)} (system '{frames.system}': {demand})"


def _looks_like_nm(frames: Frames) -> bool:
    neighbours = np.linalg.norm(np.diff(frames.coords, axis=1), axis=-1)
    return frames.units == "molecular" and float(np.median(neighbours)) < NM_DISTANCE


def _unit_factors(frames: Frames) -> dict[str, float]:
    """Unit of force -> how much larger its numbers are than those of the frames' own unit."""
    if frames.units != "molecular":
        return {frames.unit_system.force: 1.0}
    return {unit.replace("/A", "/Å"): 1.0 / value for unit, value in force_factors(frames.temperature).items()}


def _nearest(factors: dict[str, float], factor: float) -> tuple[str, float]:
    if not factor > 0:
        return next(iter(factors.items()))
    return min(factors.items(), key=lambda item: abs(math.log(factor / item[1])))
