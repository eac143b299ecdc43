"""Trajectory: frames of a system of your own, from an all-atom trajectory with its topology and its forces."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.mapping.force_maps import BIASED, make_map
from cgexp.all_atom.mapping.sites import BeadSites, Indices
from cgexp.all_atom.mapping.unbiasedness import require_sound
from cgexp.all_atom.mapping.weighted import weighted_map
from cgexp.datasets.recipe import Recipe
from cgexp.datasets.recipe import facts_of as of_system
from cgexp.datasets.stated_units import Stated, check_forces, check_lengths, verdict_in_words
from cgexp.datasets.trajectory.beads import Beads, make_beads
from cgexp.datasets.trajectory.constraints import Stated as Constraints
from cgexp.datasets.trajectory.constraints import rigid_bonds
from cgexp.datasets.trajectory.files import ForceUnit, LengthUnit, Reader, Sampled
from cgexp.datasets.trajectory.solute import AUTO, Solute, read_solute
from cgexp.datasets.trajectory.sound import whole_positions
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.parts.ranges import ContentFile, OwnFile, Positive

log = logging.getLogger(__name__)

Matrix = NDArray[np.float64]
MISSING = "???"
N_BLOCKS = 10  # stretches of a run
GAP = 1.5  # of the usual time between frames, a longer one begins a new stretch


@dataclass(kw_only=True)
class Trajectory(Recipe):
    """Frames of one molecule from an all-atom trajectory, whose beads follow from its topology and a mapping.

    trajectory: file, or several, one a run. topology: file that names the atoms in their order, with bonds. forces:
    files as many; None: the trajectory holds them (TRR, LAMMPS, .npz). mapping, bead_table, native: as for
    ``make_beads``. solute: selection of the atoms that are modelled. constraints, rigid_bonds: bonds that were rigid
    in the simulation, as for ``rigid_bonds``. length_unit, force_unit: of numbers in files whose format does not say.
    save_ps: time between frames, where the files do not say. force_field: of the atoms, in words. source: where the
    data are from. thermally_sampled: False for frames that were selected, whose forces cannot be tested.
    """

    trajectory: ContentFile[str | list[str]]
    topology: ContentFile[str]
    forces: ContentFile[str | list[str] | None] = None
    mapping: str = "calpha"
    bead_table: ContentFile[str | None] = None
    native: OwnFile[str | None] = None
    solute: str = AUTO
    constraints: Constraints = "auto"
    rigid_bonds: ContentFile[str | None] = None
    force_map: Literal["slice", "constraint_group", "residue", "optimal"]
    length_unit: LengthUnit | None = None
    force_unit: ForceUnit | None = None
    save_ps: Positive | None = None
    force_field: str = ""
    source: str = ""
    thermally_sampled: bool = True

    fills_in: ClassVar[str] = "cgexp.datasets.trajectory.recipe.facts_of"

    @property
    def all_atom_force_field(self) -> str:
        return self.force_field

    @property
    def files(self) -> list[tuple[Path, Path | None]]:
        """Each trajectory with its forces. Raises InputError unless there are as many."""
        trajectories, forces = _listed(self.trajectory), _listed(self.forces)
        if self.forces is not None and len(forces) != len(trajectories):
            raise InputError(
                f"dataset.trajectory names {len(trajectories)} files and dataset.forces {len(forces)}: expected as "
                "many, in the same order"
            )
        return [(Path(path), Path(forces[i]) if forces else None) for i, path in enumerate(trajectories)]

    def require(self) -> None:
        """All files are there."""
        paths = [Path(self.topology), *(file for pair in self.files for file in pair if file is not None)]
        for path in paths:
            if not path.is_file():
                raise InputError(f"{path} does not exist: give the file of your data")

    def make(self, folder: Path) -> Frames:
        """Read, map and put to the test; ``folder`` is not needed.

        Raises InputError with a sentence for whatever does not fit: atoms, units, times, constraints, temperature.
        """
        self.require()
        solute = read_solute(Path(self.topology), self.solute)
        beads = beads_of(self.__dict__, solute)
        reader = Reader(solute, Path(self.topology), self.temperature, self.length_unit, self.force_unit, self.save_ps)
        runs = [reader.read(*pair) for pair in self.files]
        positions = np.concatenate(
            [whole_positions(run, solute, path) for run, (path, _) in zip(runs, self.files, strict=True)]
        )
        forces = np.concatenate([run.forces for run in runs])
        listed = None if self.rigid_bonds is None else Path(self.rigid_bonds)
        constraints, said = rigid_bonds(self.constraints, positions, solute, listed)
        matrix, provenance = self._map(beads, solute, constraints, forces)
        frames = Frames(
            coords=np.einsum("ba,nad->nbd", beads.weights, positions, optimize=True).astype(np.float32),
            forces=np.einsum("ba,nad->nbd", matrix, forces, optimize=True).astype(np.float32),
            bead_types=self.system.bead_types,
            block=_blocks(runs),
            time_ps=np.concatenate([run.time_ps for run in runs]).astype(np.float32),
            units=self.units,
            temperature=self.temperature,
            system=self.system.name,
            system_spec=self.system.spec,
            source=self.source or f"{', '.join(path.name for path, _ in self.files)}, beads: {self.mapping}",
            force_map=self.force_map,
            force_field=self.force_field,
            notes="; ".join(dict.fromkeys(self._notes(solute, runs, said, provenance))),
        )
        return self.check(self.thin(self._tested(frames)))

    def verdict(self, frames: Frames) -> str:
        """What the identities say of the force map, in words."""
        return verdict_in_words(frames, self.system) if self.thermally_sampled else ""

    @property
    def _reason(self) -> str:
        return self.allow_biased_force_map.strip()

    def _map(
        self, beads: Beads, solute: Solute, constraints: Indices, forces: NDArray[np.floating]
    ) -> tuple[Matrix, str]:
        """The force map, which the constraints must allow."""
        if beads.sites is None:
            return weighted_map(self.force_map, beads.weights, constraints, forces)
        atoms = [(int(atom.residue.index), str(atom.name)) for atom in solute.topology.atoms]
        found = make_map(self.force_map, BeadSites(atoms, beads.sites, constraints), forces)
        if not found.valid_for(constraints) and not self._reason:
            pair = next(pair for pair in constraints if not found.valid_for(pair[None]))
            first, second = (solute.in_words(atom) for atom in pair)
            raise InputError(
                f"force map '{self.force_map}' is biased: it takes {first} and {second} with different weights, and "
                "their bond is rigid; use optimal or constraint_group, or say in words why with "
                "dataset.allow_biased_force_map='<reason>'"
            )
        return found.matrix, found.provenance

    def _tested(self, frames: Frames) -> Frames:
        """The frames, if forces, units and temperature agree; a note says where there are too few to tell."""
        stated = Stated(self.length_unit or "A", self.force_unit or "kcal/mol/A", keys=self.force_unit is not None)
        require_sound(frames)
        check_lengths(frames, self.system, self.name, stated)
        if not self.thermally_sampled or not len(self.system.bonds):
            return frames
        found = check_forces(frames, self.system, self.name, stated, bool(self._reason))
        if found.verdict != "not verifiable":
            return frames
        return frames.with_labels(notes=f"{frames.notes}; force map not verifiable: {found.reason}")

    def _notes(self, solute: Solute, runs: list[Sampled], said: str, provenance: str) -> Iterator[str]:
        yield from solute.notes
        yield said
        yield f"force map: {provenance}"
        if self.force_map in BIASED or self._reason:
            yield f"biased force map allowed: {self._reason}"
        for run in runs:
            yield from run.notes


def beads_of(node: Mapping[str, Any], solute: Solute) -> Beads:
    """The beads of a recipe's config node on these atoms."""
    table = node.get("bead_table")
    mapping, name = str(node.get("mapping", "calpha")), Path(str(node["topology"])).stem
    return make_beads(mapping, solute, _plain(name), None if table is None else Path(table), node.get("native"))


