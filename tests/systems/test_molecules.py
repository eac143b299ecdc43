"""Molecules that are no peptides: a bead-spring chain whose extent is known exactly, and a dimer in a periodic box."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from cgexp.build import build
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.datasets.file_data import FramesFile
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.parts.allowed import VARIABLE
from cgexp.runs.pipeline import run
from cgexp.store import read_frames, write_frames
from cgexp.systems.base import System, system_of
from cgexp.systems.bead_spring import BeadSpring
from cgexp.systems.molecule import Molecule
from cgexp.systems.peptide import Peptide
from cgexp.testing.configurations import chain_frames
from cgexp.testing.system_checks import KnownEnergyChecks, SystemChecks
from tests.systems.mylab.dimer import BoxedDimer

DIMER = Path(__file__).parent / "mylab" / "boxed_dimer.yaml"


class TestBeadSpring(KnownEnergyChecks):
    def make_system(self) -> BeadSpring:
        return BeadSpring(n_beads=6)


class TestBoxedDimer(KnownEnergyChecks):
    def make_system(self) -> BoxedDimer:
        return BoxedDimer([6.0, 6.0, 6.0])


class TestMolecule(SystemChecks):
    def make_system(self) -> Molecule:
        return Molecule("star", 4, bonds=[(0, 1), (2, 0), (0, 3)], masses=[4.0, 1.0, 1.0, 1.0])


class TestPeptide(SystemChecks):
    def make_system(self) -> Peptide:
        return Peptide()


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dimer's package is one that the user allows."""
    monkeypatch.setenv(VARIABLE, "tests.systems.mylab")


def test_samples_of_a_chain_have_the_extent_that_is_known() -> None:
    chain = BeadSpring(n_beads=8, bending=3.0, temperature=1.5)
    coords = chain.sample(20_000, np.random.default_rng(0))
    squares = np.square(coords[:, -1] - coords[:, 0]).sum(axis=-1)
    assert abs(squares.mean() - chain.mean_square_distance(7)) < 5.0 * squares.std() / len(squares) ** 0.5
    centred = coords - coords.mean(axis=1, keepdims=True)
    gyration = np.square(centred).sum(axis=-1).mean(axis=-1)
    assert abs(gyration.mean() - chain.mean_square_gyration()) < 5.0 * gyration.std() / len(gyration) ** 0.5


def test_a_freely_jointed_chain_has_the_extent_of_a_random_walk() -> None:
    loose = BeadSpring(n_beads=11, stiffness=1e4, bending=1e-4)
    assert loose.mean_square_distance(10) == pytest.approx(10.0, rel=1e-3)
    assert loose.mean_square_gyration() == pytest.approx(10.0 * 12.0 / (6.0 * 11.0), rel=1e-3)  # N (N + 2) / 6 (N + 1)


def test_the_polymer_trains_simulates_and_is_reported(tmp_path: Path) -> None:
    small = ["dataset.n_frames=2000", "dataset.n_beads=5"]
    config = compose(["experiment=toy_polymer", "debug=fast", "figures=png", f"outputs={tmp_path}", *small])
    check(config)
    folder = run(config, say=lambda text: None)
    metrics = json.loads(folder.metrics.read_text())
    assert {"w1_rg", "w1_end_to_end", "w1_bond", "w1_angle", "w1_dihedral", "w1_tica"} <= metrics.keys()
    assert all(np.isfinite(value) for value in metrics.values())
    assert metrics["replicas_failed"] == 0
    assert {"training.png", "prior_fit.png"} <= {path.name for path in folder.figures.iterdir()}
    assert not {name for name in metrics if "rmsd" in name or "folded" in name}
    assert "No native structure is known" in folder.report.read_text()
    frames = read_frames(next(tmp_path.glob("data/*/frames.npz")))
    chain = system_of(frames)
    assert isinstance(chain, BeadSpring)
    squares = np.square(frames.coords[:, -1] - frames.coords[:, 0]).sum(axis=-1)
    means = [float(squares[frames.block == block].mean()) for block in np.unique(frames.block)]
    assert np.mean(means) == pytest.approx(
        chain.mean_square_distance(4), abs=float(5.0 * np.std(means) / len(means) ** 0.5)
    )
    np.testing.assert_allclose(frames.forces, chain.forces(frames.coords), atol=1e-4)


def test_a_dimer_in_a_box_from_a_package_of_ones_own(tmp_path: Path) -> None:
    network = ["model=cgschnet", "model.n_beads=2", "model.n_features=16", "model.n_filters=16", "model.cutoff=4"]
    config = compose(["experiment=toy_polymer", "debug=fast", "figures=none", f"outputs={tmp_path}", *network])
    config["dataset"] = yaml.safe_load(DIMER.read_text())
    config["prior"]["terms"]["angles"] = None
    check(config)
    folder = run(config, say=lambda text: None)
    metrics = json.loads(folder.metrics.read_text())
    assert {"w1_bond", "w1_tica", "loss_validation"} <= metrics.keys()
    assert "w1_angle" not in metrics
    frames = read_frames(next(tmp_path.glob("data/*/frames.npz")))
    dimer = system_of(frames)
    assert isinstance(dimer, BoxedDimer)
    r = np.linalg.norm(frames.coords[:, 1] - frames.coords[:, 0], axis=-1)
    grid = np.linspace(0.5, 2.5, 2001)
    assert r.mean() == pytest.approx(float(np.trapezoid(grid * dimer.bond_density(grid), grid)), abs=0.05)
    assert np.asarray(frames.coords).max() > 6.0, "molecules are kept whole, beyond the box"


