"""OpenMMPeptide: from stored atoms to labelled beads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cgexp.all_atom import structure
from cgexp.all_atom.mapping.linear_map import read_map
from cgexp.all_atom.sampling import task
from cgexp.all_atom.sampling.starts import Extended
from cgexp.all_atom.structure import build_peptide
from cgexp.build import build
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.config.paths import conf_dir
from cgexp.datasets.openmm_data import MAP_FILE, OpenMMPeptide, spread_forces
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.frames import Frames, force_field_of
from cgexp.store import Chunks
from cgexp.systems.base import System
from cgexp.systems.peptide import Peptide

PROTOCOLS = sorted(path.stem for path in (conf_dir() / "dataset" / "protocol").glob("*.yaml"))
RECIPE = OpenMMPeptide(
    name="tiny",
    system=Peptide("AGA"),
    n_beads=3,
    n_dims=3,
    units="molecular",
    temperature=350.0,
    force_map="constraint_group",
    protocol=Extended(n_extended=2, ps_per_walker=0.8, save_ps=0.02, drop_ps=0.1, segment_ps=0.4),
)


def quiet(done: int, total: int, text: str) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("openmm")
    return tmp_path_factory.mktemp("openmm")


@pytest.fixture(scope="module")
def frames(folder: Path) -> Frames:
    return RECIPE.make(folder, quiet)


def test_a_capped_peptide_is_another_system() -> None:
    capped = replace(RECIPE, caps=True)
    assert (RECIPE.system.name, capped.system.name) == ("peptide-AGA", "peptide-AGA-capped")
    assert replace(capped, n_parallel=2).system.name == "peptide-AGA-capped"


def test_a_block_is_a_walker(frames: Frames) -> None:
    assert frames.coords.shape == (80, 3, 3)
    assert frames.block.tolist() == [block for block in range(2) for _ in range(40)]
    assert frames.time_ps is not None
    np.testing.assert_allclose(frames.time_ps[:40], 0.02 * np.arange(1, 41), rtol=1e-6)
    np.testing.assert_array_equal(frames.time_ps[40:], frames.time_ps[:40])


def test_facts_are_recorded(frames: Frames, folder: Path) -> None:
    assert (frames.units, frames.temperature, frames.force_map) == ("molecular", 350.0, "constraint_group")
    assert frames.system == "peptide-AGA"
    assert frames.source == "OpenMM, ff14SBonlysc + GBn2 + ACE"
    assert frames.force_field == force_field_of(frames) == "ff14SBonlysc + GBn2 + ACE"
    assert "not an equilibrium ensemble" in frames.notes
    assert "2 walkers from: extended (2)" in frames.notes
    assert '"protocol": "Extended"' in frames.notes
    assert f"sha256 {read_map(folder / MAP_FILE.format(frames.force_map)).content_hash}" in frames.notes


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
    with ThreadPoolExecutor(1) as executor:
        again = RECIPE.make(folder, lambda done, total, text: reports.append(done), executor)
    assert again.content_hash == frames.content_hash
    assert not reports


def test_the_optimal_map_is_fitted_once(frames: Frames, folder: Path) -> None:
    recipe = replace(RECIPE, force_map="optimal", fit_frames=40)
    optimal = recipe.make(folder, quiet)
    fitted = read_map(folder / MAP_FILE.format("optimal"))
    assert (optimal.force_map, fitted.name) == ("optimal", "optimal")
    assert "fitted on 40 frames" in optimal.notes
    assert fitted.content_hash in optimal.notes
    assert optimal.forces is not None
    assert frames.forces is not None
    assert np.square(optimal.forces).mean() < np.square(frames.forces).mean()
    again = replace(recipe, fit_frames=35).make(folder, quiet)  # the stored map counts
    assert again.content_hash == optimal.content_hash


def test_frames_to_fit_are_spread_over_the_walkers(frames: Frames, folder: Path) -> None:
    walkers = [Chunks(folder / f"walker-{index:03d}") for index in (0, 1)]
    stored = np.concatenate([chunks.read("forces") for chunks in walkers])
    np.testing.assert_array_equal(np.concatenate(list(spread_forces(walkers, 1000))), stored)
    few = np.concatenate(list(spread_forces(walkers, 5)))
    np.testing.assert_array_equal(few, stored[[0, 20, 40, 59, 79]])


def test_a_biased_map_needs_a_reason(frames: Frames, folder: Path) -> None:
    sliced = replace(RECIPE, force_map="slice", allow_biased_force_map="a test").make(folder, quiet)
    assert sliced.force_map == "slice"
    np.testing.assert_array_equal(sliced.coords, frames.coords)
    assert sliced.forces is not None
    assert frames.forces is not None
    assert np.abs(sliced.forces - frames.forces).max() > 1.0


def test_fewer_frames_are_evenly_spaced(frames: Frames, folder: Path) -> None:
    fewer = replace(RECIPE, n_frames=5).make(folder, quiet)
    np.testing.assert_array_equal(fewer.coords, frames.coords[[0, 20, 40, 59, 79]])


def test_five_beads_a_residue_sit_on_their_atoms(folder: Path) -> None:
    system = Peptide("AGA", "backbone5")
    frames = replace(RECIPE, system=system, n_beads=system.n_beads).make(folder, quiet)
    peptide = build_peptide("AGA")
    coords = Chunks(folder / "walker-000").read("coords")
    beads = [peptide.atoms.index(atom) for atom in system.bead_atoms]
    np.testing.assert_array_equal(frames.coords[:40], coords[:, beads])


def test_explicit_water_gives_the_same_kind_of_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openmm")
    monkeypatch.setattr(structure, "WATER_PADDING", 5.0)
    monkeypatch.setattr(task, "SOLVATED_QUENCH_STEPS", 20)
    protocol = Extended(n_extended=1, ps_per_walker=0.04, save_ps=0.02, drop_ps=0.12, segment_ps=0.02)
    recipe = replace(RECIPE, protocol=protocol, force_field="ff14SB", solvent="tip3p", surface_term="none")
    frames = recipe.make(tmp_path, quiet)
    assert frames.source == "OpenMM, ff14SB + TIP3P"
    assert frames.coords.shape == (2, 3, 3)
    stored = [arrays for arrays, _ in Chunks(tmp_path / "walker-000")]
    assert stored[1]["coords"].shape == (1, 30, 3)  # the peptide's atoms alone
    assert len(stored[1]["state_positions_nm"]) > 500
    np.testing.assert_array_equal(stored[1]["state_box_nm"], stored[2]["state_box_nm"])
    Chunks(tmp_path / "walker-000").truncate(2)
    assert recipe.make(tmp_path, quiet).content_hash == frames.content_hash


def test_a_system_that_is_no_peptide_is_refused(tmp_path: Path) -> None:
    class Beads(System):
        name, n_beads, n_dims, units = "beads", 3, 3, "molecular"

    with pytest.raises(InputError, match="has system 'beads': expected a peptide"):
        replace(RECIPE, system=Beads()).make(tmp_path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_of_the_config_builds(protocol: str) -> None:
    overrides = ["dataset=chignolin_openmm", f"dataset/protocol={protocol}"]
    config = compose([*overrides, "dataset.protocol.path=seeds.npz"] if protocol == "seeded" else overrides)
    check(config, ("dataset",))
    recipe = build(config["dataset"], Recipe)
    assert isinstance(recipe, OpenMMPeptide)
    assert recipe.protocol.n_walkers >= 6
    assert recipe.protocol.n_segments * recipe.protocol.segment_ps == recipe.protocol.ps_per_walker


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("dataset.protocol.n_natve=1", "did you mean 'n_native'"),
        ("dataset.protocol.segment_ps=0", "expected a positive number"),
        ("dataset.force_map=best", "expected one of slice, constraint_group, residue, optimal"),
        ("dataset.solvent=water", "expected one of gbn2, obc2, tip3p"),
        ("dataset.protocol._target_=cgexp.systems.peptide.Peptide", "is no Protocol"),
    ],
)
def test_a_wrong_setting_is_one_sentence(override: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check(compose(["dataset=chignolin_openmm", override]), ("dataset",))
