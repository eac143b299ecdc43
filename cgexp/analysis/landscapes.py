"""Free energies in kT: along single coordinates with errors, and in the plane of the ICs; and plain densities.

Reference and simulation share the bins, which the reference alone defines. Frames beyond them are in no bin; they count
in the normalisation of free energies along a line and of densities, and their share is stated.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import UnitMeans, not_below_runs
from cgexp.analysis.comparison import Bins
from cgexp.analysis.ensemble import Ensemble
from cgexp.analysis.free_energy import free_energy_map
from cgexp.analysis.observables import QUANTITIES

Array = NDArray[np.float64]


class _Line(NamedTuple):
    label: str
    unit: str
    values: Array
    edges: Array


ALONG = ("rmsd", "end_to_end")  # observables of one coordinate whose free energy is shown, beside both ICs


def free_energy_curve(
    reference: Ensemble,
    model: Ensemble | None,
    bins: Bins,
    reference_name: str,
    n_bootstrap: int,
    rng: np.random.Generator,
) -> dict[str, dict[str, Any]]:
    """Free energies -ln p(bin) along IC 1, IC 2, RMSD and end-to-end distance, with one standard error.

    Each: x, reference, model, their _sem, and difference = model - reference with difference_sem, [n_bins] in kT. Both
    are shifted by what brings the reference's minimum to zero, so that the difference is ln(p_reference / p_model). NaN
    in bins that a side has not visited. Where a run has never been, or the error is as large as p, one side alone is
    known: _sem is NaN there, reference_above or model_above the bound -ln(p + error) (else NaN), and the difference
    difference_above or difference_below. outside: share of the simulation beyond the bins.
    """
    curves: dict[str, dict[str, Any]] = {}
    sides = {"reference": reference} | ({} if model is None else {"model": model})
    lines = {side: _lines(ensemble, bins) for side, ensemble in sides.items()}
    for name, line in lines["reference"].items():
        curve: dict[str, Any] = {"x": 0.5 * (line.edges[1:] + line.edges[:-1]), "label": line.label, "unit": line.unit}
        curve["reference_name"] = reference_name
        for side, ensemble in sides.items():
            means = _shares(lines[side][name].values, line.edges, ensemble)
            p = means.mean()
            of_runs = [_shares(_lines(run, bins)[name].values, line.edges, run).mean() for run in ensemble.runs()]
            sem = not_below_runs(means.sem(means.draws(n_bootstrap, rng)), of_runs)
            curve |= {f"{side}{ending}": values for ending, values in _energy(p, sem, of_runs).items()}
            if side == "model":
                curve["outside"] = max(0.0, 1.0 - float(p.sum()))
        lowest = np.nanmin(curve["reference"])
        for key in [f"{side}{ending}" for side in sides for ending in ("", "_above")]:
            if key in curve:
                curve[key] = curve[key] - lowest
        if model is not None:
            curve["difference"] = curve["model"] - curve["reference"]
            if {"reference_sem", "model_sem"} <= curve.keys():
                curve["difference_sem"] = np.hypot(curve["model_sem"], curve["reference_sem"])
                known = np.isnan([curve["reference_above"], curve["model_above"]])
                curve["difference"] = np.where(known.all(axis=0), curve["difference"], np.nan)
                curve["difference_above"] = np.where(known[0], curve["model_above"] - curve["reference"], np.nan)
                curve["difference_below"] = np.where(known[1], curve["model"] - curve["reference_above"], np.nan)
        curves[name] = curve
    return curves


def _shares(values: Array, edges: Array, ensemble: Ensemble) -> UnitMeans:
    return UnitMeans.of_bins(values, edges, ensemble.block, ensemble.weights)


def _energy(p: Array, sem: Array | None, of_runs: list[Array]) -> dict[str, Array]:
    """-ln p of every bin, its error '_sem', and '_above' where a run has never been or the error is as large as p."""
    energy = -np.log(np.where(p > 0, p, np.nan))
    if sem is None:
        return {"": energy}
    vague = (p > 0) & ((sem >= p) | np.any([run <= 0.0 for run in of_runs], axis=0))
    known = np.where((p > 0) & ~vague, p, np.nan)
    above = -np.log(np.where(vague, p + sem, np.nan))
    return {"": energy, "_sem": sem / known, "_above": above}


def _lines(ensemble: Ensemble, bins: Bins) -> dict[str, _Line]:
    lines = {f"ic{i + 1}": _Line(f"IC {i + 1}", "TICA units", ensemble.tica[:, i], bins.tica[i]) for i in range(2)}
    for name in (name for name in ALONG if name in ensemble.observables):
        quantity = QUANTITIES[name]
        unit = quantity.unit.format(length=ensemble.unit_system.length)
        lines[name] = _Line(quantity.label, unit, ensemble.observables[name][:, 0], bins.observables[name])
    return lines


def tica_curve(reference: Ensemble, model: Ensemble | None, bins: Bins, reference_name: str) -> dict[str, Any]:
    """Free energies in the plane of the ICs, each with its minimum at zero, NaN where no frame is: [n_bins, n_bins].

    difference: ln(p_reference / p_model) of the bins that both visited, p normalised over the map; difference_limit:
    its largest size. highest: of both maps, kT. model_outside: share of the simulation beyond the map.
    """
    curve: dict[str, Any] = {
        "reference": free_energy_map(reference.tica, bins.tica, reference.weights),
        "reference_name": reference_name,
        "edges_ic1": bins.tica[0],
        "edges_ic2": bins.tica[1],
    }
    curve["highest"] = float(np.nanmax(curve["reference"]))
    if model is not None:
        inside = np.all([(e[0] <= ic) & (ic <= e[-1]) for ic, e in zip(model.tica.T, bins.tica, strict=True)], axis=0)
        curve["model_outside"] = float(np.mean(~inside))
        if inside.any():
            curve["model"] = free_energy_map(model.tica, bins.tica)
            curve["highest"] = max(curve["highest"], float(np.nanmax(curve["model"])))
            curve["difference"] = _normalised(curve["model"]) - _normalised(curve["reference"])
            seen = np.abs(curve["difference"][np.isfinite(curve["difference"])])
            curve["difference_limit"] = float(seen.max(initial=0.0)) or 1.0
    return curve


def _normalised(energy: Array) -> Array:
    """-ln p with p of sum 1, from a free energy up to a constant."""
    return energy + np.log(np.nansum(np.exp(-energy)))


def distributions(
    reference: Ensemble, model: Ensemble | None, bins: Bins, reference_name: str
) -> dict[str, dict[str, Any]]:
    """Densities of every observable, its coordinates pooled, with one standard error over blocks (_sem).

    Without the _sem of a side that has a single block.
    """
    curves: dict[str, dict[str, Any]] = {}
    for name in reference.observables:
        quantity = QUANTITIES[name]
        edges = bins.observables[name]
        curve: dict[str, Any] = {"x": 0.5 * (edges[1:] + edges[:-1]), "label": quantity.label}
        curve["unit"] = quantity.unit.format(length=reference.unit_system.length)
        curve["reference_name"] = reference_name
        curve["reference"] = _density(reference.observables[name], edges, reference.weights)
        sem = _density_sem(reference, name, edges)
        if sem is not None:
            curve["reference_sem"] = sem
        if model is not None:
            units = model.observables[name].reshape(len(np.unique(model.block)), -1, 1)  # of equal size, in order
            densities = np.array([_density(unit, edges) for unit in units])
            curve["model"] = densities.mean(axis=0)
            if len(densities) > 1:
                curve["model_sem"] = densities.std(axis=0, ddof=1) / np.sqrt(len(densities))
        curves[name] = curve
    return curves


def _density_sem(ensemble: Ensemble, name: str, edges: Array) -> Array | None:
    of_runs = [_pooled(run, name, edges).mean() for run in ensemble.runs()]
    sem = not_below_runs(_pooled(ensemble, name, edges).mean_sem(), of_runs)
    return None if sem is None else sem / np.diff(edges)


def _pooled(ensemble: Ensemble, name: str, edges: Array) -> UnitMeans:
    """Shares of the bins, all coordinates of the observable together."""
    values, weights = ensemble.observables[name], ensemble.weights
    n_coordinates = values.shape[1]
    pooled = None if weights is None else np.repeat(weights, n_coordinates)
    return UnitMeans.of_bins(values.ravel(), edges, np.repeat(ensemble.block, n_coordinates), pooled)


def _density(values: Array, edges: Array, weights: NDArray[np.floating] | None = None) -> Array:
    if weights is not None:
        weights = np.repeat(weights, values.shape[1])
    counts, _ = np.histogram(values.ravel(), edges, weights=weights)
    total = values.size if weights is None else weights.sum()
    return counts / (total * np.diff(edges))
