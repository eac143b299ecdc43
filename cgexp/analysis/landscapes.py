"""Free energies in kT: along single coordinates with errors, and in the plane of the ICs; and plain densities.

Reference and simulation share the bins, which the reference alone defines. Frames beyond them are in no bin; they count
in the normalisation of free energies along a line and of densities, and their share is stated.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import UnitMeans, not_below_runs
from cgexp.analysis.comparison import Bins
from cgexp.analysis.curves import Band, Distribution, FreeEnergy, TicaMaps
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
) -> dict[str, FreeEnergy]:
    """Free energies -ln p(bin) along IC 1, IC 2, RMSD and end-to-end distance, with one standard error."""
    curves = {}
    for name, line in _lines(reference, bins).items():
        of_reference, _ = _energy_along(name, reference, bins, n_bootstrap, rng)
        lowest = float(np.nanmin(of_reference.values))
        of_reference = _shifted(of_reference, lowest)
        curve = FreeEnergy(
            x=0.5 * (line.edges[1:] + line.edges[:-1]),
            label=line.label,
            unit=line.unit,
            reference_name=reference_name,
            reference=of_reference.values,
            reference_sem=of_reference.sem,
            reference_above=of_reference.above,
        )
        if model is not None:
            of_model, outside = _energy_along(name, model, bins, n_bootstrap, rng)
            of_model = _shifted(of_model, lowest)
            difference = _difference(of_model, of_reference)
            curve = replace(
                curve,
                model=of_model.values,
                model_sem=of_model.sem,
                model_above=of_model.above,
                outside=outside,
                difference=difference.values,
                difference_sem=difference.sem,
                difference_above=difference.above,
                difference_below=difference.below,
            )
        curves[name] = curve
    return curves


def _energy_along(
    name: str, ensemble: Ensemble, bins: Bins, n_bootstrap: int, rng: np.random.Generator
) -> tuple[Band, float]:
    """-ln p along one coordinate, and the share of the ensemble beyond the bins."""
    means = _shares(name, ensemble, bins)
    p = means.mean()
    of_runs = [_shares(name, run, bins).mean() for run in ensemble.runs()]
    sem = not_below_runs(means.sem(means.draws(n_bootstrap, rng)), of_runs)
    return _energy(p, sem, of_runs), max(0.0, 1.0 - float(p.sum()))


def _shares(name: str, ensemble: Ensemble, bins: Bins) -> UnitMeans:
    line = _lines(ensemble, bins)[name]
    return UnitMeans.of_bins(line.values, line.edges, ensemble.block, ensemble.weights)


def _energy(p: Array, sem: Array | None, of_runs: list[Array]) -> Band:
    """-ln p of every bin and its error, with a bound where a run has never been or the error is as large as p."""
    energy = -np.log(np.where(p > 0, p, np.nan))
    if sem is None:
        return Band(energy, None)
    vague = (p > 0) & ((sem >= p) | np.any([run <= 0.0 for run in of_runs], axis=0))
    known = np.where((p > 0) & ~vague, p, np.nan)
    return Band(energy, sem / known, above=-np.log(np.where(vague, p + sem, np.nan)))


def _shifted(band: Band, lowest: float) -> Band:
    return band._replace(values=band.values - lowest, above=None if band.above is None else band.above - lowest)


def _difference(model: Band, reference: Band) -> Band:
    """Model less reference; where one of them is a bound, so is the difference."""
    values = model.values - reference.values
    if model.sem is None or reference.sem is None or model.above is None or reference.above is None:
        return Band(values, None)
    known = np.isnan([reference.above, model.above])
    return Band(
        np.where(known.all(axis=0), values, np.nan),
        np.hypot(model.sem, reference.sem),
        above=np.where(known[0], model.above - reference.values, np.nan),
        below=np.where(known[1], model.values - reference.above, np.nan),
    )


def _lines(ensemble: Ensemble, bins: Bins) -> dict[str, _Line]:
    lines = {f"ic{i + 1}": _Line(f"IC {i + 1}", "TICA units", ensemble.tica[:, i], bins.tica[i]) for i in range(2)}
    for name in (name for name in ALONG if name in ensemble.observables):
        quantity = QUANTITIES[name]
        unit = quantity.unit.format(length=ensemble.unit_system.length)
        lines[name] = _Line(quantity.label, unit, ensemble.observables[name][:, 0], bins.observables[name])
    return lines


def tica_curve(reference: Ensemble, model: Ensemble | None, bins: Bins, reference_name: str) -> TicaMaps:
    """Free energies in the plane of the ICs, and their difference."""
    of_reference = free_energy_map(reference.tica, bins.tica, reference.weights)
    maps = TicaMaps(of_reference, reference_name, *bins.tica, highest=float(np.nanmax(of_reference)))
    if model is None:
        return maps
    inside = np.all([(e[0] <= ic) & (ic <= e[-1]) for ic, e in zip(model.tica.T, bins.tica, strict=True)], axis=0)
    maps = replace(maps, model_outside=float(np.mean(~inside)))
    if not inside.any():
        return maps
    of_model = free_energy_map(model.tica, bins.tica)
    difference = _normalised(of_model) - _normalised(of_reference)
    seen = np.abs(difference[np.isfinite(difference)])
    return replace(
        maps,
        highest=max(maps.highest, float(np.nanmax(of_model))),
        model=of_model,
        difference=difference,
        difference_limit=float(seen.max(initial=0.0)) or 1.0,
    )


def _normalised(energy: Array) -> Array:
    """-ln p with p of sum 1, from a free energy up to a constant."""
    return energy + np.log(np.nansum(np.exp(-energy)))


def distributions(
    reference: Ensemble, model: Ensemble | None, bins: Bins, reference_name: str
) -> dict[str, Distribution]:
    """Densities of every observable, its coordinates pooled, with one standard error over blocks (_sem).

    Without the _sem of a side that has a single block.
    """
    curves = {}
    for name in reference.observables:
        quantity, edges = QUANTITIES[name], bins.observables[name]
        curve = Distribution(
            x=0.5 * (edges[1:] + edges[:-1]),
            label=quantity.label,
            unit=quantity.unit.format(length=reference.unit_system.length),
            reference_name=reference_name,
            reference=_density(reference.observables[name], edges, reference.weights),
            reference_sem=_density_sem(reference, name, edges),
        )
        if model is not None:
            units = model.observables[name].reshape(len(np.unique(model.block)), -1, 1)  # of equal size, in order
            densities = np.array([_density(unit, edges) for unit in units])
            n_units = len(densities)
            sem = densities.std(axis=0, ddof=1) / np.sqrt(n_units) if n_units > 1 else None
            curve = replace(curve, model=densities.mean(axis=0), model_sem=sem)
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
