"""Metrics of a simulation's replicas that the health check froze."""

from __future__ import annotations

from typing import Any

import numpy as np


def replica_metrics(trajectory: Any) -> dict[str, float]:
    """How many replicas failed, and their fraction: of a trajectory whose ``alive`` is [n_replicas] bool."""
    alive = np.asarray(trajectory.alive)
    return {
        "replicas_failed": float(np.count_nonzero(~alive)),
        "replicas_failed_fraction": float(np.mean(~alive)) if len(alive) else 0.0,
    }
