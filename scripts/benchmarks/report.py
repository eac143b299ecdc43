"""A benchmark's JSON as the table of docs/speed.md, as a figure and as lines on the screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.result import growth
from cgexp.errors import InputError
from cgexp.report.style import panels, styled

BEGIN, END = "<!-- benchmark: written by scripts/benchmark.py --docs -->", "<!-- end of benchmark -->"
TITLES = {
    "train_cgschnet": "Training CGSchNet",
    "train_cgnet": "Training CGnet (5 x 250, no Lipschitz bound)",
    "train_cgnet_default": "Training CGnet (the package's default)",
    "simulate_cgschnet": "Simulation, CGSchNet and the peptide prior",
}
SIMULATION = "simulate_cgschnet"
PALETTE = ("0.5", "black", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito
MARKERS = "osD^vP*X"
Json = Mapping[str, Any]


def write_docs(page: Path, found: Json) -> None:
    """Replace what stands between the page's two markers; raises InputError if it has none."""
    text = page.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{page} has no place for the table: expected the lines '{BEGIN}' and '{END}'")
    page.write_text(f"{head}{BEGIN}\n\n{tables(found)}\n\n{END}{tail}", encoding="utf-8")


def tables(found: Json) -> str:
    """Everything found, in Markdown."""
    parts = [_machine(found)]
    for task, title in TITLES.items():
        rows = [row for row in found["rows"] if row["task"] == task]
        if rows:
            parts += [f"### {title}", _table(rows, task == SIMULATION)]
    parts += [text for text in (_growth(found), _lightning(found), _first_calls(found)) if text]
    parts += ["### Notes", "\n".join(f"- {line}" for line in _notes(found))]
    return "\n\n".join(parts)


