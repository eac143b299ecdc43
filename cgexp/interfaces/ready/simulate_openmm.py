"""Langevin dynamics of the bundle beside this script in OpenMM: python simulate_openmm.py [n_steps].

Writes openmm.dcd, and openmm.pdb with the topology.
"""

from pathlib import Path

from openmm import LangevinMiddleIntegrator, Platform, app, unit

import cgexp
from cgexp.interfaces.openmm import bead_system, bead_topology, start_positions
from cgexp.interfaces.scripts import run_script

FRICTION = 1.0  # 1/ps
SAVE_EVERY = 100  # steps
FOLDER = Path(__file__).parent


def main(n_steps: int) -> None:
    bundle = cgexp.load_bundle(FOLDER)
    dt = (bundle.simulation or {}).get("dt", 0.005)  # ps, of the run's own simulation
    integrator = LangevinMiddleIntegrator(bundle.temperature, FRICTION, dt)  # K, 1/ps, ps
    system = bead_system(bundle, kernel="auto")  # the fastest kernel; "reference" is the model to the last digit
    simulation = app.Simulation(bead_topology(bundle), system, integrator, Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(start_positions(bundle))
    simulation.context.setVelocitiesToTemperature(bundle.temperature)
    with open(FOLDER / "openmm.pdb", "w") as file:
        app.PDBFile.writeFile(simulation.topology, simulation.context.getState(positions=True).getPositions(), file)
    simulation.reporters.append(app.DCDReporter(str(FOLDER / "openmm.dcd"), SAVE_EVERY))
    simulation.step(n_steps)
    state = simulation.context.getState(energy=True)
    energy = f"{state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole):.6f} kJ/mol"
    print(f"{FOLDER / 'openmm.dcd'}: a frame every {SAVE_EVERY} steps, topology in openmm.pdb; energy {energy}")


if __name__ == "__main__":
    run_script(main, __doc__)
