"""BeadArrays: what it reads, and the four mistakes with units, shapes and temperature that it asks about."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.config.compose import compose
from cgexp.datasets.packaged import load_packaged
from cgexp.datasets.published.bead_arrays import BeadArrays
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.runs.data import DataSet
from tests.datasets.published.chains import TEMPERATURE, exact_chain, recipe, save

COORDS, FORCES = "chignolin_ca_coords.npy", "chignolin_ca_forces.npy"
N = 2000


class TestBeadArrays:
    @pytest.fixture(scope="class")
    def chain(self) -> tuple[np.ndarray, ...]:
        return exact_chain(N)

    @pytest.fixture
    def folder(self, tmp_path: Path, chain: tuple[np.ndarray, ...]) -> Path:
        for name, array in zip((COORDS, FORCES), chain, strict=True):
            save(tmp_path / name, array.astype(np.float32))
        return tmp_path

    def make(self, folder: Path, option: str = "chignolin_majewski", **changes: Any) -> Frames:
        return recipe(option, BeadArrays, folder, **changes).make(folder / "work")

    def sentence(self, folder: Path, **changes: Any) -> str:
        with pytest.raises(InputError) as error:
            self.make(folder, **changes)
        text = str(error.value)
        assert "\n" not in text
        assert not re.search(r"\. [A-Z]", text), text  # one sentence
        return text

    def test_the_files_become_frames(self, folder: Path, chain: tuple[np.ndarray, ...]) -> None:
        frames = self.make(folder)
        np.testing.assert_allclose(frames.coords, chain[0], atol=1e-5)
        np.testing.assert_allclose(np.asarray(frames.forces), chain[1], atol=1e-4)
        assert (frames.temperature, frames.system) == (350.0, "peptide-YYDPETGTWY")
        assert list(np.unique(frames.block, return_counts=True)[1]) == [500] * 4
        assert frames.time_ps is not None
        assert list(frames.time_ps[[0, 1, 499, 500]]) == [0.0, 100.0, 49_900.0, 0.0]
        assert "training_data" in frames.notes

    def test_the_tutorial_has_the_same_layout_but_no_times(self, folder: Path) -> None:
        frames = self.make(folder, "chignolin_torchmd")
        assert frames.time_ps is None
        assert len(np.unique(frames.block)) == N // 5

    def test_some_frames_evenly_spaced(self, folder: Path, chain: tuple[np.ndarray, ...]) -> None:
        frames = self.make(folder, n_frames=5)
        np.testing.assert_allclose(frames.coords, chain[0][[0, 500, 1000, 1499, 1999]], atol=1e-5)

    @pytest.mark.parametrize(("unit", "size"), [("kJ/mol/nm", 41.84), ("kJ/mol/A", 4.184), ("kT/A", 1.0 / 0.69552)])
    def test_other_units_that_are_stated_are_converted(
        self, folder: Path, chain: tuple[np.ndarray, ...], unit: str, size: float
    ) -> None:
        save(folder / COORDS, 0.1 * chain[0])
        save(folder / FORCES, size * chain[1])
        frames = self.make(folder, length_unit="nm", force_unit=unit)
        np.testing.assert_allclose(frames.coords, chain[0], atol=1e-5)
        np.testing.assert_allclose(np.asarray(frames.forces), chain[1], rtol=1e-4, atol=1e-4)

    def test_forces_on_atoms_are_no_forces_on_beads(self, folder: Path) -> None:
        save(folder / FORCES, np.zeros((N, 97, 3), dtype=np.float32))
        assert self.sentence(folder) == (
            f"{folder / FORCES} has shape [2000, 97, 3] (97 points a frame): expected [n_frames, 10, 3], 10 beads; map "
            "atoms to beads first, or take the file that belongs to this set"
        )

    def test_nm_for_angstrom(self, folder: Path, chain: tuple[np.ndarray, ...]) -> None:
        save(folder / COORDS, 0.1 * chain[0])
        assert re.fullmatch(
            r"bonded beads of data set 'chignolin_majewski' are 0.38\d Å apart with dataset.length_unit=A, expected "
            r"about 3.8 Å in 'peptide-YYDPETGTWY': set dataset.length_unit=nm if the file is in nm",
            self.sentence(folder),
        )

    def test_angstrom_for_nm(self, folder: Path) -> None:
        assert self.sentence(folder, length_unit="nm").endswith("set dataset.length_unit=A if the file is in A")

    def test_kj_for_kcal(self, folder: Path, chain: tuple[np.ndarray, ...]) -> None:
        save(folder / FORCES, 4.184 * chain[1])
        assert re.fullmatch(
            r"forces of data set 'chignolin_majewski' times its coords are 4.\d+ ± 0.\d+ times what "
            r"dataset.temperature=350 and dataset.force_unit=kcal/mol/A demand: set dataset.force_unit=kJ/mol/A if the "
            r"file is in kJ/mol/A",
            self.sentence(folder),
        )

    def test_a_wrong_temperature(self, folder: Path) -> None:
        text = self.sentence(folder, temperature=300.0)
        assert "dataset.temperature=300 and" in text
        implied, error = map(int, re.findall(r"if the frames were sampled at (\d+) ± (\d+) K$", text)[0])
        assert abs(implied - TEMPERATURE) < 4 * error < 30
        assert "force_unit=k" not in text.split(": ")[1]

    def test_kt_at_another_temperature_may_be_either(self, folder: Path, chain: tuple[np.ndarray, ...]) -> None:
        save(folder / FORCES, chain[1] / 0.69552)
        text = self.sentence(folder)
        assert "set dataset.force_unit=kT/A if the file is in kT/A, or set the true temperature if" in text
        implied, error = map(int, re.findall(r"sampled at (\d+) ± (\d+) K$", text)[0])
        assert abs(implied - TEMPERATURE / 0.69552) < 4 * error

    @pytest.mark.parametrize(("factor", "words"), [(-1.0, "not gradients"), (0.01, "no unit or temperature explains")])
    def test_gradients_and_forces_of_something_else(
        self, folder: Path, chain: tuple[np.ndarray, ...], factor: float, words: str
    ) -> None:
        save(folder / FORCES, factor * chain[1])
        assert words in self.sentence(folder)

    def test_biased_forces_need_a_reason(self, folder: Path, chain: tuple[np.ndarray, ...]) -> None:
        coords, forces = chain
        bond = coords[:, 1:] - coords[:, :-1]
        constant = 0.4 * bond / np.linalg.norm(bond, axis=-1, keepdims=True)  # does no work on average along r - r0
        biased = forces.copy()
        biased[:, :-1] += constant
        biased[:, 1:] -= constant
        save(folder / FORCES, biased)
        text = self.sentence(folder)
        assert text.startswith("force map 'published' of 'peptide-YYDPETGTWY' is biased: ")
        assert text.endswith("or say in words why with dataset.allow_biased_force_map='<reason>'")
        assert "allowed: a test" in self.make(folder, allow_biased_force_map="a test").notes

    def test_real_forces_of_350_K_are_asked_about_at_300_K(self, tmp_path: Path) -> None:
        mini = load_packaged("chignolin_mini")
        assert mini.forces is not None
        save(tmp_path / COORDS, mini.coords)
        save(tmp_path / FORCES, mini.forces)
        assert len(self.make(tmp_path, temperature=350.0)) == 5000
        assert re.search(r"sampled at 3[45]\d ± \d K$", self.sentence(tmp_path, temperature=300.0))

    def test_a_missing_file_says_from_where_how_large_and_where_to(self, folder: Path) -> None:
        path = folder / FORCES
        path.unlink()
        assert self.sentence(folder) == (
            f"{path} does not exist: download http://pub.htmd.org/protein_thermodynamics_data/training_data/{FORCES} "
            f"(about 0.22 GB in single precision) and save it as {path}, or set dataset.folder to where it is"
        )
        assert self.sentence(folder, option="chignolin_torchmd").startswith(
            f"{path} does not exist: download http://pub.htmd.org/torchMD_tutorial_data.tar.gz (31.8 MB) and unpack it"
        )

    def test_truncated_and_foreign_files(self, folder: Path, chain: tuple[np.ndarray, ...]) -> None:
        path = folder / COORDS
        path.write_bytes(path.read_bytes()[:-1000])
        assert f"{path} is truncated or no NumPy file: download" in self.sentence(folder)
        path.write_text("<html>not found</html>")
        assert "is truncated or no NumPy file" in self.sentence(folder)
        save(path, chain[0][:-1])
        assert "has 2000 frames but the coords have 1999" in self.sentence(folder)
        save(path, np.moveaxis(chain[0], 0, -1))
        assert "has shape [10, 3, 2000] (3 points a frame)" in self.sentence(folder)
        save(path, np.zeros((0, 10, 3)))
        assert "has shape [0, 10, 3]" in self.sentence(folder)
        save(path, np.zeros((N, 10, 3), dtype=np.int64))
        assert "numbers of type int64" in self.sentence(folder)

    def test_torn_molecules_and_other_beads(self, folder: Path, chain: tuple[np.ndarray, ...]) -> None:
        torn = chain[0].copy()
        torn[7, 5:] += 40.0
        save(folder / COORDS, torn)
        assert "apart in frame 7 of those checked" in self.sentence(folder)
        save(folder / COORDS, 1.6 * chain[0])
        assert "give the beads of 'peptide-YYDPETGTWY' in the order of the chain" in self.sentence(folder)

    def test_the_config_leads_to_the_frames(self, folder: Path) -> None:
        chosen = ["dataset=chignolin_majewski", f"dataset.folder={folder}", f"outputs={folder}/outputs"]
        frames, path = DataSet.of(compose(["experiment=chignolin_first", *chosen])).get()
        assert (len(frames), path) == (N, None)
