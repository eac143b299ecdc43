"""Do the numbers of a data set agree with the units and the temperature stated for them? If not, ask.

Lengths: bonded beads sit at a known distance. Forces and temperature: the identities of ``mapping.unbiasedness``, of
which the one along the bonds knows their scale to a hundredth in some thousand frames.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cgexp.all_atom.mapping.unbiasedness import N_SEM, SCALE_MARGIN, Unbiasedness, assess
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.systems.base import System
from cgexp.units import LENGTHS, force_factors

log = logging.getLogger(__name__)

LENGTH_TOLERANCE = 0.15  # of the median
LONGEST = 2.0  # bond lengths; beads that a periodic box separates are farther apart
TEMPERATURES = (200.0, 700.0)  # K, between which a peptide may have been sampled


@dataclass(frozen=True)
class Stated:
    """What a config says of the numbers in a file. length: of LENGTHS. force: of ``force_factors``."""

    length: str = "A"
    force: str = "kcal/mol/A"
    keys: bool = True  # whether dataset.length_unit and dataset.force_unit exist, so that they can be set


def check_lengths(frames: Frames, system: System, name: str, stated: Stated) -> None:
    """Raise InputError if bonded beads are not as far apart as they must be; frames are in Å if ``stated`` is right.

    Nothing is tested of a system that states no ``bond_length``.
    """
    if system.bond_length is None:
        return
    bonds = system.bonds
    distances = np.linalg.norm(frames.coords[:, bonds[:, 0]] - frames.coords[:, bonds[:, 1]], axis=-1)
    found, expected = float(np.median(distances)), system.bond_length
    given = f" with dataset.length_unit={stated.length}" if stated.keys else ""
    complaint = (
        f"bonded beads of data set '{name}' are {found:.3g} Å apart{given}, expected about {expected:g} Å in "
        f"'{system.name}'"
    )
    if not _close(found, expected):
        for unit, size in LENGTHS.items():
            factor = size / LENGTHS[stated.length]
            if _close(factor * found, expected):
                remedy = f"set dataset.length_unit={unit}" if stated.keys else f"multiply coords by {factor:g}"
                raise InputError(f"{complaint}: {remedy} if the file is in {unit}")
        raise InputError(f"{complaint}: give the beads of '{system.name}' in the order of the chain")
    torn = distances.max(axis=1) > LONGEST * expected
    if torn.any():
        frame = int(np.argmax(torn))
        raise InputError(
            f"bonded beads of data set '{name}' are {distances[frame].max():.3g} Å apart in frame {frame} of those "
            f"checked, expected about {expected:g} Å: make molecules whole that a periodic box cuts"
        )


def check_forces(
    frames: Frames, system: System, name: str, stated: Stated, allow_biased_map: bool = False
) -> Unbiasedness:
    """Return what the identities say; InputError if forces disagree with coords, unit and temperature, or are biased.

    allow_biased_map: a biased map passes, a wrong scale does not. Forces stated in kT say nothing of the temperature.
    Too few frames pass unverified, with a warning.
    """
    found = assess(frames, pairs=system.bonds)
    if found.verdict == "not verifiable":
        log.warning("force map of data set '%s' not verifiable: %s", name, found.reason)
    if not np.isfinite(found.scale):
        return found
    if abs(found.scale - 1.0) > max(N_SEM * found.scale_sem, SCALE_MARGIN):
        given = f" and dataset.force_unit={stated.force}" if stated.keys else ""
        raise InputError(
            f"forces of data set '{name}' times its coords are {found.scale:.3g} ± {found.scale_sem:.1g} times what "
            f"dataset.temperature={frames.temperature:g}{given} demand: "
            + (
                ", or ".join(_explanations(found, frames.temperature, stated))
                or "no unit or temperature explains it; give forces and coords of the same frames, mapped to these "
                "beads, and total forces without a prior taken off"
            )
        )
    if found.verdict == "biased" and not allow_biased_map:
        raise InputError(f"{found.reason}, or say in words why with dataset.allow_biased_force_map='<reason>'")
    return found


def verdict_in_words(frames: Frames, system: System) -> str:
    """What the identities say of the force map of sampled frames; empty without forces, or without bonds."""
    if not len(system.bonds) or frames.forces is None:
        return ""
    found = assess(frames, pairs=system.bonds)
    return f"{found.verdict}: {found.reason}"


def _explanations(found: Unbiasedness, temperature: float, stated: Stated) -> Iterator[str]:
    """What would make the scale 1, in words: the unit that fits best, and a temperature; nothing where it may be 0."""
    if abs(found.scale) <= N_SEM * found.scale_sem:
        return  # forces that have nothing to do with these coords
    units = force_factors(temperature)
    ratios = {unit: units[stated.force] / value for unit, value in units.items()}
    size = abs(found.scale)
    unit = min(ratios, key=lambda other: abs(ratios[other] - size) / ratios[other])
    if abs(ratios[unit] - size) <= max(N_SEM * found.scale_sem, SCALE_MARGIN * ratios[unit]):
        if found.scale < 0:
            yield f"give forces, not gradients: multiply them by -1, and state {unit}"
        elif stated.keys:
            yield f"set dataset.force_unit={unit} if the file is in {unit}"
        else:
            yield f"divide forces by {ratios[unit]:.4g} if they are in {unit}"
    implied, error = temperature * found.scale, temperature * found.scale_sem
    if TEMPERATURES[0] <= implied <= TEMPERATURES[1] and not stated.force.startswith("kT"):
        yield f"set the true temperature if the frames were sampled at {implied:.0f} ± {max(error, 1.0):.0f} K"


def _close(found: float, expected: float) -> bool:
    return abs(found / expected - 1.0) < LENGTH_TOLERANCE
