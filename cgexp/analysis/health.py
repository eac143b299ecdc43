"""Metrics of a simulation's replicas: those that the health check froze, and the swaps of a parallel tempering."""

from __future__ import annotations

from typing import Any

import numpy as np


def replica_metrics(trajectory: Any) -> dict[str, float]:
    """How many replicas failed, and their fraction: of a trajectory whose ``alive`` is [n_replicas] bool.

    With tempering (``exchange``) replicas of all temperatures count, and there are the accepted fractions of swaps,
    the smallest and the mean over pairs of rungs, and the round trips of all walkers.
    """
    exchange = getattr(trajectory, "exchange", None)
    alive = np.asarray(trajectory.alive if exchange is None else exchange.alive)
    metrics = {
        "replicas_failed": float(np.count_nonzero(~alive)),
        "replicas_failed_fraction": float(np.mean(~alive)) if alive.size else 0.0,
    }
    if exchange is not None and exchange.tried.any():
        metrics["exchange_acceptance_min"] = float(np.nanmin(exchange.acceptance))
        metrics["exchange_acceptance_mean"] = float(np.nanmean(exchange.acceptance))
        metrics["round_trips"] = float(exchange.round_trips.sum())
    return metrics
