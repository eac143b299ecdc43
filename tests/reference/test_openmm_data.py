"""OpenMMPeptide: from stored atoms to labelled beads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from cgexp.build import build
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.reference.all_atom.structure import build_peptide
from cgexp.reference.openmm_data import OpenMMPeptide
from cgexp.store import Chunks
from cgexp.systems.base import System
from cgexp.systems.peptide import Peptide

CONF = Path(__file__).parents[2] / "conf" / "dataset"
RECIPE = OpenMMPeptide(
    name="tiny",
    system=Peptide("AGA"),
    n_beads=3,
    n_dims=3,
    units="molecular",
    temperature=350.0,
    force_map="constraint_group",
    n_native=0,
    n_extended=2,
    n_hot=0,
    ps_per_walker=0.4,
    save_ps=0.04,
    drop_ps=0.1,
    segment_ps=0.2,
    hot_temperature=500.0,
    hot_ps=0.2,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("openmm")
    return tmp_path_factory.mktemp("openmm")


@pytest.fixture(scope="module")
def frames(folder: Path) -> Frames:
    return RECIPE.make(folder, lambda *report: None)


def test_a_block_is_a_walker(frames: Frames) -> None:
    assert frames.coords.shape == (20, 3, 3)
    assert frames.block.tolist() == [block for block in range(2) for _ in range(10)]
    assert frames.time_ps is not None
    np.testing.assert_allclose(frames.time_ps[:10], 0.04 * np.arange(1, 11), rtol=1e-6)
    np.testing.assert_array_equal(frames.time_ps[10:], frames.time_ps[:10])


def test_facts_are_recorded(frames: Frames) -> None:
    assert (frames.units, frames.temperature, frames.force_map) == ("molecular", 350.0, "constraint_group")
    assert frames.system == "peptide-AGA"
    assert "OpenMM" in frames.source
    assert "not an equilibrium ensemble" in frames.notes


def test_beads_are_ca_and_forces_those_of_ca_and_its_hydrogens(frames: Frames, folder: Path) -> None:
    peptide = build_peptide("AGA")
    coords = np.concatenate([Chunks(folder / f"walker-{index:03d}").read("coords") for index in (0, 1)])
    forces = np.concatenate([Chunks(folder / f"walker-{index:03d}").read("forces") for index in (0, 1)])
    alpha: list[list[int]] = [[], [], []]
    for index, (residue, name) in enumerate(peptide.atoms):
        if name in ("CA", "HA", "HA2", "HA3"):
            alpha[residue].append(index)
    assert [len(atoms) for atoms in alpha] == [2, 3, 2]
    np.testing.assert_array_equal(frames.coords, coords[:, peptide.ca])
    expected = np.stack([forces[:, atoms].sum(axis=1) for atoms in alpha], axis=1)
    assert frames.forces is not None
    np.testing.assert_allclose(frames.forces, expected, atol=1e-4)
    bonds = np.linalg.norm(np.diff(frames.coords, axis=1), axis=-1)
    assert 3.5 < bonds.min() < bonds.max() < 4.2


def test_made_again_from_what_is_there(frames: Frames, folder: Path) -> None:
    reports: list[int] = []
    again = replace(RECIPE, n_parallel=2).make(folder, lambda done, total, text: reports.append(done))
    assert again.content_hash == frames.content_hash
    assert not reports


def test_slice_differs_from_the_constraint_group(frames: Frames, folder: Path) -> None:
    sliced = replace(RECIPE, force_map="slice", allow_biased_force_map="a test").make(folder)
    assert sliced.force_map == "slice"
    np.testing.assert_array_equal(sliced.coords, frames.coords)
    assert sliced.forces is not None
    assert frames.forces is not None
    assert np.abs(sliced.forces - frames.forces).max() > 1.0


def test_fewer_frames_are_evenly_spaced(frames: Frames, folder: Path) -> None:
    fewer = replace(RECIPE, n_frames=5).make(folder, lambda *report: None)
    np.testing.assert_array_equal(fewer.coords, frames.coords[[0, 5, 10, 14, 19]])


def test_a_system_that_is_no_peptide_is_refused(tmp_path: Path) -> None:
    class Beads(System):
        name, n_beads, n_dims, units = "beads", 3, 3, "molecular"

        def distance(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
            raise NotImplementedError

    with pytest.raises(InputError, match="has system 'beads': expected a peptide"):
        replace(RECIPE, system=Beads()).make(tmp_path)


def test_the_config_builds_the_recipe() -> None:
    recipe = build(yaml.safe_load((CONF / "chignolin_openmm.yaml").read_text(encoding="utf-8")))
    assert isinstance(recipe, OpenMMPeptide)
    assert recipe.protocol.n_walkers == 12
    assert recipe.force_map == "constraint_group"
