"""Contact maps: how often beads far apart along the chain are near in space, and how far two ensembles differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import UnitMeans
from cgexp.analysis.ensemble import Ensemble
from cgexp.analysis.observables import contact_pairs

Array = NDArray[np.float64]


def contact_rmse(reference: Array, model: Array) -> Array:
    """Root mean square difference of contact probabilities over the pairs (the last axis)."""
    return np.sqrt(np.mean((np.asarray(model) - reference) ** 2, axis=-1))


def compare_contacts(
    reference: Ensemble, model: Ensemble, n_bootstrap: int, rng: np.random.Generator
) -> dict[str, float]:
    """``contact_rmse`` of two ensembles, with the error from the units of the model."""
    expected = UnitMeans.of(reference.contacts, reference.block, reference.weights).mean()
    if not expected.size:  # a chain too short for contacts
        return {}
    found = UnitMeans.of(model.contacts, model.block, model.weights)
    metrics = {"contact_rmse": float(contact_rmse(expected, found.mean()))}
    sem = found.sem(contact_rmse(expected, found.draws(n_bootstrap, rng)))
    return metrics if sem is None else metrics | {"contact_rmse_sem": float(sem)}


def contact_curve(
    reference: Ensemble, model: Ensemble | None, labels: Sequence[str], cutoff: float, reference_name: str
) -> dict[str, Any]:
    """Maps of contact probabilities, [n_residues, n_residues], symmetric, NaN for pairs that are too close in chain."""
    n_residues = len(labels)

    def symmetric(values: Array) -> Array:
        full = np.full((n_residues, n_residues), np.nan)
        first, second = contact_pairs(n_residues)
        full[first, second] = full[second, first] = values
        return full

    sides = {"reference": reference} | ({} if model is None else {"model": model})
    curve: dict[str, Any] = {
        name: symmetric(UnitMeans.of(side.contacts, side.block, side.weights).mean()) for name, side in sides.items()
    }
    if model is not None:
        curve["difference"] = curve["model"] - curve["reference"]
    ticks = [label if label.isdigit() else f"{label}{number}" for number, label in enumerate(labels, start=1)]
    return curve | {"labels": ticks, "cutoff": cutoff, "reference_name": reference_name}
