"""Compare the force maps on an all-atom sampling: noise, and whether they are unbiased.

``python scripts/force_map_table.py FOLDER`` reads the walkers that a sampling protocol left in FOLDER. The optimal map
is fitted on the even walkers and tested on the odd ones, and the other way round, so that every frame is held out once.
Walkers are read a chunk at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.force_field import constraint_pairs, make_system
from cgexp.all_atom.mapping.force_maps import FORCE_MAPS, make_map
from cgexp.all_atom.mapping.linear_map import LinearMap
from cgexp.all_atom.mapping.sites import BeadSites
from cgexp.all_atom.mapping.unbiasedness import block_mean, virial_values
from cgexp.all_atom.sampling.protocol import PROTOCOL_FILE
from cgexp.all_atom.structure import build_peptide
from cgexp.errors import InputError
from cgexp.store import Chunks, read_record, write_json
from cgexp.systems.beads import MAPPINGS, bead_atoms, bead_bonds
from cgexp.units import BOLTZMANN

LEAST_BLOCKS = 20  # with fewer walkers, chunks are the blocks of the standard error


def main() -> None:
    """Print the table; with --json, write it too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of a sampling: protocol.json and walker-*")
    parser.add_argument("--beads", choices=MAPPINGS, default="ca", help="where the beads sit")
    parser.add_argument("--json", type=Path, help="file to write the table to")
    arguments = parser.parse_args()
    try:
        table = compare(arguments.folder, arguments.beads)
    except InputError as error:
        raise SystemExit(f"force_map_table: {error}") from error
    print(f"{table['n_frames']} frames of {table['n_walkers']} walkers, {table['n_blocks']} blocks, {table['beads']}")
    print(f"{'map':<18}{'RMS kcal/mol/Å':>15}{'mean square':>13}{'/ slice':>9}{'virial kT (-3)':>18}  valid")
    for name, row in table["maps"].items():
        virial = f"{row['virial_kT']:.2f} ± {row['virial_kT_sem']:.2f}"
        numbers = f"{row['force_rms']:>15.2f}{row['mean_square']:>13.1f}{row['ratio_to_slice']:>9.3f}"
        print(f"{name:<18}{numbers}{virial:>18}  {'yes' if row['valid'] else 'no: biased under rigid bonds'}")
    for name, reason in table["refused"].items():
        print(f"{name:<18}{reason}")
    if arguments.json:
        write_json(arguments.json, table)


def compare(folder: Path, beads: str) -> dict[str, Any]:
    """The table of a sampling folder. Raises InputError if it holds too little."""
    protocol = read_record(folder / PROTOCOL_FILE)
    peptide = build_peptide(protocol["sequence"])
    constraints = constraint_pairs(make_system(peptide.topology))
    sites = BeadSites.on(peptide.atoms, bead_atoms(protocol["sequence"], beads), constraints)
    walkers = [path for path in sorted(folder.glob("walker-*")) if len(Chunks(path)) > 1]
    if len(walkers) < 2:
        raise InputError(
            f"{folder} holds {len(walkers)} walkers with frames: expected at least two, to fit and to test"
        )
    maps, refused = _maps(sites, walkers)
    pairs = bead_bonds(protocol["sequence"], beads)
    sums = _test(maps, walkers, pairs, BOLTZMANN * protocol["temperature"])
    return {
        "sequence": protocol["sequence"],
        "temperature_K": protocol["temperature"],
        "beads": beads,
        "n_walkers": len(walkers),
        "n_frames": len(sums["block"]),
        "n_blocks": len(np.unique(sums["block"])),
        "force_unit": "kcal/mol/Å",
        "maps": {name: _row(name, folds, sums) for name, folds in maps.items()},
        "refused": refused,
    }


def _maps(sites: BeadSites, walkers: list[Path]) -> tuple[dict[str, list[LinearMap]], dict[str, str]]:
    """Every map as two folds, by the parity of the walker it is tested on, and why a map cannot be built."""
    maps: dict[str, list[LinearMap]] = {}
    refused = {}
    for name in FORCE_MAPS:
        try:
            maps[name] = [make_map(name, sites, _forces(walkers[1 - parity :: 2])) for parity in (0, 1)]
        except InputError as error:
            refused[name] = str(error)
    return maps, refused


def _forces(walkers: list[Path]) -> Iterator[NDArray[np.floating]]:
    return (arrays["forces"] for walker in walkers for arrays, _ in Chunks(walker))


def _test(
    maps: dict[str, list[LinearMap]], walkers: list[Path], pairs: NDArray[np.int64], kT: float
) -> dict[str, NDArray[Any]]:
    """Per frame: its block; and for every map the mean square of a force component and the virial in kT."""
    parts: dict[str, list[NDArray[Any]]] = {}
    blocks = count()
    for number, walker in enumerate(walkers):
        block = next(blocks)
        for arrays, _ in Chunks(walker):
            coords, forces = arrays["coords"], arrays["forces"]
            if len(walkers) < LEAST_BLOCKS and len(coords):
                block = next(blocks)
            parts.setdefault("block", []).append(np.full(len(coords), block))
            for name, folds in maps.items():
                beads = folds[number % 2].apply(forces)
                parts.setdefault(f"{name} square", []).append(np.square(beads).mean(axis=(1, 2)))
                values = virial_values(coords[:, folds[0].beads], beads, kT, pairs)
                parts.setdefault(f"{name} virial", []).append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def _row(name: str, folds: list[LinearMap], sums: dict[str, NDArray[Any]]) -> dict[str, Any]:
    square = float(sums[f"{name} square"].mean())
    mean, sem = block_mean(sums[f"{name} virial"], sums["block"])
    return {
        "force_rms": square**0.5,
        "mean_square": square,
        "ratio_to_slice": square / float(sums["slice square"].mean()),
        "virial_kT": mean,
        "virial_kT_sem": sem,
        "valid": folds[0].constrained,
        "provenance": [force_map.provenance for force_map in folds],
    }


if __name__ == "__main__":
    main()
