"""Files such as a user has: short all-atom runs of molecules that no data set here is of."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import mdtraj
import numpy as np
import yaml
from numpy.typing import NDArray

from cgexp.all_atom.engine import make_context
from cgexp.all_atom.force_field import make_system
from cgexp.all_atom.structure import AllAtom, build_peptide
from cgexp.build import build
from cgexp.config.paths import conf_dir
from cgexp.datasets.recipe import Recipe
from cgexp.datasets.trajectory.recipe import facts_of
from cgexp.datasets.trajectory.solute import quietly
from cgexp.frames import Frames
from cgexp.units import KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM

TEMPERATURE, SAVE_PS = 300.0, 0.1
Array = NDArray[np.floating]


class Run(NamedTuple):
    """positions: [n_frames, n_atoms, 3], nm. forces: likewise, kJ/mol/nm. topology: of mdtraj."""

    positions: Array
    forces: Array
    topology: mdtraj.Topology

    @property
    def n_frames(self) -> int:
        return len(self.positions)


@lru_cache(maxsize=None)
def sampled(sequence: str = "A", caps: bool = True, n_frames: int = 400) -> Run:
    """A run at 300 K with rigid bonds to hydrogen, from the extended chain; quenched and warmed up."""
    peptide = build_peptide(sequence, caps=caps)
    return run_of(peptide, n_frames)


def run_of(peptide: AllAtom, n_frames: int) -> Run:
    import openmm

    context = make_context(make_system(peptide.topology), TEMPERATURE, 1, platform="auto")
    context.setPositions(peptide.positions / 10.0)
    openmm.LocalEnergyMinimizer.minimize(context, 50.0, 100)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    context.getIntegrator().step(1000)
    positions, forces = [], []
    for _ in range(n_frames):
        context.getIntegrator().step(25)
        state = context.getState(positions=True, forces=True)
        positions.append(state.getPositions(asNumpy=True)._value)
        forces.append(state.getForces(asNumpy=True)._value)
    return Run(np.array(positions), np.array(forces), mdtraj.Topology.from_openmm(peptide.topology))


@lru_cache(maxsize=None)
def polymer(n_monomers: int = 16, n_frames: int = 2000) -> Run:
    """A chain of united atoms with springs, angles and repulsion, in OpenMM's units; no rigid bonds."""
    import openmm

    topology = mdtraj.Topology()
    chain = topology.add_chain()
    atoms = [
        topology.add_atom("C1", mdtraj.element.carbon, topology.add_residue("MON", chain)) for _ in range(n_monomers)
    ]
    system, bonds, angles = openmm.System(), openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    repulsion = openmm.CustomNonbondedForce("4 * (0.35 / r)^12")
    for number in range(n_monomers):
        system.addParticle(14.0)
        repulsion.addParticle([])
        if number:
            topology.add_bond(atoms[number - 1], atoms[number])
            bonds.addBond(number - 1, number, 0.153, 100_000.0)
        if number > 1:
            angles.addAngle(number - 2, number - 1, number, 1.95, 300.0)
    repulsion.createExclusionsFromBonds([(i, i + 1) for i in range(n_monomers - 1)], 3)
    for force in (bonds, angles, repulsion):
        system.addForce(force)
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 5.0, 0.002)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    number = np.arange(n_monomers)
    context.setPositions(np.stack([0.126 * number, 0.0869 * (number % 2), 0.0 * number], axis=1))
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    integrator.step(5000)
    positions, forces = [], []
    for _ in range(n_frames):
        integrator.step(50)
        state = context.getState(positions=True, forces=True)
        positions.append(state.getPositions(asNumpy=True)._value)
        forces.append(state.getForces(asNumpy=True)._value)
    return Run(np.array(positions), np.array(forces), topology)


def write_pdb(path: Path, topology: mdtraj.Topology, positions: Array) -> Path:
    """positions: [n_atoms, 3], nm."""
    mdtraj.Trajectory(positions[None], topology).save_pdb(str(path))
    return path


def write_run(folder: Path, run: Run, suffix: str = ".xtc") -> dict[str, Any]:
    """The three files of a run, and the settings that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    times = SAVE_PS * np.arange(run.n_frames)
    with quietly():
        mdtraj.Trajectory(run.positions, run.topology, times).save(str(folder / f"run{suffix}"))
    np.save(folder / "forces.npy", run.forces)
    return {
        "trajectory": str(folder / f"run{suffix}"),
        "topology": str(write_pdb(folder / "run.pdb", run.topology, run.positions[0])),
        "forces": str(folder / "forces.npy"),
        "temperature": TEMPERATURE,
        "mapping": "heavy",
        "force_unit": "kJ/mol/nm",
        "force_map": "constraint_group",
    }


def write_polymer(folder: Path, run: Run) -> dict[str, Any]:
    """Arrays in LAMMPS' units, a PDB file with CONECT, a table of two monomers a bead; the settings that name them."""
    forces = run.forces * KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM
    np.savez(folder / "run.npz", positions=10.0 * run.positions, forces=forces)
    pdb = write_pdb(folder / "polymer.pdb", run.topology, run.positions[0])
    atoms = [line for line in pdb.read_text().splitlines() if not line.startswith(("END", "CONECT"))]
    links = [f"CONECT{a.index + 1:5d}{b.index + 1:5d}" for a, b in run.topology.bonds]
    pdb.write_text("\n".join([*atoms, *links, "END\n"]))
    n_atoms = run.positions.shape[1]
    (folder / "beads.txt").write_text("".join(f"{atom} {atom // 2}\n" for atom in range(n_atoms)))
    return {
        "trajectory": str(folder / "run.npz"), "topology": str(pdb), "temperature": TEMPERATURE, "mapping": "table",
        "bead_table": str(folder / "beads.txt"), "length_unit": "A", "force_unit": "kcal/mol/A", "save_ps": 0.1,
        "force_map": "constraint_group",
    }  # fmt: skip


def imported(**settings: Any) -> Frames:
    """The frames that ``dataset=trajectory`` makes with these settings."""
    node = yaml.safe_load((conf_dir() / "dataset" / "trajectory.yaml").read_text(encoding="utf-8")) | settings
    recipe = build(node | facts_of(node), Recipe)
    return recipe.check(recipe.make(Path()))
