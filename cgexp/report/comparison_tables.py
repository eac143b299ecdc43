"""Tables of arms beside each other, for the screen and as CSV, Markdown, LaTeX and JSON."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cgexp.analysis.arms import Comparison, Difference, Setting, Spread
from cgexp.report.table import aligned, unit_of, with_error

BEST, SIGNIFICANT = " (best)", "*"
TEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "²": "$^2$",
    "Å": r"\AA{}",
    "±": r"$\pm$",
    "−": "$-$",
}


def screen_table(found: Comparison, units: str) -> str:
    """A row an arm: what differs, the number of runs, and mean ± standard deviation of each metric."""
    rows = [tuple(_heads(found, units))]
    rows += [tuple(_row(found, i, _cell(found, i, BEST))) for i in range(len(found.arms))]
    return "\n".join(aligned(rows, "l" * len(rows[0])))


def difference_table(found: Comparison, units: str) -> str:
    """The arms less the baseline: mean [95 % interval], * where it is significant; empty where no seeds pair."""
    if not any(found.differences):
        return ""
    rows = [tuple(_heads(found, units, "pairs"))]
    for i, differences in enumerate(found.differences):
        if differences:
            cells = [interval(differences[name]) if name in differences else "" for name in found.metrics]
            pairs = max(one.n for one in differences.values())
            rows.append((*map(text_of, _settings(found, i)), str(pairs), *cells))
    return "\n".join(aligned(rows, "l" * len(rows[0])))


def csv_table(found: Comparison) -> str:
    """A row an arm with full digits: settings, runs, and for each metric mean, deviation, difference, interval, p."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    parts = ("mean", "deviation", "n", "difference", "low", "high", "p_holm")
    writer.writerow(["arm", *found.columns, "runs", *(f"{name}.{part}" for name in found.metrics for part in parts)])
    for i, arm in enumerate(found.arms):
        row: list[Any] = [arm.label, *_settings(found, i), len(arm.metrics)]
        for name in found.metrics:
            spread, less = found.spreads[i].get(name), found.differences[i].get(name)
            row += [spread.mean, spread.deviation, spread.n] if spread else [None] * 3
            row += [less.mean, less.low, less.high, less.p_holm] if less else [None] * 4
        writer.writerow(row)
    return text.getvalue()


def markdown_table(found: Comparison, units: str) -> str:
    """A row an arm, as on the screen; the best in bold."""
    rows = [_heads(found, units)]
    rows.append(["---"] * len(rows[0]))
    for i in range(len(found.arms)):
        cells = [f"**{cell}**" if is_best else cell for cell, is_best in _marked_cells(found, i)]
        rows.append(_row(found, i, cells))
    return "".join("| " + " | ".join(_markdown(cell) for cell in row) + " |\n" for row in rows)


def tex_table(found: Comparison, units: str) -> str:
    """A row an arm as a tabular of the package booktabs; the best in bold."""
    heads = " & ".join(_tex(head) for head in _heads(found, units))
    kinds = "l" * len(found.columns) + "r" * (1 + len(found.metrics))
    lines = [
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{{kinds}}}",
        "\\toprule",
        f"{heads} \\\\",
        "\\midrule",
    ]
    for i in range(len(found.arms)):
        cells = [_tex_number(cell, is_best) for cell, is_best in _marked_cells(found, i)]
        settings = [_tex(text_of(value)) for value in _settings(found, i)]
        lines.append(" & ".join([*settings, str(len(found.arms[i].metrics)), *cells]) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def as_json(found: Comparison) -> dict[str, Any]:
    """All numbers: of each arm its settings, and of each metric spread and difference."""
    arms = [
        {
            "label": arm.label,
            "settings": dict(arm.settings),
            "n_runs": len(arm.metrics),
            "spreads": {name: vars(one) for name, one in found.spreads[i].items()},
            "differences": {name: vars(one) for name, one in found.differences[i].items()},
        }
        for i, arm in enumerate(found.arms)
    ]
    best = {name: found.arms[i].label for name, i in found.best.items()}
    baseline = found.arms[found.baseline].label
    return {"differs": found.columns, "metrics": found.metrics, "baseline": baseline, "best": best, "arms": arms}


def text_of(value: Setting) -> str:
    """A setting as it is written in a config."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def spread_text(spread: Spread) -> str:
    """``mean ± standard deviation``; the mean alone of one run."""
    return with_error(spread.mean, spread.deviation)


def interval(one: Difference) -> str:
    """``+0.12 [+0.02, +0.22]*``, with two digits of half the interval's width."""
    half, mark = 0.5 * (one.high - one.low), SIGNIFICANT if one.is_significant else ""
    if half <= 1e-12 * abs(one.mean):  # all pairs differ by the same
        return f"{one.mean:+.4g}{mark}"
    decimals = max(1 - math.floor(math.log10(half)), 0)
    kind = ".3g" if decimals > 7 or abs(one.mean) >= 1e5 else f".{decimals}f"
    return f"{one.mean:+{kind}} [{one.low:+{kind}}, {one.high:+{kind}}]{mark}"


def head_of(metric: str, units: str) -> str:
    """The name of a metric with its unit."""
    unit = unit_of(metric, units)
    return f"{metric} ({unit})" if unit else metric


def _heads(found: Comparison, units: str, number: str = "runs") -> list[str]:
    return [*found.columns, number, *(head_of(name, units) for name in found.metrics)]


def _settings(found: Comparison, i: int) -> list[Setting]:
    return [found.arms[i].settings[name] for name in found.columns]


def _row(found: Comparison, i: int, cells: Sequence[str]) -> list[str]:
    return [*map(text_of, _settings(found, i)), str(len(found.arms[i].metrics)), *cells]


def _marked_cells(found: Comparison, i: int) -> list[tuple[str, bool]]:
    """The numbers of an arm, each with whether it is the best of its metric."""
    spreads: Mapping[str, Spread] = found.spreads[i]
    return [
        (spread_text(spreads[name]) if name in spreads else "", found.best.get(name) == i) for name in found.metrics
    ]


def _cell(found: Comparison, i: int, mark: str) -> list[str]:
    return [cell + mark * is_best for cell, is_best in _marked_cells(found, i)]


def _markdown(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _tex(text: str) -> str:
    return "".join(TEX.get(sign, sign) for sign in text)


def _tex_number(text: str, is_best: bool) -> str:
    """``(1.20 ± 0.10)e+05`` as mathematics."""
    if not text:
        return ""
    inside = re.sub(r"e([+-]\d+)$", lambda power: rf" \times 10^{{{int(power.group(1))}}}", text).replace("±", r"\pm")
    return rf"$\mathbf{{{inside}}}$" if is_best else f"${inside}$"
