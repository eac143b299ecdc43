"""Files of molecular viewers (VMD, PyMOL, nglview, mdtraj, MDAnalysis): topology in PDB, frames in XTC, DCD and H5MD.

XTC and DCD grow at their end, so that a long simulation is written as it goes. Their units are fixed by the formats:
XTC has nm and ps, DCD Å and 0.0489 ps (AKMA), PDB Å; an H5MD file says its units itself.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.store import write_bytes, write_whole
from cgexp.systems.base import System
from cgexp.units import AKMA_TIME_IN_PS, MOLECULAR, NM_IN_ANGSTROM

if TYPE_CHECKING:
    import mdtraj

TOPOLOGY = "topology.pdb"
DCD_VERSION = 24  # of CHARMM, whose files have a fixed layout
DCD_TITLE = b"beads of cgexp, in Angstrom"
H5MD_AT_ONCE = 1000  # frames in memory at a time


def topology_of(system: System) -> mdtraj.Topology:
    """One chain with an atom for each bead, named after the atom it sits on, and the bonds between beads."""
    import mdtraj

    topology = mdtraj.Topology()
    chain = topology.add_chain()
    residues = [
        topology.add_residue(name, chain, resSeq=number) for number, name in enumerate(system.residues, start=1)
    ]
    atoms = [topology.add_atom(name, _element(name), residues[residue]) for residue, name in system.bead_atoms]
    for first, second in system.bonds:
        topology.add_bond(atoms[first], atoms[second])
    return topology


def require_viewable(system: System) -> None:
    """Raise InputError unless viewers can show the system: beads in three dimensions, in Å and ps."""
    if not system.bead_atoms or system.units != MOLECULAR.name:
        raise InputError(
            f"{system.name} ({system.kind} in {system.units} units, {system.n_dims} dimensions) is nothing that "
            "molecular viewers show: simulate it in Python with bundle.simulate, whose arrays are NumPy's"
        )


def write_pdb(path: Path, topology: mdtraj.Topology, coords: NDArray[np.floating]) -> None:
    """Write one configuration [n_beads, 3] (Å), moved to the origin, with all bonds as CONECT records."""
    import mdtraj

    centred = (coords - coords.mean(axis=0)) / NM_IN_ANGSTROM
    content = _drafted(path.name, lambda draft: mdtraj.Trajectory(centred[None], topology).save(str(draft)))
    # mdtraj writes bonds between residues of proteins only where they are no peptide bonds
    bonds = "".join(f"CONECT{a.index + 1:5d}{b.index + 1:5d}\n" for a, b in topology.bonds)
    write_bytes(path, content.replace(b"END\n", bonds.encode() + b"END\n"))


@dataclass(frozen=True)
class FrameFormat(ABC):
    """How frames become bytes at the end of a file.

    n_beads: of a frame. dt: time step, ps. first: step of the first frame. every: steps between frames. box: edges of
    a periodic box, Å, or None.
    """

    n_beads: int
    dt: float
    first: int
    every: int
    box: tuple[float, ...] | None = None

    suffix: ClassVar[str]

    @abstractmethod
    def header(self, n_frames: int = 0) -> bytes:
        """What a file begins with, before its frames."""

    @abstractmethod
    def frames(self, coords: NDArray[np.floating], steps: NDArray[np.int64]) -> bytes:
        """Frames [n, n_beads, 3] (Å) at ``steps`` [n]."""

    @abstractmethod
    def settle(self, path: Path) -> None:
        """Make the file's beginning say what it holds, after frames were added or cut off."""


class Xtc(FrameFormat):
    """GROMACS's compressed format, in steps of 0.01 Å: frames that stand one behind the other."""

    suffix = "xtc"

    def header(self, n_frames: int = 0) -> bytes:
        return b""

    def settle(self, path: Path) -> None:
        pass  # nothing counts the frames

    def frames(self, coords: NDArray[np.floating], steps: NDArray[np.int64]) -> bytes:
        from mdtraj.formats import XTCTrajectoryFile

        edges = np.zeros(3) if self.box is None else np.asarray(self.box)
        box = np.tile(np.diag(edges / NM_IN_ANGSTROM).astype(np.float32), (len(coords), 1, 1))

        def write(draft: Path) -> None:
            with XTCTrajectoryFile(str(draft), "w") as file:
                lengths = np.ascontiguousarray(coords / NM_IN_ANGSTROM, dtype=np.float32)
                file.write(lengths, (steps * self.dt).astype(np.float32), steps.astype(np.int32), box)

        return _drafted("frames.xtc", write)


