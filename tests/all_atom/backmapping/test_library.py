"""The fragment library: what it holds, how it is searched and stored, and what it refuses."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from cgexp.all_atom.backmapping.library import FragmentLibrary, window_of
from cgexp.all_atom.structure import AllAtom, Torsions, build_peptide
from cgexp.errors import InputError
from cgexp.store import write_arrays

SEQUENCE = "GAPSGA"
BENT = Torsions([-60.0] * 5, [-45.0] * 5)


@lru_cache(maxsize=None)
def peptide() -> AllAtom:
    pytest.importorskip("openmm")
    return build_peptide(SEQUENCE)


@lru_cache(maxsize=None)
def library() -> FragmentLibrary:
    bent = build_peptide(SEQUENCE, BENT)
    mirror = bent.positions * [1.0, 1.0, -1.0]
    return FragmentLibrary.from_frames(peptide(), np.stack([peptide().positions, bent.positions, mirror]))


def test_the_best_window_is_found_and_mirror_images_are_told_apart() -> None:
    for frame in range(3):
        trace = library().positions[frame, peptide().ca] + np.array([5.0, -3.0, 2.0])
        for residue in range(len(SEQUENCE)):
            frames, rmsd = library().nearest(trace, residue, 2)
            assert frames[0] == frame
            assert rmsd[0] < 1e-3 < 0.1 < rmsd[1]


def test_windows_are_of_five_residues_and_stay_on_the_chain() -> None:
    assert [window_of(residue, 7).start for residue in range(7)] == [0, 0, 0, 1, 2, 2, 2]
    assert [len(range(7)[window_of(residue, 7)]) for residue in range(7)] == [5] * 7
    assert [len(range(3)[window_of(residue, 3)]) for residue in range(3)] == [3] * 3


def test_written_and_read_it_is_the_same(tmp_path: Path) -> None:
    digest = library().write(tmp_path / "library.npz")
    read = FragmentLibrary.read(tmp_path / "library.npz")
    read.check(peptide())
    assert (read.sequence, read.atoms) == (SEQUENCE, library().atoms)
    np.testing.assert_array_equal(read.positions, library().positions)
    assert read.write(tmp_path / "copy.npz") == digest


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    write_arrays(tmp_path / "other.npz", {"coords": np.zeros(3)})
    with pytest.raises(InputError, match="holds no fragment library"):
        FragmentLibrary.read(tmp_path / "other.npz")


def test_the_default_library_needs_a_sequence_alone() -> None:
    pytest.importorskip("openmm")
    default = FragmentLibrary.default("GA")
    assert default.positions.shape == (1, len(default.atoms), 3)


def test_another_number_or_order_of_atoms_is_refused() -> None:
    positions, atoms = library().positions, list(peptide().atoms)
    with pytest.raises(InputError, match=rf"shape \[3, {len(atoms) - 1}, 3\].* the {len(atoms)} atoms of '{SEQUENCE}'"):
        FragmentLibrary.from_frames(peptide(), positions[:, 1:])
    with pytest.raises(InputError, match=f"{len(atoms) - 1} atoms: expected the {len(atoms)}"):
        FragmentLibrary.from_frames(peptide(), positions, atoms[1:])
    swapped = [atoms[1], atoms[0], *atoms[2:]]
    with pytest.raises(InputError, match=r"another atom order: atom 1 is \w+ of residue 1, expected N of residue 1"):
        FragmentLibrary.from_frames(SEQUENCE, positions, swapped)


def test_an_order_that_differs_unsaid_is_seen_by_the_bonds() -> None:
    order = np.arange(len(peptide().atoms))
    order[[0, -1]] = order[[-1, 0]]
    with pytest.raises(InputError, match=r"which are bonded, \d+\.\d Å apart: expected .* order of build_peptide"):
        FragmentLibrary.from_frames(peptide(), library().positions[:, order])


def test_nm_and_infinite_positions_are_refused() -> None:
    with pytest.raises(InputError, match="give positions in Å, not nm"):
        FragmentLibrary.from_frames(peptide(), library().positions / 10.0)
    broken = library().positions.copy()
    broken[1, 4] = np.nan
    with pytest.raises(InputError, match="all-atom frame 1 has a position that is not finite"):
        FragmentLibrary.from_frames(peptide(), broken)


def test_a_library_of_another_peptide_is_refused() -> None:
    pytest.importorskip("openmm")
    with pytest.raises(InputError, match=f"belongs to the sequence '{SEQUENCE}': expected one of 'GA'"):
        library().check(build_peptide("GA"))
