"""LinearMap: what it accepts, what it says of itself, and its way to disk and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cgexp.all_atom.mapping.linear_map import LinearMap, read_map, write_map
from cgexp.errors import InputError
from cgexp.store import read_arrays, write_arrays

ATOMS = [(0, "CA"), (0, "HA"), (0, "CB"), (1, "CA"), (1, "HA")]
MATRIX = np.array([[1.0, 1.0, 0.3, 0.0, 0.0], [0.0, 0.0, 0.7, 1.0, 1.0]])
MAP = LinearMap("mine", MATRIX, np.array([0, 3]), ATOMS, True, "by hand")


def test_apply_maps_the_last_two_axes_in_double_precision() -> None:
    forces = np.random.default_rng(0).normal(size=(4, 7, 5, 3)).astype(np.float32)
    beads = MAP.apply(forces)
    assert beads.shape == (4, 7, 2, 3)
    assert beads.dtype == np.float64
    np.testing.assert_allclose(beads, np.einsum("ba,ijad->ijbd", MATRIX, forces.astype(np.float64)), atol=1e-12)
    np.testing.assert_array_equal(MAP.apply(forces[2, 3]), beads[2, 3])


@pytest.mark.parametrize("shape", [(4, 6, 3), (5,), (5, 4)])
def test_forces_on_other_atoms_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"expects \[\.\.\., n_atoms, 3\] = \[\.\.\., 5, 3\]"):
        MAP.apply(np.zeros(shape))


def test_a_map_knows_which_rigid_bonds_it_bears() -> None:
    assert MAP.valid_for(np.array([[0, 1], [4, 3]]))
    assert MAP.valid_for(np.zeros((0, 2), dtype=np.int64))
    assert not MAP.valid_for(np.array([[0, 2]]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matrix": MATRIX[:, :4]}, r"matrix of shape \[2, 4\] for 2 beads and 5 atoms: expected .* = \[2, 5\]"),
        ({"matrix": MATRIX[0]}, "matrix of shape"),
        ({"beads": np.array([0])}, "for 1 beads"),
        ({"atoms": ATOMS[:4]}, "and 4 atoms"),
        ({"beads": np.array([0, 4]), "matrix": MATRIX * 0.5}, "1 for a bead's own atom and 0 for those of other"),
        ({"beads": np.array([0, 2])}, "not valid for any dynamics"),
        ({"matrix": np.where(MATRIX == 0.3, np.nan, MATRIX)}, "finite weights"),
    ],
)
def test_what_is_no_map_is_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(MAP, **change)


def test_atoms_in_another_order_are_refused_by_name() -> None:
    MAP.check_atoms(ATOMS)
    with pytest.raises(InputError, match="atom 1 is CB of residue 1 but force map 'mine' has HA of residue 1 there"):
        MAP.check_atoms([ATOMS[0], ATOMS[2], ATOMS[1], *ATOMS[3:]])
    with pytest.raises(InputError, match="is for 5 atoms, not 4"):
        MAP.check_atoms(ATOMS[:4])


def test_the_hash_is_of_weights_beads_and_atoms_alone() -> None:
    assert replace(MAP, name="other", provenance="elsewhere", constrained=False).content_hash == MAP.content_hash
    changed = MATRIX.copy()
    changed[0, 2] = np.nextafter(0.3, 1.0)
    assert replace(MAP, matrix=changed).content_hash != MAP.content_hash
    assert replace(MAP, atoms=[*ATOMS[:4], (1, "HA2")]).content_hash != MAP.content_hash


def test_weights_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        MAP.matrix[0, 0] = 2.0
    MATRIX[0, 2] = 0.3  # the caller's own array stays writable


def test_written_and_read_it_is_the_same(tmp_path: Path) -> None:
    digest = write_map(tmp_path / "map.npz", MAP)
    back = read_map(tmp_path / "map.npz")
    assert back.content_hash == MAP.content_hash == digest
    np.testing.assert_array_equal(back.matrix, MAP.matrix)
    np.testing.assert_array_equal(back.beads, MAP.beads)
    assert (back.name, back.atoms, back.constrained, back.provenance) == ("mine", tuple(ATOMS), True, "by hand")


def test_files_that_are_no_map_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.npz"
    with pytest.raises(InputError, match="does not exist"):
        read_map(path)
    write_arrays(path, {"matrix": MATRIX})
    with pytest.raises(InputError, match="holds no force map"):
        read_map(path)
    write_map(path, MAP)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="truncated"):
        read_map(path)


def test_a_file_whose_content_does_not_agree_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.npz"
    write_map(path, MAP)
    arrays, meta = read_arrays(path)
    write_arrays(path, {**arrays, "matrix": arrays["matrix"][:, :3]}, meta)
    with pytest.raises(InputError, match="matrix of shape"):
        read_map(path)
    write_arrays(path, {**arrays, "atom_names": arrays["atom_names"][::-1]}, meta)
    with pytest.raises(InputError, match="does not match its content hash"):
        read_map(path)
    write_arrays(path, {**arrays, "residues": arrays["residues"][:2]}, meta)
    with pytest.raises(InputError, match="2 residues and names of 5 atoms"):
        read_map(path)
