"""ForceAnalysis: a run without a simulation has losses and mean forces, and nothing else."""

from __future__ import annotations

from pathlib import Path

from cgexp.analysis.forces import ForceAnalysis
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.runs.load import load
from cgexp.runs.pipeline import run


def test_it_needs_no_simulation() -> None:
    assert not ForceAnalysis.needs_simulation
    assert ForceAnalysis().evaluate(None, None, None, None, 0.0).metrics == {}


def test_a_run_without_a_simulation(tmp_path: Path) -> None:
    given = ["experiment=chignolin_first", "simulation=none", "analysis=forces", "debug=fast", "figures=none"]
    config = compose([*given, "logger=csv", f"outputs={tmp_path}"])
    check(config)
    metrics = load(run(config, say=lambda text: None).path).metrics
    assert {"loss_validation", "loss_prior_only", "loss_train"} <= set(metrics)
    assert not any(name.startswith(("w1_", "replicas_")) for name in metrics)
