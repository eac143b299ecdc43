"""Does "folded", a C-alpha RMSD below 2 Å, mean packed as the crystal? All-atom frames at 350 K of both runs.

Run from the root of a checkout while the working folders of both runs are there (scripts/sample_chignolin.py):
``python experiments/chignolin_reference/packing.py``; a minute. It takes labelled frames of the part that
chignolin_sample is from, every 4 ps, and writes packing.json here: turn cap and chi1 of Asp3, Trp9 and Tyr10 of folded
frames, by range of RMSD and by run, beside those of all other frames.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.packing import CAPPED, chi1, native_rotamers, rotamer_shares, turn_cap
from cgexp.all_atom.sampling.exchange_trajectory import SETTINGS_FILE
from cgexp.all_atom.structure import build_peptide
from cgexp.errors import InputError
from cgexp.store import Chunks, read_json, write_json
from cgexp.systems.peptide import Peptide

HERE = Path(__file__).parent
SYSTEM, KINDS = Peptide("YYDPETGTWY"), ("native", "unfolded")
RANGES = {"folded": (0.0, 2.0), "below 1 Å": (0.0, 1.0), "1 to 2 Å": (1.0, 2.0), "others": (2.0, np.inf)}  # RMSD, Å
EVERY = 8  # labelled frames, 4 ps
BURN_IN_PS = 2000.0  # of each walker, as of chignolin_sample


def positions_after(folder: Path, burn_in: float) -> NDArray[np.float32]:
    """Labelled frames of all atoms after the burn-in (ps), every EVERY: [n, n_atoms, 3], Å."""
    exchange_ps = read_json(folder / SETTINGS_FILE)["exchange_ps"]
    parts = [
        arrays["labelled_coords"][EVERY - 1 :: EVERY]
        for arrays, _ in Chunks(folder)
        if "labelled_coords" in arrays and (arrays["n_cycles"] - len(arrays["levels"])) * exchange_ps >= burn_in
    ]
    if not parts:
        raise InputError(f"{folder} has no labelled frames after {burn_in:g} ps: sample on (packed runs have none)")
    return np.concatenate(parts)


def packing_of(positions: NDArray[np.float32]) -> dict[str, Any]:
    """Packing of frames by range of C-alpha RMSD: shares, and quartiles of the turn cap."""
    peptide = build_peptide(SYSTEM.sequence)
    rmsd = SYSTEM.distance(positions[:, peptide.ca].astype(np.float64), SYSTEM.native()[None])[:, 0]
    cap, angles = turn_cap(positions, peptide.atoms), chi1(positions, peptide.atoms)
    native = native_rotamers(angles)
    as_crystal = np.logical_and.reduce([cap < CAPPED, *native.values()])
    table: dict[str, Any] = {}
    for name, (low, high) in RANGES.items():
        own = (rmsd >= low) & (rmsd < high)
        table[name] = {"n_frames": int(own.sum())}
        if own.any():
            table[name] |= {
                "turn_cap_quartiles": np.quantile(cap[own], [0.25, 0.5, 0.75]).round(2).tolist(),
                f"turn_cap_below_{CAPPED:g}": round(float((cap[own] < CAPPED).mean()), 3),
                **{f"chi1_{residue}_as_crystal": round(float(at[own].mean()), 3) for residue, at in native.items()},
                "chi1_rotamers": {
                    residue: {rotamer: round(share, 3) for rotamer, share in rotamer_shares(each[own]).items()}
                    for residue, each in angles.items()
                },
                "all_as_crystal": round(float(as_crystal[own].mean()), 3),
            }
    return table


def main(words: Sequence[str] | None = None) -> int:
    """Read both runs, measure, write, print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("outputs/chignolin_reference"), help="working folders")
    parser.add_argument("--out", type=Path, default=HERE, help="where the numbers are written")
    arguments = parser.parse_args(words)
    try:
        found = {kind: positions_after(arguments.runs / kind, BURN_IN_PS) for kind in KINDS}
    except InputError as error:
        print(f"packing: {error}", file=sys.stderr)
        return 2
    table = {"both": packing_of(np.concatenate(list(found.values())))}
    table |= {kind: packing_of(positions) for kind, positions in found.items()}
    write_json(arguments.out / "packing.json", table)
    for kind, rows in table.items():
        for name, row in rows.items():
            print(f"{kind}, {name}: {row}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
