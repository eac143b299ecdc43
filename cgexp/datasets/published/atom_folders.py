"""AtomFolders: coords and forces on all atoms of the solute, an .npy file a trajectory (Wang et al. 2019)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.datasets.published.download import check_shape
from cgexp.datasets.published.recipe import Content, Index, Published, Values
from cgexp.errors import InputError
from cgexp.parts.ranges import FileNames, PositiveInt
from cgexp.units import LENGTHS

HYDROGEN_BOND = 1.25  # Å; every other neighbour of a C-alpha atom is at least 1.4 Å away
N_LOOKED_AT = 20  # frames in which hydrogens are looked for


@dataclass(kw_only=True)
class AtomFolders(Published):
    """Pairs of files ``coords_files`` and ``forces_files`` in ``folder``, [n_frames, n_atoms, 3]; one block a pair.

    In the file names {} stands for what names the trajectory. ca_atoms: indices of the C-alpha atoms, which are the
    beads. force_map: 'slice', or 'constraint_group', which adds the forces on their hydrogens; these are found by their
    distance in the first file. The mapped frames are kept, since the files are large.
    """

    coords_files: FileNames
    forces_files: FileNames
    n_atoms: PositiveInt
    ca_atoms: list[int]
    force_map: Literal["slice", "constraint_group"]

    cached: ClassVar[bool] = True

    def content(self) -> Content:
        """The shapes of all files; bonds and hydrogens are looked at in the first."""
        pairs = self._paths()
        # a mapped file stays open, and there may be more files than a process may open
        sizes = [len(self._open(*paths)[0]) for paths in pairs]
        first = np.cumsum([0, *sizes])
        groups = self._groups(self._open(*pairs[0])[0][:N_LOOKED_AT])

        def read(index: Index) -> tuple[Values, Values]:
            found = []
            for start, size, paths in zip(first, sizes, pairs, strict=False):
                inside = index[(index >= start) & (index < start + size)] - start
                if len(inside):
                    coords, forces = self._open(*paths)
                    mapped = np.stack([forces[inside][:, group].sum(axis=1) for group in groups], axis=1)
                    found.append((coords[inside][:, self.ca_atoms], mapped))
            coords_of, forces_of = zip(*found, strict=True)
            return np.concatenate(coords_of), np.concatenate(forces_of)

        time = np.concatenate([np.arange(size) for size in sizes])
        time_ps = None if self.save_ps is None else (self.save_ps * time).astype(np.float32)
        return Content(read, np.repeat(np.arange(len(sizes)), sizes), time_ps)

    def _paths(self) -> list[tuple[Path, Path]]:
        """Files of coords and forces, in the order of the numbers in their names."""
        folder = Path(self.folder)
        pattern = re.compile(re.escape(self.coords_files).replace(r"\{\}", "(.+)"))
        self.download.require((folder / self.coords_files).parent)
        names = [path.relative_to(folder).as_posix() for path in folder.glob(self.coords_files.replace("{}", "*"))]
        tags = [match[1] for match in map(pattern.fullmatch, names) if match]
        if not tags:
            raise InputError(
                f"{folder / self.coords_files} names no file: {self.download.advice(folder / self.coords_files)}"
            )
        tags.sort(key=lambda tag: [(not part.isdigit(), part.zfill(12)) for part in re.split(r"(\d+)", tag)])
        return [(folder / self.coords_files.format(tag), folder / self.forces_files.format(tag)) for tag in tags]

    def _open(self, coords_path: Path, forces_path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
        coords, forces = self.download.array(coords_path), self.download.array(forces_path)
        check_shape(coords_path, coords, self.n_atoms, "atoms")
        check_shape(forces_path, forces, self.n_atoms, "atoms", len(coords))
        return coords, forces

    def _groups(self, coords: NDArray[np.floating]) -> list[list[int]]:
        """Atoms whose forces a bead gets; coords [n, n_atoms, 3] in the unit of the file."""
        if len(self.ca_atoms) != self.n_beads or not all(0 <= atom < self.n_atoms for atom in self.ca_atoms):
            raise InputError(
                f"dataset.ca_atoms={self.ca_atoms} do not fit {self.n_beads} beads and {self.n_atoms} atoms: expected "
                "the index of each C-alpha atom in the files, counted from 0"
            )
        self._test_lengths(coords)
        if self.force_map == "slice":
            return [[atom] for atom in self.ca_atoms]
        groups = []
        for atom in self.ca_atoms:
            away = np.linalg.norm(coords - coords[:, [atom]], axis=-1).mean(axis=0) * LENGTHS[self.length_unit]
            near = [int(other) for other in np.flatnonzero(away < HYDROGEN_BOND)]
            if not 2 <= len(near) <= 3:
                raise InputError(
                    f"atom {atom} of dataset.ca_atoms has {len(near) - 1} atoms within {HYDROGEN_BOND} Å: expected the "
                    "one or two hydrogens of a C-alpha atom; state the order of the atoms in the files"
                )
            groups.append(near)
        return groups

    def _test_lengths(self, coords: NDArray[np.floating]) -> None:
        """Ask about the unit of length before hydrogens are looked for."""
        beads = np.asarray(coords[:, self.ca_atoms])
        zeros = np.zeros(len(beads), dtype=np.int64)
        frames = self._frames(Content(lambda _: (beads, np.zeros_like(beads)), zeros, None), np.arange(len(beads)))
        self.test(frames, forces=False)
