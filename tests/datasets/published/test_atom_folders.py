"""AtomFolders: atoms become beads, an .npy file a trajectory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.config.compose import compose
from cgexp.datasets.published.atom_folders import AtomFolders
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.runs.data import DataSet
from tests.datasets.published.chains import exact_chain, recipe, save

N_ATOMS, CA = 175, [8, 29, 50, 64, 76, 91, 105, 112, 126, 150]
SIZES = {"2": 300, "10": 250, "2_extra": 200}  # frames of a trajectory, by the tag in its name
IN_ORDER = ["2", "2_extra", "10"]


def path(folder: Path, kind: str, tag: str) -> Path:
    return (
        folder
        / {"coords": f"coords_nowater/chig_coor_{tag}.npy", "forces": f"forces_nowater/chig_force_{tag}.npy"}[kind]
    )


class TestAtomFolders:
    @pytest.fixture(scope="class")
    def beads(self) -> dict[str, tuple[np.ndarray, ...]]:
        return {tag: exact_chain(size, seed=size) for tag, size in SIZES.items()}

    @pytest.fixture
    def folder(self, tmp_path: Path, beads: dict[str, tuple[np.ndarray, ...]]) -> Path:
        """All atoms: those that are no bead and no hydrogen of one lie far away; a bead shares its force with HA."""
        generator = np.random.default_rng(3)
        for tag, (coords, forces) in beads.items():
            shape = (len(coords), N_ATOMS, 3)
            x, f = generator.normal(size=shape) + 100.0, generator.normal(scale=20.0, size=shape)
            bond = generator.normal(size=coords.shape)
            hydrogens = [atom + 1 for atom in CA]
            x[:, CA] = coords
            x[:, hydrogens] = coords + 1.09 * bond / np.linalg.norm(bond, axis=-1, keepdims=True)
            f[:, hydrogens] = 0.3 * forces + 0.1 * f[:, hydrogens]
            f[:, CA] = forces - f[:, hydrogens]
            save(path(tmp_path, "coords", tag), x.astype(np.float32))
            save(path(tmp_path, "forces", tag), f.astype(np.float32))
        return tmp_path

    def make(self, folder: Path, **changes: Any) -> Frames:
        return recipe("chignolin_charmm", AtomFolders, folder, **changes).make(folder / "work")

    def test_forces_of_a_constraint_group_are_added(
        self, folder: Path, beads: dict[str, tuple[np.ndarray, ...]]
    ) -> None:
        frames = self.make(folder)
        for number, tag in enumerate(IN_ORDER):
            inside = frames.block == number
            np.testing.assert_allclose(frames.coords[inside], beads[tag][0], atol=1e-5)
            np.testing.assert_allclose(np.asarray(frames.forces)[inside], beads[tag][1], atol=1e-4)
        assert frames.time_ps is not None
        assert frames.time_ps[frames.block == 1][-1] == 19_900.0

    def test_some_frames_of_all_trajectories(self, folder: Path) -> None:
        frames = self.make(folder, n_frames=30)
        whole = self.make(folder)
        index = np.linspace(0, 749, 30).round().astype(int)
        np.testing.assert_array_equal(frames.coords, whole.coords[index])
        np.testing.assert_array_equal(frames.block, whole.block[index])

    def test_the_slice_lacks_the_force_on_the_hydrogen_and_is_noticed(self, folder: Path) -> None:
        with pytest.raises(InputError, match=r"times its coords are 0\.7"):
            self.make(folder, force_map="slice", allow_biased_force_map="to see what happens")

    def test_the_unit_of_force_is_that_which_the_numbers_speak_for(self, folder: Path) -> None:
        for tag in SIZES:
            save(path(folder, "forces", tag), 4.184 * np.load(path(folder, "forces", tag)))
        with pytest.raises(InputError, match=r"set dataset\.force_unit=kJ/mol/A if the file is in kJ/mol/A"):
            self.make(folder)
        assert len(self.make(folder, force_unit="kJ/mol/A")) == 750

    def test_nm_for_angstrom_is_asked_before_hydrogens_are_looked_for(self, folder: Path) -> None:
        for tag in SIZES:
            save(path(folder, "coords", tag), 0.1 * np.load(path(folder, "coords", tag)))
        with pytest.raises(InputError, match=r"set dataset\.length_unit=nm if the file is in nm"):
            self.make(folder)
        assert len(self.make(folder, length_unit="nm")) == 750

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"n_atoms": 166}, r"has shape \[\d+, 175, 3\] .* 166 atoms; set dataset.n_atoms"),
            ({"ca_atoms": [8, 29]}, r"ca_atoms=\[8, 29\] do not fit 10 beads and 175 atoms"),
            ({"ca_atoms": [atom + 2 for atom in CA]}, "bonded beads .* apart"),
            ({"ca_atoms": [*CA[:-1], 200]}, "do not fit"),
        ],
    )
    def test_other_atoms(self, folder: Path, changes: dict[str, Any], sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            self.make(folder, **changes)

    def test_a_bead_without_a_hydrogen(self, folder: Path) -> None:
        coords = np.load(path(folder, "coords", "2"))
        coords[:, 9] += 5.0
        save(path(folder, "coords", "2"), coords)
        with pytest.raises(InputError, match=r"atom 8 of dataset\.ca_atoms has 0 atoms within 1.25 Å"):
            self.make(folder)

    def test_what_is_missing_is_named(self, folder: Path, tmp_path: Path) -> None:
        missing = path(folder, "forces", "10")
        missing.unlink()
        with pytest.raises(InputError, match=rf"{missing} does not exist: download .*\(about 14 GB\)"):
            self.make(folder)
        for tag in SIZES:
            path(folder, "coords", tag).unlink()
        with pytest.raises(InputError, match="names no file: download"):
            self.make(folder)
        with pytest.raises(InputError, match=r"coords_nowater does not exist: download the archives in ftp://"):
            self.make(tmp_path / "elsewhere")

    def test_the_mapped_frames_are_kept(self, folder: Path) -> None:
        chosen = ["dataset=chignolin_charmm", f"dataset.folder={folder}", f"outputs={folder}/outputs"]
        config = compose(["experiment=chignolin_first", *chosen])
        data_set = DataSet.of(config)
        frames, kept = data_set.get()
        assert kept is not None
        path(folder, "coords", "2").unlink()
        assert data_set.get()[0].content_hash == frames.content_hash
