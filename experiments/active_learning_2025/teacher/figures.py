"""Active learning of a teacher: W1 round by round, and what each rule gains over the controls, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import t as student

from cgexp.active.rounds import records_of
from cgexp.analysis.tica import Tica
from cgexp.build import build
from cgexp.report.active_figures import rounds_figure
from cgexp.report.side_by_side_figures import points_figure
from cgexp.report.style import COLOURS, panels, styled
from cgexp.runs.active import frames_of
from cgexp.runs.active_figures import round_curves
from cgexp.runs.load import load
from cgexp.runs.reference import teacher_equilibrium
from cgexp.runs.results import Results

RULES = ("farthest_point", "nearest_rmsd", "force_disagreement", "tica_density")
CONTROLS = ("random", "plain", "none")
METRIC = "w1_tica"
LEVEL = 0.95
Values = NDArray[np.float64]


def numbers(results: Results) -> dict[str, Sequence[float]]:
    """W1 before and after, its relative reduction, and the paired gain over random and plain with its interval."""
    w1 = {arm: _by_round(results, arm) for arm in (*RULES, *CONTROLS)}
    found: dict[str, Sequence[float]] = {}
    for arm, values in w1.items():
        found[f"{arm}.{METRIC}_before"] = values[:, 0].tolist()
        found[f"{arm}.w1_reduction"] = (1.0 - values[:, -1] / values[:, 0]).tolist()
        for control in ("random", "plain"):
            if arm != control:
                gain = w1[control][:, -1] - values[:, -1]
                low, high = paired_interval(gain)
                found[f"{arm}.gain_over_{control}"] = gain.tolist()
                found[f"{arm}.gain_over_{control}_low"] = [low]
                found[f"{arm}.gain_over_{control}_high"] = [high]
    return found


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure."""
    arms = (*RULES, *CONTROLS)
    records = {results.arm(arm).label: [records_of(run.folder.path) for run in results.runs(arm)] for arm in arms}
    gains: dict[str, dict[str, Sequence[float]]] = {
        f"over {control}": {
            results.arm(arm).label: (_by_round(results, control)[:, -1] - _by_round(results, arm)[:, -1]).tolist()
            for arm in RULES
        }
        for control in CONTROLS
    }
    return {
        "rounds": rounds_figure(round_curves(records, "molecular")),
        "gains": points_figure(gains, "W1 of the control less the rule's", "TICA units"),
        "tica": tica_maps(_maps(results)),
    }


def paired_interval(difference: Values) -> tuple[float, float]:
    """95 % interval of the mean of paired differences [n_seeds], by Student's t."""
    n = len(difference)
    half = student.ppf(0.5 + LEVEL / 2.0, n - 1) * difference.std(ddof=1) / np.sqrt(n) if n > 1 else np.inf
    return float(difference.mean() - half), float(difference.mean() + half)


@styled
def tica_maps(curve: dict[str, Any]) -> Figure:
    """Simulations of the first and of the last model, and the frames that were added, over the teacher's ensemble.

    curve: reference [n, 2], arms: label -> (before [n, 2], after [n, 2], added [n, 2]), in TICA units.
    """
    figure, axes = panels(len(curve["arms"]), 2, sharex=True, sharey=True)
    for row, (label, (before, after, added)) in enumerate(curve["arms"].items()):
        for column, (title, points) in enumerate((("before", before), ("after", after))):
            panel = axes[2 * row + column]
            panel.plot(*curve["reference"].T, ".", ms=1.0, color=COLOURS["data"], rasterized=True, label="teacher")
            panel.plot(*points.T, ".", ms=1.0, color=COLOURS["simulation"], rasterized=True, label="simulation")
            if column:
                panel.plot(*added.T, "x", ms=4.0, color=COLOURS["model"], label="frames added")
            panel.set_title(f"{label}: {title}")
            panel.set_xlabel("IC 1 (TICA units)")
        axes[2 * row].set_ylabel("IC 2 (TICA units)")
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, markerscale=3)
    return figure


def _by_round(results: Results, arm: str) -> Values:
    """W1 of every seed and round, [n_seeds, n_rounds + 1]."""
    records = [records_of(run.folder.path) for run in results.runs(arm)]
    return np.array([[record["metrics"][METRIC] for record in one] for one in records])


def _maps(results: Results) -> dict[str, Any]:
    """Of the first seed: the teacher's ensemble, and the first and last simulation of three arms, in its ICs."""
    some = results.runs(RULES[0])[0]
    teacher = teacher_equilibrium(build(some.config["dataset"]), some.config)
    arms = {}
    for arm in ("farthest_point", "random", "plain"):
        folder = results.runs(arm)[0].folder.path
        rounds = sorted((folder / "rounds").iterdir())
        frames = frames_of(folder)
        assert frames.round is not None
        added = teacher.tica.transform(frames.coords[frames.round >= 0])
        first, last = (_simulated(path, teacher.tica) for path in (rounds[0], rounds[-1]))
        arms[results.arm(arm).label] = (first, last, added)
    return {"reference": teacher.tica.transform(_thinned(teacher.frames.coords)), "arms": arms}


def _simulated(folder: Path, tica: Tica) -> Values:
    run = load(folder)
    coords = run.trajectory().production(run.config["simulation"]["burn_in"])
    return tica.transform(_thinned(coords.reshape(-1, *coords.shape[2:])))


def _thinned(coords: NDArray[np.floating], n: int = 3000) -> NDArray[np.floating]:
    return coords[np.linspace(0, len(coords) - 1, min(n, len(coords))).astype(int)]