class Dcd(FrameFormat):
    """CHARMM's format, of single precision: a header with the number of frames, then frames of equal size."""

    suffix = "dcd"

    def header(self, n_frames: int = 0) -> bytes:
        numbers = np.zeros(20, dtype="<i4")
        last = self.first + (n_frames - 1) * self.every if n_frames else 0
        numbers[:4] = n_frames, self.first, self.every, last
        numbers[9] = np.float32(self.dt / AKMA_TIME_IN_PS).view(np.int32)
        numbers[10], numbers[19] = self.box is not None, DCD_VERSION
        title = np.int32(1).tobytes() + DCD_TITLE.ljust(80)
        return b"".join(
            _record(part) for part in (b"CORD" + numbers.tobytes(), title, np.int32(self.n_beads).tobytes())
        )

    @property
    def layout(self) -> np.dtype[Any]:
        """Of one frame: records with their length, in bytes, before and after."""
        fields: list[Any] = []
        if self.box is not None:
            fields += [("cell_before", "<i4"), ("cell", "<f8", (6,)), ("cell_after", "<i4")]
        for axis in "xyz":
            fields += [(f"{axis}_before", "<i4"), (axis, "<f4", (self.n_beads,)), (f"{axis}_after", "<i4")]
        return np.dtype(fields)

    def frames(self, coords: NDArray[np.floating], steps: NDArray[np.int64]) -> bytes:
        written = np.zeros(len(coords), dtype=self.layout)
        if self.box is not None:
            a, b, c = self.box
            written["cell"] = (a, 90.0, b, 90.0, 90.0, c)
            written["cell_before"] = written["cell_after"] = 48
        for number, axis in enumerate("xyz"):
            written[axis] = coords[:, :, number]
            written[f"{axis}_before"] = written[f"{axis}_after"] = 4 * self.n_beads
        return written.tobytes()

    def settle(self, path: Path) -> None:
        n_frames = (path.stat().st_size - len(self.header())) // self.layout.itemsize
        with open(path, "r+b") as file:
            file.write(self.header(n_frames))

    def read(self, path: Path) -> NDArray[Any]:
        """The frames of a file that this format wrote, on disk until they are looked at: [n_frames] of ``layout``."""
        if path.stat().st_size <= len(self.header()):
            return np.zeros(0, dtype=self.layout)
        return np.memmap(path, dtype=self.layout, mode="r", offset=len(self.header()))


FORMATS: dict[str, type[FrameFormat]] = {format.suffix: format for format in (Xtc, Dcd)}


def trajectory_name(replica: int, format: FrameFormat) -> str:
    """The file of one replica."""
    return f"replica-{replica:03d}.{format.suffix}"


def require_h5py() -> Any:
    """The package h5py. Raises InputError if it is not installed."""
    try:
        import h5py
    except ImportError as error:
        raise InputError("h5py is not installed: H5MD needs it; run pip install h5py, or take format=dcd") from error
    return h5py


def write_h5md(path: Path, dcd: Path, format: Dcd) -> None:
    """Write a DCD file's frames as H5MD 1.1 (de Buyl et al. 2014), a part at a time; a file there is replaced.

    Raises InputError if h5py is not installed.
    """
    h5py, frames = require_h5py(), format.read(dcd)

    def write(file: Any) -> None:
        with h5py.File(file, "w") as root:
            _write_h5md(root, frames, format)

    write_whole(path, write)


def _write_h5md(root: Any, frames: NDArray[Any], format: Dcd) -> None:
    import cgexp

    about = root.create_group("h5md")
    about.attrs["version"] = (1, 1)
    about.create_group("author").attrs["name"] = "cgexp"
    about.create_group("creator").attrs.update(name="cgexp", version=cgexp.__version__)
    beads = root.create_group("particles/beads")
    box = beads.create_group("box")
    box.attrs["dimension"] = 3
    box.attrs["boundary"] = ["none" if format.box is None else "periodic"] * 3
    if format.box is not None:
        box["edges"] = np.asarray(format.box)
        box["edges"].attrs["unit"] = "Angstrom"
    position = beads.create_group("position")
    steps = format.first + format.every * np.arange(len(frames), dtype=np.int64)
    position["step"], position["time"] = steps, steps * format.dt
    position["time"].attrs["unit"] = "ps"
    value = position.create_dataset("value", shape=(len(frames), format.n_beads, 3), dtype=np.float32)
    value.attrs["unit"] = "Angstrom"
    for start in range(0, len(frames), H5MD_AT_ONCE):
        part = frames[start : start + H5MD_AT_ONCE]
        value[start : start + len(part)] = np.stack([part[axis] for axis in "xyz"], axis=-1)


def _record(content: bytes) -> bytes:
    """A record of Fortran: its length in bytes before and after it."""
    length = np.int32(len(content)).tobytes()
    return length + content + length


def _drafted(name: str, write: Any) -> bytes:
    """What ``write(path)`` writes into a file, as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / name
        write(draft)
        return draft.read_bytes()


def _element(name: str) -> Any:
    """Of the atom that a bead is named after; a virtual one of other beads."""
    import mdtraj

    return mdtraj.element.get_by_symbol(name[0]) if name[0] in "CNO" else mdtraj.element.virtual
