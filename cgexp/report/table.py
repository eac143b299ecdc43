"""Tables of metrics as plain text: one run on one screen, and many runs with their spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cgexp.units import unit_system

SEM, RESOLUTION = "_sem", "_resolution"
BOUNDS = {"_above": ">", "_below": "<"}  # endings of metrics of which one side alone is known
DISTANCES = ("w1_", "js_", "kl_")
TICA_UNIT = "TICA units"
# what a table of many runs shows unless it is told otherwise
HEADLINES = (
    "loss_validation",
    "loss_excess_relative",
    "force_rmse_relative",
    "pmf_rmse_integration",
    "pmf_rmse_simulation",
    "w1_tica",
    "w1_tica_resolution",
    "folded_fraction",
    "replicas_failed",
    "train_seconds",
)
# The longest prefix of a metric's name decides; {force} and {length} are those of the unit system.
UNITS = {
    "loss_": "({force})²",
    "loss_excess_relative": "",
    "force_rmse_relative": "",
    "pmf_rmse_": "kT",
    "leak_rate": "1/{time}",
    "leak_bound": "1/{time}",
    "curl_rms": "kT/{length}²",
    "curl_rms_relative": "",
    "loop_work_rms": "kT",
    "w1_": "{length}",
    "w1_tica": TICA_UNIT,
    "w1_angle": "rad",
    "w1_dihedral": "rad",
    "folded_free_energy": "kT",
    "msm_timescale": "{time}",
    "js_": "nats",
    "kl_": "nats",
    "mean_force_rmse": "{force}",
    "train_frames_per_second": "1/s",
    "simulation_replica_steps_per_second": "1/s",
    "train_seconds": "s",
    "coverage_max": "{length}",
    "oracle_s": "s",
    "memory_peak_mb": "MB",
}


def unit_of(metric: str, units: str) -> str:
    """Unit of a metric in the unit system ``units`` ('molecular' or 'reduced'); empty for a pure number."""
    prefixes = [prefix for prefix in UNITS if metric.startswith(prefix)]
    system = unit_system(units)
    return (
        UNITS[max(prefixes, key=len)].format(force=system.force, length=system.length, time=system.time)
        if prefixes
        else ""
    )


def metrics_table(metrics: Mapping[str, float], units: str, title: str = "") -> str:
    """All metrics of one run on one screen: name, value ± standard error (``<name>_sem``), unit.

    Distances between distributions (w1_x, w1_x_resolution, js_x, kl_x of one x) share a line. What is known to one side
    (x_above) stands as ``x  > value``. Lines are at most 100 characters long.
    """
    names = [name for name in metrics if not (name.endswith(SEM) and name.removesuffix(SEM) in metrics)]
    compared = [name.removeprefix("js_") for name in names if name.startswith("js_")]
    distances = [name for name in names if compared and name.startswith(DISTANCES)]
    rows = [
        (without_bound(name), shown(metrics, name), unit_of(name, units)) for name in names if name not in distances
    ]
    lines = [title] if title else []
    lines += aligned(rows, "lll")
    if distances:
        table = _distance_rows(metrics, distances, units)
        lines += ["", *aligned(table, "l" * len(table[0]))]
    return "\n".join(lines)


def arms_table(rows: Sequence[tuple[str, Mapping[str, Sequence[float]]]], metrics: Sequence[str], units: str) -> str:
    """A Markdown table, a row for each label and a column for each metric: mean ± standard deviation over its values.

    rows: (label, metric -> values of the runs). Rows without any of the metrics are left out, and so are columns.
    """
    rows = [(label, found) for label, found in rows if any(name in found for name in metrics)]
    columns = [name for name in metrics if any(name in found for _, found in rows)]
    heads = [f"`{name}`" + (f" ({unit_of(name, units)})" if unit_of(name, units) else "") for name in columns]
    table: list[Sequence[str]] = [["", *heads, "runs"]]
    for label, found in rows:
        n_runs = max(len(values) for values in found.values())
        cells = [mean_and_spread(found[name]) if name in found else "" for name in columns]
        table.append([label, *cells, str(n_runs)])
    widths = [max(len(row[i]) for row in table) for i in range(len(columns) + 2)]
    table.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in table)


def mean_and_spread(values: Sequence[float]) -> str:
    """``mean ± standard deviation`` of the values; one value stands alone."""
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / max(len(values) - 1, 1))
    return with_error(mean, spread if len(values) > 1 else None)


def _distance_rows(metrics: Mapping[str, float], distances: Sequence[str], units: str) -> list[Sequence[str]]:
    """A row a distribution; columns in which no row has anything are left out."""
    rows: list[Sequence[str]] = [("distribution", "w1_*", "w1_*_resolution", "js_* (nats)", "kl_* (nats)")]
    for name in dict.fromkeys(name.split("_", 1)[1].removesuffix(RESOLUTION) for name in distances):
        w1, js, kl = (shown(metrics, prefix + name) for prefix in DISTANCES)
        resolution = shown(metrics, f"w1_{name}{RESOLUTION}")
        rows.append((f"{name} ({unit_of('w1_' + name, units)})", w1, resolution, js, kl))
    kept = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return list(zip(*kept, strict=True))


def without_bound(name: str) -> str:
    """The name of a metric without the ending of one of which one side alone is known."""
    return next((name.removesuffix(ending) for ending in BOUNDS if name.endswith(ending)), name)


def shown(metrics: Mapping[str, float], name: str) -> str:
    """``value ± error``; ``> value`` of a bound; empty where the run has no such metric."""
    if name not in metrics:
        return ""
    sign = next((f"{sign} " for ending, sign in BOUNDS.items() if name.endswith(ending)), "")
    return sign + with_error(metrics[name], metrics.get(name + SEM))


def with_error(value: float, error: float | None = None) -> str:
    """``value ± error`` with two digits of the error, or four significant digits where there is none."""
    if not error or not (math.isfinite(value) and math.isfinite(error)):
        return f"{value:.4g}"
    if error < 1e-12 * abs(value):  # rounding
        return f"{value:.4g}"
    decimals = 1 - math.floor(math.log10(error))
    power = math.floor(math.log10(max(abs(value), error)))
    if power and (abs(value) >= 1e5 or decimals > 6):
        shown, spread = value / 10.0**power, error / 10.0**power
        decimals = max(1 - math.floor(math.log10(spread)), 0)
        return f"({shown:.{decimals}f} ± {spread:.{decimals}f})e{power:+03d}"
    return f"{value:.{max(decimals, 0)}f} ± {error:.{max(decimals, 0)}f}"


def aligned(rows: Sequence[Sequence[str]], alignment: str) -> list[str]:
    """Rows of cells as lines of columns; alignment: ``l`` or ``r`` for each."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(alignment))] if rows else []
    lines = []
    for row in rows:
        cells = [
            cell.rjust(w) if a == "r" else cell.ljust(w) for cell, w, a in zip(row, widths, alignment, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
