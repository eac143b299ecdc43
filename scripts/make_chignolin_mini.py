"""Make the shipped data set chignolin_mini: 2.3 ns of all-atom simulation, 7-20 minutes on one CPU thread.

Run from the root of a checkout: ``python scripts/make_chignolin_mini.py``. Killed and repeated, it goes on where it
was. It writes cgexp/data/chignolin_mini.npz and its data card chignolin_mini.json.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from cgexp.reference.all_atom.engine import FRICTION, TIME_STEP
from cgexp.reference.all_atom.force_field import FORCE_FIELD_NAME, HYDROGEN_MASS
from cgexp.reference.openmm_data import OpenMMPeptide
from cgexp.reference.packaged import DATA, write_packaged
from cgexp.systems.peptide import Peptide

RECIPE = OpenMMPeptide(
    name="chignolin_mini",
    system=Peptide("YYDPETGTWY"),
    n_beads=10,
    n_dims=3,
    units="molecular",
    temperature=350.0,
    force_map="constraint_group",
    n_native=6,
    n_extended=1,
    n_hot=18,
    ps_per_walker=80.0,
    save_ps=0.4,
    drop_ps=4.0,
    segment_ps=40.0,
    hot_temperature=500.0,
    hot_ps=200.0,
    seed=2025,
)

DYNAMICS = {
    "force_field": FORCE_FIELD_NAME,
    "integrator": "LangevinMiddle",
    "friction_per_ps": FRICTION,
    "time_step_ps": TIME_STEP,
    "hydrogen_mass_amu": HYDROGEN_MASS,
    "constraints": "bonds to hydrogen",
}


def main() -> None:
    """Sample in a folder of partial results, then write the data set and its card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path("outputs/chignolin_mini"), help="partial results")
    parser.add_argument("--data", type=Path, default=DATA, help="where the data set and its card are written")
    arguments = parser.parse_args()
    frames = RECIPE.make(arguments.cache)
    card = write_packaged(
        RECIPE.name,
        frames,
        protocol={**DYNAMICS, **asdict(RECIPE.protocol)},
        made_by="python scripts/make_chignolin_mini.py",
        folder=arguments.data,
    )
    for name, value in card.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
