"""Langevin dynamics of the bundle beside this script in ASE: python simulate_ase.py [n_steps].

Writes ase.xyz.
"""

from pathlib import Path

import numpy as np
from ase import units
from ase.io import write
from ase.md.langevinbaoab import LangevinBAOAB

import cgexp
from cgexp.interfaces.ase import beads
from cgexp.interfaces.scripts import run_script

FRICTION = 1.0  # 1/ps
SAVE_EVERY = 100  # steps
FOLDER = Path(__file__).parent


def main(n_steps: int) -> None:
    bundle = cgexp.load_bundle(FOLDER)
    dt = (bundle.simulation or {}).get("dt", 0.005)  # ps, of the run's own simulation
    atoms = beads(bundle, kernel="auto")  # the fastest kernel; "reference" is the model to the last digit
    dynamics = LangevinBAOAB(
        atoms,
        timestep=dt * 1000.0 * units.fs,
        temperature_K=bundle.temperature,
        T_tau=1000.0 / FRICTION * units.fs,
        rng=np.random.default_rng(0),
    )
    path = FOLDER / "ase.xyz"
    path.unlink(missing_ok=True)
    dynamics.attach(lambda: write(path, atoms, append=True), interval=SAVE_EVERY)
    dynamics.run(n_steps)
    print(f"{path}: a frame every {SAVE_EVERY} steps; energy {atoms.get_potential_energy():.6f} eV")


if __name__ == "__main__":
    run_script(main, __doc__)