def facts_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """The system that a recipe's config node describes: as it says, or by its topology and mapping alone."""
    if node.get("system") is not None or node.get("topology") in (None, MISSING):
        return of_system(node)
    beads = beads_of(node, read_solute(Path(str(node["topology"])), str(node.get("solute", AUTO))))
    return {"system": beads.system, "n_beads": beads.n_beads, "n_dims": 3, "units": "molecular"}


def _listed(files: str | list[str] | None) -> list[str]:
    return [] if files is None else [files] if isinstance(files, str) else list(files)


def _plain(name: str) -> str:
    """A name good for a system: letters, digits and . _ -."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in name)


def _blocks(runs: Sequence[Sampled]) -> Indices:
    """Ten stretches of each run, [n_frames of all]; a gap in time ends one, too."""
    found: list[Indices] = []
    offset = 0
    for run in runs:
        n_frames, spacing = len(run.time_ps), np.diff(run.time_ps)
        tenth = np.arange(n_frames) * N_BLOCKS // n_frames
        n_gaps = np.zeros(n_frames, dtype=np.int64)
        if n_frames > 1:
            n_gaps[1:] = np.cumsum(spacing > GAP * np.median(spacing))
        _, dense = np.unique(n_gaps * N_BLOCKS + tenth, return_inverse=True)
        found.append(dense + offset)
        offset += int(dense.max()) + 1
    return np.concatenate(found)
