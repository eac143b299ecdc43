"""Reads dumps of LAMMPS as text: positions, forces, box and time step of every frame."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
POSITIONS = (("xu", "yu", "zu"), ("x", "y", "z"), ("xs", "ys", "zs"), ("xsu", "ysu", "zsu"))  # the first there is
FORCES = ("fx", "fy", "fz")


class Dump(NamedTuple):
    """positions, forces: [n_frames, n_atoms, 3], in the dump's units; forces None if it has none. step: [n_frames].

    box: edges [n_frames, 3]; None of a box that is not rectangular, and of unwrapped positions.
    """

    positions: Array
    forces: Array | None
    step: NDArray[np.int64]
    box: Array | None


def read_dump(path: Path) -> Dump:
    """Read a dump of style custom or atom, text, atoms in any order. Raises ValueError saying what is wrong with it."""
    with open(path, encoding="utf-8") as file:
        frames = list(_frames(file))
    if not frames:
        raise ValueError("it holds no frames")
    sizes = {len(positions) for _, positions, _, _ in frames}
    if len(sizes) > 1:
        raise ValueError(f"its frames have {min(sizes)} to {max(sizes)} atoms, expected as many in each")
    steps, positions, forces, boxes = zip(*frames, strict=True)
    return Dump(
        np.stack(positions),
        None if any(force is None for force in forces) else np.stack(forces),
        np.array(steps, dtype=np.int64),
        None if any(box is None for box in boxes) else np.stack(boxes),
    )


def _frames(lines: Iterator[str]) -> Iterator[tuple[int, Array, Array | None, Array | None]]:
    while line := next(lines, "").strip():
        if line != "ITEM: TIMESTEP":
            raise ValueError(f"'{line[:40]}' stands where ITEM: TIMESTEP was expected")
        step = int(next(lines))
        n_atoms = _counted(lines)
        header = next(lines).split()
        bounds = [[float(word) for word in next(lines).split()] for _ in range(3)]
        columns = next(lines).split()[2:]
        rows = [row.split() for row in islice(lines, n_atoms)]
        if len(rows) < n_atoms or any(len(row) != len(columns) for row in rows):
            raise ValueError(f"the frame of step {step} is cut short")
        if "id" not in columns:
            raise ValueError("its atoms have no column id: dump id, positions and forces")
        rows.sort(key=lambda row: int(row[columns.index("id")]))
        low, high = np.array([bound[:2] for bound in bounds]).T
        rectangular = not {"xy", "xz", "yz"} & set(header) and not any(len(bound) > 2 for bound in bounds)
        positions, wrapped = _positions(rows, columns, low, high - low, rectangular)
        forces = _columns(rows, columns, FORCES) if set(FORCES) <= set(columns) else None
        yield step, positions, forces, high - low if wrapped and rectangular else None


def _counted(lines: Iterator[str]) -> int:
    line = next(lines).strip()
    if line != "ITEM: NUMBER OF ATOMS":
        raise ValueError(f"'{line[:40]}' stands where ITEM: NUMBER OF ATOMS was expected")
    return int(next(lines))


def _positions(
    rows: list[list[str]], columns: list[str], low: Array, edges: Array, rectangular: bool
) -> tuple[Array, bool]:
    """Positions, and whether the box wraps them."""
    names = next((names for names in POSITIONS if set(names) <= set(columns)), None)
    if names is None:
        raise ValueError("its atoms have no positions: dump x y z, or xu yu zu")
    found = _columns(rows, columns, names)
    if names[0].startswith("xs"):
        if not rectangular:
            raise ValueError("it has scaled positions in a triclinic box: dump x y z, or xu yu zu")
        found = low + edges * found
    return found, "u" not in names[0]


def _columns(rows: list[list[str]], columns: list[str], names: tuple[str, ...]) -> Array:
    places = [columns.index(name) for name in names]
    return np.array([[float(row[place]) for place in places] for row in rows])
