"""Active learning on the toy: PMF before and after with the frames that were added, and errors round by round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cgexp.active.rounds import rounds_of
from cgexp.build import build
from cgexp.report.active_figures import pmf_rounds_figure, rounds_figure
from cgexp.runs.active import frames_of
from cgexp.runs.active_figures import pmf_curve, round_curves
from cgexp.runs.load import Run, load
from cgexp.studies.results import Results
from cgexp.systems.toy import ToyPotential

BARRIER = 0.12  # length, where the exact PMF is highest between the wells
SHOWN = {"learning": "farthest points", "random": "random", "plain": "plain sampling"}


def numbers(results: Results) -> dict[str, Sequence[float]]:
    """What the table and expected.yaml need besides the metrics of the last round."""
    found: dict[str, Sequence[float]] = {}
    errors = {}
    for arm in results.by_arm:
        runs = results.runs(arm)
        of_runs = [rounds_of(run.folder.path) for run in runs]
        errors[arm] = np.array([[done.metrics["pmf_rmse_integration"] for done in rounds] for rounds in of_runs])
        found[f"{arm}.pmf_rmse_before"] = errors[arm][:, 0].tolist()
        found[f"{arm}.pmf_rmse_ratio"] = (errors[arm][:, -1] / errors[arm][:, 0]).tolist()
        found[f"{arm}.labels_in_left_well"] = [_labels_on_the_left(run) for run in runs]
        found[f"{arm}.left_population"] = [_left_population(run) for run in runs]
    for arm in ("random", "plain", "none"):
        for when, last in (("after_one_round", 1), ("at_the_end", -1)):
            better = errors["learning"][:, last] < errors[arm][:, last]
            found[f"learning.better_than_{arm}_{when}"] = better.astype(float).tolist()
    return found


def figures(results: Results) -> dict[str, Figure]:
    """The figures of the README."""
    system = build(results.runs("learning")[0].config["dataset"]["system"], ToyPotential)
    arms: dict[str, Any] = {}
    by_random = results.values("random", "pmf_rmse_integration")
    middling = int(np.argsort(by_random)[len(by_random) // 2])
    for arm, label in SHOWN.items():
        folder = results.runs(arm)[middling].folder.path
        arms[label] = (folder, rounds_of(folder), frames_of(folder))
    rounds = {
        results.arm(arm).label: [rounds_of(run.folder.path) for run in results.runs(arm)] for arm in results.by_arm
    }
    return {
        "rounds": rounds_figure(round_curves(rounds, "reduced")),
        "pmf": pmf_rounds_figure(pmf_curve(system, arms)),
    }


def _labels_on_the_left(run: Run) -> float:
    frames = frames_of(run.folder.path)
    assert frames.round is not None
    return float((frames.coords[frames.round >= 0] < BARRIER).sum())


def _left_population(run: Run) -> float:
    """Share of the last model's simulation that is left of the barrier."""
    last = sorted((run.folder.path / "rounds").iterdir())[-1]
    burn_in = run.config["simulation"]["burn_in"]
    return float((load(last).trajectory().production(burn_in) < BARRIER).mean())
