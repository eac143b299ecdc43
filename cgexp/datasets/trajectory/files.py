"""Reads positions, times and forces of the atoms that are modelled, in the units of their files, into Å and kcal/mol/Å.

What a format says of units and times is believed; where it says nothing, they must be stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.atom_order import reading
from cgexp.datasets.trajectory.lammps import read_dump
from cgexp.datasets.trajectory.solute import Solute, quietly
from cgexp.errors import InputError, did_you_mean
from cgexp.units import LENGTHS, NM_IN_ANGSTROM, force_factors

Array = NDArray[np.floating]
LengthUnit = Literal["A", "nm"]
ForceUnit = Literal["kcal/mol/A", "kcal/mol/nm", "kJ/mol/A", "kJ/mol/nm", "kT/A", "kT/nm"]
ARRAYS, DUMPS, HDF5 = (".npy", ".npz"), (".lammpstrj", ".dump"), (".h5", ".hdf5")
POSITION_NAMES, FORCE_NAMES = ("positions", "coords", "coordinates", "xyz"), ("forces",)
NM_FORMATS = (".xtc", ".trr", ".gro", *HDF5)  # of mdtraj's formats; the others are in Å
TIMED = (".xtc", ".trr", ".nc", ".ncdf", ".netcdf", *HDF5)  # formats that say when a frame was saved
ROUNDED = {".xtc": "rounded to 0.01 Å in the XTC file", ".gro": "rounded to 0.01 Å in the GRO file"}


class Raw(NamedTuple):
    """What one file holds of the modelled atoms, in its own units.

    positions, forces: [n_frames, n_atoms, 3]. time_ps: [n_frames]. box: vectors [n_frames, 3, 3]. unit, force_unit:
    those that the format is known for; None: it says nothing. precision: of the positions, in words.
    """

    positions: Array
    forces: Array | None
    time_ps: Array | None
    box: Array | None
    unit: LengthUnit | None
    force_unit: ForceUnit | None
    precision: str


@dataclass(frozen=True)
class Sampled:
    """positions [n_frames, n_atoms, 3], Å; forces likewise, kcal/mol/Å; time_ps [n_frames]; box [n_frames, 3, 3], Å."""

    positions: Array
    forces: Array
    time_ps: Array
    box: Array | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Reader:
    """Reads files of these units and times; None: not stated. temperature: K, for forces in kT."""

    solute: Solute
    topology: Path
    temperature: float
    length_unit: LengthUnit | None = None
    force_unit: ForceUnit | None = None
    save_ps: float | None = None

    def read(self, path: Path, forces_path: Path | None) -> Sampled:
        """Positions of ``path`` with the forces of ``forces_path``, or those in ``path`` itself.

        Raises InputError for a file that cannot be read, other atoms or frames, numbers that are not finite, and a unit
        or a time that neither the format nor the user states.
        """
        raw = self._raw(path)
        forces, force_unit = self._forces(path, raw, forces_path)
        if len(forces) != len(raw.positions):
            raise InputError(
                f"{path} has {len(raw.positions)} frames and its forces {len(forces)}: expected as many, of the same "
                "frames; save both at the same steps"
            )
        for what, values in (("position", raw.positions), ("force", forces)):
            _require_finite(what, values, path)
        factor = LENGTHS[self._length_unit(path, raw)]
        scale = force_factors(self.temperature)[force_unit]
        precision = [f"positions {raw.precision}"] if raw.precision else []
        if forces.dtype == np.float32:
            precision.append("forces in single precision")
        return Sampled(
            raw.positions * factor,
            forces * scale,
            self._time(path, raw),
            None if raw.box is None else raw.box * factor,
            tuple(precision),
        )

    def _raw(self, path: Path) -> Raw:
        suffix = path.suffix.lower()
        if suffix in ARRAYS:
            return self._of_arrays(path)
        if suffix in DUMPS:
            return self._of_dump(path)
        if suffix == ".trr":
            return self._of_trr(path)
        return self._of_mdtraj(path)

    def _of_arrays(self, path: Path) -> Raw:
        held = reading(path, lambda: _load_arrays(path))
        positions = self._chosen(_named(held, POSITION_NAMES, path), path)
        forces = self._chosen(held["forces"], path) if "forces" in held else None
        precision = "in single precision" if positions.dtype == np.float32 else ""
        return Raw(positions, forces, held.get("time_ps"), None, None, None, precision)

    def _of_dump(self, path: Path) -> Raw:
        dump = reading(path, lambda: read_dump(path))
        _require_increasing(dump.step, path, "step")
        box = None if dump.box is None else dump.box[:, :, None] * np.eye(3)
        forces = None if dump.forces is None else self._chosen(dump.forces, path)
        return Raw(self._chosen(dump.positions, path), forces, None, box, None, None, "")

    def _of_trr(self, path: Path) -> Raw:
        from mdtraj.formats import TRRTrajectoryFile

        def read() -> Any:
            with TRRTrajectoryFile(str(path)) as file:
                n_frames = len(file)
                file.seek(0)
                return file._read(n_frames, None, get_forces=True)

        try:
            found = reading(path, read)
        except InputError as error:
            if "Forces requested" not in str(error):
                raise
            return self._of_mdtraj(path)
        xyz, time, _, box, *_, forces = found
        return Raw(
            self._chosen(xyz, path), self._chosen(forces, path), time, box, "nm", "kJ/mol/nm", "in single precision"
        )

    def _of_mdtraj(self, path: Path) -> Raw:
        import mdtraj

        suffix = path.suffix.lower()
        if suffix not in mdtraj.formats.registry.FormatRegistry.loaders:
            return self._of_mdanalysis(path)
        counts = sorted({self.solute.n_in_file, self.solute.n_atoms}, reverse=True)  # all atoms, or those modelled

        def read(n_atoms: int) -> Any:
            with quietly():
                return mdtraj.load(str(path), **({} if suffix in HDF5 else {"top": _placeholder(n_atoms)}))

        def read_either() -> Any:
            try:
                return read(counts[0])
            except ValueError:
                return read(counts[-1])

        advice = f"give a complete trajectory with the {' or '.join(map(str, counts))} atoms of {self.topology}"
        trajectory = reading(path, read_either, advice)
        positions = self._chosen(trajectory.xyz, path)
        unit: LengthUnit = "nm" if suffix in NM_FORMATS else "A"
        factor = NM_IN_ANGSTROM / LENGTHS[unit]  # mdtraj has converted what it took for the file's unit
        box = trajectory.unitcell_vectors
        time = trajectory.time if suffix in TIMED else None
        return Raw(
            positions * factor, None, time, None if box is None else box * factor, unit, None,
            ROUNDED.get(suffix, "in single precision"),
        )  # fmt: skip

    def _of_mdanalysis(self, path: Path) -> Raw:
        """What mdtraj does not read, by MDAnalysis where it is installed; it gives Å, kJ/mol/Å and ps."""
        try:
            import MDAnalysis
        except ImportError as error:
            raise InputError(
                f'{path} has a format that mdtraj does not read: install MDAnalysis (pip install "cgexp[mdanalysis]"), '
                "or convert it to XTC, DCD or TRR"
            ) from error

        def read() -> Any:
            with quietly():
                universe = MDAnalysis.Universe.empty(self.solute.n_in_file, trajectory=True)
                universe.load_new(str(path))
                steps = [
                    (s.positions.copy(), s.forces.copy() if s.has_forces else None, s.time) for s in universe.trajectory
                ]
            return tuple(zip(*steps, strict=True))

        positions, forces, times = reading(path, read)
        held = None if any(force is None for force in forces) else self._chosen(np.stack(forces), path)
        chosen = self._chosen(np.stack(positions), path)
        return Raw(chosen, held, np.array(times), None, "A", "kJ/mol/A", "in single precision")

    def _chosen(self, values: Array, path: Path) -> Array:
        """The modelled atoms of values [n_frames, n_atoms, 3], which are of all atoms or of these alone."""
        counts = (self.solute.n_in_file, self.solute.n_atoms)
        if values.ndim != 3 or values.shape[2] != 3 or values.shape[1] not in counts:
            raise InputError(
                f"{path} has values of shape {list(values.shape)}: expected [n_frames, {counts[0]}, 3], the atoms of "
                f"the topology {self.topology}"
                + (f", or the {counts[1]} that are modelled" if counts[0] != counts[1] else "")
            )
        if not len(values):
            raise InputError(f"{path} holds no frames: expected at least one")
        values = values if np.issubdtype(values.dtype, np.floating) else values.astype(np.float64)
        return values[:, self.solute.index] if values.shape[1] == counts[0] else values

    def _forces(self, path: Path, raw: Raw, forces_path: Path | None) -> tuple[Array, ForceUnit]:
        known, place = raw.force_unit, path
        forces = raw.forces
        if forces_path is not None:
            known, place = None, forces_path
            if forces_path.suffix.lower() not in (*ARRAYS, *HDF5):
                raise InputError(f"{forces_path} has no format that forces are read from: expected .npy, .npz or .h5")
            held = reading(forces_path, lambda: _load_forces(forces_path), "save the forces as .npy")
            forces = self._chosen(_named(held, FORCE_NAMES, forces_path), forces_path)
        if forces is None:
            raise InputError(
                f"{path} holds no forces, which force matching needs: give dataset.forces=<file>, [n_frames, "
                f"{self.solute.n_in_file}, 3] as .npy, .npz or .h5, saved by the simulation at the same steps"
            )
        unit = self.force_unit or known
        if unit is None:
            raise InputError(
                f"{place} does not say what unit its forces have: state dataset.force_unit=kJ/mol/nm (OpenMM, GROMACS) "
                "or kcal/mol/A (LAMMPS real, Amber, NAMD)"
            )
        if known is not None and unit != known:
            raise InputError(
                f"dataset.force_unit={unit}, but forces in {place} are in {known} by its format: leave force_unit out"
            )
        return forces, unit

    def _length_unit(self, path: Path, raw: Raw) -> LengthUnit:
        if raw.unit == "nm" and self.length_unit == "A":
            raise InputError(
                f"dataset.length_unit=A, but positions in {path} are in nm by its format: leave length_unit out"
            )
        unit = self.length_unit or raw.unit
        if unit is None:
            raise InputError(
                f"{path} does not say what unit its positions have: state dataset.length_unit=nm (OpenMM, GROMACS) or "
                "A (LAMMPS real, Amber, NAMD)"
            )
        return unit

    def _time(self, path: Path, raw: Raw) -> Array:
        """Times in ps, which must increase."""
        n_frames = len(raw.positions)
        if raw.time_ps is None:
            if self.save_ps is None:
                raise InputError(
                    f"{path} does not say how far apart in time its frames are: state dataset.save_ps=<ps between "
                    "frames>"
                )
            return self.save_ps * np.arange(n_frames)
        time = np.asarray(raw.time_ps, dtype=np.float64)
        if time.shape != (n_frames,):
            raise InputError(f"{path} has {len(time)} times for {n_frames} frames: expected one a frame, ps")
        _require_increasing(time, path, "time")
        if n_frames > 1 and self.save_ps is not None:
            spacing = float(np.median(np.diff(time)))
            if abs(spacing - self.save_ps) > 0.01 * spacing:
                raise InputError(
                    f"dataset.save_ps={self.save_ps:g}, but frames of {path} are {spacing:g} ps apart by its times: "
                    "leave save_ps out"
                )
        return time


def _require_increasing(time: NDArray[Any], path: Path, what: str) -> None:
    back = np.diff(time) <= 0
    if back.any():
        frame = int(np.argmax(back)) + 1
        raise InputError(
            f"{path} goes back in time at frame {frame}, from {what} {time[frame - 1]:g} to {time[frame]:g} (and at "
            f"{int(back.sum()) - 1} more): give runs that were restarted as files of their own, "
            "trajectory=[a.xtc,b.xtc], and frames in order"
        )


def _require_finite(what: str, values: Array, path: Path) -> None:
    bad = ~np.isfinite(values).all(axis=(1, 2))
    if bad.any():
        raise InputError(
            f"a {what} in frame {int(np.argmax(bad))} of {path} is no finite number (and in {int(bad.sum()) - 1} more "
            "frames): remove those frames, or repair them"
        )


def _load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    content = np.load(path, allow_pickle=False)
    if isinstance(content, np.ndarray):
        return {"": content}
    with content:
        return {name: content[name] for name in content.files if not name.startswith("__")}


def _load_forces(path: Path) -> dict[str, NDArray[Any]]:
    if path.suffix.lower() in ARRAYS:
        return _load_arrays(path)
    import h5py

    with h5py.File(path) as file:
        return {name: file[name][()] for name in file if isinstance(file[name], h5py.Dataset)}


def _named(held: dict[str, NDArray[Any]], names: tuple[str, ...], path: Path) -> NDArray[Any]:
    """The array of one of these names, or the only one."""
    found = next((name for name in names if name in held), None)
    if found is None and len(held) != 1:
        known = ", ".join(held) or "none"
        raise InputError(
            f"{path} holds the arrays {known}{did_you_mean(names[0], held)}: expected one called {names[0]}"
        )
    return held[found] if found is not None else next(iter(held.values()))


def _placeholder(n_atoms: int) -> Any:
    """A topology of so many atoms, which is all that mdtraj's readers ask."""
    import mdtraj

    topology = mdtraj.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    for _ in range(n_atoms):
        topology.add_atom("X", None, residue)
    return topology
