"""Draw the pilot: which chains fold and unfold by themselves, at which temperature, from which start, with ACE or not.

Run from the root of a checkout: ``python experiments/chignolin_reference/pilot.py``; seconds. It reads the pilots
packed in pilot/ and writes pilot.png and pilot.json here. ``--pack NAME FOLDER`` keeps a working folder of
scripts/sample_chignolin.py in pilot/NAME first: C-alpha atoms of all walkers, centred and rounded to 2^-9 Å, and swaps;
no run goes on from it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.all_atom.sampling.exchange_trajectory import (
    FOLDED,
    LEAST_PS,
    PER_CYCLE,
    SETTINGS_FILE,
    UNFOLDED,
    ExchangeTrajectory,
    Visits,
    load_exchange,
    long_visits,
)
from cgexp.errors import InputError
from cgexp.report.figures import save
from cgexp.report.style import panels, styled
from cgexp.store import Chunks, read_json, write_json
from cgexp.systems.peptide import Peptide

HERE = Path(__file__).parent
SYSTEM = Peptide("YYDPETGTWY")
PILOTS = {  # of a folder in pilot/: start, surface term, colour
    "ace_native": ("native", "ACE", "#0072B2"),
    "ace_unfolded": ("unfolded", "ACE", "#D55E00"),
    "none_unfolded": ("unfolded", "none", "#009E73"),
}
ROUNDING = 2.0**-9  # Å: a power of two, so that the floats have few digits and compress


@dataclass(frozen=True)
class Pilot:
    """A run with the RMSD of its walkers, [n_frames, n_walkers], Å, and their visits to the folded state."""

    run: ExchangeTrajectory
    rmsd: NDArray[np.float64]
    visits: Visits

    @classmethod
    def read(cls, folder: Path) -> Pilot:
        run = load_exchange(folder)
        flat = run.coords.reshape(-1, *run.coords.shape[2:]).astype(np.float64)
        rmsd = SYSTEM.distance(flat, SYSTEM.native()[None])[:, 0].reshape(run.frame_levels.shape)
        return cls(run, rmsd, long_visits(rmsd, run.frame_ps))

    def population(self, last: float, folded: bool) -> list[float]:
        """Share of folded (or unfolded) frames by temperature in the last part of the run."""
        begin = round((1.0 - last) * len(self.rmsd))
        state = (self.rmsd < FOLDED if folded else self.rmsd > UNFOLDED)[begin:]
        levels = self.run.frame_levels[begin:]
        return [round(float(state[levels == level].mean()), 3) for level in range(len(self.run.temperatures))]

    @property
    def table(self) -> dict[str, Any]:
        """For pilot.json."""
        length = (self.visits.end - self.visits.begin) * self.run.frame_ps / 1000.0
        return {
            "aggregate_ns": round(self.run.aggregate_ns, 2),
            "temperatures": self.run.temperatures.tolist(),
            "acceptance": self.run.acceptance.round(3).tolist(),
            "round_trips": self.run.round_trips.tolist(),
            "folded_fraction": self.population(1.0, True),
            "folded_fraction_second_half": self.population(0.5, True),
            "unfolded_fraction_second_half": self.population(0.5, False),
            "events": {
                "folding": int(self.visits.folds.sum()),
                "unfolding": int(self.visits.unfolds.sum()),
                "by_temperature": self.visits.counts(self.run.frame_levels, of_walkers=False),
                "shorter": int(self.visits.n_brief.sum()),
                "misfolded": int(self.visits.n_loose.sum()),
            },
            "visits_ns": np.sort(length).round(2).tolist(),
            "lowest_rmsd_angstrom": round(float(self.rmsd.min()), 2),
        }


def pack(source: Path, target: Path) -> None:
    """Keep what a pilot sampled in little space. Raises InputError if it has no round yet."""
    rounds = [arrays for arrays, _ in Chunks(source) if len(arrays["levels"])]
    if not rounds:
        raise InputError(f"{source} holds no round yet: run the sampling first")
    arrays = {name: np.concatenate([part[name] for part in rounds]) for name in ("coords", *PER_CYCLE)}
    coords = arrays["coords"] - arrays["coords"].mean(axis=2, keepdims=True)
    arrays["coords"] = (np.round(coords / ROUNDING) * ROUNDING).astype(np.float32)
    arrays["energies"] = np.round(arrays["energies"]).astype(np.float32)  # kcal/mol; drawn nowhere
    write_json(target / SETTINGS_FILE, read_json(source / SETTINGS_FILE))
    Chunks(target).replace(arrays)


@styled
def figure(pilots: dict[str, Pilot]) -> Figure:
    """Populations by temperature, events by temperature, and long visits of every walker."""
    drawn, axes = panels(1, 3)
    width = 0.8 / max(2 * len(pilots), 1)
    for number, (name, pilot) in enumerate(pilots.items()):
        start, term, colour = PILOTS[name]
        label = f"from {start}, {'ACE' if term == 'ACE' else 'no surface term'}, {pilot.run.aggregate_ns:.0f} ns"
        ladder = pilot.run.temperatures
        axes[0].plot(ladder, pilot.population(0.5, True), "o-", color=colour, label=label)
        counts = pilot.visits.counts(pilot.run.frame_levels, of_walkers=False)
        for which, (event, hatch) in enumerate((("folding", ""), ("unfolding", "////"))):
            place = np.arange(len(ladder)) + (2 * number + which) * width - 0.4
            axes[1].bar(place, counts[event], width, align="edge", color=colour, alpha=0.5 if hatch else 1, hatch=hatch)
    axes[0].axhspan(0.15, 0.85, color="0.93", label="both states hold 15 %")
    axes[0].axvline(350.0, color="0.5", ls=":")
    axes[0].set_ylim(0.0, 1.0)
    axes[0].set_title("(a) second half of the run")
    axes[0].set_xlabel("temperature (K)")
    axes[0].set_ylabel("folded fraction (C-alpha RMSD < 2 Å)")
    axes[0].legend(fontsize="x-small", loc="upper right")
    axes[1].set_title(f"(b) folding, unfolding (hatched): visits ≥ {LEAST_PS / 1000:g} ns")
    axes[1].set_xlabel("level of the ladder, cold to hot")
    axes[1].set_ylabel("events")
    _visits(axes[2], pilots)
    return drawn


def _visits(axis: Axes, pilots: dict[str, Pilot]) -> None:
    row, names = 0, []
    for name, pilot in pilots.items():
        seen, colour, step = pilot.visits, PILOTS[name][2], pilot.run.frame_ps / 1000.0
        for walker in range(pilot.rmsd.shape[1]):
            own = seen.walker == walker
            axis.hlines(row, 0.0, len(pilot.rmsd) * step, color="0.85", lw=1)
            axis.hlines(np.full(own.sum(), row), seen.begin[own] * step, seen.end[own] * step, color=colour, lw=5)
            names.append(f"{walker}")
            row += 1
    axis.set_yticks(range(row), names, fontsize=6)
    axis.set_title("(c) long visits to the folded state")
    axis.set_xlabel("time of a replica (ns)")
    axis.set_ylabel("walker")


def main(words: Sequence[str] | None = None) -> int:
    """Pack if asked, read the pilots, draw, print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", nargs=2, metavar=("NAME", "FOLDER"), help="keep a working folder as pilot/NAME first")
    parser.add_argument("--pilots", type=Path, default=HERE / "pilot", help="folder of the packed pilots")
    parser.add_argument("--out", type=Path, default=HERE, help="where the figure and the table are written")
    arguments = parser.parse_args(words)
    try:
        if arguments.pack:
            pack(Path(arguments.pack[1]), arguments.pilots / arguments.pack[0])
        pilots = {name: Pilot.read(arguments.pilots / name) for name in PILOTS if (arguments.pilots / name).is_dir()}
    except InputError as error:
        print(f"pilot: {error}", file=sys.stderr)
        return 2
    table = {name: {"start": PILOTS[name][0], "surface_term": PILOTS[name][1], **p.table} for name, p in pilots.items()}
    save(figure(pilots), arguments.out, "pilot", ("png",))
    write_json(arguments.out / "pilot.json", table)
    for name, row in table.items():
        print(name, *(f"  {key}: {value}" for key, value in row.items()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