def _machine(found: Json) -> str:
    machine, limits = found["machine"], found["limits"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    load = "" if machine["load_5min"] is None else f" Load over 5 minutes: {machine['load_5min']:.1f}."
    peaks = sorted(case["peak_gflop_per_s"] for case in limits if case.get("peak_gflop_per_s"))
    peak = f"multiply-adds in registers {_middle(peaks):.0f} GFLOP/s, " if peaks else ""
    rate, copy = (sorted(case[name] for case in limits) for name in ("gflop_per_s", "gb_per_s"))
    return (
        f"{machine['date'][:10]}, commit {(machine['code']['commit'] or 'unknown')[:10]}. {machine['cpu']} "
        f"({machine['vector_instructions']}), {machine['cores']} cores, {machine['threads']} threads, device "
        f"{machine['device']}; {versions}.{load} Matrix products {_middle(rate):.0f} GFLOP/s ({rate[0]:.0f} to "
        f"{rate[-1]:.0f} over the cases), {peak}copying {_middle(copy):.1f} GB/s."
    )


def _middle(values: Sequence[float]) -> float:
    return values[len(values) // 2]


def _table(rows: Sequence[Json], simulation: bool) -> str:
    """One line a row; the ratio to the reference is that of the medians."""
    size = "replicas" if simulation else "batch"
    head = ["beads", size, "kernel", "ms", "spread", "x dense", "x reference", "MB", "of sgemm", "of the peak"]
    if simulation:
        head.append("replica-steps/s")
    lines = [head, ["---" if name == "kernel" else "---:" for name in head]]
    for row in rows:
        same = [other for other in rows if (other["n_beads"], other["batch"]) == (row["n_beads"], row["batch"])]
        reference = next((other["ms"] for other in same if other["kernel"] == "reference"), None)
        line = [
            str(row["n_beads"]),
            str(row["batch"]),
            row["kernel"],
            _digits(row["ms"]),
            f"{_digits(row['ms_low'])} to {_digits(row['ms_high'])}",
            _number(row["ratio_to_dense"], "{:.2f}"),
            _number(None if reference is None else reference / row["ms"], "{:.2f}"),
            _number(row["memory_mb"], "{:.0f}"),
            _number(row["limit_fraction"], "{:.0%}", scale=1.0),
            _number(row.get("peak_fraction"), "{:.0%}"),
        ]
        lines.append([*line, f"{1e3 * row['batch'] / row['ms']:,.0f}"] if simulation else line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _digits(value: float) -> str:
    """Three digits of a number that matter."""
    return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f}" if value < 100 else f"{value:,.0f}"


def _number(value: float | None, form: str, scale: float = 1.0) -> str:
    return "nan" if value is None else form.format(value * scale)


def _growth(found: Json) -> str:
    rows = [row for row in found["rows"] if row["task"] == "train_cgschnet"]
    kernels = list(dict.fromkeys(row["kernel"] for row in rows))
    if not rows:
        return ""
    fewest, batch = min(row["n_beads"] for row in rows), _usual_batch(rows)
    lines = []
    for kernel in kernels:
        mine = [row for row in rows if row["kernel"] == kernel]
        beads = growth([row for row in mine if row["batch"] == batch], "n_beads")
        frames = growth([row for row in mine if row["n_beads"] == fewest], "batch")
        lines.append(f"| {kernel} | {_number(beads, '{:.2f}')} | {_number(frames, '{:.2f}')} |")
    head = f"| kernel | p in ms ~ beads^p at batch {batch} | p in ms ~ batch^p at {fewest} beads |"
    return "\n".join(["### Growth of a training step", "", head, "|---|---:|---:|", *lines])


def _usual_batch(rows: Sequence[Json]) -> int:
    """512, or else the largest below, or the smallest there is."""
    sizes = {int(row["batch"]) for row in rows}
    return max(size for size in sizes if size <= 512 or size == min(sizes))


def _lightning(found: Json) -> str:
    numbers = found["lightning"]
    if not numbers:
        return ""
    return (
        f"### Lightning\n\n`fit` with kernel={numbers['kernel']}, {numbers['n_beads']} beads, batch "
        f"{numbers['batch']}, {numbers['n_steps']} steps: {_digits(numbers['fit_ms'])} ms a step; the bare loop over "
        f"the same steps {_digits(numbers['bare_ms'])} ms; overhead {numbers['overhead_ms']:.2f} ms or "
        f"{numbers['overhead_percent']:.1f} % (median of interleaved stretches). The end of an epoch, checkpoints and "
        f"history, takes {numbers['epoch_end_ms']:.0f} ms more."
    )


def _first_calls(found: Json) -> str:
    """Compile cost: what the first call takes beyond another; the smallest and largest over the cases of a task."""
    costs: dict[tuple[str, str], list[float]] = {}
    for call in found["first_calls"]:
        costs.setdefault((call["task"], call["kernel"]), []).append(call["seconds"])
    if not costs:
        return ""
    lines = [f"| {TITLES[t]} | {k} | {min(s):.2f} to {max(s):.2f} |" for (t, k), s in costs.items()]
    return "\n".join(
        ["### First call", "", "| task | kernel | seconds beyond another step |", "|---|---|---:|", *lines]
    )


def _notes(found: Json) -> list[str]:
    peers = ", ".join(f"{package} {state}" for package, state in found["peers"].items())
    lines = [f"Peers: {peers}."] if peers else []
    for lead in found.get("leads", ()):
        lines.append(
            f"{lead['task']}, {lead['n_beads']} beads, {lead['batch']}: {lead['kernel']} is {lead['times']:.1f} times "
            f"({lead['times_low']:.1f} to {lead['times_high']:.1f}) faster than {lead['peer']}."
        )
    wrong = [check for check in found["checks"] if not check["right"]]
    errors = [check.get("loss_error", 0.0) for check in found["checks"]]
    lines.append(
        f"{len(found['checks'])} checks against the reference before timing, {len(wrong)} failed; largest relative "
        f"error of a loss {max(errors, default=0.0):.0e}."
    )
    for note in found["notes"]:
        lines.append(f"{note['task']}, {note['n_beads']} beads, {note['batch']}, {note['kernel']}: {note['note']}")
    return lines


@styled
def figure(found: Json) -> Figure:
    """Time of a step against the number of beads, the batch and the number of replicas; a line a kernel."""
    rows, simulated = ([row for row in found["rows"] if row["task"] == task] for task in ("train_cgschnet", SIMULATION))
    chart, axes = panels(1, 3)
    kernels = list(dict.fromkeys(row["kernel"] for row in found["rows"]))
    if rows:
        batch, fewest = _usual_batch(rows), min(row["n_beads"] for row in rows)
        axes[0].set_title(f"training, batch {batch}")
        _draw(axes[0], kernels, rows, "n_beads", lambda row: bool(row["batch"] == batch))
        axes[1].set_title(f"training, {fewest} beads")
        _draw(axes[1], kernels, rows, "batch", lambda row: bool(row["n_beads"] == fewest))
    axes[2].set_title("simulation")
    _draw(axes[2], kernels, simulated, "batch", lambda row: True)
    for axis, label in zip(axes, ("beads", "batch (frames)", "replicas"), strict=True):
        axis.set(xlabel=label, ylabel="ms a step")
    handles, labels = max((axis.get_legend_handles_labels() for axis in axes), key=lambda pair: len(pair[1]))
    chart.legend(handles, labels, loc="outside right center")
    return chart


def _draw(axis: Axes, kernels: list[str], rows: Sequence[Json], along: str, chosen: Callable[[Json], bool]) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.grid(alpha=0.25)
    sizes = sorted({row[along] for row in rows if chosen(row)})
    for number, kernel in enumerate(kernels):
        points = sorted((row[along], row["ms"]) for row in rows if row["kernel"] == kernel and chosen(row))
        if points:
            colour, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
            axis.plot(*zip(*points, strict=True), color=colour, marker=marker, markersize=4, label=kernel)
    if sizes:
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.minorticks_off()


def summary(found: Json) -> str:
    """The rows as lines on the screen."""
    lines = [f"{'task':<20}{'beads':>6}{'batch':>7}  {'kernel':<16}{'ms':>10}{'x dense':>9}{'MB':>8}{'limit':>7}"]
    for row in found["rows"]:
        lines.append(
            f"{row['task']:<20}{row['n_beads']:>6}{row['batch']:>7}  {row['kernel']:<16}{row['ms']:>10.2f}"
            f"{_number(row['ratio_to_dense'], '{:.2f}'):>9}{_number(row['memory_mb'], '{:.0f}'):>8}"
            f"{_number(row['limit_fraction'], '{:.0%}'):>7}"
        )
    return "\n".join([*lines, *_notes(found)])