def test_a_peptide_without_a_native_structure_works_from_file_to_report(tmp_path: Path) -> None:
    chain = chain_frames(600, 4)
    peptide = Peptide("AAAG")
    mine = chain.with_labels(
        bead_types=peptide.bead_types,
        system=peptide.name,
        system_spec=peptide.spec,
        force_map="optimal",
        block=np.arange(600) // 100,
        time_ps=np.arange(600) % 100,
    )
    write_frames(tmp_path / "mine.npz", mine)
    overrides = [
        *(
            "experiment=chignolin_first",
            "debug=fast",
            "figures=none",
            "dataset=peptide_file",
            f"dataset.path={tmp_path / 'mine.npz'}",
        ),
        *("dataset.system.sequence=AAAG", "dataset.n_beads=4", "dataset.force_map=optimal"),
        *("dataset.thermally_sampled=false", "simulation.health.max_bond=null", f"outputs={tmp_path}"),
    ]
    config = compose(overrides)
    check(config)
    folder = run(config, say=lambda text: None)
    metrics = json.loads(folder.metrics.read_text())
    assert {"w1_rg", "w1_tica", "contact_rmse"} <= metrics.keys()
    assert not {name for name in metrics if "rmsd" in name or "folded" in name}
    assert "No native structure is known" in folder.report.read_text()
    other = compose([*overrides, "dataset.system.sequence=AAGG"])
    with pytest.raises(InputError, match="holds frames of 'peptide-AAAG' but the data set's system is 'peptide-AAGG'"):
        build(other["dataset"], Recipe).require()


def test_a_native_structure_is_read_from_a_pdb_file(tmp_path: Path) -> None:
    lines = [
        f"ATOM  {i:5d}  CA  {name} A{i:4d}    {3.8 * i:8.3f}{i % 2:8.3f}{0.0:8.3f}  1.00  0.00           C"
        for i, name in enumerate(("ALA", "ALA", "GLY"), start=1)
    ]
    path = tmp_path / "native.pdb"
    path.write_text("\n".join([*lines, "END"]) + "\n")
    peptide = Peptide("AAG", native_pdb=str(path))
    assert peptide.basins
    np.testing.assert_allclose(np.diff(peptide.native()[:, 0]), 3.8, atol=1e-3)
    assert set(peptide.basin_of(peptide.native()[None])) == {"folded"}
    with pytest.raises(InputError, match="has C-alpha atoms of 'AAG' but the sequence is 'AAA'"):
        Peptide("AAA", native_pdb=str(path))
    path.write_text("\n".join([*lines, "TER", *(line.replace(" A ", " B ") for line in lines), "END"]) + "\n")
    with pytest.raises(InputError, match="has 2 chains with C-alpha atoms, and several are not modelled yet"):
        Peptide("AAGAAG", native_pdb=str(path))
    with pytest.raises(InputError, match="is no file: give a PDB file"):
        Peptide("AAG", native_pdb=str(tmp_path / "nothing.pdb"))


def test_a_file_of_a_cut_molecule_is_made_whole(tmp_path: Path) -> None:
    dimer = BoxedDimer([6.0, 6.0, 6.0])
    coords = dimer.sample(50, np.random.default_rng(0))
    frames = Frames(
        coords=coords % 6.0,
        forces=dimer.forces(coords),
        bead_types=dimer.bead_types,
        block=np.arange(50),
        units="reduced",
        temperature=1.0,
        system=dimer.name,
        source="test",
        force_map="identity",
    )
    write_frames(tmp_path / "mine.npz", frames)
    spec = yaml.safe_load(DIMER.read_text())
    facts = {key: spec[key] for key in ("name", "n_beads", "n_dims", "units", "temperature", "force_map")}
    recipe = FramesFile(path=str(tmp_path / "mine.npz"), system=dimer, **facts)
    made = recipe.make(tmp_path)
    np.testing.assert_allclose(np.diff(made.coords, axis=1), np.diff(coords, axis=1), atol=1e-6)


def test_frames_of_an_older_file_say_that_they_carry_no_system(tmp_path: Path) -> None:
    write_frames(tmp_path / "old.npz", chain_frames(5).with_labels(system_spec=None))
    old = read_frames(tmp_path / "old.npz")
    with pytest.raises(InputError, match="'random chain' do not carry their system"):
        system_of(old)
    write_frames(tmp_path / "new.npz", chain_frames(5))
    assert system_of(read_frames(tmp_path / "new.npz")).spec == Molecule(**_arguments(chain_frames(5))).spec


def test_what_a_file_names_is_not_imported(tmp_path: Path) -> None:
    for target in ("os.system", "cgexp.priors.prior.Prior"):
        frames = chain_frames(3).with_labels(system_spec={"_target_": target})
        with pytest.raises(InputError, match=r"carry a system that cannot be made: _target_="):
            system_of(frames)


def test_a_metric_of_ones_own_must_be_said() -> None:
    with pytest.raises(TypeError, match="Silent overrides distance, so its metric must be 'own'"):
        type("Silent", (System,), {"distance": lambda self, a, b: a})


def _arguments(frames: Frames) -> dict[str, object]:
    assert frames.system_spec is not None
    return {name: value for name, value in frames.system_spec.items() if name != "_target_"}
