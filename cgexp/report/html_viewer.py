"""The view of structures in a page: what its script draws, as plain lists, and the library that draws it.

The library is 3Dmol.js (N. Rego, D. Koes, Bioinformatics 2015, 31, 1322), as published; see vendor/README.md.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex
from numpy.typing import NDArray

from cgexp.analysis.representatives import ALL, Representative, basins_of
from cgexp.analysis.structures import REFERENCE, SIMULATION, Structures
from cgexp.report.html import HERE, Cell, Table
from cgexp.report.html_summary import number
from cgexp.report.table import with_error
from cgexp.systems.peptide import BASINS

LIBRARY, LICENCES = HERE / "vendor" / "3Dmol-min.js", ("LICENSE.3Dmol", "LICENSE.bundled")
# From the N terminus on: told apart by colour-blind readers, on a light and on a dark page; report.css has them too.
COLOURS = ("#2f7fd0", "#1aa58b", "#d9b400", "#d55e00")
BEAD = "bead"  # what is no residue
DECIMALS = 2  # of coordinates in a page, Å
NAMES = {
    "A": "ALA", "C": "CYS", "D": "ASP", "E": "GLU", "F": "PHE", "G": "GLY", "H": "HIS", "I": "ILE", "K": "LYS",
    "L": "LEU", "M": "MET", "N": "ASN", "P": "PRO", "Q": "GLN", "R": "ARG", "S": "SER", "T": "THR", "V": "VAL",
    "W": "TRP", "Y": "TYR",
}  # fmt: skip


@dataclass(frozen=True)
class Viewer:
    """What viewer.html needs: data of the script, the table beside it, the library as gzip in base64, its licences."""

    data: dict[str, Any]
    table: Table
    library: str
    licences: str

    @property
    def is_peptide(self) -> bool:
        return not any(name.startswith(BEAD) for name in self.data["residues"])

    @property
    def n_rows(self) -> int:
        """Of the grid on a wide screen, where ensembles of a single basin stand side by side."""
        return 1 if self.n_columns == 1 else len(self.data["ensembles"])

    @property
    def n_columns(self) -> int:
        return len(self.data["basins"])


def viewer(ensembles: Mapping[str, Structures], of: Mapping[str, str]) -> Viewer:
    """The view of several ensembles of one peptide: label -> the structures, and which of their ensembles it is.

    The trajectory of the first simulation is played, if there is one.
    """
    shown = [(label, structures.ensembles[of[label]]) for label, structures in ensembles.items()]
    visited = {one.basin for _, (kept, _) in shown for one in kept}
    basins = [name for name in (*BASINS, ALL) if name in visited]
    first = next(iter(ensembles.values()))
    data = {
        "residues": [f"{NAMES.get(letter, BEAD)} {i + 1}" for i, letter in enumerate(first.sequence)],
        "colours": _colours(len(first.sequence)),
        "bonds": None if first.bonds is None else first.bonds.tolist(),
        "native": None if first.native is None else _flat(first.native),
        "basins": basins,
        "ensembles": [_ensemble(label, kept, ca, basins) for label, (kept, ca) in shown],
        "trajectory": next((_trajectory(label, ensembles[label]) for label in of if of[label] == SIMULATION), None),
    }
    licences = "\n\n".join((LIBRARY.parent / name).read_text(encoding="utf-8").strip() for name in LICENCES)
    return Viewer(data, _table(shown), _library(), licences)


def of_run(structures: Structures) -> Viewer:
    """The view of a run: its reference, and its simulation if there is one."""
    of = {name: name for name in (REFERENCE, SIMULATION) if name in structures.ensembles}
    return viewer(dict.fromkeys(of, structures), of)


def _ensemble(
    label: str, kept: Sequence[Representative], ca: NDArray[np.float64], basins: Sequence[str]
) -> dict[str, Any]:
    by_basin: dict[str, Any] = dict.fromkeys(basins)
    for one, coords in zip(kept, ca, strict=True):
        by_basin[one.basin] = {"ca": _flat(coords), "share": _percent(one)}
    return {"label": label, "cells": list(by_basin.values())}


def _trajectory(label: str, structures: Structures) -> dict[str, Any]:
    notes = [f"{time:.6g} ps" for time in structures.time]
    if structures.native is not None:
        # they are superposed on the native structure already
        rmsd = np.sqrt(np.square(structures.trajectory - structures.native).sum(axis=-1).mean(axis=-1))
        basins = basins_of(structures.trajectory, structures.native)
        notes = [f"{note}, {r:.1f} Å from native: {b}" for note, r, b in zip(notes, rmsd, basins, strict=True)]
    traces = [_flat(ca) for ca in structures.trajectory]
    of = {"label": label, "replica": structures.replica, "continuous": structures.continuous}
    return {**of, "ca": traces, "notes": notes}


def _table(shown: Sequence[tuple[str, tuple[Sequence[Representative], Any]]]) -> Table:
    heads = ("basin", "ensemble", "share of frames (%)", "RMSD to native (Å)", "mean RMSD to it (Å)", "frames")
    rows = [
        [
            Cell(one.basin),
            Cell(label),
            Cell(_percent(one), one.share, kind="number"),
            Cell("unknown") if one.rmsd is None else number(one.rmsd),
            number(one.spread),
            Cell(f"{one.n_frames:,}", one.n_frames, kind="number"),
        ]
        for label, (kept, _) in shown
        for one in kept
    ]
    return Table("basins", "The representatives, and the share of their basins", heads, rows)


def _percent(one: Representative) -> str:
    return with_error(100.0 * one.share, None if one.share_sem is None else 100.0 * one.share_sem)


def _flat(coords: NDArray[np.floating]) -> list[float]:
    return [float(value) for value in np.round(np.asarray(coords, dtype=np.float64), DECIMALS).ravel()]


def _colours(n_residues: int) -> list[str]:
    chain = LinearSegmentedColormap.from_list("chain", COLOURS)
    return [to_hex(chain(value)) for value in np.linspace(0.0, 1.0, n_residues)]


@lru_cache(maxsize=1)
def _library() -> str:
    """The library as gzip in base64, which is two fifths of its size; without a date, so that a page has none."""
    return base64.b64encode(gzip.compress(LIBRARY.read_bytes(), mtime=0)).decode()
