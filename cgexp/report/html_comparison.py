"""comparison.html: arms of runs beside each other on one page, interactive where plotly is installed.

The page holds plotly.js, as its package has it (extra ``compare``), and asks for nothing from the network; without it,
the page shows the figures instead.
"""

from __future__ import annotations

import base64
import gzip
import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from cgexp.analysis.arms import MORE, Comparison, direction_of
from cgexp.report.comparison_figures import Histories, numeric_columns, plane_columns, scale_of, short_labels
from cgexp.report.comparison_tables import head_of, interval, spread_text, text_of
from cgexp.report.html import HERE, Cell, Table, pictures, render

EXTRA = 'pip install "cgexp[compare]"'
MOST_EPOCHS = 200  # points of a learning curve in the page


@dataclass(frozen=True)
class RunOfArm:
    """One run: number of its arm, seed, id, metrics, where its own page lies from here if it has one."""

    arm: int
    seed: int
    run_id: str
    metrics: Mapping[str, float]
    link: str | None = None


@dataclass(frozen=True)
class ComparisonContent:
    """What the page is made from. histories: of each arm, in their order. figures: name -> PNG; captions: of them."""

    comparison: Comparison
    units: str
    notes: Sequence[str]
    runs: Sequence[RunOfArm]
    histories: Histories
    code: Mapping[str, Any]
    figures: Mapping[str, Path] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)


def comparison_page(content: ComparisonContent) -> bytes:
    """The page, whole; the same bytes for the same content."""
    found, library = content.comparison, plotly_library()
    n_arms, n_runs = len(found.arms), len(content.runs)
    return render(
        "comparison.html",
        title=f"{n_arms} arm{'' if n_arms == 1 else 's'}, {n_runs} run{'' if n_runs == 1 else 's'}",
        notes=content.notes,
        code=content.code,
        arms=_arms(content),
        differences=_differences(content),
        runs=_runs(content),
        pictures=[] if library else pictures(content.figures, content.captions),
        has_parameters=bool(found.columns),
        library=library,
        extra=EXTRA,
        draw=script_of("comparison") if library else "",
        data=_data(content) if library else None,
    )


def script_of(page: str) -> str:
    """The JavaScript that draws a page's plots: what such pages share, and its own."""
    return "".join((HERE / "templates" / f"{name}.js").read_text(encoding="utf-8") for name in ("plotly", page))


@lru_cache(maxsize=1)
def plotly_library() -> str:
    """plotly.js of the installed package as gzip in base64; empty if there is none."""
    spec = importlib.util.find_spec("plotly")
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    files = [path for place in places if (path := Path(place) / "package_data" / "plotly.min.js").is_file()]
    return base64.b64encode(gzip.compress(files[0].read_bytes(), 6, mtime=0)).decode() if files else ""


def _arms(content: ComparisonContent) -> Table:
    found, rows = content.comparison, []
    for i, arm in enumerate(found.arms):
        settings = [_setting(arm.settings[name]) for name in found.columns] or [Cell(arm.label)]
        cells = []
        for name in found.metrics:
            spread, is_best = found.spreads[i].get(name), found.best.get(name) == i
            text = "" if spread is None else spread_text(spread) + " ★" * is_best
            cells.append(
                Cell(text, None if spread is None else spread.mean, kind="number good" if is_best else "number")
            )
        rows.append([*settings, Cell(str(len(arm.metrics)), len(arm.metrics)), *cells])
    heads = [*(found.columns or ["arm"]), "runs", *(head_of(name, content.units) for name in found.metrics)]
    return Table("arms", "Mean ± standard deviation over the runs of an arm; ★ the best", heads, rows, len(rows) > 8)


def _differences(content: ComparisonContent) -> Table | None:
    found, rows = content.comparison, []
    for i, differences in enumerate(found.differences):
        if differences:
            settings = [_setting(found.arms[i].settings[name]) for name in found.columns]
            cells = []
            for name in found.metrics:
                one, sign = differences.get(name), direction_of(name)
                kind = "number"
                if one is not None and one.is_significant and sign is not None:
                    kind += " good" if sign * one.mean > 0.0 else " bad"
                cells.append(Cell("") if one is None else Cell(interval(one), one.mean, kind=kind))
            rows.append([*settings, *cells])
    if not rows:
        return None
    heads = [*found.columns, *(head_of(name, content.units) for name in found.metrics)]
    baseline = found.arms[found.baseline].label
    caption = f"Less {baseline}, paired by seed: mean [95 % interval]; * significant"
    return Table("differences", caption, heads, rows, len(rows) > 8)


def _runs(content: ComparisonContent) -> Table:
    found, rows = content.comparison, []
    for run in content.runs:
        settings = [_setting(found.arms[run.arm].settings[name]) for name in found.columns]
        numbers = [run.metrics.get(name) for name in found.metrics]
        cells = [Cell("") if value is None else Cell(f"{value:.4g}", value, kind="number") for value in numbers]
        rows.append([Cell(run.run_id, link=run.link, kind="code"), Cell(str(run.seed), run.seed), *settings, *cells])
    heads = ["run", "seed", *found.columns, *(head_of(name, content.units) for name in found.metrics)]
    return Table("runs", "Every run; a link leads to its own page", heads, rows, has_filter=True)


def _setting(value: Any) -> Cell:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(text_of(value), float(value) if is_number else None)


def _data(content: ComparisonContent) -> dict[str, Any]:
    """What the script draws, as plain lists; null for what is not finite."""
    found = content.comparison
    numeric = numeric_columns(found)
    settings = {name: [arm.settings[name] for arm in found.arms] for name in found.columns}
    return {
        "labels": [arm.label for arm in found.arms],
        "short": short_labels(found)[0],
        "note": short_labels(found)[1],
        "columns": [
            {
                "name": name,
                "values": values if name in numeric else [text_of(value) for value in values],
                "numeric": name in numeric,
                "log": name in numeric and scale_of([float(v) for v in values if v is not None]) == "log",
            }
            for name, values in settings.items()
        ],
        "numeric": numeric,
        "plane": plane_columns(found),
        "metrics": [
            {
                "name": head_of(name, content.units),
                "more": direction_of(name) == MORE,
                "log": scale_of([run.metrics.get(name, math.nan) for run in content.runs]) == "log",
                "runs": [_finite(run.metrics.get(name)) for run in content.runs],
                "means": [_finite(spreads[name].mean) if name in spreads else None for spreads in found.spreads],
            }
            for name in found.metrics
        ],
        "runs": [{"arm": run.arm, "seed": run.seed, "id": run.run_id} for run in content.runs],
        "baseline": found.baseline,
        "histories": [[_curve(*run) for run in runs] for runs in content.histories.values()],
    }


def _curve(epochs: Any, losses: Any) -> list[list[float | None]]:
    """A learning curve with at most MOST_EPOCHS points and five digits."""
    step = -(-len(epochs) // MOST_EPOCHS)
    return [[float(x) for x in epochs[::step]], [_finite(float(f"{y:.5g}")) for y in losses[::step]]]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
