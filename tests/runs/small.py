"""Runs of a test: small configs, and what two runs of the same have in common."""

from __future__ import annotations

from pathlib import Path

from cgexp.config.checks import check
from cgexp.config.compose import Config, compose


def configure(outputs: Path, *overrides: str) -> Config:
    fast = ("debug=fast", "figures=none", "analysis.n_bootstrap=2")
    config = compose([*fast, f"outputs={outputs}", *overrides])
    check(config)
    return config


def quiet(text: str) -> None:
    """Say nothing."""


def without_costs(metrics: dict[str, float]) -> dict[str, float]:
    """All metrics but those that differ between two runs of the same."""
    measured = ("train_seconds", "train_frames_per_second", "simulation_replica_steps_per_second", "memory_peak_mb")
    return {name: value for name, value in metrics.items() if name not in measured}
