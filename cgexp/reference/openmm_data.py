"""OpenMMPeptide: a data set made on the spot by all-atom simulation, coarse-grained to C-alpha beads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.progress import Report
from cgexp.reference.all_atom.force_field import FORCE_FIELD_NAME, constraint_pairs, make_system
from cgexp.reference.all_atom.modules import import_openmm
from cgexp.reference.all_atom.structure import build_peptide
from cgexp.reference.mapping.force_maps import apply_map, force_map
from cgexp.reference.recipe import Recipe
from cgexp.reference.sampling.protocol import Protocol, sample
from cgexp.signatures import NonNegative, NonNegativeInt, Positive, PositiveInt
from cgexp.store import Chunks
from cgexp.systems.peptide import Peptide

NOT_AN_ENSEMBLE = "not an equilibrium ensemble: starts were chosen, so no population or free energy may be read from it"


@dataclass(kw_only=True)
class OpenMMPeptide(Recipe):
    """C-alpha frames of a peptide with mapped all-atom forces (Å, kcal/mol/Å), in ff14SB + OBC2.

    n_native, n_extended, n_hot: walkers from the native structure, the extended chain, and frames of a run at
    hot_temperature (K, hot_ps long), chosen farthest apart and quenched. ps_per_walker: kept length. save_ps: between
    frames. drop_ps: discarded after a start. segment_ps: length of a stored segment, the most a kill loses. seed: of
    the starts and the thermostat. n_parallel: walkers side by side, one thread each; it does not change the frames.
    """

    n_native: NonNegativeInt
    n_extended: NonNegativeInt
    n_hot: NonNegativeInt
    ps_per_walker: Positive
    save_ps: Positive
    drop_ps: NonNegative
    segment_ps: Positive
    hot_temperature: Positive
    hot_ps: Positive
    seed: NonNegativeInt = 0
    n_parallel: PositiveInt = 1

    @property
    def protocol(self) -> Protocol:
        """The sampling protocol of this recipe."""
        return Protocol(
            temperature=self.temperature,
            n_native=self.n_native,
            n_extended=self.n_extended,
            n_hot=self.n_hot,
            ps_per_walker=self.ps_per_walker,
            save_ps=self.save_ps,
            drop_ps=self.drop_ps,
            segment_ps=self.segment_ps,
            hot_temperature=self.hot_temperature,
            hot_ps=self.hot_ps,
            seed=self.seed,
        )

    def make(self, folder: Path, progress: Report | None = None) -> Frames:
        """Sample, map and join; continues what ``folder`` holds. Raises InputError without OpenMM."""
        if not isinstance(self.system, Peptide):
            raise InputError(f"data set '{self.name}' has system '{self.system.name}': expected a peptide")
        import_openmm()  # before anything is written
        sequence = self.system.sequence
        walkers = sample(self.system, sequence, self.protocol, folder, self.n_parallel, progress)
        return self.check(self.thin(self._coarse_grain(sequence, walkers)))

    def _coarse_grain(self, sequence: str, walkers: list[Chunks]) -> Frames:
        """Beads from the stored atoms: C-alpha positions, mapped forces, one block a walker."""
        peptide = build_peptide(sequence)
        beads = peptide.ca
        matrix = force_map(
            self.force_map, beads, constraint_pairs(make_system(peptide.topology)), len(peptide.positions)
        )
        coords, forces, times, blocks = [], [], [], []
        for walker, chunks in enumerate(walkers):
            for segment, (arrays, _) in enumerate(chunks):
                n_frames = len(arrays["coords"])
                coords.append(arrays["coords"][:, beads])
                forces.append(apply_map(matrix, arrays["forces"]).astype(np.float32))
                times.append((segment - 1) * self.segment_ps + self.save_ps * np.arange(1, n_frames + 1))
                blocks.append(np.full(n_frames, walker, dtype=np.int64))
        return Frames(
            coords=np.concatenate(coords),
            forces=np.concatenate(forces),
            bead_types=self.system.bead_types,
            block=np.concatenate(blocks),
            time_ps=np.concatenate(times).astype(np.float32),
            units="molecular",
            temperature=self.temperature,
            system=self.system.name,
            source=f"OpenMM, {FORCE_FIELD_NAME}",
            force_map=self.force_map,
            notes=f"{NOT_AN_ENSEMBLE}; protocol {json.dumps(asdict(self.protocol))}",
        )
