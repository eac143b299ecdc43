"""Choose the all-atom starts of chignolin_sample from the replica-exchange runs: folded, unfolded, and between.

Run from the root of a checkout while the working folders of both runs are there (see scripts/sample_chignolin.py):
``python scripts/make_chignolin_seeds.py``. Candidates are the walkers at the end of every round. Within each group the
starts are chosen farthest from one another in C-alpha RMSD. It writes experiments/chignolin_reference/seeds.npz.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.reference.all_atom.structure import build_native
from cgexp.store import Chunks, write_arrays
from cgexp.systems.farthest import farthest_points
from cgexp.systems.peptide import Peptide
from cgexp.units import NM_IN_ANGSTROM

SEQUENCE = "YYDPETGTWY"
FOLDED, UNFOLDED = 2.0, 4.0  # Å of C-alpha RMSD to the native structure
COLD_LEVELS = 3  # 300, 325 and 350 K
N_STARTS = {"folded": 16, "between": 14, "unfolded, cold": 20, "unfolded, any temperature": 14}


def candidates(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All-atom positions [n, n_atoms, 3] (Å) of the walkers after every round, and their levels [n]."""
    positions, levels = [], []
    for arrays, _ in Chunks(folder):
        if not len(arrays["levels"]):
            continue
        positions.append((arrays["state_positions_nm"] * NM_IN_ANGSTROM).astype(np.float32))
        levels.append(arrays["levels"][-1].astype(np.int64))
    return np.concatenate(positions), np.concatenate(levels)


def main() -> None:
    """Choose the starts, write and list them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("outputs/chignolin_reference"), help="working folders")
    parser.add_argument("--out", type=Path, default=Path("experiments/chignolin_reference/seeds.npz"))
    arguments = parser.parse_args()
    peptide, structure = Peptide(SEQUENCE), build_native(SEQUENCE)
    parts = [candidates(arguments.runs / start) for start in ("native", "unfolded")]
    positions, levels = (np.concatenate(values) for values in zip(*parts, strict=True))
    coords = positions[:, structure.ca].astype(np.float64)
    rmsd = peptide.distance(coords, peptide.native()[None])[:, 0]
    groups = {
        "folded": rmsd < FOLDED,
        "between": (rmsd >= FOLDED) & (rmsd < UNFOLDED),
        "unfolded, cold": (rmsd >= UNFOLDED) & (levels < COLD_LEVELS),
        "unfolded, any temperature": rmsd >= UNFOLDED,
    }
    chosen: list[int] = []
    for name, members in groups.items():
        pool = np.setdiff1d(np.flatnonzero(members), chosen)
        known = coords[chosen] if chosen else peptide.native()[None]
        picked = pool[farthest_points(peptide, coords[pool], known, min(N_STARTS[name], len(pool)))]
        chosen.extend(picked.tolist())
        print(f"{name}: {len(picked)} of {len(pool)}, RMSD to native {np.sort(rmsd[picked]).round(1).tolist()} Å")
    write_arrays(
        arguments.out,
        {"positions": positions[chosen]},
        {"sequence": SEQUENCE, "made_by": "python scripts/make_chignolin_seeds.py", "source": "ends of rounds"},
        compress=True,
    )
    print(f"{len(chosen)} starts in {arguments.out}")


if __name__ == "__main__":
    main()
