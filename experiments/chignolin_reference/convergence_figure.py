"""The figure of convergence.py: two runs beside each other, from the numbers in convergence.json."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cgexp.report.style import panels, styled

STARTS = {"native": ("from native", "#0072B2"), "unfolded": ("from unfolded", "#D55E00")}


@styled
def figure(numbers: dict[str, Any]) -> Figure:
    """Folded fraction by time and temperature, W1 by length, events, acceptance and round trips of both runs."""
    drawn, axes = panels(2, 3)
    _folded_by_time(axes[0], numbers)
    _folded_by_temperature(axes[1], numbers)
    _distances(axes[2], numbers)
    temperatures = [f"{each:g}" for each in numbers["temperatures"]]
    _events(axes[3], numbers, "by_walker", [str(n) for n in range(len(temperatures))], "walker")
    _events(axes[4], numbers, "by_temperature", temperatures, "temperature of the event (K)")
    _exchange(axes[5], numbers, temperatures)
    for axis, letter in zip(axes, "abcdef", strict=True):
        axis.set_title(f"({letter}) {axis.get_title()}")
    return drawn


def _folded_by_time(axis: Axes, numbers: dict[str, Any]) -> None:
    for kind, found in numbers["runs"].items():
        label, colour = STARTS[kind]
        time, mean, sem = (
            np.array(values) for values in next(iter(found["folded_fraction_by_block"].values())).values()
        )
        axis.fill_between(time, mean - sem, mean + sem, color=colour, alpha=0.25, lw=0)
        axis.plot(time, mean, "o-", color=colour, label=f"{label}, {found['aggregate_ns']:.0f} ns", markersize=3)
    axis.axvline(numbers["burn_in_ns"], color="0.5", ls=":", label="burn-in ends")
    axis.set_title(f"{numbers['temperature']:g} K, reweighted, blocks of {numbers['block_ns']:g} ns")
    axis.set_ylim(-0.04, 1.3)
    axis.set_yticks(np.linspace(0.0, 1.0, 6))
    axis.set_xlabel("time of a replica (ns)")
    axis.set_ylabel("folded fraction")
    axis.legend()


def _folded_by_temperature(axis: Axes, numbers: dict[str, Any]) -> None:
    for shift, (kind, found) in zip((-0.8, 0.8), numbers["runs"].items(), strict=True):
        label, colour = STARTS[kind]
        rows = found["folded_fraction_by_temperature"].values()
        mean, sem = [row["mean"] for row in rows], [row["sem_over_walkers_and_stretches"] or 0.0 for row in rows]
        axis.errorbar(np.array(numbers["temperatures"]) + shift, mean, sem, fmt="o-", color=colour, label=label)
    axis.set_ylim(bottom=0.0)
    axis.set_title("after the burn-in")
    axis.set_xlabel("temperature (K)")
    axis.set_ylabel("folded fraction")
    axis.legend()


def _distances(axis: Axes, numbers: dict[str, Any]) -> None:
    rows, scale = numbers["w1_by_length"], numbers["w1_folded_from_others"]
    length, w1, sem = ([row.get(name, 0.0) for row in rows] for name in ("ns_a_replica", "w1", "w1_sem"))
    axis.errorbar(length, w1, sem, fmt="o-", color="black", markersize=4, label="between the runs")
    axis.axhline(numbers["w1_floor"], color="black", ls="--", label="independent frames")
    if scale:
        target = numbers["target_resolution_relative"]
        axis.axhline(target * scale, color="#009E73", ls=":", label=f"{target:g} of folded to all others")
        axis.secondary_yaxis("right", functions=(lambda w: w / scale, lambda r: r * scale)).set_ylabel(
            "resolution_relative"
        )
    axis.set_ylim(0.0, 1.6 * max(np.add(w1, sem)))
    axis.set_title("W1 in the plane of the ICs")
    axis.set_xlabel("time of a replica after the burn-in (ns)")
    axis.set_ylabel("W1 (TICA units)")
    axis.legend(fontsize="small", loc="upper right")


def _events(axis: Axes, numbers: dict[str, Any], by: str, names: list[str], label: str) -> None:
    place, width = np.arange(len(names)), 0.2
    for number, (kind, found) in enumerate(numbers["runs"].items()):
        for which, (event, hatch) in enumerate((("folding", ""), ("unfolding", "////"))):
            axis.bar(
                place + (2 * number + which - 1.5) * width,
                found["events_after_burn_in"][by][event],
                width,
                color=STARTS[kind][1],
                alpha=0.5 if hatch else 1.0,
                hatch=hatch,
                label=f"{event}, {STARTS[kind][0]}",
            )
    axis.set_xticks(place, names)
    axis.set_title(f"events after the burn-in, {by.replace('_', ' ')}")
    axis.set_xlabel(label)
    axis.set_ylabel("events")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    if by == "by_walker":
        axis.set_ylim(top=1.7 * axis.get_ylim()[1])  # room for the legend above the bars
        axis.legend(fontsize="small", loc="upper left")


def _exchange(axis: Axes, numbers: dict[str, Any], temperatures: list[str]) -> None:
    pairs = [f"{low}\n{high}" for low, high in pairwise(temperatures)]
    for kind, found in numbers["runs"].items():
        label, colour = STARTS[kind]
        axis.plot(pairs, found["acceptance"], "o-", color=colour, label=label)
    axis.set_ylim(0.0, 1.0)
    axis.set_title("exchange of neighbours")
    axis.set_xlabel("temperatures (K)")
    axis.set_ylabel("acceptance")
    axis.legend(fontsize="small")
