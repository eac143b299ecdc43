"""Draw the pilot: folded fraction against time at every temperature, from both starts, and print the table.

Run from the root of a checkout: ``python experiments/chignolin_reference/pilot.py``. It reads the runs packed beside
this file (or, with --runs, the folder of a sampling that is still running) and writes pilot.png and pilot.json here.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.reference.sampling.exchange_trajectory import ExchangeTrajectory, load_exchange
from cgexp.report.figures import save
from cgexp.report.style import panels, styled
from cgexp.store import write_json
from cgexp.systems.peptide import Peptide

HERE = Path(__file__).parent
STARTS = {"native": ("from native", "#0072B2"), "unfolded": ("from unfolded", "#D55E00")}
FOLDED = 2.0  # Å of C-alpha RMSD to the native structure
N_BLOCKS = 12


def rmsd(trajectory: ExchangeTrajectory, peptide: Peptide) -> NDArray[np.float64]:
    """C-alpha RMSD to the native structure at every level, [n_levels, n_frames], Å."""
    native = peptide.native()[None]
    return np.stack(
        [peptide.distance(trajectory.at_level(level), native)[:, 0] for level in range(len(trajectory.temperatures))]
    )


def blocks(values: NDArray[Any], n_blocks: int = N_BLOCKS) -> NDArray[np.float64]:
    """Means over consecutive stretches of the last axis, [..., n_blocks]."""
    return np.stack([part.mean(axis=-1) for part in np.array_split(values, n_blocks, axis=-1)], axis=-1)


@styled
def figure(runs: dict[str, tuple[ExchangeTrajectory, NDArray[np.float64]]]) -> Figure:
    """Folded fraction in blocks of time, one panel a temperature."""
    temperatures = next(iter(runs.values()))[0].temperatures
    drawn, axes = panels(2, (len(temperatures) + 1) // 2, sharex=True, sharey=True)
    for level, (axis, temperature) in enumerate(zip(axes, temperatures, strict=False)):
        for kind, (trajectory, values) in runs.items():
            label, colour = STARTS[kind]
            fraction = blocks(values[level] < FOLDED)
            length = trajectory.frame_ps * values.shape[1] / 1000.0
            time = (np.arange(N_BLOCKS) + 0.5) * length / N_BLOCKS
            axis.plot(time, fraction, "o-", color=colour, label=label, markersize=4)
        axis.set_title(f"{temperature:g} K")
        axis.set_ylim(-0.04, 1.04)
    for axis in axes[-((len(temperatures) + 1) // 2) :]:
        axis.set_xlabel("time of a replica (ns)")
    for axis in axes[:: (len(temperatures) + 1) // 2]:
        axis.set_ylabel("folded fraction (C-alpha RMSD < 2 Å)")
    axes[0].legend()
    return drawn


def main() -> None:
    """Read both runs, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=HERE, help="folder with the runs 'native' and 'unfolded'")
    parser.add_argument("--out", type=Path, default=HERE, help="where the figure and the table are written")
    arguments = parser.parse_args()
    peptide = Peptide()
    runs = {}
    table: dict[str, Any] = {}
    for kind in STARTS:
        trajectory = load_exchange(arguments.runs / kind)
        values = rmsd(trajectory, peptide)
        runs[kind] = (trajectory, values)
        quarters = blocks(values < FOLDED, 4)
        table[kind] = {
            "aggregate_ns": round(trajectory.aggregate_ns, 2),
            "acceptance": trajectory.acceptance.round(3).tolist(),
            "round_trips": trajectory.round_trips.tolist(),
            "folded_fraction_by_quarter": {
                f"{temperature:g} K": quarters[level].round(3).tolist()
                for level, temperature in enumerate(trajectory.temperatures)
            },
            "lowest_rmsd_angstrom": round(float(values.min()), 2),
        }
        print(f"from {kind}: {trajectory.aggregate_ns:.1f} ns in all, lowest RMSD {values.min():.2f} Å")
        print(f"  acceptance {trajectory.acceptance.round(2).tolist()}, round trips {trajectory.round_trips.tolist()}")
        for level, temperature in enumerate(trajectory.temperatures):
            print(f"  {temperature:5.0f} K  folded by quarter {quarters[level].round(2).tolist()}")
    save(figure(runs), arguments.out, "pilot")
    write_json(arguments.out / "pilot.json", table)


if __name__ == "__main__":
    main()
