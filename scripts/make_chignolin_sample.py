"""Make the shipped data sets of Chignolin at 300 K: 17 ns of all-atom simulation, half an hour on two quiet cores.

Run from the root of a checkout: ``python scripts/make_chignolin_sample.py --n-parallel 2``. Killed and repeated, it
goes on where it was. 64 walkers start from the frames in experiments/chignolin_reference/seeds.npz. It writes, each
with its data card: chignolin_sample (every third frame, forces of the optimal map), chignolin_mini (5,000 of these) and
chignolin_maps (10,000 of these with the forces of all maps); and the optimal map itself, chignolin_sample.map.npz.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cgexp.cards import DATA
from cgexp.frames import Frames
from cgexp.reference.all_atom.engine import FRICTION, TIME_STEP
from cgexp.reference.all_atom.force_field import HYDROGEN_MASS, ForceField
from cgexp.reference.mapping.linear_map import read_map, write_map
from cgexp.reference.mapping.unbiasedness import assess, force_rms
from cgexp.reference.openmm_data import MAP_FILE, OpenMMPeptide
from cgexp.reference.packaged import map_path, write_packaged
from cgexp.reference.sampling.starts import Seeded
from cgexp.systems.peptide import Peptide

MAPS = ("optimal", "constraint_group", "residue", "slice")
EVERY, N_MAPS, N_MINI = 3, 10_000, 5_000
STEPS = {"coords": 0.001, "forces": 0.01}  # Å and kcal/mol/Å: rounding of the shipped arrays
FORCE_FIELD = ForceField("ff14SB", "obc2", "ace")
RECIPE = OpenMMPeptide(
    name="chignolin_sample",
    system=Peptide("YYDPETGTWY"),
    n_beads=10,
    n_dims=3,
    units="molecular",
    temperature=300.0,
    force_map="optimal",
    force_field=FORCE_FIELD.protein,
    solvent=FORCE_FIELD.solvent,
    surface_term=FORCE_FIELD.surface_term,
    protocol=Seeded(
        path=Path("experiments/chignolin_reference/seeds.npz"),
        n_seeds=64,
        ps_per_walker=270.0,
        save_ps=0.1,
        drop_ps=4.0,
        segment_ps=30.0,
        seed=2026,
    ),
)
DYNAMICS = {
    "force_field": FORCE_FIELD.name,
    "integrator": "LangevinMiddle",
    "friction_per_ps": FRICTION,
    "time_step_ps": TIME_STEP,
    "hydrogen_mass_amu": HYDROGEN_MASS,
    "constraints": "bonds to hydrogen",
}


def verification(frames: Frames) -> dict[str, Any]:
    """The map's quality on all frames sampled, of which every third ships; the map was fitted on even walkers."""
    held_out = frames.select(frames.block % 2 == 1)
    return {
        "n_frames": len(frames),
        **assess(frames).card,
        "force_rms_held_out_walkers": round(force_rms(held_out), 4),
    }


def centred(frames: Frames) -> Frames:
    """The frames with their mean position at the origin, so that coordinates fit 16 bits."""
    return frames.with_labels(coords=frames.coords - frames.coords.mean(axis=1, keepdims=True))


def coverage(frames: Frames) -> dict[str, float]:
    """Share of the frames by C-alpha RMSD to the native structure; chosen starts, so no population."""
    peptide = Peptide("YYDPETGTWY")
    rmsd = peptide.distance(frames.coords, peptide.native()[None])[:, 0]
    return {
        "folded (< 2 Å)": round(float((rmsd < 2.0).mean()), 3),
        "between (2-4 Å)": round(float(((rmsd >= 2.0) & (rmsd < 4.0)).mean()), 3),
        "unfolded (>= 4 Å)": round(float((rmsd >= 4.0).mean()), 3),
    }


def main() -> None:
    """Sample in a folder of partial results, then write both data sets and their cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("outputs/chignolin_sample"), help="partial results")
    parser.add_argument("--data", type=Path, default=DATA, help="where the data sets and their cards are written")
    parser.add_argument("--n-parallel", type=int, default=1, help="walkers side by side")
    arguments = parser.parse_args()
    recipe = replace(RECIPE, n_parallel=arguments.n_parallel)
    made = {
        name: centred(
            replace(
                recipe,
                force_map=name,
                allow_biased_force_map="shipped for comparison" if name == "slice" else "",
            ).make(arguments.cache)
        )
        for name in MAPS
    }
    write_map(map_path("chignolin_sample", arguments.data), read_map(arguments.cache / MAP_FILE.format("optimal")))
    checks = {name: verification(frames) for name, frames in made.items()}
    protocol = {**DYNAMICS, **recipe.protocol.settings, "temperature": recipe.temperature}
    command = "python scripts/make_chignolin_sample.py"
    sample = made["optimal"].select(slice(EVERY - 1, None, EVERY))
    card = write_packaged(
        "chignolin_sample",
        sample,
        protocol,
        command,
        arguments.data,
        steps=STEPS,
        facts={"verification_on_all_frames": checks["optimal"], "coverage": coverage(sample)},
    )
    show(card)
    mini = sample.select(np.linspace(0, len(sample) - 1, N_MINI).round().astype(np.int64))
    show(
        write_packaged(
            "chignolin_mini",
            mini,
            protocol,
            command,
            arguments.data,
            steps=STEPS,
            facts={"verification_on_all_frames": checks["optimal"], "coverage": coverage(mini)},
        )
    )
    chosen = np.linspace(0, len(sample) - 1, N_MAPS).round().astype(np.int64) * EVERY + EVERY - 1
    other = {name: frames.select(chosen).forces for name, frames in made.items() if name != "optimal"}
    card = write_packaged(
        "chignolin_maps",
        made["optimal"].select(chosen),
        protocol,
        command,
        arguments.data,
        steps=STEPS,
        other_forces=other,
        facts={"verification_on_all_frames": checks},
    )
    show(card)


def show(card: dict[str, Any]) -> None:
    """Print a data card."""
    for name, value in card.items():
        print(f"{name}: {value}")
    print()


if __name__ == "__main__":
    main()
