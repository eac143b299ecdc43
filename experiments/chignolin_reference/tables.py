"""Write the tables of README.md from the numbers beside it and from the data cards; a second.

Run from the root of a checkout: ``python experiments/chignolin_reference/tables.py``, after pilot.py, convergence.py
and packing.py. A table stands between the lines ``<!-- name -->`` and ``<!-- end -->``; the text around it is by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cgexp.all_atom.packing import CHI1, ROTAMERS
from cgexp.cards import load_card
from cgexp.store import read_json, write_bytes
from cgexp.systems.peptide import BASINS

HERE = Path(__file__).parent
KINDS = {"native": "from native", "unfolded": "from unfolded"}
FORCE_MAPS = ("slice", "constraint_group", "residue", "optimal")
Rows = list[tuple[str, ...]]
OF_CHOICES = {
    "the same after another burn-in": "folded_fraction_by_burn_in",
    "its error, of stretches of": "folded_fraction_sem_by_stretch",
}


def table(head: tuple[str, ...], rows: Rows) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def with_error(value: float, error: float | None, digits: int = 3) -> str:
    """``value ± error``."""
    return f"{value:.{digits}f}" + (f" ± {error:.{digits}f}" if error else "")


def pilot() -> str:
    """Populations and events of the pilots."""
    rows: Rows = []
    for found in read_json(HERE / "pilot.json").values():
        events = found["events"]
        temperatures = [f"{each:g}" for each in found["temperatures"]]
        fractions = [f"{each:.2f}" for each in found["folded_fraction_second_half"]]
        by_temperature = events["by_temperature"]
        where = [
            f"{temperature} K: {folding}, {unfolding}"
            for temperature, folding, unfolding in zip(
                temperatures, by_temperature["folding"], by_temperature["unfolding"], strict=True
            )
            if folding or unfolding
        ]
        rows.append(
            (
                f"{found['start']}, {'ACE' if found['surface_term'] == 'ACE' else 'no surface term'}",
                f"{found['aggregate_ns']:.1f}",
                ", ".join(temperatures),
                ", ".join(fractions),
                f"{events['folding']}, {events['unfolding']}" + (f" ({'; '.join(where)})" if where else ""),
                f"{events['shorter']}, {events['misfolded']}",
            )
        )
    head = ("start", "ns", "ladder, K", "folded, second half", "foldings, unfoldings", "shorter, misfolded visits")
    return table(head, rows)


def convergence() -> str:
    """Both runs side by side, and what is between them."""
    numbers = read_json(HERE / "convergence.json")
    return (
        table(("", *KINDS.values()), rows_of_runs(numbers)) + "\n\n" + table(("both runs", ""), rows_of_both(numbers))
    )


def rows_of_runs(numbers: dict[str, Any]) -> Rows:
    """What each run is and found, a column a run."""
    runs = [numbers["runs"][kind] for kind in KINDS]

    def row(name: str, cell: Callable[[dict[str, Any]], str]) -> tuple[str, ...]:
        return (name, *(cell(run) for run in runs))

    def fractions(run: dict[str, Any]) -> str:
        return ", ".join(f"{each['mean']:.2f}" for each in run["folded_fraction_by_temperature"].values())

    def blocks(run: dict[str, Any]) -> str:
        reweighted = run["folded_fraction_by_block"]["reweighted"]
        return ", ".join(f"{each:.2f}" for each in reweighted["mean"])

    def each(name: str) -> Callable[[dict[str, Any]], str]:
        return lambda run: ", ".join(
            "none" if x is None else f"{x:.3f} ({ns})"
            for ns, x in sorted(run[name].items(), key=lambda item: float(item[0].split()[0]))
        )

    return [
        row("all walkers, ns", lambda run: f"{run['aggregate_ns']:.1f}"),
        row("acceptance, cold to hot", lambda run: ", ".join(f"{each:.2f}" for each in run["acceptance"])),
        row("round trips of the walkers", lambda run: ", ".join(map(str, run["round_trips"]))),
        row(
            f"folded fraction at {numbers['temperature']:g} K",
            lambda run: with_error(*run["folded_fraction"].values()),
        ),
        row("the same by blocks of 2 ns", blocks),
        *(row(title, each(name)) for title, name in OF_CHOICES.items()),
        row("folded fraction by temperature", fractions),
        row(
            "share of folded frames by walker", lambda run: ", ".join(f"{x:.2f}" for x in run["folded_share_by_walker"])
        ),
        row(
            "foldings, unfoldings (0.1 ns or more)",
            lambda run: f"{run['events']['folding']}, {run['events']['unfolding']}",
        ),
        row(
            "the same after the burn-in",
            lambda run: f"{run['events_after_burn_in']['folding']}, {run['events_after_burn_in']['unfolding']}",
        ),
        row("shorter, misfolded visits", lambda run: f"{run['events']['shorter']}, {run['events']['misfolded']}"),
    ]


def rows_of_both(numbers: dict[str, Any]) -> Rows:
    """What both runs give together, and how far they are apart."""
    card = load_card("chignolin_reference")
    found, values = card["w1_tica_resolution"], card["values"]
    lines: Rows = [
        ("all, ns", f"{numbers['total_ns']:.1f}"),
        ("CPU hours", cpu_hours(numbers)),
        ("burn-in of each walker, ns", f"{numbers['burn_in_ns']:g}"),
        ("folded fraction", with_error(values["folded_fraction"], values["folded_fraction_sem"])),
        ("difference of the runs", f"{values['folded_fraction_resolution']:.3f}"),
    ]
    for name in ("w1_tica_resolution", "resolution_relative"):
        if name in found:
            lines.append((f"`{name}`", with_error(found[name], found.get(f"{name}_sem"), 2)))
    by_length = ", ".join(f"{each['relative']:.2f}" for each in numbers["w1_by_length"] if "relative" in each)
    lines += [
        ("the latter by length", by_length),
        ("W1 of independent frames", f"{numbers['w1_floor']:.2f}"),
        ("correlation of the ICs with RMSD", ", ".join(f"{c:.2f}" for c in card["tica"]["correlation_with_rmsd"])),
        ("frames, effective size", f"{card['n_frames']:,}, {card['effective_size']:,}"),
    ]
    return lines


def cpu_hours(numbers: dict[str, Any]) -> str:
    """CPU time of both runs, and how much of them it was counted in."""
    if numbers["cpu_hours"] is None:
        return "not counted"
    return f"{numbers['cpu_hours']:.1f} (counted over the last {numbers['ns_that_counted_cpu_time']:.0f} ns)"


def needed() -> str:
    """What the targets would take."""
    found = read_json(HERE / "convergence.json").get("needed")
    if not found:
        return "Nothing folds, so that nothing can be said."

    def span(values: list[float | None]) -> str:
        best, *ends = ("no length" if value is None else f"{value:,.0f}" for value in values)
        return f"{best} ns ({' to '.join(ends)})"

    targets = found["targets"]
    fraction, relative = "relative error of the folded fraction", "resolution_relative"
    rows = [
        (f"{fraction} of {targets[fraction]:g}", span(found["aggregate_ns_by_events"])),
        (f"`{relative}` of {targets[relative]:g}", span(found["aggregate_ns_by_w1"])),
    ]
    return table(("target", "both runs together after the burn-in, from and to one standard error"), rows)


def packing() -> str:
    """Turn cap and rotamers by range of RMSD."""
    rows: Rows = []
    both = read_json(HERE / "packing.json")["both"]
    for name in ("folded", "below 1 Å", "1 to 2 Å", "others"):
        found = both[name]
        if "turn_cap_quartiles" not in found:
            continue
        shares = [found["chi1_rotamers"][residue] for residue in CHI1]
        rotamers = [", ".join(f"{each[rotamer]:.2f}" for rotamer in ROTAMERS) for each in shares]
        crystal = [f"{found[f'chi1_{residue}_as_crystal']:.2f}" for residue in CHI1]
        quartiles = ", ".join(f"{each:.1f}" for each in found["turn_cap_quartiles"])
        cells = [f"**{share}** ({each})" for share, each in zip(crystal, rotamers, strict=True)]
        rows.append((name, f"{found['n_frames']:,}", quartiles, *cells))
    return table(("C-alpha RMSD", "frames", "turn cap, quartiles, Å", *CHI1), rows)


def sample() -> str:
    """What chignolin_sample covers."""
    card = load_card("chignolin_sample")
    rows = [
        (
            kind,
            *(f"{card['coverage'][kind][name]:.3f}" for name in BASINS),
            f"{card['share_by_run'].get(kind, 1.0):.2f}",
        )
        for kind in ("all", *KINDS)
    ]
    return table(("run", *BASINS, "share of the frames"), rows)


def maps() -> str:
    """Noise of the force maps, and whether they are unbiased."""
    card = load_card("chignolin_maps")
    facts = {card["force_map"]: card} | card["other_force_maps"]
    square = {name: facts[name]["force_rms"] ** 2 for name in FORCE_MAPS}
    rows = []
    for name in FORCE_MAPS:
        check = card["verification_on_all_frames"][name]
        virial = with_error(check["virial_kT"], check["virial_kT_sem"], 2)
        ratio = f"{square[name] / square['slice']:.3f}"
        rows.append((f"`{name}`", f"{facts[name]['force_rms']:.2f}", ratio, virial, check["unbiasedness"]))
    return table(("map", "RMS", "mean square / slice's", "⟨(x_I − x_J)·F_I⟩, kT", ""), rows)


TABLES: dict[str, Callable[[], str]] = {
    "pilot": pilot,
    "convergence": convergence,
    "needed": needed,
    "packing": packing,
    "sample": sample,
    "maps": maps,
}


def filled(text: str) -> str:
    """The text with every table written anew."""
    for name, make in TABLES.items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        text = f"{before}{mark}\n{make()}\n\n{end}{after}"
    return text


def main() -> int:
    """Write the tables into README.md; return the exit code."""
    path = HERE / "README.md"
    write_bytes(path, filled(path.read_text(encoding="utf-8")).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
