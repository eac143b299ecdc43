"""BackMapper: all-atom structures on C-alpha traces, each accepted by its quality or rejected with a reason.

Fragments of a library are stitched onto the trace, side chains turned, and all relaxed under CA restraints. A structure
that misses a criterion is made again from other draws; none that misses one is ever returned.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.backmapping.library import FragmentLibrary
from cgexp.all_atom.backmapping.quality import MAX_CA_RMS, Measure, Quality
from cgexp.all_atom.backmapping.relax import FINAL_STIFFNESS, Relaxer
from cgexp.all_atom.backmapping.stitch import PeptidePlanes, SideChains, Stitch
from cgexp.all_atom.engine import PlatformName, derived_seed, energy_and_forces, make_context
from cgexp.all_atom.force_field import DEFAULT, ForceField, make_system
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.structure import AllAtom, build_extended, build_peptide
from cgexp.errors import InputError

N_ATTEMPTS = 5
TILT = 0.5  # rad, standard deviation of the turn of a peptide plane; each further attempt adds as much
NEIGHBOURS = (3.6, 4.1)  # Å between neighbouring CA atoms of a trans peptide bond, up to 600 K
LOOSER_STIFFNESS = (3e4, 1e4, 3e3)  # kJ/mol/nm^2, tried in turn where CA atoms may shift
DRAWS, DYNAMICS = 0, 1  # what a seed is for
_making = RLock()  # peptides are built through Python's global generator, which threads would share


@dataclass(frozen=True)
class BackMapped:
    """An all-atom structure on a CA trace, or why there is none.

    positions: [n_atoms, 3], Å, float64; None when rejected. reason: '' if accepted. record: quality of the accepted
    structure, or of the least strained that was rejected; None where the trace was refused before any work.
    seconds: CPU time of this process. n_attempts: structures made.
    """

    positions: NDArray[np.float64] | None
    accepted: bool
    reason: str
    record: Quality | None
    seconds: float
    n_attempts: int


class BackMapper:
    """Makes all-atom structures of one peptide on CA traces. It can be pickled, and threads may share it.

    peptide: from ``build_peptide``. library: its fragments. force_field: implicit, in which the structures are relaxed
    and which their strain is measured in. max_ca_shift: Å RMS by which CA atoms may leave the trace.
    At most 0.1 Å: a trace that no sound structure fits is rejected. More: restraints are loosened step by step, and the
    CA atoms of what is returned are its own, not the trace's; ``record.ca_rms`` and ``ca_shift`` say how far off.
    turn_side_chains: draw side chains at random; False keeps those of the fragments, right for a library of many
    thermal frames. n_attempts: structures made before a trace is given up. platform: see Relaxer.
    Raises InputError if the library is not one of this peptide.
    """

    def __init__(
        self,
        peptide: AllAtom,
        library: FragmentLibrary,
        *,
        force_field: ForceField = DEFAULT,
        platform: PlatformName = "auto",
        max_ca_shift: float = MAX_CA_RMS,
        turn_side_chains: bool = True,
        n_attempts: int = N_ATTEMPTS,
    ) -> None:
        if not max_ca_shift > 0.0 or n_attempts < 1:
            raise InputError(
                f"max_ca_shift={max_ca_shift} and n_attempts={n_attempts}: expected a positive length in Å and "
                "at least one attempt"
            )
        library.check(peptide)
        self.peptide = peptide
        self.library = library
        self.max_ca_shift = max_ca_shift
        self.n_attempts = n_attempts
        self._planes = PeptidePlanes(peptide)
        self._side_chains = SideChains(peptide) if turn_side_chains else None
        self._relaxer = Relaxer(peptide, force_field, platform)
        with _making:
            self._measure = Measure(peptide, _relaxed_energy(peptide.sequence, force_field))

    def back_map(self, ca: NDArray[np.floating], seed: int = 0) -> BackMapped:
        """An all-atom structure on a CA trace [n_residues, 3] (Å), the same for the same trace and seed.

        Another seed gives an independent structure: other fragments, peptide planes, side chains and dynamics. A trace
        that is not finite or not a chain of trans peptide bonds is rejected before any work. Raises InputError for
        another shape.
        """
        begun = time.process_time()
        trace = self._trace(ca)
        reason = self._refusal(trace)
        if reason:
            return BackMapped(None, False, reason, None, time.process_time() - begun, 0)
        stitch = Stitch(self.library, trace)
        best, reason = None, ""
        plan = self._plan(trace)
        for attempt, (stiffness, max_ca_rms) in enumerate(plan):
            positions, quality = self._attempt(stitch, trace, (seed, attempt), stiffness)
            fault = quality.fault(max_ca_rms)
            if not fault:
                return BackMapped(positions, True, "", quality, time.process_time() - begun, attempt + 1)
            if best is None or not best.finite or quality.strain < best.strain:
                best, reason = quality, fault
        reason = f"{reason} (the best of {len(plan)} attempts)"
        return BackMapped(None, False, reason, best, time.process_time() - begun, len(plan))

    def _trace(self, ca: NDArray[np.floating]) -> NDArray[np.float64]:
        n_residues = len(self.peptide.sequence)
        trace = np.array(ca, dtype=np.float64)
        if trace.shape != (n_residues, 3):
            raise InputError(
                f"the CA trace has shape {list(trace.shape)}: expected [{n_residues}, 3], the CA atoms of "
                f"'{self.peptide.sequence}' in Å"
            )
        return trace

    def _refusal(self, ca: NDArray[np.float64]) -> str:
        """Why a trace cannot be that of a peptide, or ''."""
        finite = np.isfinite(ca).all(axis=1)
        if not finite.all():
            return f"the CA position of residue {np.argmin(finite) + 1} is not finite"
        excess = _excess(ca, self.max_ca_shift)
        if excess.max() > 0.0:
            bond = int(np.argmax(excess))
            length = float(np.linalg.norm(ca[bond + 1] - ca[bond]))
            low, high = _bounds(self.max_ca_shift)
            return (
                f"the CA atoms of residues {bond + 1} and {bond + 2} are {length:.2f} Å apart: "
                f"expected {low:.1f} to {high:.1f} Å, a trans peptide bond"
            )
        return ""

    def _plan(self, ca: NDArray[np.float64]) -> list[tuple[float, float]]:
        """Stiffness of the last restraints and the CA RMS allowed, for every attempt."""
        firm = [(FINAL_STIFFNESS, min(MAX_CA_RMS, self.max_ca_shift))] * self.n_attempts
        if self.max_ca_shift <= MAX_CA_RMS:
            return firm
        loose = [(stiffness, self.max_ca_shift) for stiffness in LOOSER_STIFFNESS]
        return (firm if _excess(ca, MAX_CA_RMS).max() <= 0.0 else []) + loose

    def _attempt(
        self, stitch: Stitch, ca: NDArray[np.float64], key: tuple[int, int], stiffness: float
    ) -> tuple[NDArray[np.float64], Quality]:
        """Draw a structure, relax and measure it. key: seed and number of the attempt."""
        random = np.random.default_rng(derived_seed(*key, DRAWS))
        guess = stitch.draw(random)
        guess = self._planes.build(guess, random.normal(0.0, TILT * (1 + key[1]), len(ca) - 1))
        if self._side_chains is not None:
            guess = self._side_chains.draw(guess, random)
        try:
            positions, energy = self._relaxer.relax(guess, ca, derived_seed(*key, DYNAMICS), stiffness)
        except import_openmm().mm.OpenMMException:  # the dynamics blew up
            positions, energy = np.full_like(guess, np.nan), float("nan")
        return positions, self._measure(positions, energy, ca)


@dataclass(frozen=True)
class BackMapJob:
    """One trace to back-map, as plain data for a worker process. library: a file of ``FragmentLibrary.write``, or None
    for the default library; the rest as in ``BackMapper``."""

    sequence: str
    ca: NDArray[np.floating]
    seed: int = 0
    library: Path | None = None
    force_field: ForceField = DEFAULT
    platform: PlatformName = "auto"
    max_ca_shift: float = MAX_CA_RMS
    turn_side_chains: bool = True


def back_map_job(job: BackMapJob) -> BackMapped:
    """Back-map one trace; a process makes the mapper of a peptide once and keeps it."""
    with _making:
        mapper = _mapper(
            job.sequence, job.library, job.force_field, job.platform, job.max_ca_shift, job.turn_side_chains
        )
    return mapper.back_map(job.ca, job.seed)


@lru_cache(maxsize=4)
def _mapper(
    sequence: str,
    library: Path | None,
    force_field: ForceField,
    platform: PlatformName,
    max_ca_shift: float,
    turn_side_chains: bool,
) -> BackMapper:
    return BackMapper(
        build_peptide(sequence),
        FragmentLibrary.default(sequence, force_field) if library is None else FragmentLibrary.read(library),
        force_field=force_field,
        platform=platform,
        max_ca_shift=max_ca_shift,
        turn_side_chains=turn_side_chains,
    )


@lru_cache(maxsize=8)
def _relaxed_energy(sequence: str, force_field: ForceField) -> float:
    """Energy of the minimised extended chain, kcal/mol."""
    peptide = build_extended(sequence, force_field)
    context = make_context(make_system(peptide.topology, force_field, constrained=False), 300.0, 1, platform="CPU")
    return energy_and_forces(context, peptide.positions)[0]


def _bounds(shift: float) -> tuple[float, float]:
    """Distances of neighbouring CA atoms that can be met if each may shift by ``shift`` (Å)."""
    return NEIGHBOURS[0] - 2.0 * shift, NEIGHBOURS[1] + 2.0 * shift


def _excess(ca: NDArray[np.float64], shift: float) -> NDArray[np.float64]:
    """By how much each distance of neighbouring CA atoms is out of bounds, Å; positive if it is. [n_residues - 1]."""
    low, high = _bounds(shift)
    length = np.linalg.norm(np.diff(ca, axis=0), axis=1)
    return np.maximum(low - length, length - high)
