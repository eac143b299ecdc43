"""OpenMMPeptide: a data set made on the spot by all-atom simulation, coarse-grained to beads."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.force_field import ForceField, constraint_pairs, make_system
from cgexp.all_atom.mapping.force_maps import FITTED, make_map
from cgexp.all_atom.mapping.linear_map import LinearMap, read_map, write_map
from cgexp.all_atom.mapping.sites import BeadSites
from cgexp.all_atom.mapping.unbiasedness import check_unbiased
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.sampling.protocol import Protocol, sample
from cgexp.all_atom.sampling.task import Task
from cgexp.datasets.recipe import Recipe
from cgexp.datasets.stated_units import verdict_in_words
from cgexp.errors import InputError
from cgexp.executor.workers import Workers
from cgexp.frames import Frames
from cgexp.parts.ranges import AddedLater, ExecutionOnly, PositiveInt
from cgexp.progress import Report
from cgexp.store import Chunks
from cgexp.systems.peptide import Peptide

MAP_FILE = "map-{}.npz"  # in the folder of the walkers, one a force map


@dataclass(kw_only=True)
class OpenMMPeptide(Recipe):
    """Frames of a peptide with mapped all-atom forces (Å, kcal/mol/Å); one block a walker.

    protocol: how it is sampled. force_field, solvent, surface_term: what the atoms are simulated in (``ForceField``).
    caps: an acetyl and an N-methyl amide group in place of charged ends. platform: of OpenMM; 'auto' takes the fastest.
    force_map: 'optimal' is fitted once, to ``fit_frames`` frames of every other walker, and kept beside the walkers.
    n_parallel: walkers side by side, one thread each; neither it nor another executor changes the frames.
    """

    system: Peptide
    protocol: Protocol
    force_map: Literal["slice", "constraint_group", "residue", "optimal"]
    force_field: Literal["ff14SBonlysc", "ff14SB"] = "ff14SBonlysc"
    solvent: Literal["gbn2", "obc2", "tip3p"] = "gbn2"
    surface_term: Literal["ace", "none"] = "ace"
    platform: ExecutionOnly[Literal["auto", "CUDA", "OpenCL", "native", "CPU"]] = "auto"
    caps: AddedLater[bool] = False
    fit_frames: PositiveInt = 2000
    n_parallel: ExecutionOnly[PositiveInt] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.caps:
            self.system = Peptide(self.system.sequence, self.system.beads, self.system.native_pdb, caps=True)
        self._force_field = ForceField(self.force_field, self.solvent, self.surface_term)
        self._force_field.check_platform(self.platform, "dataset")

    @property
    def all_atom_force_field(self) -> str:
        return self._force_field.name

    def make(self, folder: Path, progress: Report | None = None, executor: Executor | None = None) -> Frames:
        """Sample, map and join; continues what ``folder`` holds.

        executor: runs the segments in place of local processes, and is left open. Raises InputError without OpenMM, and
        if the mapped forces are biased.
        """
        Peptide.expect(self.system, f"data set '{self.name}'")
        import_openmm()  # before anything is written
        task = Task(self.system.sequence, self.temperature, Path(folder), self._force_field, self.platform, self.caps)
        walkers = sample(task, self.protocol, self.n_parallel, executor, progress)
        force_map = self._map(task, walkers)
        if not force_map.valid_for(constraint_pairs(make_system(task.built.topology))) and not self._reason:
            raise InputError(
                f"force map '{self.force_map}' is biased when bonds are constrained: use optimal or constraint_group, "
                "or say in words why with dataset.allow_biased_force_map='<reason>'"
            )
        frames = self._coarse_grain(task, walkers, force_map)
        check_unbiased(frames, pairs=self.system.bonds, allow_biased_map=bool(self._reason))
        return self.check(self.thin(frames))

    def make_on(self, folder: Path, workers: Workers | None) -> Frames:
        if workers is None:
            return self.make(folder)
        with workers.open() as executor:
            return self.make(folder, executor=executor)

    def verdict(self, frames: Frames) -> str:
        """What the identities say of the force map, in words."""
        return verdict_in_words(frames, self.system)

    @property
    def _reason(self) -> str:
        return self.allow_biased_force_map.strip()

    def _map(self, task: Task, walkers: Sequence[Chunks]) -> LinearMap:
        """The map that was stored with the walkers, or a new one."""
        constraints = constraint_pairs(make_system(task.built.topology))
        sites = BeadSites.on(task.built.atoms, self.system.bead_atoms, constraints)
        path = task.folder / MAP_FILE.format(self.force_map)
        if path.is_file():
            stored = read_map(path)
            if np.array_equal(stored.beads, sites.beads):
                stored.check_atoms(task.built.atoms)
                return stored
        forces = spread_forces(walkers[::2], self.fit_frames) if self.force_map in FITTED else None
        fitted = make_map(self.force_map, sites, forces)
        write_map(path, fitted)
        return fitted

    def _coarse_grain(self, task: Task, walkers: Sequence[Chunks], force_map: LinearMap) -> Frames:
        """Beads from the stored atoms, a chunk at a time: positions, mapped forces, one block a walker.

        A chunk may say the ``time_ps`` of its frames; otherwise they follow one another every save_ps.
        """
        coords, forces, times, blocks = [], [], [], []
        for walker, chunks in enumerate(walkers):
            n_frames = 0
            for arrays, _ in chunks:
                n_new = len(arrays["coords"])
                coords.append(arrays["coords"][:, force_map.beads])
                forces.append(force_map.apply(arrays["forces"]).astype(np.float32))
                times.append(
                    arrays.get("time_ps", self.protocol.save_ps * np.arange(n_frames + 1, n_frames + n_new + 1))
                )
                blocks.append(np.full(n_new, walker, dtype=np.int64))
                n_frames += n_new
        return Frames(
            coords=np.concatenate(coords),
            forces=np.concatenate(forces),
            bead_types=self.system.bead_types,
            block=np.concatenate(blocks),
            time_ps=np.concatenate(times).astype(np.float32),
            units="molecular",
            temperature=self.temperature,
            system=self.system.name,
            source=f"OpenMM, {self._force_field.name}",
            force_field=self._force_field.name,
            force_map=self.force_map,
            notes="; ".join((self.protocol.note, *self._facts(task, walkers, force_map))),
        )

    def _facts(self, task: Task, walkers: Sequence[Chunks], force_map: LinearMap) -> Iterator[str]:
        """What a data card should say of the walkers and the map."""
        if self.caps:
            yield "capped ends (acetyl, N-methyl amide)"
        yield f"force map: {force_map.provenance}, sha256 {force_map.content_hash}"
        kinds = Counter(re.sub(r" \d+$", "", _origin(chunks)) for chunks in walkers)
        yield f"{len(walkers)} walkers from: " + ", ".join(f"{kind} ({n})" for kind, n in kinds.items())
        yield from self.protocol.facts(task)
        yield f"protocol {json.dumps({'temperature': self.temperature, **self.protocol.settings})}"


def spread_forces(walkers: Sequence[Chunks], n: int) -> Iterator[NDArray[np.float32]]:
    """Forces on all atoms in ``n`` frames of the walkers, evenly spaced (all if there are fewer), a chunk at a time."""
    sizes = [[len(arrays["forces"]) for arrays, _ in chunks] for chunks in walkers]
    total = sum(map(sum, sizes))
    wanted = np.unique(np.linspace(0, total - 1, min(n, total)).round().astype(np.int64))
    first = 0
    for chunks in walkers:
        for arrays, _ in chunks:
            inside = wanted[(wanted >= first) & (wanted < first + len(arrays["forces"]))] - first
            first += len(arrays["forces"])
            if len(inside):
                yield arrays["forces"][inside]


def _origin(chunks: Chunks) -> str:
    _, meta = next(iter(chunks))
    return str(meta.get("origin", "walker"))
