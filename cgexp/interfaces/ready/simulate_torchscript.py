"""Langevin dynamics of the model beside this script in OpenMM's TorchForce: python simulate_torchscript.py [n_steps].

Writes torchforce.dcd, and torchforce.pdb with the topology. TorchForce computes without Python, on a GPU if it can.
"""

from pathlib import Path

from openmm import LangevinMiddleIntegrator, app, unit
from openmmtorch import TorchForce

import cgexp
from cgexp.interfaces.openmm import bead_system, bead_topology, start_positions
from cgexp.interfaces.scripts import run_script
from cgexp.interfaces.torchscript import file_name

FRICTION = 1.0  # 1/ps
SAVE_EVERY = 100  # steps
FOLDER = Path(__file__).parent


def main(n_steps: int) -> None:
    bundle = cgexp.load_bundle(FOLDER)
    dt = (bundle.simulation or {}).get("dt", 0.005)  # ps, of the run's own simulation
    integrator = LangevinMiddleIntegrator(bundle.temperature, FRICTION, dt)  # K, 1/ps, ps
    system = bead_system(bundle, TorchForce(str(FOLDER / file_name("kJ_mol_nm"))))
    simulation = app.Simulation(bead_topology(bundle), system, integrator)
    simulation.context.setPositions(start_positions(bundle))
    simulation.context.setVelocitiesToTemperature(bundle.temperature)
    with open(FOLDER / "torchforce.pdb", "w") as file:
        app.PDBFile.writeFile(simulation.topology, simulation.context.getState(positions=True).getPositions(), file)
    simulation.reporters.append(app.DCDReporter(str(FOLDER / "torchforce.dcd"), SAVE_EVERY))
    simulation.step(n_steps)
    state = simulation.context.getState(energy=True)
    energy = f"{state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole):.6f} kJ/mol"
    print(f"{FOLDER / 'torchforce.dcd'}: a frame every {SAVE_EVERY} steps, topology in torchforce.pdb; energy {energy}")


if __name__ == "__main__":
    run_script(main, __doc__)
