"""Comparisons that the tests of figures and of pages share."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np

from cgexp.analysis.arms import ArmRuns, Comparison, compare_arms
from cgexp.report.comparison_figures import short_labels
from cgexp.report.html_comparison import ComparisonContent, RunOfArm
from tests.report.pages import picture

CODE = {"version": "1", "commit": None, "dirty": None}


def made(settings: Mapping[str, list[object]], seeds: int = 3) -> Comparison:
    """Arms of all combinations of settings, with two metrics."""
    rng, arms = np.random.default_rng(0), []
    for values in product(*settings.values()):
        label = ", ".join(f"{name}={value}" for name, value in zip(settings, values, strict=True))
        runs = {(s,): {"w1_x": rng.uniform(0.1, 1.0), "round_trips": rng.uniform(1.0, 50.0)} for s in range(seeds)}
        arms.append(ArmRuns(label, dict(zip(settings, values, strict=True)), runs))  # type: ignore[arg-type]
    return compare_arms(arms, list(settings), ["w1_x", "round_trips"], 0)


def comparison_content(found: Comparison, tmp_path: Path, epochs: int = 20) -> ComparisonContent:
    runs = [
        RunOfArm(i, key[0], f"run{i}-{key[0]}", metrics)  # type: ignore[index]
        for i, arm in enumerate(found.arms)
        for key, metrics in arm.metrics.items()
    ]
    curve = (np.arange(float(epochs)), np.exp(-np.arange(epochs) / 5.0))
    histories = {label: [curve] * 3 for label in short_labels(found)[0]}
    figures = {"runs_by_arm": picture(tmp_path / "runs_by_arm.png")}
    return ComparisonContent(found, "reduced", ["How it was judged."], runs, histories, CODE, figures)
